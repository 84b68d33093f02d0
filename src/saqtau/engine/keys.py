"""Keys of the ledger in files: one a (retention code, day), one a hold, and the seed that the logs' own keys come from.

They lie in a folder outside the database and outside its backups, because a record is erased by destroying its key:
a restored backup must not bring it back. A destroyed key leaves an empty file `<day>.gone`, so that no process, however
old its idea of the world, makes one again under the same name.

Every change is on disk before it is used. Several processes may do the same at once: the first name wins.
"""

import contextlib
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from saqtau.engine.blobs import disk_trouble, sync_folder
from saqtau.engine.place import PRIVATE, SECRET
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.note import Signer

KEY: Final = 32
"""Bytes of every key and of the seed."""
HOLDS: Final = "hold"
"""The folder of holds; no retention code may be called so."""
_RETENTION = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_AUTHORITY = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
_HOLD = re.compile(r"[A-Za-z0-9А-Яа-яЁёӘәҒғҚқҢңӨөҰұҮүҺһІі/._-]{3,40}")

Random = Callable[[int], bytes]


class Keys:
    """The key store. Functions block on the disk: call them from a thread where a loop is running.

    They raise Refused: INVALID (a name), CONFLICT `key=gone` (destroyed), NOT_FOUND `key=missing`, UNAVAILABLE (disk).
    """

    def __init__(self, folder: Path, random: Random = secrets.token_bytes) -> None:
        self._folder = folder
        self._random = random

    def kek(self, retention: str, day: str) -> bytes:
        """The key of records of this retention code and day (YYYY-MM-DD, UTC), made and on disk at the first call."""
        return self._make(self._path(retention, day))

    def find(self, retention: str, day: str) -> bytes:
        """The same, but never made anew: for reading."""
        return _read(self._path(retention, day))

    def destroy(self, retention: str, day: str) -> bool:
        """Destroy a key for good; whether there was one. Safe to call again, after a crash at any point."""
        return _destroy(self._path(retention, day), mark=True)

    def hold(self, case: str) -> bytes:
        """The key of what a case keeps beyond its day, made at the first call."""
        return self._make(self._hold_path(case))

    def find_hold(self, case: str) -> bytes:
        """The same, but never made anew."""
        return _read(self._hold_path(case))

    def release(self, case: str) -> bool:
        """Destroy the key of a hold. A case that holds again gets another key, which opens nothing of before."""
        return _destroy(self._hold_path(case), mark=False)

    def days(self) -> list[tuple[str, str]]:
        """(retention code, day) of every key that is there, oldest first."""
        found = [
            (folder.name, path.name)
            for folder in (self._folder.iterdir() if self._folder.is_dir() else ())
            if folder.is_dir() and folder.name != HOLDS
            for path in folder.iterdir()
            if _DAY.fullmatch(path.name)
        ]
        return sorted(found, key=lambda one: (one[1], one[0]))

    def _path(self, retention: str, day: str) -> Path:
        if not _RETENTION.fullmatch(retention) or retention == HOLDS:
            raise Refused(Kind.INVALID, f"{retention!r} is no retention code", retention="invalid")
        if not _DAY.fullmatch(day):
            raise Refused(Kind.INVALID, f"{day!r} is no day", day="invalid")
        return self._folder / retention / day

    def _hold_path(self, case: str) -> Path:
        if not _HOLD.fullmatch(case) or not case.strip("."):
            raise Refused(Kind.INVALID, "a hold is named by a case number of 3 to 40 characters", hold="invalid")
        # no dot in the name: `1.gone` would be the mark of hold `1`
        return self._folder / HOLDS / quote(case, safe="").replace(".", "%2E")

    def _make(self, path: Path) -> bytes:
        with contextlib.suppress(FileNotFoundError):
            return _key_of(path)
        try:
            for folder in (self._folder, path.parent):
                _private(folder)
            create_once(path, self._random(KEY), self._random)
            if _gone(path).exists():  # destroyed while it was being made: `destroy` marks first, then looks
                _shred(path)
            return _key_of(path)
        except OSError as error:
            raise disk_trouble(path, error) from error


class Signers:
    """The logs' own keys, all from one seed: HKDF-SHA256(seed, info = origin) is the Ed25519 key of an origin."""

    def __init__(self, authority: str, seed: bytes) -> None:
        if not _AUTHORITY.fullmatch(authority):
            raise Refused(Kind.INVALID, f"{authority!r} is no name of an authority", authority="invalid")
        if len(seed) != KEY:
            raise Refused(Kind.INVALID, "the ledger's seed is not 32 bytes", seed="invalid")
        self.authority = authority
        self._seed = seed
        self._made: dict[str, Signer] = {}

    def origin(self, kind: str, region: int, year: int) -> str:
        """`authority/region/kind/year`; region 0 is the republic."""
        return f"{self.authority}/{region:02d}/{kind}/{year}"

    def signer(self, origin: str) -> Signer:
        """The key of a log, named by its origin."""
        made = self._made.get(origin)
        if made is None:
            derived = HKDF(algorithm=SHA256(), length=KEY, salt=None, info=origin.encode()).derive(self._seed)
            made = self._made[origin] = Signer(origin, Ed25519PrivateKey.from_private_bytes(derived))
        return made


def open_seed(secrets_folder: Path, random: Random = secrets.token_bytes) -> bytes:
    """The seed in `secrets/ledger-seed` (64 hexadecimal digits), made at the first call by whichever process is first.

    Raises Refused: UNAVAILABLE (disk), INVALID (not a seed).
    """
    path = secrets_folder / "ledger-seed"
    try:
        text = path.read_bytes() if path.exists() else create_once(path, random(KEY).hex().encode(), random)
        return bytes.fromhex(text.decode("ascii"))
    except ValueError as error:
        raise Refused(Kind.INVALID, f"{path} is not 64 hexadecimal digits", seed="invalid") from error
    except OSError as error:
        raise disk_trouble(path, error) from error


def create_once(path: Path, data: bytes, random: Random) -> bytes:
    """Make a file that is whole and on disk from its first moment; returns what is in it, ours or another's.

    The file is written under another name and linked: linking fails where the name is taken. Raises OSError.
    """
    fresh = path.with_name(f"{path.name}.{random(8).hex()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(fresh)
    finally:
        fresh.unlink()
    sync_folder(path.parent)
    return path.read_bytes()


def _read(path: Path) -> bytes:
    try:
        return _key_of(path)
    except FileNotFoundError:
        name = f"{path.parent.name}/{path.name}"
        raise Refused(Kind.NOT_FOUND, f"key {name} is not in the store", key="missing") from None


def _key_of(path: Path) -> bytes:
    """The key, if it may still be used. Raises FileNotFoundError when there has never been one."""
    try:
        key = b"" if _gone(path).exists() else path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise disk_trouble(path, error) from error
    if len(key) != KEY or not any(key):  # nothing but zeroes: it is being destroyed
        raise Refused(Kind.CONFLICT, f"key {path.parent.name}/{path.name} has been destroyed", key="gone")
    return key


def _destroy(path: Path, *, mark: bool) -> bool:
    try:
        there = path.exists()
        _private(path.parent.parent)
        _private(path.parent)
        if mark:
            os.close(os.open(_gone(path), os.O_WRONLY | os.O_CREAT, SECRET))
            sync_folder(path.parent)
        for file in (path, *path.parent.glob(f"{path.name}.*.new")):  # a crash may have left its first name as well
            _shred(file)
        sync_folder(path.parent)
    except OSError as error:
        raise disk_trouble(path, error) from error
    return there


def _shred(path: Path) -> None:
    """Overwrite, wait for the disk, remove. On a disk that writes elsewhere the old bytes lie in a freed block."""
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_WRONLY)
        try:
            os.pwrite(descriptor, bytes(KEY), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        path.unlink(missing_ok=True)


def _private(folder: Path) -> None:
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=PRIVATE, parents=True)
        sync_folder(folder.parent)


def _gone(path: Path) -> Path:
    return path.with_name(f"{path.name}.gone")
