"""The registers of the simulation as the files that `register import` and `watchlist import` take."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.register import Camera, ListedVehicle, Officer, Site, Unit
from saqtau.simulate.register import Account, Registers

WATCHLIST = "vehicles.csv"
REGISTERS = ("sites.csv", "cameras.geojson", "units.csv", "officers.csv")
"""In the order of import: a camera names its site, an officer the unit."""
ACCOUNTS = "accounts.csv"
CAST = "cast.json"


def write_registers(registers: Registers, folder: Path) -> None:
    """Write every file of `REGISTERS`, the watch list, the accounts and `cast.json`, what the simulation reads back.

    The cameras' file and `cast.json` hold the cameras' tokens: both are readable by their owner only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    public = {
        "sites.csv": _csv(Site, registers.sites),
        "units.csv": _csv(Unit, registers.units),
        "officers.csv": _csv(Officer, registers.officers),
        WATCHLIST: _csv(ListedVehicle, registers.vehicles),
        ACCOUNTS: _csv(Account, registers.accounts),
    }
    secret = {
        "cameras.geojson": _geojson(registers.cameras, registers.tokens),
        CAST: msgspec.json.encode(registers),
    }
    for name, data in public.items():
        (folder / name).write_bytes(data)
    for name, data in secret.items():
        file = folder / name
        file.touch(mode=0o600)
        file.chmod(0o600)
        file.write_bytes(data)


def read_registers(folder: Path) -> Registers:
    """The registers as they were written. Raises msgspec.DecodeError for a damaged file, OSError for none."""
    return msgspec.json.decode((folder / CAST).read_bytes(), type=Registers)


def _csv(kind: type[msgspec.Struct], rows: Iterable[msgspec.Struct]) -> bytes:
    """A header of the struct's field names, then its values; several values of a field are joined by `;`."""
    names = kind.__struct_fields__
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(name, getattr(row, name)) for name in names])
    return out.getvalue().encode()


def _cell(name: str, value: object) -> str:
    match value:
        case None:
            return ""
        case True | False:
            return "yes" if value else "no"
        case tuple():
            return ";".join(map(str, value))
        case int() if name == "expires":
            return _iso(Instant(value))
        case _:
            return str(value)


def _geojson(cameras: Sequence[Camera], tokens: Mapping[str, str]) -> bytes:
    """Points with the camera's fields and its token as properties."""
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [camera.lon, camera.lat]},
            "properties": _properties(camera) | {"token": tokens[camera.id]},
        }
        for camera in cameras
    ]
    return msgspec.json.format(msgspec.json.encode({"type": "FeatureCollection", "features": features}), indent=1)


def _properties(camera: Camera) -> dict[str, object]:
    plain = msgspec.structs.asdict(camera)
    certificate = plain.pop("certificate")
    told: dict[str, object] = {key: value for key, value in plain.items() if key not in ("lat", "lon")}
    if certificate is not None:
        told |= {
            "certificate_number": certificate.number,
            "certificate_from": _iso(certificate.valid_from),
            "certificate_until": _iso(certificate.valid_until),
        }
    return told


def _iso(at: Instant) -> str:
    return datetime.fromtimestamp(at / SECOND, UTC).date().isoformat()
