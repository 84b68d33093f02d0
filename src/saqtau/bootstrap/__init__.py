"""The one place where parts meet: configuration in, processes and answers out.

Each function imports what it needs: a witness, which has no road graph, must not wait for one to be loaded.
"""

import asyncio
import secrets
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from saqtau.config import Config, read_config
from saqtau.engine.place import read_secret
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.witness.apart import refuse_witness_near

if TYPE_CHECKING:
    from saqtau.bootstrap.cameras import CameraWish
    from saqtau.engine.recount import Recount
    from saqtau.engine.registers import Report
    from saqtau.engine.verify import Finding

Say = Callable[[str], None]


def configured(config: Path | None, folder: Path | None) -> Config:
    """The configuration, with the folder of the command line. Raises Refused as `read_config`."""
    return read_config(config, folder)


def start(config: Config, *, demonstration: bool, say: Say) -> None:
    """Start everything and watch over it until Ctrl-C."""
    from saqtau.bootstrap.ground import stand
    from saqtau.bootstrap.run import run_until_stopped

    if not demonstration:
        refuse_witness_near(config.engine.folder)
    asyncio.run(run_until_stopped(stand(config), demonstration=demonstration, say=say))


def import_map(config: Config, source: Path, say: Say) -> str:
    """Import an OpenStreetMap extract; returns a sentence about it."""
    from saqtau.bootstrap import admin
    from saqtau.bootstrap.ground import stand

    return admin.read_map(stand(config), source, say)


def import_register(config: Config, kind: str, source: Path, *, accept_good: bool) -> "Report":
    """Import a register or the watch list."""
    from saqtau.bootstrap import admin
    from saqtau.bootstrap.ground import stand

    return asyncio.run(admin.read_register(stand(config), kind, source, _operator(), accept_good=accept_good))


def add_user(
    config: Config,
    name: str,
    roles: Sequence[str],
    regions: Sequence[int],
    unit: str | None,
    language: str,
    password_file: Path | None,
) -> str | None:
    """Add an account; returns the password when one was made."""
    from saqtau.bootstrap import admin
    from saqtau.bootstrap.ground import stand
    from saqtau.web.people import Person

    person = Person(name, name, tuple(roles), frozenset(regions), unit, language)
    password = None if password_file is None else read_secret(password_file)
    return asyncio.run(admin.add_person(stand(config), person, password))


def change_password(config: Config, name: str, password_file: Path | None) -> str | None:
    """Set a new password; returns it when it was made."""
    from saqtau.bootstrap import admin
    from saqtau.bootstrap.ground import stand

    password = None if password_file is None else read_secret(password_file)
    return asyncio.run(admin.change_password(stand(config), name, password))


def disable_user(config: Config, name: str) -> None:
    """End an account's access at once."""
    from saqtau.bootstrap import admin
    from saqtau.bootstrap.ground import stand

    asyncio.run(admin.disable(stand(config), name))


def unblock_user(config: Config, name: str | None, address: str | None) -> int:
    """Forget what was counted against an account or an address; how many counts went."""
    from saqtau.bootstrap import people_keys
    from saqtau.bootstrap.ground import stand

    return asyncio.run(people_keys.unblock(stand(config), name, address))


def link_user(config: Config, name: str, subject: str) -> str:
    """Let an identity open an account; the issuer."""
    from saqtau.bootstrap import people_keys
    from saqtau.bootstrap.ground import stand

    return asyncio.run(people_keys.link(stand(config), name, subject))


def unlink_user(config: Config, name: str) -> int:
    """No identity opens an account any more; how many did."""
    from saqtau.bootstrap import people_keys
    from saqtau.bootstrap.ground import stand

    return asyncio.run(people_keys.unlink(stand(config), name))


def take_keys_of_user(config: Config, name: str) -> None:
    """Take a person's passkeys and codes."""
    from saqtau.bootstrap import people_keys
    from saqtau.bootstrap.ground import stand

    asyncio.run(people_keys.take_keys(stand(config), name))


def add_camera(config: Config, wish: "CameraWish") -> str:
    """Record a camera from now on; a sentence about it."""
    from saqtau.bootstrap import cameras
    from saqtau.bootstrap.ground import stand

    return asyncio.run(cameras.add(stand(config), wish, _operator()))


def list_cameras(config: Config) -> list[tuple[str, ...]]:
    """A line a recorded camera: code, place, site, name, how it is, since when, newest picture."""
    from saqtau.bootstrap import cameras
    from saqtau.bootstrap.ground import stand

    return asyncio.run(cameras.lines(stand(config)))


def switch_camera_off(config: Config, code: str, reason: str, *, maintenance: bool, hours: float | None) -> None:
    """Record nothing of a camera any more, or announce work on it."""
    from saqtau.bootstrap import cameras
    from saqtau.bootstrap.ground import stand

    asyncio.run(cameras.off(stand(config), code, reason, _operator(), maintenance=maintenance, hours=hours))


def switch_camera_on(config: Config, code: str) -> None:
    """Record a camera again."""
    from saqtau.bootstrap import cameras
    from saqtau.bootstrap.ground import stand

    asyncio.run(cameras.on(stand(config), code, _operator()))


def learn_camera(config: Config, code: str, reason: str) -> None:
    """Learn anew how a camera looks when it is well."""
    from saqtau.bootstrap import cameras
    from saqtau.bootstrap.ground import stand

    asyncio.run(cameras.learn(stand(config), code, reason, _operator()))


def retire_camera(config: Config, code: str, reason: str) -> None:
    """A camera is gone; its recordings stay for their days."""
    from saqtau.bootstrap import cameras
    from saqtau.bootstrap.ground import stand

    asyncio.run(cameras.retired(stand(config), code, reason, _operator()))


def move_plug(address: str, *, out: bool) -> None:
    """Pull the plug of a camera of the demonstration, or put it in again."""
    from saqtau.bootstrap import cameras

    asyncio.run(cameras.plug(address, out=out))


def simulate(config: Config, city: Path) -> None:
    """Drive the city against a running Saqtau until Ctrl-C."""
    from saqtau.bootstrap.demonstration import drive_city
    from saqtau.bootstrap.ground import stand

    asyncio.run(drive_city(stand(config), city))


def verify(config: Config, say: Say) -> "list[Finding]":
    """Compare what is stored with what the record says of it."""
    from saqtau.bootstrap import admin
    from saqtau.bootstrap.ground import stand

    return asyncio.run(admin.check(stand(config), say))


def make_report(config: Config, month: str, out: Path, say: Say, *, again: bool) -> list[Path]:
    """Write the public report of a month; the files."""
    from saqtau.bootstrap import report
    from saqtau.bootstrap.ground import stand

    return asyncio.run(report.make(stand(config), month, out, _operator(), say, again=again))


def recompute_report(config: Config, month: str, say: Say) -> "Recount":
    """Count a month again out of the log, and compare it with its report."""
    from saqtau.bootstrap import report
    from saqtau.bootstrap.ground import stand

    return asyncio.run(report.recompute(stand(config), month, _operator(), say))


def bench(claim: str | None, say: Say) -> None:
    """Run a bench of the checkout, or list them."""
    folder = Path(__file__).parents[3] / "bench"
    claims = sorted(file.stem for file in folder.glob("*.py"))
    if not claims:
        raise Refused(Kind.NOT_FOUND, "benches come with a checkout, not with the installed package", bench="missing")
    if claim is None:
        say("\n".join(claims))
    elif claim not in claims:
        raise Refused(Kind.NOT_FOUND, f"no bench {claim}: {', '.join(claims)}", bench="unknown")
    elif code := subprocess.run([sys.executable, str(folder / f"{claim}.py")], check=False).returncode:
        raise Refused(Kind.UNAVAILABLE, f"bench {claim} ended with {code}", bench="failed")


def _operator() -> str:
    """Who stands at the keyboard, for the import's report."""
    import getpass

    return f"command line of {getpass.getuser()}"


def random_token() -> str:
    """A secret for a device's path: 43 characters."""
    return secrets.token_urlsafe(32)
