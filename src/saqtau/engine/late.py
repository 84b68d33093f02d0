"""Entries of help while the ledger cannot write: durable in the journal before the grant, in the ledger afterwards.

Help fails open (law 7): a dispatcher is not locked out because a disk is full. His entry is sealed, written to the
stream LATE, and appended with `late: true` as soon as the ledger takes it, exactly once. The stream numbers its
letters, and how far they stand in the ledger is kept with them: one that was taken out between leaves an entry too.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

import msgspec
import nats.errors
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from saqtau.engine.failures import refusals
from saqtau.engine.journal import LATE, Extent, Gap, Message, extent, publish, replay
from saqtau.engine.ledger import ACCESS, Draft, Ledger
from saqtau.kernel.clock import Clock, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.leaf import LeafClass

log = structlog.get_logger("saqtau.late")

PATIENCE: Final = 1.5
"""Seconds until the journal too counts as away."""
_ABOUT: Final = b"saqtau late v1"
_NONCE: Final = 12
_BEGUN: Final = "insert into late_mark (created, sequence) values ($1, 0) on conflict do nothing"
_MARK: Final = "select created, sequence from late_mark for update"
_KNOWN: Final = "select id from late_done where id = any($1::text[])"
_STAND: Final = "insert into late_done (entry, id, moment) select * from unnest($1::text[], $2::text[], $3::bigint[])"
_MOVED: Final = "update late_mark set created = $1, sequence = $2"

Random = Callable[[int], bytes]


class Late:
    """The stream LATE of one process. key: 32 bytes, of the folder; the journal never holds an entry in the clear."""

    def __init__(self, js: Any, key: bytes, random: Random) -> None:
        self._js = js
        self._key = AESGCM(key)
        self._random = random
        self._empty: Extent | None = None  # the stream as it was found empty last

    async def put(self, identity: str, draft: Draft) -> None:
        """Make an entry durable in the journal. identity: its id; the same one again is no second entry.

        Raises Refused(UNAVAILABLE) when neither ledger nor journal takes it: then nothing may be shown.
        """
        nonce = self._random(_NONCE)
        sealed = nonce + self._key.encrypt(nonce, msgspec.msgpack.encode((identity, draft)), _ABOUT)
        await publish(self._js, f"{LATE.subject}.entry", sealed, f"late {identity}", patience=PATIENCE)

    async def drain(self, pool: Any, ledger: Ledger, clock: Clock) -> int:
        """Append what came late, each entry once, whatever dies between; returns how many.

        What was taken out of the stream before it could be appended leaves an entry `late_gap`.
        pool: as saqtau_worker. Raises Refused(UNAVAILABLE) while ledger or journal is away: try again later.
        """
        there = await extent(self._js, LATE)
        if there.messages == 0:
            if there != self._empty:
                await self._append(pool, ledger, there, [], clock)
                self._empty = there
            return 0
        done = 0
        try:
            async with aclosing(replay(self._js, LATE, "*", 0, batch=200, wait=0.2)) as batches:  # type: ignore[type-var]
                async for batch in batches:
                    if not batch:
                        break
                    done += await self._append(pool, ledger, there, batch, clock)
                    await self._forget(batch[-1].sequence)
        except Gap as gap:
            raise Refused(Kind.UNAVAILABLE, f"stream LATE: {gap}", journal="unavailable") from gap
        return done

    async def _append(self, pool: Any, ledger: Ledger, there: Extent, batch: Sequence[Message], clock: Clock) -> int:
        """Letters in order, and what is missing before them; when there is none at all, what is missing to the end."""
        letters = [(message.sequence, *self._opened(message)) for message in batch]
        with refusals():
            async with pool.acquire() as pg, pg.transaction():
                await pg.execute(_BEGUN, there.created)
                created, after = await pg.fetchrow(_MARK)
                known = {row["id"] for row in await pg.fetch(_KNOWN, [identity for _, identity, _ in letters])}
                come, after = _arrived(letters, there, known, created, after, clock())
                if come.drafts or created != there.created:
                    placed = await ledger.within(pg, come.drafts)
                    stand = [(placed[at].entry, *come.told[at]) for at in come.told]
                    await pg.execute(_STAND, *([one[field] for one in stand] for field in range(3)))
                    await pg.execute(_MOVED, there.created, after)
        if come.missing:
            log.critical("entries that came late were taken out of the journal", gaps=come.missing)
        if come.told:
            log.info("entries that came late stand in the ledger", count=len(come.told))
        return len(come.told)

    def _opened(self, message: Message) -> tuple[str, Draft]:
        """The letter; for one that cannot be opened, an entry that says so: it must not vanish unseen."""
        nonce, sealed = message.data[:_NONCE], message.data[_NONCE:]
        try:
            identity, draft = msgspec.msgpack.decode(
                self._key.decrypt(nonce, sealed, _ABOUT), type=tuple[str, Draft], strict=False
            )
        except (InvalidTag, ValueError, msgspec.MsgspecError):
            digest = hashlib.sha256(message.data).hexdigest()
            log.critical("an entry that came late cannot be opened", sha256=digest)
            about = {"at": message.at, "sha256": digest, "late": True, "letter": message.sequence}
            return f"unreadable {digest[:32]}", _admin("late_unreadable", about)
        record = {**draft.record, "late": True, "letter": message.sequence}
        return identity, msgspec.structs.replace(draft, record=record)

    async def _forget(self, sequence: int) -> None:
        try:
            await self._js.purge_stream(LATE.name, seq=sequence + 1)
        except (OSError, TimeoutError, nats.errors.Error) as error:
            # what stays lies before the mark, is known by its id, and is not appended again
            log.warning("stream LATE is not emptied", error=type(error).__name__)


class _Come(msgspec.Struct):
    """What is to be appended. told: of which drafts id and moment are kept, by their place; missing: gaps."""

    drafts: list[Draft]
    told: dict[int, tuple[str, Instant]]
    missing: int = 0


def _arrived(
    letters: Sequence[tuple[int, str, Draft]], there: Extent, known: set[str], created: str, after: int, now: Instant
) -> tuple[_Come, int]:
    """What is to be entered, and how far the stream stands in the ledger then. known: ids that stand there already.

    An id that is known is passed over only where the stream was drained before: at a new place somebody else has said
    that it is known, or it was sent twice. It is entered, with a mark.
    """
    come, known = _Come([], {}), set(known)

    def gap(missing: int | None, before: int) -> None:
        come.missing += 1
        come.drafts.append(_admin("late_gap", {"at": now, "after": after, "before": before, "missing": missing}))

    if created != there.created:
        gap(None, 0)
        after = 0
    for sequence, identity, draft in letters:
        if sequence <= after and identity in known:
            continue
        if sequence > after + 1:
            gap(sequence - after - 1, sequence)
        if identity in known:
            draft = msgspec.structs.replace(draft, record={**draft.record, "again": True})  # noqa: PLW2901
        come.told[len(come.drafts)] = identity, Instant(draft.record.get("at", now))
        come.drafts.append(draft)
        known.add(identity)
        after = max(after, sequence)
    if not letters and there.last > after:
        gap(there.last - after, there.last + 1)
        after = there.last
    return come, after


def _admin(kind: str, about: Mapping[str, Any]) -> Draft:
    record = {"v": 1, "kind": kind, **{name: value for name, value in about.items() if value is not None}}
    return Draft(kind=ACCESS, region=0, klass=LeafClass.ADMIN, retention="oversight_10y", record=record, count=None)
