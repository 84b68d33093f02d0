"""Entries of help while the ledger cannot write: durable in the journal before the grant, in the ledger afterwards.

Help fails open (law 7): a dispatcher is not locked out because a disk is full. His entry is sealed, written to the
stream LATE, and appended with `late: true` as soon as the ledger takes it, exactly once.
"""

import hashlib
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, Final

import msgspec
import nats.errors
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from saqtau.engine.failures import refusals
from saqtau.engine.journal import LATE, Gap, Message, publish, replay
from saqtau.engine.ledger import ACCESS, Draft, Ledger
from saqtau.kernel.clock import DAY, Clock
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.leaf import LeafClass

log = structlog.get_logger("saqtau.late")

PATIENCE: Final = 1.5
"""Seconds until the journal too counts as away."""
_ABOUT: Final = b"saqtau late v1"
_NONCE: Final = 12
_REMEMBERED: Final = 30 * DAY
"""How long the ids of appended letters are kept; the stream itself is emptied at once."""

Random = Callable[[int], bytes]


class Late:
    """The stream LATE of one process. key: 32 bytes, of the folder; the journal never holds an entry in the clear."""

    def __init__(self, js: Any, key: bytes, random: Random) -> None:
        self._js = js
        self._key = AESGCM(key)
        self._random = random

    async def put(self, identity: str, draft: Draft) -> None:
        """Make an entry durable in the journal. identity: its id; the same one again is no second entry.

        Raises Refused(UNAVAILABLE) when neither ledger nor journal takes it: then nothing may be shown.
        """
        nonce = self._random(_NONCE)
        sealed = nonce + self._key.encrypt(nonce, msgspec.msgpack.encode((identity, draft)), _ABOUT)
        await publish(self._js, f"{LATE.subject}.entry", sealed, f"late {identity}", patience=PATIENCE)

    async def drain(self, pool: Any, ledger: Ledger, clock: Clock) -> int:
        """Append what came late, each entry once, whatever dies between; returns how many.

        pool: as saqtau_worker. Raises Refused(UNAVAILABLE) while ledger or journal is away: try again later.
        """
        done = 0
        try:
            async with aclosing(replay(self._js, LATE, "*", 0, batch=200, wait=0.2)) as batches:  # type: ignore[type-var]
                async for batch in batches:
                    if not batch:
                        break
                    done += await self._append(pool, ledger, batch, clock)
                    await self._forget(batch[-1].sequence)
        except Gap as gap:
            raise Refused(Kind.UNAVAILABLE, f"stream LATE: {gap}", journal="unavailable") from gap
        return done

    async def _append(self, pool: Any, ledger: Ledger, batch: list[Message], clock: Clock) -> int:
        letters = dict(self._opened(message) for message in batch)
        now = clock()
        with refusals():
            async with pool.acquire() as pg, pg.transaction():
                fresh = await pg.fetch(
                    """insert into late_done (id, at) select unnest($1::text[]), $2
                       on conflict (id) do nothing returning id""",
                    list(letters), now,
                )  # fmt: skip
                await pg.execute("delete from late_done where at < $1", now - _REMEMBERED)
                drafts = [letters[row["id"]] for row in fresh]
                if drafts:
                    await ledger.within(pg, drafts)
        if drafts:
            log.info("entries that came late stand in the ledger", count=len(drafts))
        return len(drafts)

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
            return f"unreadable {digest[:32]}", _unreadable(digest, message)
        return identity, msgspec.structs.replace(draft, record={**draft.record, "late": True})

    async def _forget(self, sequence: int) -> None:
        try:
            await self._js.purge_stream(LATE.name, seq=sequence + 1)
        except (OSError, TimeoutError, nats.errors.Error) as error:
            # what stays is known by its id and not appended again
            log.warning("stream LATE is not emptied", error=type(error).__name__)


def _unreadable(digest: str, message: Message) -> Draft:
    return Draft(
        kind=ACCESS,
        region=0,
        klass=LeafClass.ADMIN,
        retention="oversight_10y",
        record={"v": 1, "kind": "late_unreadable", "at": message.at, "sha256": digest, "late": True},
        count=None,
    )
