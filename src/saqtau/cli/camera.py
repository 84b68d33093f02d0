"""`saqtau camera add | list | disable | enable | retire | plug | unplug`: cameras that are recorded."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

verbs = typer.Typer(no_args_is_help=True, help="Cameras that are recorded.")
_out = Console(soft_wrap=True, markup=False, highlight=False, emoji=False)
ConfigFile = Annotated[Path | None, typer.Option("--config", help="The TOML file; default saqtau.toml if it is there.")]
Folder = Annotated[Path | None, typer.Option("--folder", help="The data folder; overrides the file's.")]
Code = Annotated[str, typer.Argument(help="The camera's code.")]
Reason = Annotated[str, typer.Option(help="Why: 10 to 300 letters. It stands in the log and in the camera's chain.")]


@verbs.command("add")
def add(
    code: Code,
    address: Annotated[str, typer.Argument(help="rtsp://..., rtsps://, rtmp://, http(s)://, file:///; no password.")],
    site: Annotated[str, typer.Option(help="The code of its site.")],
    place: Annotated[str, typer.Option(help="street, school, police_office or penal_colony")],
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    room: Annotated[str | None, typer.Option(help="hall, corridor, cell, interview, duty_desk or yard")] = None,
    lat: Annotated[float | None, typer.Option(help="Default: its site's.")] = None,
    lon: Annotated[float | None, typer.Option(help="Default: its site's.")] = None,
    heading: Annotated[float | None, typer.Option(help="Where it looks, degrees; north is 0.")] = None,
    keep_days: Annotated[int | None, typer.Option(help="Default: what is usual for such a place.")] = None,
    credentials: Annotated[
        Path | None, typer.Option(help="A file with user:password; it is copied into the secrets.")
    ] = None,
    service: Annotated[
        str | None, typer.Option(help="Its ONVIF device service, http(s)://...: it is listened to what it tells.")
    ] = None,
    config: ConfigFile = None,
    folder: Folder = None,
    *,
    audio: Annotated[bool, typer.Option("--audio", help="Record its sound too.")] = False,
) -> None:
    """Record a camera from now on."""
    from saqtau import bootstrap
    from saqtau.bootstrap.cameras import CameraWish

    wish = CameraWish(code, address, site, place, name, room, lat, lon, heading, keep_days, audio, credentials, service)
    _out.print(bootstrap.add_camera(bootstrap.configured(config, folder), wish))


@verbs.command("list")
def list_(config: ConfigFile = None, folder: Folder = None) -> None:
    """Every recorded camera and how it is."""
    from saqtau import bootstrap

    titles = ("camera", "place", "site", "state", "since", "newest picture", "name")
    found = bootstrap.list_cameras(bootstrap.configured(config, folder))
    rows = [(code, place, site, state, _clock(since), _clock(newest), name)
            for code, place, site, name, state, since, newest in found]  # fmt: skip
    widths = [max(len(row[column]) for row in (titles, *rows)) for column in range(len(titles))]
    for row in (titles, *rows):
        _out.print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


@verbs.command("disable")
def disable(
    code: Code,
    reason: Reason,
    hours: Annotated[float | None, typer.Option(help="It is switched on by itself after so many.")] = None,
    config: ConfigFile = None,
    folder: Folder = None,
    *,
    maintenance: Annotated[
        bool, typer.Option("--maintenance", help="Announce work on it; it is recorded where it can be.")
    ] = False,
) -> None:
    """Record nothing of it any more. Who did it, and why, stands in the log and in the camera's chain."""
    from saqtau import bootstrap

    found = bootstrap.configured(config, folder)
    bootstrap.switch_camera_off(found, code, reason, maintenance=maintenance, hours=hours)
    _out.print(f"work on {code} is announced" if maintenance else f"{code} is switched off")


@verbs.command("enable")
def enable(code: Code, config: ConfigFile = None, folder: Folder = None) -> None:
    """Record it again."""
    from saqtau import bootstrap

    bootstrap.switch_camera_on(bootstrap.configured(config, folder), code)
    _out.print(f"{code} is recorded again")


@verbs.command("learn")
def learn(code: Code, reason: Reason, config: ConfigFile = None, folder: Folder = None) -> None:
    """It was moved on purpose: how it looks when it is well is learned anew, from its next pictures."""
    from saqtau import bootstrap

    bootstrap.learn_camera(bootstrap.configured(config, folder), code, reason)
    _out.print(f"{code} is learned anew; until then its verdict stays")


@verbs.command("retire")
def retire(code: Code, reason: Reason, config: ConfigFile = None, folder: Folder = None) -> None:
    """It is gone for good. What was recorded of it stays for its days."""
    from saqtau import bootstrap

    bootstrap.retire_camera(bootstrap.configured(config, folder), code, reason)
    _out.print(f"{code} is recorded no more")


@verbs.command("unplug")
def unplug(address: Annotated[str, typer.Argument(help="Of a camera of the demonstration.")]) -> None:
    """Pull the plug of a camera of the demonstration."""
    from saqtau import bootstrap

    bootstrap.move_plug(address, out=True)
    _out.print(f"{address} is dark")


@verbs.command("plug")
def plug(address: Annotated[str, typer.Argument(help="Of a camera of the demonstration.")]) -> None:
    """Put its plug in again."""
    from saqtau import bootstrap

    bootstrap.move_plug(address, out=False)
    _out.print(f"{address} plays again")


def _clock(text: str) -> str:
    if not text:
        return "-"
    return datetime.fromtimestamp(int(text) / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
