"""Redacted copies: made in a process of their own, sealed, looked through by who agrees, and only then issued."""

import asyncio
import hashlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from saqtau.engine import recording_content as content
from saqtau.engine.access import must_hold
from saqtau.engine.blobs import Blobs
from saqtau.engine.export_package import RETENTION
from saqtau.engine.failures import refusals
from saqtau.engine.keys import Keys
from saqtau.engine.leaving_folder import nameless
from saqtau.engine.ledger import day_of
from saqtau.engine.reading import regions_of
from saqtau.engine.recording_exports import RecordingLine
from saqtau.engine.store import see
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import Clock, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.two_people import WAITING
from saqtau.ledger.sealing import seal, unseal
from saqtau.video.export import Cut, cut
from saqtau.video.redact import Film, Made, Order, Shown

PATIENCE: Final = 3600.0
"""Seconds that the making of a copy may take; ten minutes of 1080p take about a quarter of that on a core."""
MEDIA: Final = "video/webm"
_NONCE: Final = bytes(11) + b"\3"
_ONE: Final = """
    select sha256, size, frames, parent, retention, to_char(day, 'YYYY-MM-DD') as day, wrapped, sealed, blob
    from recording_draft where wish = $1
"""
_KEEP: Final = """
    insert into recording_draft
        (wish, made_at, sha256, size, frames, parent, retention, day, wrapped, sealed, blob)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing
"""


class RedactedCopy(msgspec.Struct, frozen=True):
    """A redacted copy. parent: which links of which camera it was made from."""

    data: bytes
    sha256: str
    frames: int
    parent: dict[str, Any]


class Drafting(msgspec.Struct, frozen=True):
    """What copies are made with. pool: as saqtau_app; scratch: see `Exporting`."""

    pool: Any
    keys: Keys
    blobs: Blobs
    clock: Clock
    random: Callable[[int], bytes]
    scratch: Path | None = None


async def make_draft(grant: Grant, line: RecordingLine, using: Drafting) -> None:
    """Make the copy of a wish, once.

    Raises Refused: DENIED, CONFLICT (`draft`: made already; `standing`: nobody waits for it; `redacted`: none is
    wanted), NOT_FOUND (`recording`), INVALID (`film`), UNAVAILABLE.
    """
    now = using.clock()
    must_hold(grant, now, Action.REQUEST_EXPORT, named=line.id)
    if not line.redacted:
        raise Refused(Kind.CONFLICT, "it is exported as it was recorded", redacted="not_wanted")
    if line.draft is not None:
        raise Refused(Kind.CONFLICT, "the redacted copy is made already", draft="made")
    if line.standing not in WAITING:
        raise Refused(Kind.CONFLICT, f"it is {line.standing}", standing=line.standing.value)
    with refusals():
        async with using.pool.acquire() as pg, pg.transaction():
            await see(pg, regions_of(grant.viewer))
            segments = await content.find_segments(
                pg, line.camera, line.place.value, line.began, line.ended, now
            )  # fmt: skip
            site = await pg.fetchval("select site from video_camera where id = $1", line.camera)
    done = await asyncio.to_thread(cut, segments, line.began, line.ended)
    if not any(part.init for part in done.parts):
        raise Refused(Kind.NOT_FOUND, f"{line.camera}: no picture of this time is there", recording="none")
    made, data = await _made(done, line, using.scratch)
    first, last = done.parts[0], done.parts[-1]
    parent = {
        "camera": line.camera, "site": site, "first": first.first, "last": last.last, "previous": first.previous,
        "chain": last.chain, "began": first.began, "ended": last.ended,
    }  # fmt: skip
    day = day_of(now)
    kek, key = await asyncio.to_thread(using.keys.kek, RETENTION, day), using.random(32)
    locked = seal(key, kek, using.random)
    blob = await using.blobs.put(await asyncio.to_thread(AESGCM(key).encrypt, _NONCE, data, None))
    with refusals():
        await using.pool.execute(
            _KEEP, line.id, using.clock(), hashlib.sha256(data).digest(), len(data), made.frames,
            msgspec.json.encode(parent).decode(), RETENTION, date.fromisoformat(day), locked.wrapped, locked.content,
            blob,
        )  # fmt: skip


async def _made(done: Cut, line: RecordingLine, scratch: Path | None) -> tuple[Made, bytes]:
    """Redact in a process of its own: a decoder that a camera's bytes break takes nothing else with it.

    Neither what goes in nor what comes out has a name on the disk: when we are killed, the child is, and all is gone.
    """
    with ExitStack() as held:
        films, given = [], list[int]()
        for number, source in enumerate(content.sources(done)):
            if not source.init:
                continue
            film = held.enter_context(nameless(scratch))
            await asyncio.to_thread(_copy, source, film)
            given.append(film.fileno())
            films.append(Film(_path(film), done.parts[number].shown - line.began))
        out = held.enter_context(nameless(scratch))
        folder = held.enter_context(tempfile.TemporaryDirectory(prefix="redacted-", dir=scratch))
        link = _named(out, folder)
        shown = tuple(Shown(one.at - line.began, one.left, one.top, one.right, one.bottom) for one in line.keep)
        order = Order(tuple(films), link, line.ended - line.began, shown)
        made = await _ask(order, [*given, out.fileno()])
        return made, await asyncio.to_thread(_whole, out)


async def _ask(order: Order, given: Sequence[int]) -> Made:
    """What the child made of an order. given: descriptors that it inherits."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "saqtau.video.redact", "/dev/stdin", stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, start_new_session=True, pass_fds=given,
        env={name: value for name, value in os.environ.items() if name in {"PATH", "PYTHONPATH", "LANG"}},
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE):
            said, _ = await process.communicate(msgspec.json.encode(order))
    except TimeoutError:
        raise Refused(Kind.UNAVAILABLE, "the redacted copy takes too long", draft="too_slow") from None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode != 0:
        raise Refused(Kind.INVALID, "the pictures of this time cannot be decoded", film="undecodable")
    return msgspec.json.decode(said, type=Made)


def _named(file: BinaryIO, folder: str) -> str:
    """A name for a file without one: the writer goes by the name's end. The link holds nothing."""
    link = Path(folder, "out.webm")
    link.symlink_to(_path(file))
    return str(link)


def _path(file: BinaryIO) -> str:
    """How a child that inherits a file opens it."""
    return f"/proc/self/fd/{file.fileno()}"


def _copy(source: content.Source, film: BinaryIO) -> None:
    film.writelines(source.streamed().pieces())
    film.flush()


def _whole(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


async def open_draft(
    grant: Grant, pg: Any, blobs: Blobs, keys: Keys, line: RecordingLine, now: Instant
) -> RedactedCopy:
    """The copy of a wish. Raises Refused: DENIED, CONFLICT (`draft`: not made; `key`: gone), NOT_FOUND, UNAVAILABLE."""
    must_hold(grant, now, Action.REQUEST_EXPORT, Action.APPROVE_EXPORT, Action.RECEIVE_EXPORT)
    row = await pg.fetchrow(_ONE, line.id)
    if row is None:
        raise Refused(Kind.CONFLICT, "the redacted copy is not made yet", draft="not_made")
    kek = await asyncio.to_thread(keys.find, row["retention"], row["day"])
    key = unseal(kek, row["wrapped"], row["sealed"])
    try:
        data = await asyncio.to_thread(AESGCM(key).decrypt, _NONCE, await blobs.get(row["blob"]), None)
    except InvalidTag:
        raise Refused(Kind.UNAVAILABLE, "the kept copy is damaged", draft="damaged") from None
    if hashlib.sha256(data).digest() != row["sha256"]:
        raise Refused(Kind.UNAVAILABLE, "the kept copy is another", draft="damaged")
    return RedactedCopy(
        data, row["sha256"].hex(), row["frames"], msgspec.json.decode(row["parent"], type=dict[str, Any])
    )


async def read_draft(grant: Grant, line: RecordingLine, using: Drafting) -> RedactedCopy:
    """The copy, for who asked and who is to agree. Raises Refused as `open_draft`."""
    with refusals():
        async with using.pool.acquire() as pg:
            return await open_draft(grant, pg, using.blobs, using.keys, line, using.clock())


async def note_seen(grant: Grant, line: RecordingLine, using: Drafting) -> None:
    """Remember that all of the copy was delivered to this person."""
    now = using.clock()
    with refusals():
        await using.pool.execute(
            """insert into recording_draft_seen (wish, viewer, at, entry) values ($1, $2, $3, $4)
               on conflict do nothing""",
            line.id, grant.viewer.id, now, grant.entry,
        )  # fmt: skip
