"""The package of an approved export: built once, the same bytes for whoever fetches it again, erased after two weeks.

The manifest goes into the log as an entry (`issue`) before the package exists, and the package carries that entry with
its proof. While no witness stands behind the log, a package is provisional and says so; then it is issued anew.
At rest the bytes are sealed under the key of (retention, day), so that a backup does not keep what was erased.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from saqtau.engine.access import must_hold
from saqtau.engine.blobs import Blobs
from saqtau.engine.custody import (
    Chain,
    Opened,
    entries_about,
    open_entries,
    oversight_policy,
    place_of,
    prove,
    some_answer,
)
from saqtau.engine.entries import retention_of
from saqtau.engine.export_content import read_content
from saqtau.engine.exports import ExportLine, find_agreed
from saqtau.engine.failures import refusals
from saqtau.engine.keys import Keys
from saqtau.engine.ledger import ACCESS, Draft, Ledger, day_of
from saqtau.engine.ledger_read import Proofs
from saqtau.engine.sequencer import Count
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import Clock, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.leaf import LeafClass
from saqtau.ledger.package import (
    CHECKPOINT,
    EXPORT,
    MANIFEST,
    POLICY,
    PackageStanding,
    entry_name,
    file_name,
    manifest,
    pack,
    unpack,
)
from saqtau.ledger.policy import LogPolicy
from saqtau.ledger.sealing import seal, unseal

RETENTION: Final = "export_14d"
PATIENCE: Final = 4.0
"""Seconds that a package waits for a witness before it goes out provisional."""
_LOOK: Final = 0.2
_CORE, _WHOLE = bytes(11) + b"\1", bytes(11) + b"\2"
"""Nonces under a package's own key, which seals two things once each."""

_ROWS: Final = """
    select standing, entry, retention, to_char(day, 'YYYY-MM-DD') as day, wrapped, sealed, core, package, sha256
    from export_package where export = $1
"""
_KEEP: Final = """
    insert into export_package
        (export, standing, issued_at, issued_by, entry, manifest, retention, day, wrapped, sealed, core)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
_DONE: Final = """
    update export_package set package = $3, sha256 = $4, size = $5 where export = $1 and standing = $2
"""


class Package(msgspec.Struct, frozen=True):
    """A package ready to leave."""

    name: str
    data: bytes
    standing: PackageStanding
    sha256: str


class _Kept(msgspec.Struct, frozen=True):
    standing: PackageStanding
    entry: str
    retention: str
    day: str
    wrapped: bytes
    sealed: bytes
    core: bytes
    package: bytes | None


class Issuing(msgspec.Struct, frozen=True):
    """What a package is made with. pool: as saqtau_app."""

    pool: Any
    ledger: Ledger
    keys: Keys
    blobs: Blobs
    proofs: Proofs
    schema: str
    clock: Clock
    random: Callable[[int], bytes]
    patience: float = PATIENCE


async def read_package(grant: Grant, line: ExportLine, using: Issuing) -> Package:
    """The package of an approved export: witnessed if a witness stands behind it by now, else provisional.

    Nothing is issued but what was agreed to. What was issued before the item changed is still given; nothing is, once
    minors or custody are concerned and no prosecutor agreed.
    Raises Refused: DENIED (the grant), CONFLICT (`standing`: not approved, or too long ago; `content`,
    `prosecutor`: `find_agreed`), NOT_FOUND, TOO_LARGE, UNAVAILABLE.
    """
    now = using.clock()
    must_hold(grant, now, Action.RECEIVE_EXPORT, named=line.id)
    if not line.fetchable:
        raise Refused(Kind.CONFLICT, f"export {line.id} cannot be fetched: {line.standing}", standing=line.standing)
    with refusals():
        async with using.pool.acquire() as pg, pg.transaction():
            # two who fetch at once get one package
            await pg.execute("select pg_advisory_xact_lock(23157, hashtext($1))", line.id)
            found_now = await find_agreed(pg, line, changed=True)
            kept = await _kept(pg, line.id)
            if PackageStanding.WITNESSED not in kept and (found_now.agreed or not kept):
                await _issue(grant, line, using, pg, PackageStanding.WITNESSED)
                kept = await _kept(pg, line.id)
            witnessed = kept.get(PackageStanding.WITNESSED)
            if witnessed is not None and (found := await _whole(grant, line, using, pg, witnessed)) is not None:
                return found
            if PackageStanding.PROVISIONAL not in kept:
                await _issue(grant, line, using, pg, PackageStanding.PROVISIONAL)
                kept = await _kept(pg, line.id)
            found = await _whole(grant, line, using, pg, kept[PackageStanding.PROVISIONAL])
            assert found is not None, "a provisional package waits for nobody"  # noqa: S101 - for mypy
            return found


async def _kept(pg: Any, export: str) -> Mapping[PackageStanding, _Kept]:
    return {
        PackageStanding(row["standing"]): _Kept(
            PackageStanding(row["standing"]), row["entry"], row["retention"], row["day"], row["wrapped"],
            row["sealed"], row["core"], row["package"],
        )
        for row in await pg.fetch(_ROWS, export)
    }  # fmt: skip


async def _issue(grant: Grant, line: ExportLine, using: Issuing, pg: Any, standing: PackageStanding) -> None:
    """Gather, list, and enter the list into the log. A witnessed one is issued only where a witness is at hand."""
    now = using.clock()
    content = await read_content(grant, using.pool, using.blobs, line, using.schema, now)
    about = await entries_about(
        grant, using.pool, using.keys, content.items, content.regions, content.since, now
    )  # fmt: skip
    own = [place_of(entry) for entry in (line.entry, *(one.entry for one in line.signatures))]
    # this very fetch is not part of what it fetches: its entry would wait for a witness each time
    this = place_of(grant.entry)
    places = [one for one in dict.fromkeys([*about.places, *own]) if one is not None and one != this]
    opened = await open_entries(grant, using.pool, using.keys, places, now)
    if standing is PackageStanding.WITNESSED and not await _at_hand(using, opened):
        return
    said = {**content.about, "custody_whole": about.whole, "issued_at": now}
    listed = manifest(line.id, standing, said, [place.entry for place in places], content.files)
    digest = hashlib.sha256(listed)
    record = {
        "v": 1, "kind": "said", "action": "export.issue", "at": now, "viewer": grant.viewer.id,
        "role": grant.viewer.role, "object": line.item, "export": line.id, "case": line.case,
        "recipient": line.recipient, "standing": standing.value, "manifest": digest.hexdigest(), "under": grant.entry,
    }  # fmt: skip
    count = Count("export.issue", line.purpose, grant.viewer.role, "allow", "")
    draft = Draft(ACCESS, line.region, LeafClass.EXPORT, retention_of(LeafClass.EXPORT), record, count)
    entry = (await using.ledger.append(draft)).entry
    core = await asyncio.to_thread(pack, {**content.files, MANIFEST: listed})
    day = day_of(now)
    kek = await asyncio.to_thread(using.keys.kek, RETENTION, day)
    key = using.random(32)
    locked = seal(key, kek, using.random)
    blob = await using.blobs.put(await asyncio.to_thread(AESGCM(key).encrypt, _CORE, core, None))
    await pg.execute(
        _KEEP, line.id, standing.value, now, grant.viewer.id, entry, digest.digest(), RETENTION,
        date.fromisoformat(day), locked.wrapped, locked.content, blob,
    )  # fmt: skip


async def _at_hand(using: Issuing, opened: list[Opened]) -> bool:
    """Whether a witness stands behind every entry of the chain. Waits a moment, unless all witnesses are away."""
    policy = await _policy(using, opened)
    wait = bool(policy.witnesses) and await some_answer(using.pool)
    return (await _witnessed(using, opened, policy, wait=wait)).witnessed


async def _policy(using: Issuing, opened: list[Opened]) -> LogPolicy:
    return await oversight_policy(using.pool, {one.place.origin for one in opened})


async def _whole(grant: Grant, line: ExportLine, using: Issuing, pg: Any, kept: _Kept) -> Package | None:
    """The package, put together at its first fetch. None: it waits for a witness, who did not come in time."""
    key = await asyncio.to_thread(_key, using.keys, kept)
    if kept.package is not None:
        return _package(line, kept.standing, await _unlock(using.blobs, key, _WHOLE, kept.package))
    core = await asyncio.to_thread(unpack, await _unlock(using.blobs, key, _CORE, kept.core))
    named = msgspec.json.decode(core[MANIFEST])["entries"]
    places = [place for entry in (*named, kept.entry) if (place := place_of(entry)) is not None]
    opened = await open_entries(grant, using.pool, using.keys, places, using.clock())
    policy = await _policy(using, opened)
    chain = await _witnessed(using, opened, policy, wait=kept.standing is PackageStanding.WITNESSED)
    if kept.standing is PackageStanding.WITNESSED and not chain.witnessed:
        return None
    *custody, own = chain.files
    origin = places[-1].origin
    files = {
        **core,
        **{entry_name(number): data for number, data in enumerate(custody)},
        EXPORT: own,
        CHECKPOINT: chain.notes[origin].text.encode(),
        POLICY: policy.text(),
    }
    data = await asyncio.to_thread(pack, files)
    blob = await using.blobs.put(await asyncio.to_thread(AESGCM(key).encrypt, _WHOLE, data, None))
    await pg.execute(_DONE, line.id, kept.standing.value, blob, hashlib.sha256(data).digest(), len(data))
    return _package(line, kept.standing, data)


async def _witnessed(using: Issuing, opened: list[Opened], policy: LogPolicy, *, wait: bool) -> Chain:
    """The chain, after the witnesses had a moment to sign what was entered just now."""
    left = using.patience if wait else 0.0
    while True:
        chain = await prove(using.pool, using.proofs, opened, policy)
        if chain.witnessed or left <= 0:
            return chain
        await asyncio.sleep(_LOOK)
        left -= _LOOK


def _package(line: ExportLine, standing: PackageStanding, data: bytes) -> Package:
    return Package(file_name(line.id, standing), data, standing, hashlib.sha256(data).hexdigest())


def _key(keys: Keys, kept: _Kept) -> bytes:
    """Raises Refused(CONFLICT, key=gone) when its day is over."""
    return unseal(keys.find(kept.retention, kept.day), kept.wrapped, kept.sealed)


async def _unlock(blobs: Blobs, key: bytes, nonce: bytes, digest: bytes) -> bytes:
    sealed = await blobs.get(digest)
    try:
        return await asyncio.to_thread(AESGCM(key).decrypt, nonce, sealed, None)
    except InvalidTag:
        raise Refused(Kind.UNAVAILABLE, "the kept package is damaged", package="damaged") from None


async def expire_packages(pool: Any, blobs: Blobs, before: Instant) -> int:
    """Remove packages issued before an instant: rows and files; how many. pool: as saqtau_worker."""
    with refusals():
        rows = await pool.fetch("delete from export_package where issued_at < $1 returning core, package", before)
    for row in rows:
        for digest in (row["core"], row["package"]):
            if digest is not None:
                await asyncio.to_thread(blobs.path(digest).unlink, missing_ok=True)
    return len(rows)
