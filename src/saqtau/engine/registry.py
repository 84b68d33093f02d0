"""The registers as a worker and the intake hold them in memory, read again when an import has changed them."""

from typing import Any

import msgspec

from saqtau.kernel.clock import Instant
from saqtau.kernel.register import URGENT, Camera, Certificate, Ground, ListedVehicle


class Registers(msgspec.Struct, frozen=True):
    """Cameras by id and by the digest of their token, listed vehicles by plate, and the plates of the urgent list."""

    revision: int
    cameras: dict[str, Camera]
    by_token: dict[bytes, Camera]
    units_by_token: dict[bytes, str]
    listed: dict[str, tuple[ListedVehicle, ...]]
    urgent: frozenset[str]


NOTHING = Registers(-1, {}, {}, {}, {}, frozenset())

_CAMERAS = """
    select id, site, name, region, lat, lon, heading, speed_limit, certificate_number, certificate_from,
        certificate_until, address, token_hash from camera
"""
_LISTED = "select plate, ground, authority, basis, expires, region, note from listed_vehicle where expires > $1"


def _camera(row: Any) -> Camera:
    number = row["certificate_number"]
    return Camera(
        id=row["id"],
        site=row["site"],
        name=row["name"],
        region=row["region"],
        lat=row["lat"],
        lon=row["lon"],
        heading=row["heading"],
        limit=row["speed_limit"],
        certificate=Certificate(number, row["certificate_from"], row["certificate_until"]) if number else None,
        address=row["address"],
    )


async def read_registers(pg: Any, known: Registers, now: Instant) -> Registers:
    """The registers as they are; `known` itself when no import has changed them. pg: as saqtau_worker."""
    revision = int(await pg.fetchval("select coalesce(sum(revision), 0) from register_revision"))
    if revision == known.revision:
        return known
    rows = await pg.fetch(_CAMERAS)
    cameras = {row["id"]: _camera(row) for row in rows}
    listed: dict[str, tuple[ListedVehicle, ...]] = {}
    for row in await pg.fetch(_LISTED, now):
        entry = ListedVehicle(
            plate=row["plate"],
            ground=Ground(row["ground"]),
            authority=row["authority"],
            basis=row["basis"],
            expires=Instant(row["expires"]),
            region=row["region"],
            note=row["note"],
        )
        listed[entry.plate] = (*listed.get(entry.plate, ()), entry)
    return Registers(
        revision=revision,
        cameras=cameras,
        by_token={row["token_hash"]: cameras[row["id"]] for row in rows if row["token_hash"] is not None},
        units_by_token={
            row["token_hash"]: row["id"]
            for row in await pg.fetch("select id, token_hash from unit where token_hash is not null")
        },
        listed=listed,
        urgent=frozenset(plate for plate, found in listed.items() if any(one.ground in URGENT for one in found)),
    )
