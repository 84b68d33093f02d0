"""Files named by the SHA-256 of their bytes: written once, on disk before anything names them, checked when read."""

import asyncio
import errno
import hashlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from saqtau.engine.place import PRIVATE, SECRET
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.signal import Picture

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_PICTURE = """
    insert into picture (item, name, media, sha256, size, region, at) values ($1, $2, $3, $4, $5, $6, $7)
    on conflict do nothing
"""


class Blobs:
    """A folder of blobs (`ab/cd/abcd…`), nobody's but ours."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        folder.chmod(PRIVATE)

    async def put(self, data: bytes) -> bytes:
        """Store bytes; returns their SHA-256 when they are on disk. Refused(UNAVAILABLE): `disk=full` for no room."""
        return await asyncio.to_thread(self._put, data)

    async def put_all(self, parts: Sequence[bytes]) -> list[bytes]:
        """Store several, in one turn of a thread."""
        return await asyncio.to_thread(lambda: [self._put(one) for one in parts])

    async def get(self, digest: bytes) -> bytes:
        """The bytes of a digest. Raises Refused: NOT_FOUND, UNAVAILABLE when they are damaged."""
        return await asyncio.to_thread(self._get, digest)

    def path(self, digest: bytes) -> Path:
        """Where a blob lies."""
        name = digest.hex()
        return self._folder / name[:2] / name[2:4] / name

    def _put(self, data: bytes) -> bytes:
        digest = hashlib.sha256(data).digest()
        path = self.path(digest)
        try:
            if path.exists() and path.stat().st_size == len(data):
                return digest
            for folder in (path.parent.parent, path.parent):
                if not folder.exists():
                    folder.mkdir(mode=PRIVATE, exist_ok=True)
                    sync_folder(folder.parent)
            fresh = path.with_name(f".{secrets.token_hex(8)}.new")
            try:
                write_durably(fresh, data)
                fresh.replace(path)
            finally:
                fresh.unlink(missing_ok=True)
            sync_folder(path.parent)
        except OSError as error:
            raise disk_trouble(path, error) from error
        return digest

    def _get(self, digest: bytes) -> bytes:
        try:
            data = self.path(digest).read_bytes()
        except FileNotFoundError:
            raise Refused(Kind.NOT_FOUND, f"no blob {digest.hex()}", blob="missing") from None
        except OSError as error:
            raise disk_trouble(self.path(digest), error) from error
        if hashlib.sha256(data).digest() != digest:
            raise Refused(Kind.UNAVAILABLE, f"blob {digest.hex()} is damaged", blob="damaged")
        return data


async def keep_pictures(
    pg: Any, blobs: Blobs, item: str, region: int, pictures: Sequence[Picture], now: Instant
) -> None:
    """Pictures of an item: bytes on disk first, then rows in the caller's transaction. The first of a name stays."""
    digests = await blobs.put_all([one.data for one in pictures])
    await pg.executemany(
        _PICTURE,
        [
            (item, one.name, one.media, digest, len(one.data), region, now)
            for one, digest in zip(pictures, digests, strict=True)
        ],
    )


def write_durably(path: Path, data: bytes) -> None:
    """Write a new file that is nobody's but ours, and wait until it is on disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def sync_file(path: Path) -> None:
    """Wait until a file's bytes are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on disk."""
    sync_file(path)


def disk_trouble(path: Path, error: OSError) -> Refused:
    """What a caller is told: `disk=full` when there is no room, `disk=unavailable` otherwise."""
    told = "full" if error.errno in _NO_ROOM else "unavailable"
    return Refused(Kind.UNAVAILABLE, f"{path}: {error.strerror}", disk=told)
