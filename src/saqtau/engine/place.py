"""Saqtau's own folder, and who may look into which part of it.

postgres/    PostgreSQL's: data/, socket/, its account's alone (0700)
nats/        JetStream's files (0700)
run/         lock, chosen ports, health.json (0700)
secrets/     generated passwords, one a file (files 0600)
logs/        one file a part
"""

import os
import pwd
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec

from saqtau.kernel.errors import Kind, Refused

PRIVATE = 0o700
ENTERED = 0o711  # root's folder that PostgreSQL's account has to walk through
SECRET = 0o600


class Account(msgspec.Struct, frozen=True):
    """A user of the operating system that a part runs as."""

    name: str
    uid: int
    gid: int
    walks: bool = False  # it may enter folders that are closed to it: the data or the programs lie in one


class Place(msgspec.Struct, frozen=True):
    """The folder and the account PostgreSQL runs as; `account` is None when that is ourselves."""

    folder: Path
    account: Account | None = None

    @property
    def postgres(self) -> Path:
        """What belongs to PostgreSQL."""
        return self.folder / "postgres"

    @property
    def nats(self) -> Path:
        """JetStream's store and configuration."""
        return self.folder / "nats"

    @property
    def run(self) -> Path:
        """Lock, ports and health."""
        return self.folder / "run"

    @property
    def secrets(self) -> Path:
        """Generated passwords."""
        return self.folder / "secrets"

    @property
    def logs(self) -> Path:
        """Log files of the parts."""
        return self.folder / "logs"


def open_place(folder: Path, account: str = "nobody") -> Place:
    """Make the folder's private parts and say who PostgreSQL runs as.

    PostgreSQL refuses to run as root: when we are root it runs as `account` (its files are made that account's).
    Raises Refused(INVALID) when there is no such account, Refused(UNAVAILABLE) when the folder cannot be written.
    """
    folder = folder.absolute()
    place = Place(folder, find_account(account) if os.geteuid() == 0 else None)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(PRIVATE if place.account is None else ENTERED)
        for part in (place.nats, place.run, place.secrets, place.logs, place.postgres):
            part.mkdir(exist_ok=True)
            part.chmod(PRIVATE)
        if place.account is not None:
            os.chown(place.postgres, place.account.uid, place.account.gid)
    except OSError as error:
        raise Refused(Kind.UNAVAILABLE, f"folder {folder}: {error.strerror}", folder="not_writable") from error
    return place


def find_account(name: str) -> Account:
    """The account called `name`. Raises Refused(INVALID) when there is none."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise Refused(Kind.INVALID, f"there is no account {name} for PostgreSQL to run as", account="unknown") from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def check_reach(path: Path, account: Account) -> None:
    """Raise Refused(UNAVAILABLE) naming the folder on the way to `path` that `account` may not enter."""
    for folder in reversed(path.absolute().parents):
        mode = folder.stat()
        allowed = (
            mode.st_mode & stat.S_IXUSR
            if mode.st_uid == account.uid
            else mode.st_mode & stat.S_IXGRP
            if mode.st_gid == account.gid
            else mode.st_mode & stat.S_IXOTH
        )
        if not allowed:
            raise Refused(
                Kind.UNAVAILABLE,
                f"PostgreSQL does not run as root and its account {account.name} may not enter {folder}: "
                f"run Saqtau as a plain user, or keep its folder and its programs elsewhere",
                folder="not_reachable",
            )


def password(place: Place, name: str, random: Callable[[int], str] = secrets.token_urlsafe) -> str:
    """The password in `secrets/{name}`, made at the first call. Raises as `read_secret`."""
    path = place.secrets / name
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET)
    except FileExistsError:
        return read_secret(path)
    with os.fdopen(descriptor, "w") as file:
        made = random(32)
        file.write(made)
        file.flush()
        os.fsync(file.fileno())
    return made


def read_secret(path: Path) -> str:
    """A secret's file without the line's end. Raises Refused(INVALID) unless it is there, 0600 and not empty."""
    try:
        mode = path.stat().st_mode
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise Refused(Kind.INVALID, f"secret {path}: {told}", secret="not_readable") from error  # noqa: S106
    if mode & 0o077:
        raise Refused(Kind.INVALID, f"secret {path} is open to others: chmod 600 it", secret="open_to_others")  # noqa: S106
    if not value:
        raise Refused(Kind.INVALID, f"secret {path} is empty", secret="empty")  # noqa: S106 - a field's name
    return value


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; nobody but us reads it, and a reader sees the old or the new text, never half."""
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, SECRET)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, SECRET)
        file.write(text)
    fresh.replace(path)
