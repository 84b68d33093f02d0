"""The package of an approved export of a recording: it begins to leave at once, however long the recording is.

What is small (manifest, entries, how to read it) is made once and kept sealed for two weeks, as every package. The
recording is read from where it was recorded each time it leaves, and bound by its chain: nobody hashes an hour first.
A file that was changed on the disk leaves as it is, and the program inside names what was changed.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

import httpx
import msgspec
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from saqtau.engine import recording_content as content
from saqtau.engine.access import must_hold
from saqtau.engine.blobs import Blobs
from saqtau.engine.card_package import CardPart, gather_cards, streamed
from saqtau.engine.chain import EVERYWHERE
from saqtau.engine.custody import Chain, Opened, Place, open_entries, oversight_policy, place_of, prove, some_answer
from saqtau.engine.entries import retention_of
from saqtau.engine.export_package import PATIENCE, RETENTION
from saqtau.engine.failures import refusals
from saqtau.engine.keys import Keys
from saqtau.engine.leaving_folder import nameless
from saqtau.engine.ledger import ACCESS, Draft, Ledger, day_of
from saqtau.engine.ledger_read import Proofs
from saqtau.engine.policy_change import in_force
from saqtau.engine.recording_draft import RedactedCopy, open_draft
from saqtau.engine.recording_exports import RecordingLine, find_agreed
from saqtau.engine.recording_leaves import Head, find_heads
from saqtau.engine.sequencer import Count
from saqtau.engine.store import see
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import Clock, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.policies import policy_hash
from saqtau.ledger import timestamp
from saqtau.ledger.leaf import LeafClass
from saqtau.ledger.package import (
    CHECKPOINT,
    EXPORT,
    MANIFEST,
    POLICY,
    TIMESTAMP,
    PackageStanding,
    Recorded,
    Streamed,
    entry_name,
    file_name,
    manifest,
    stream,
)
from saqtau.ledger.sealing import seal, unseal
from saqtau.video.export import PIECE, Cut, cut, runs
from saqtau.video.signed_copy import CopySigner, write_signed

log = structlog.get_logger("saqtau.exports")

LOOKS: Final = 500
"""Entries about looks at the recording that go with it."""
STAMPING: Final = 3.0
"""Seconds that the time-stamping authority has."""
_LOOK: Final = 0.2
_CORE, _PROOFS = bytes(11) + b"\1", bytes(11) + b"\2"

_ROWS: Final = """
    select standing, entry, retention, to_char(day, 'YYYY-MM-DD') as day, wrapped, sealed, core, proofs
    from recording_package where wish = $1
"""
_KEEP: Final = """
    insert into recording_package
        (wish, standing, issued_at, issued_by, entry, manifest, retention, day, wrapped, sealed, core)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
_LOOKED: Final = """
    select entry from video_watch where camera = $1 and since < case kind when 'live' then $3::int8 else $4 end
        and coalesce(until, seen) >= $2 and entry like '%#%'
    union select entry from recording_wish where camera = $1 and began < $3 and ended > $2 and asked_at < $4
    order by 1 limit $5
"""


class Exporting(msgspec.Struct, frozen=True):
    """What of the configuration packages of recordings are made with.

    scratch: a folder of this process (`leaving_folder`) for copies while they leave; None: the system's for such.
    authority: of time-stamps, its address. signer: of copies; without it none goes with a package.
    """

    scratch: Path | None = None
    authority: str | None = None
    signer: CopySigner | None = None


class Making(msgspec.Struct, frozen=True):
    """What packages of recordings are made with. pool: as saqtau_app."""

    pool: Any
    ledger: Ledger
    keys: Keys
    blobs: Blobs
    proofs: Proofs
    schema: str
    clock: Clock
    random: Callable[[int], bytes]
    exporting: Exporting = Exporting()
    patience: float = PATIENCE


class Leaving(msgspec.Struct, frozen=True):
    """A package that is about to leave. size: None when a copy is made meanwhile. close: called when it has left."""

    name: str
    standing: PackageStanding
    size: int | None
    pieces: Iterator[bytes]
    close: Callable[[], None]


class _Core(msgspec.Struct, frozen=True):
    files: dict[str, bytes]
    sources: tuple[content.Source, ...]
    entries: tuple[str, ...]
    cards: tuple[tuple[str, content.Source], ...] = ()  # each with the name of the list of its links


class _Kept(msgspec.Struct, frozen=True):
    standing: PackageStanding
    entry: str
    retention: str
    day: str
    wrapped: bytes
    sealed: bytes
    core: bytes
    proofs: bytes | None


async def read_package(grant: Grant, line: RecordingLine, using: Making) -> Leaving:
    """The package of an approved export: witnessed if a witness stands behind it by now, else provisional.

    Raises Refused: DENIED, CONFLICT (`standing`, `prosecutor`, `content`), NOT_FOUND (`recording`: nothing is there any
    more), TOO_LARGE, UNAVAILABLE.
    """
    must_hold(grant, using.clock(), Action.RECEIVE_EXPORT, named=line.id)
    if not line.fetchable:
        raise Refused(Kind.CONFLICT, f"export {line.id} cannot be fetched: {line.standing}", standing=line.standing)
    with refusals():
        async with using.pool.acquire() as pg, pg.transaction():
            # two who fetch at once get one package
            await pg.execute("select pg_advisory_xact_lock(23158, hashtext($1))", line.id)
            await see(pg, EVERYWHERE)  # the grant names the wish, whatever region an overseer has
            await find_agreed(pg, line)
            kept = await _kept(pg, line.id)
            # the entry of the issue is new: without a witness who answers none will stand behind it
            if PackageStanding.WITNESSED not in kept and await some_answer(using.pool):
                await _issue(grant, line, using, pg, PackageStanding.WITNESSED)
                kept = await _kept(pg, line.id)
            witnessed = kept.get(PackageStanding.WITNESSED)
            if witnessed is not None and (found := await _whole(grant, line, using, pg, witnessed)) is not None:
                return found
            if PackageStanding.PROVISIONAL not in kept:
                await _issue(grant, line, using, pg, PackageStanding.PROVISIONAL)
                kept = await _kept(pg, line.id)
            found = await _whole(grant, line, using, pg, kept[PackageStanding.PROVISIONAL])
            assert found is not None, "a provisional package waits for nobody"  # noqa: S101
            return found


async def _kept(pg: Any, wish: str) -> Mapping[PackageStanding, _Kept]:
    found = [msgspec.convert(dict(row), _Kept) for row in await pg.fetch(_ROWS, wish)]
    return {one.standing: one for one in found}


async def _issue(grant: Grant, line: RecordingLine, using: Making, pg: Any, standing: PackageStanding) -> None:
    """Gather, list, and enter the list into the log. A witnessed one is issued only where a witness is at hand."""
    now = using.clock()
    concerns = await find_agreed(pg, line)
    if line.redacted:
        copy = await open_draft(grant, pg, using.blobs, using.keys, line, now)
        found, heads, files = None, await _heads_of(grant, line, using, copy.parent, now), {content.REDACTED: copy.data}
        cards = list[CardPart]()
    else:
        copy, files = None, {}
        found, heads = await _gather(grant, line, using, pg, now)
        cards = await gather_cards(pg, line)
    policy, texts = await in_force(pg)
    files |= content.reading(line.redacted, texts, using.schema)
    rows = await pg.fetch(_LOOKED, line.camera, line.began, line.ended, now, LOOKS + 1)
    own = [line.entry, *(one.entry for one in line.signatures)]
    looks = [place for entry in [*(row[0] for row in rows[:LOOKS]), *own] if (place := place_of(entry)) is not None]
    this = place_of(grant.entry)
    minutes = [*(head.opened.place for head in heads), *(one.place for one in cards if one.place is not None)]
    places = [one for one in dict.fromkeys([*minutes, *looks]) if one != this]
    opened = await open_entries(grant, using.pool, using.keys, places, now)
    if standing is PackageStanding.WITNESSED and not await _at_hand(using, opened):
        return
    said = content.about(line, concerns, policy, policy_hash(texts, using.schema), heads)
    said |= {"custody_whole": len(rows) <= LOOKS, "issued_at": now, **_parent(copy, line)}
    if using.exporting.authority is not None:
        said["timestamp"] = using.exporting.authority
    video = () if found is None else (found[1], *(one.recorded for one in cards))
    listed = manifest(line.id, standing, said, [place.entry for place in places], files, video)
    digest = hashlib.sha256(listed)
    record = {
        "v": 1, "kind": "said", "action": "export.issue", "at": now, "viewer": grant.viewer.id,
        "role": grant.viewer.role, "object": line.camera, "export": line.id, "case": line.case,
        "recipient": line.recipient, "standing": standing.value, "manifest": digest.hexdigest(), "under": grant.entry,
    }  # fmt: skip
    count = Count("export.issue", line.purpose, grant.viewer.role, "allow", "")
    draft = Draft(ACCESS, line.region, LeafClass.EXPORT, retention_of(LeafClass.EXPORT), record, count)
    entry = (await using.ledger.append(draft)).entry
    lying = () if found is None else tuple(content.sources(found[0]))
    fetched = tuple((one.recorded.links, one.source) for one in cards)
    core = _Core({**files, MANIFEST: listed}, lying, tuple(place.entry for place in places), fetched)
    day = day_of(now)
    kek = await asyncio.to_thread(using.keys.kek, RETENTION, day)
    key = using.random(32)
    locked = seal(key, kek, using.random)
    blob = await using.blobs.put(await asyncio.to_thread(AESGCM(key).encrypt, _CORE, _pack(core), None))
    await pg.execute(
        _KEEP, line.id, standing.value, now, grant.viewer.id, entry, digest.digest(), RETENTION,
        date.fromisoformat(day), locked.wrapped, locked.content, blob,
    )  # fmt: skip


def _parent(copy: RedactedCopy | None, line: RecordingLine) -> dict[str, Any]:
    """What a redacted copy says of what it was made from, and of who looked through it."""
    if copy is None:
        return {}
    checked = [{"by": one.by, "role": one.role, "at": one.at} for one in line.signatures]
    return {"parent": copy.parent, "redacted": {"sha256": copy.sha256, "frames": copy.frames}, "checked": checked}


async def _gather(
    grant: Grant, line: RecordingLine, using: Making, pg: Any, now: Instant
) -> tuple[tuple[Cut, Recorded], list[Head]]:
    """The recording, and the heads that the log has of its chain."""
    done = await find_cut(pg, line, now)
    first, last = done.parts[0].first, done.parts[-1].last
    site = await pg.fetchval("select site from video_camera where id = $1", line.camera)
    span = (done.parts[0].began, done.parts[-1].ended)
    heads = await find_heads(grant, using.pool, using.keys, line.camera, site, (first, last), span, now)
    tail = []
    if heads and heads[-1].last > last:
        paths = await content.files_after(pg, line.camera, last, heads[-1].last)
        tail = await asyncio.to_thread(content.lead_on, paths, last, heads[-1].last)
        if not tail or tail[-1].seq != heads[-1].last:  # gone already: then the cut is bound by this package alone
            tail, heads = [], heads[:-1]
    gaps = await content.find_gaps(pg, line.camera, line.began, line.ended)
    return (done, content.describe(done, gaps, tail)), heads


async def _heads_of(
    grant: Grant, line: RecordingLine, using: Making, parent: Mapping[str, Any], now: Instant
) -> list[Head]:
    links, span = (int(parent["first"]), int(parent["last"])), (line.began, line.ended)
    return await find_heads(grant, using.pool, using.keys, line.camera, str(parent["site"]), links, span, now)


async def find_cut(pg: Any, line: RecordingLine, now: Instant) -> Cut:
    """What lies on the disk of the wish's time. Raises Refused(NOT_FOUND, `recording`)."""
    segments = await content.find_segments(pg, line.camera, line.place.value, line.began, line.ended, now)
    try:
        done = await asyncio.to_thread(cut, segments, line.began, line.ended)
    except FileNotFoundError as error:
        raise Refused(Kind.NOT_FOUND, f"{line.camera}: a file of this time is gone", recording="gone") from error
    except OSError as error:
        raise Refused(Kind.UNAVAILABLE, f"{line.camera}: {error.strerror}", disk="unavailable") from error
    if not done.parts:
        raise Refused(Kind.NOT_FOUND, f"{line.camera}: nothing of this time is there", recording="none")
    return done


async def _at_hand(using: Making, opened: list[Opened]) -> bool:
    policy = await oversight_policy(using.pool, {one.place.origin for one in opened})
    wait = bool(policy.witnesses) and await some_answer(using.pool)
    return (await _witnessed(using, opened, wait=wait)).witnessed


async def _witnessed(using: Making, opened: list[Opened], *, wait: bool) -> Chain:
    """The chain, after the witnesses had a moment to sign what was entered just now."""
    policy = await oversight_policy(using.pool, {one.place.origin for one in opened})
    left = using.patience if wait else 0.0
    while True:
        chain = await prove(using.pool, using.proofs, opened, policy)
        if chain.witnessed or left <= 0:
            return chain
        await asyncio.sleep(_LOOK)
        left -= _LOOK


async def _whole(grant: Grant, line: RecordingLine, using: Making, pg: Any, kept: _Kept) -> Leaving | None:
    """The package. None: it waits for a witness, who did not come in time."""
    key = await asyncio.to_thread(_key, using.keys, kept)
    core = msgspec.msgpack.decode(await _unlock(using.blobs, key, _CORE, kept.core), type=_Core)
    if kept.proofs is not None:
        proofs = msgspec.msgpack.decode(await _unlock(using.blobs, key, _PROOFS, kept.proofs), type=dict[str, bytes])
        return _leaving(line, kept.standing, core, proofs, using)
    places = [place for entry in (*core.entries, kept.entry) if (place := place_of(entry)) is not None]
    found = await _prove(grant, using, places, core.files[MANIFEST], kept.standing)
    if found is None:
        return None
    blob = await using.blobs.put(await asyncio.to_thread(AESGCM(key).encrypt, _PROOFS, _pack(found), None))
    update = "update recording_package set proofs = $3 where wish = $1 and standing = $2"
    await pg.execute(update, line.id, kept.standing.value, blob)
    return _leaving(line, kept.standing, core, found, using)


async def _prove(
    grant: Grant, using: Making, places: Sequence[Place], listed: bytes, standing: PackageStanding
) -> dict[str, bytes] | None:
    """What lies under ledger/."""
    opened = await open_entries(grant, using.pool, using.keys, places, using.clock())
    chain = await _witnessed(using, opened, wait=standing is PackageStanding.WITNESSED)
    if standing is PackageStanding.WITNESSED and not chain.witnessed:
        return None
    *custody, own = chain.files
    policy = await oversight_policy(using.pool, {one.place.origin for one in opened})
    files = {entry_name(number): data for number, data in enumerate(custody)}
    files |= {EXPORT: own, CHECKPOINT: chain.notes[places[-1].origin].text.encode(), POLICY: policy.text()}
    if (
        using.exporting.authority is not None
        and (token := await ask_time(using.exporting.authority, listed)) is not None
    ):
        files[TIMESTAMP] = token
    return files


async def ask_time(authority: str, listed: bytes) -> bytes | None:
    """A time-stamp over a manifest. None when the authority is away or its answer does not fit; the log says why."""
    asked = timestamp.ask(listed)
    try:
        async with httpx.AsyncClient(timeout=STAMPING, follow_redirects=False) as http:
            answer = await http.post(authority, content=asked.data, headers={"Content-Type": timestamp.MEDIA})
            answer.raise_for_status()
            return timestamp.accept(answer.content, asked, listed)
    except (httpx.HTTPError, httpx.InvalidURL, Refused) as error:
        log.warning("no time-stamp for a package", authority=authority, error=str(error))
        return None


def _leaving(
    line: RecordingLine, standing: PackageStanding, core: _Core, proofs: Mapping[str, bytes], using: Making
) -> Leaving:
    parts = [source.streamed() for source in core.sources]
    if parts:
        parts += [content.listed(line.camera, core.sources), *streamed(core.cards)]
    files = {**core.files, **proofs}
    if using.exporting.signer is None or not parts:
        size, pieces = stream(files, parts)
        return Leaving(file_name(line.id, standing), standing, size, pieces, _nothing)
    manifested = hashlib.sha256(core.files[MANIFEST]).hexdigest()
    copies = _Copies(line, core, manifested, using.exporting.signer, using.exporting.scratch)
    size, pieces = stream(files, parts, copies.make)
    return Leaving(file_name(line.id, standing), standing, size, pieces, copies.close)


def _nothing() -> None:
    pass


class _Copies(msgspec.Struct, frozen=True):
    """Signed copies, made when the originals have left. One that cannot be made is left out, and the log says why.

    They have no names on the disk: `close` frees them, and so does the end of the process.
    """

    line: RecordingLine
    core: _Core
    manifest: str
    signer: CopySigner
    folder: Path | None
    made: list[BinaryIO] = []

    def make(self) -> list[Streamed]:
        line, done = self.line, list[Streamed]()
        about = {"export": line.id, "camera": line.camera, "manifest_sha256": self.manifest}
        try:
            for number, run in enumerate(runs(content.film_of(line.camera, self.core.sources))):
                out = nameless(self.folder)
                self.made.append(out)
                with nameless(self.folder) as film:
                    size = write_signed(run, self.signer, about, f"{line.camera} {line.began}", film, out)
                done.append(Streamed(content.copy_name(line.camera, number), size, partial(_read, out)))
        except (OSError, Refused) as error:
            log.warning("no signed copy goes with a package", export=line.id, error=str(error))
            return []
        return done

    def close(self) -> None:
        """Free what was made."""
        while self.made:
            self.made.pop().close()


def _read(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(PIECE):
        yield piece


def _key(keys: Keys, kept: _Kept) -> bytes:
    """Raises Refused(CONFLICT, key=gone) when its day is over."""
    return unseal(keys.find(kept.retention, kept.day), kept.wrapped, kept.sealed)


def _pack(what: Any) -> bytes:
    return msgspec.msgpack.encode(what)


async def _unlock(blobs: Blobs, key: bytes, nonce: bytes, digest: bytes) -> bytes:
    sealed = await blobs.get(digest)
    try:
        return await asyncio.to_thread(AESGCM(key).decrypt, nonce, sealed, None)
    except InvalidTag:
        raise Refused(Kind.UNAVAILABLE, "the kept package is damaged", package="damaged") from None


async def expire_recordings(pool: Any, blobs: Blobs, before: Instant) -> int:
    """Remove what was issued before an instant, but for what lies where it was recorded. pool: as saqtau_worker."""
    with refusals():
        rows = await pool.fetch("delete from recording_package where issued_at < $1 returning core, proofs", before)
    for digest in (digest for row in rows for digest in (row["core"], row["proofs"]) if digest is not None):
        await asyncio.to_thread(blobs.path(digest).unlink, missing_ok=True)
    return len(rows)
