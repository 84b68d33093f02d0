"""What a person types. Each verb is thin: it reads the configuration, asks `bootstrap`, and prints the answer."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape

from saqtau.cli import camera_asking as _camera_asking  # noqa: F401 - adds its verbs to those of cameras
from saqtau.cli import user_keys, witness
from saqtau.cli.camera import verbs as camera_verbs
from saqtau.cli.policy import verbs as policy_verbs
from saqtau.cli.report import report
from saqtau.cli.verify import verbs as verify_verbs
from saqtau.cli.verify_dark import dark
from saqtau.kernel.errors import Refused

app = typer.Typer(
    name="saqtau",
    help="The digital work of a police and public-safety authority, accountable by construction.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
map_verbs = typer.Typer(no_args_is_help=True, help="The road map of the authority's area.")
register_verbs = typer.Typer(no_args_is_help=True, help="Sites, cameras, units and officers.")
watchlist_verbs = typer.Typer(no_args_is_help=True, help="Vehicles on the list.")
user_verbs = typer.Typer(no_args_is_help=True, help="People who may log in.")
app.add_typer(map_verbs, name="map")
app.add_typer(register_verbs, name="register")
app.add_typer(watchlist_verbs, name="watchlist")
app.add_typer(user_verbs, name="user")
app.add_typer(camera_verbs, name="camera")
user_keys.add_to(user_verbs)
app.add_typer(verify_verbs, name="verify")
verify_verbs.command("dark")(dark)
app.add_typer(witness.verbs, name="witness")
app.add_typer(policy_verbs, name="policy")
app.command("report")(report)

PLAIN: Final[Any] = {"soft_wrap": True, "markup": False, "highlight": False, "emoji": False}
"""What is said is data: a bracket in a file's name or a log line is no markup."""
out = Console(**PLAIN)
ConfigFile = Annotated[Path | None, typer.Option("--config", help="The TOML file; default saqtau.toml if it is there.")]
Folder = Annotated[Path | None, typer.Option("--folder", help="The data folder; overrides the file's.")]
Source = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]


@app.command()
def run(
    config: ConfigFile = None,
    folder: Folder = None,
    *,
    demonstration: Annotated[
        bool, typer.Option("--demonstration", help="Generate a city, drive it through the public inputs.")
    ] = False,
) -> None:
    """Start everything on this machine and watch over it; Ctrl-C stops it."""
    from saqtau import bootstrap
    from saqtau.bootstrap.gone import be_gone

    bootstrap.start(bootstrap.configured(config, folder), demonstration=demonstration, say=_steps())
    be_gone()


def _steps() -> Callable[[str], None]:
    """Says lines; on a screen one that ends in "..." turns until the next one comes."""
    if not out.is_terminal:
        return out.print
    turning = out.status("")

    def say(line: str) -> None:
        if line.endswith("..."):
            turning.update(escape(line))
            turning.start()
        else:
            turning.stop()
            out.print(line)

    return say


@map_verbs.command("import")
def map_import(source: Source, config: ConfigFile = None, folder: Folder = None) -> None:
    """Read an OpenStreetMap extract (.osm.pbf): road graph for decisions, tiles for the screen."""
    from saqtau import bootstrap

    with out.status("Reading the map ...") as status:
        found = bootstrap.configured(config, folder)
        summary = bootstrap.import_map(found, source, lambda line: status.update(escape(line)))
    out.print(summary)


@register_verbs.command("import")
def register_import(
    source: Source,
    kind: Annotated[
        str | None,
        typer.Option(
            help="sites, cameras, video_cameras, units, officers, cases or shifts; default: by the file's name."
        ),
    ] = None,
    config: ConfigFile = None,
    folder: Folder = None,
    *,
    accept_good: Annotated[
        bool, typer.Option("--accept-good", help="Import the good rows of a file with bad ones.")
    ] = False,
) -> None:
    """Import a register from CSV or GeoJSON. A line for each refused row; nothing half imported."""
    _import(source, kind or source.name.partition(".")[0], config, folder, accept_good=accept_good)


@watchlist_verbs.command("import")
def watchlist_import(
    source: Source,
    config: ConfigFile = None,
    folder: Folder = None,
    *,
    accept_good: Annotated[
        bool, typer.Option("--accept-good", help="Import the good rows of a file with bad ones.")
    ] = False,
) -> None:
    """Import vehicles on the list: plate, ground, authority, basis, expiry."""
    _import(source, "vehicles", config, folder, accept_good=accept_good)


def _import(source: Path, kind: str, config: Path | None, folder: Path | None, *, accept_good: bool) -> None:
    from saqtau import bootstrap

    with out.status(f"Importing {kind} ..."):
        report = bootstrap.import_register(bootstrap.configured(config, folder), kind, source, accept_good=accept_good)
    for refusal in report.refusals:
        out.print(f"row {refusal.row}: {refusal.field}: {refusal.reason}", style="yellow")
    out.print(f"{report.imported} imported, {len(report.refusals)} refused")
    if report.refusals and not report.imported:
        out.print("Nothing was imported: mend the rows above, or say --accept-good.", style="yellow")
        raise typer.Exit(1)


@user_verbs.command("add")
def user_add(
    name: str,
    role: Annotated[
        list[str], typer.Option(help="operator, duty_officer, inspector, patrol, prosecutor, auditor, ...")
    ],
    region: Annotated[list[int] | None, typer.Option(help="Region of duty; may be given again.")] = None,
    unit: Annotated[str | None, typer.Option(help="The unit of a patrol.")] = None,
    language: Annotated[str, typer.Option(help="kk, ru or en")] = "kk",
    password_file: Annotated[
        Path | None, typer.Option(help="A file with the password; else one is made and shown once.")
    ] = None,
    config: ConfigFile = None,
    folder: Folder = None,
) -> None:
    """Add a person who may log in."""
    from saqtau import bootstrap

    password = bootstrap.add_user(
        bootstrap.configured(config, folder), name, role, region or [], unit, language, password_file
    )
    out.print(f"{name} may log in" + (f" with the password {password}" if password else ""))


@user_verbs.command("password")
def user_password(
    name: str,
    password_file: Annotated[Path | None, typer.Option(help="A file with it; else one is made and shown once.")] = None,
    config: ConfigFile = None,
    folder: Folder = None,
) -> None:
    """Give a person a new password; every session of theirs ends."""
    from saqtau import bootstrap

    made = bootstrap.change_password(bootstrap.configured(config, folder), name, password_file)
    out.print(f"{name} has a new password" + (f": {made}" if made else ""), highlight=False)


@user_verbs.command("disable")
def user_disable(name: str, config: ConfigFile = None, folder: Folder = None) -> None:
    """End a person's access at once. The account stays: what it did must keep its name."""
    from saqtau import bootstrap

    bootstrap.disable_user(bootstrap.configured(config, folder), name)
    out.print(f"{name} may not log in any more", highlight=False)


@app.command()
def simulate(
    city: Annotated[Path, typer.Argument(help="Folder of the city: its registers and the simulation's cast.")],
    config: ConfigFile = None,
    folder: Folder = None,
) -> None:
    """Drive a generated city's traffic and patrols through the public inputs of a running Saqtau."""
    from saqtau import bootstrap

    bootstrap.simulate(bootstrap.configured(config, folder), city)


@app.command()
def bench(
    claim: Annotated[str | None, typer.Argument(help="A file of bench/ without .py; none lists them.")] = None,
) -> None:
    """Measure a claim of the README on this machine, beside its named peer (from a checkout)."""
    from saqtau import bootstrap

    bootstrap.bench(claim, out.print)


def main() -> None:
    """Run the command; a refusal is one line, not a traceback."""
    try:
        app()
    except Refused as refusal:
        fields = ", ".join(f"{name}: {reason}" for name, reason in refusal.fields.items())
        told = " ".join(f"{refusal.message} ({fields})".split())
        Console(stderr=True, **PLAIN).print(told, style="red")
        raise SystemExit(1) from None
