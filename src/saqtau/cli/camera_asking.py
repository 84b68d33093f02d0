"""`saqtau camera find | ask`: cameras that are not registered yet, asked over ONVIF."""

from pathlib import Path
from typing import Annotated

import typer

from saqtau.cli.camera import verbs

LONGEST_DRIFT = 2_000  # ms that are worth no word


@verbs.command("find")
def find(
    seconds: Annotated[float, typer.Option(help="How long to listen.", min=0.5, max=30)] = 3.0,
    interface: Annotated[str | None, typer.Option(help="Only the network of this address of ours.")] = None,
) -> None:
    """Call into the networks of this machine: which ONVIF cameras answer."""
    from saqtau.bootstrap.camera_asking import find_devices

    found = find_devices(seconds, interface)
    for one in found:
        typer.echo(f"{one.service}  {one.name}  {one.hardware}".rstrip())
    typer.echo(f"{len(found)} answered; `saqtau camera ask ADDRESS` says what one offers", err=True)


@verbs.command("ask")
def ask(
    service: Annotated[str, typer.Argument(help="As `find` tells it: http://CAMERA/onvif/device_service")],
    credentials: Annotated[Path | None, typer.Option(help="A file with user:password.")] = None,
) -> None:
    """Ask a camera over ONVIF: what it is, how its clock goes, and the addresses for `saqtau camera add`."""
    from saqtau.bootstrap.camera_asking import ask_device

    told = ask_device(service, credentials)
    typer.echo(f"{told.maker} {told.model}, firmware {told.firmware}, number {told.serial}")
    for one in told.profiles:
        shape = f"{one.width}x{one.height}" if one.width and one.height else "size unknown"
        rate = f", {one.fps:g} pictures/s" if one.fps else ""
        typer.echo(f"  {one.address or 'no stream'}  {one.name}: {one.codec or 'no pictures'} {shape}{rate}")
    if told.drift is None:
        typer.echo("  it tells no time")
    elif abs(told.drift) > LONGEST_DRIFT:
        way = "ahead" if told.drift > 0 else "behind"
        typer.echo(f"  its clock is {abs(told.drift) / 1000:.0f} s {way}: set it (NTP) before it is evidence")
    typer.echo(f"  {'keeps recordings of its own' if told.stores else 'keeps no recordings'}")
