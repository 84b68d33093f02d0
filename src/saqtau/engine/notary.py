"""The notary takes every new checkpoint to the witnesses and keeps what they sign.

It is never more than a moment behind the log, and never in its way: entries are acknowledged whether a witness answers
or not. How each witness does stands in `ledger_witness`; what it holds against the log becomes an entry of the log.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import httpx
import msgspec
import structlog

from saqtau.engine.entries import said
from saqtau.engine.failures import is_passing, told
from saqtau.engine.feeding import Heard, Says, WitnessAt, longer, understand
from saqtau.engine.ledger import Ledger
from saqtau.engine.ledger_read import Proofs
from saqtau.kernel.clock import DAY, MINUTE, Clock, Instant, after
from saqtau.kernel.ids import Ids
from saqtau.ledger.leaf import LeafClass
from saqtau.ledger.note import parse_note
from saqtau.ledger.witness.request import compose_request

log = structlog.get_logger("saqtau.notary")

POLL: Final = 0.1
"""Seconds between two looks at the heads of the logs."""
ALIVE: Final = 5 * MINUTE
"""After so long a quiet log is shown to the witness again: its silence must not look like the log's."""
AWAY: Final = 1 * MINUTE
"""A witness that is away for so long gets an entry."""
THIN: Final = 10 * MINUTE
"""How long a checkpoint waits for a cosignature."""
WHOLE: Final = DAY
"""How long every cosigned checkpoint is kept; later one in ten minutes of each witness."""
RETENTION: Final = "oversight_10y"
FORGOT: Final = "forgot"
"""A witness says to have seen less than it has cosigned: it was put back itself."""
_TAKEN_AWAY: Final = "taken away"
_CONTRADICTS: Final = frozenset({Says.FORK, Says.SEEN_MORE})
_SILENT: Final = "does not answer"
_AT_ONCE: Final = 8
_TRIES: Final = 3  # a witness that keeps naming another size is left alone for a while
_ANSWER_LIMIT: Final = 64 * 1024
_TIMEOUT: Final = httpx.Timeout(10.0, connect=3.0)

_HEADS: Final = "select id, origin, region, size, note from ledger_log where size > 0"
_STATES: Final = "select log, name, vkey, url, size, seen, away, trouble, against from ledger_witness"
_COSIGNED: Final = "select ledger_cosign($1, $2, $3, $4, $8), ledger_witnessed($1, $3, $5, $6, $2, $7, $8)"
_SIZE: Final = "select size from ledger_log where id = $1"
_TROUBLE: Final = "select ledger_witnessed($1, $2, $3, $4, null, $5, $6, $7)"


class Head(msgspec.Struct, frozen=True):
    """A log as it stands."""

    id: int
    origin: str
    region: int
    size: int
    note: str


class Feed(msgspec.Struct):
    """One log at one witness."""

    size: int = 0  # what the witness has seen, as far as we know
    seen: int = 0  # when it cosigned last
    away: int | None = None  # since when it does not
    trouble: str | None = None
    again: int = 0  # not before
    pause: float = 0.0
    accused: str | None = None  # what was entered about it, so that it is entered once


class Notary:
    """Feeds witnesses until told to stop. pool: asyncpg, as saqtau_worker. random: 0..1, for the jitter of pauses."""

    def __init__(
        self,
        pool: Any,
        ledger: Ledger,
        witnesses: Sequence[WitnessAt],
        clock: Clock,
        ids: Ids,
        random: Callable[[], float],
    ) -> None:
        self._pool = pool
        self._ledger = ledger
        self._witnesses = tuple(witnesses)
        self._clock = clock
        self._ids = ids
        self._random = random
        self._proofs = Proofs(pool)
        self._heads: dict[int, Head] = {}
        self._feeds: dict[tuple[str, int], Feed] = {}
        self._grown = {one.name: asyncio.Event() for one in self._witnesses}
        self._away: dict[str, int] = {}  # witnesses whose absence was entered, and since when they are away

    async def run(self, stop: asyncio.Event) -> None:
        """Feed until `stop`; outages of the record are waited out."""
        while not stop.is_set() and not await self._begin():
            await _rest(stop, 1.0)
        async with httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False, trust_env=True) as http:
            tasks = [asyncio.create_task(self._look(stop))]
            tasks += [asyncio.create_task(self._serve(one, http, stop)) for one in self._witnesses]
            await stop.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _begin(self) -> bool:
        """Read how the witnesses did, and enter which are new and which were taken away; False: try again."""
        with _LivedThrough():
            rows = await self._pool.fetch(_STATES)
            known = {row["name"]: row["vkey"] for row in rows}
            for one in self._witnesses:
                if known.get(one.name) != one.verifier.vkey:
                    await self._enter(0, "added", one.name, {"vkey": one.verifier.vkey, "url": one.url})
            await self._take_away([row for row in rows if row["name"] not in self._grown])
            for row in rows:
                if any(one.verifier.vkey == row["vkey"] for one in self._witnesses):
                    # what another key under the same name saw says nothing
                    self._feeds[row["name"], row["log"]] = _as_left(row)
                    if row["away"] is not None and self._clock() - row["away"] >= AWAY and _is_away(row["trouble"]):
                        self._away[row["name"]] = row["away"]
            return True
        return False

    async def _take_away(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Witnesses of before that the configuration does not name any more."""
        for name in sorted({row["name"] for row in rows if row["trouble"] != _TAKEN_AWAY}):
            await self._enter(0, "taken_away", name, {})
            log.warning("a witness was taken away", witness=name)
        for row in rows:
            await self._pool.execute(
                _TROUBLE, row["log"], row["name"], row["vkey"], row["url"], _TAKEN_AWAY, self._clock(), None
            )

    async def _look(self, stop: asyncio.Event) -> None:
        """See which logs have grown."""
        while not stop.is_set():
            pause = 1.0
            with _LivedThrough():
                heads = {row["id"]: Head(*row) for row in await self._pool.fetch(_HEADS)}
                if heads != self._heads:
                    self._heads = heads
                    for grown in self._grown.values():
                        grown.set()
                pause = POLL
            await _rest(stop, pause)

    async def _serve(self, witness: WitnessAt, http: httpx.AsyncClient, stop: asyncio.Event) -> None:
        """Feed one witness whatever is due."""
        grown = self._grown[witness.name]
        while not stop.is_set():
            grown.clear()
            due = [head for head in self._heads.values() if self._due(self._feed(witness, head), head)]
            for start in range(0, len(due), _AT_ONCE):
                await asyncio.gather(*(self._try(witness, http, head) for head in due[start : start + _AT_ONCE]))
            await self._mind_absence(witness)
            if not any(self._due(self._feed(witness, head), head) for head in self._heads.values()):
                await _rest(grown, POLL)

    def _feed(self, witness: WitnessAt, head: Head) -> Feed:
        return self._feeds.setdefault((witness.name, head.id), Feed())

    def _due(self, feed: Feed, head: Head) -> bool:
        now = self._clock()
        return now >= feed.again and (feed.size != head.size or feed.trouble is not None or now - feed.seen >= ALIVE)

    async def _try(self, witness: WitnessAt, http: httpx.AsyncClient, head: Head) -> None:
        """Send one checkpoint and keep what came of it. Whatever goes wrong is told and tried again later."""
        feed = self._feed(witness, head)
        done = False
        with _LivedThrough():  # the record is away, or a fault of ours: the witness is not to blame
            heard = await self._send(witness, http, feed, head)
            if heard.says is Says.COSIGNED:
                await self._cosigned(witness, feed, head, heard.line)
            else:
                await self._refused(witness, feed, head, heard)
            done = True
        if not done:
            self._later(feed)

    async def _send(self, witness: WitnessAt, http: httpx.AsyncClient, feed: Feed, head: Head) -> Heard:
        note = parse_note(head.note.encode())
        heard = Heard(Says.NO)
        for _ in range(_TRIES):
            old = min(feed.size, head.size)
            proof = [] if old in {0, head.size} else await self._proofs.consistency(head.origin, old, head.size)
            try:
                answer = await _post(http, witness.url, compose_request(old, proof, head.note.encode()))
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                return Heard(Says.NO, told=f"{_SILENT}: {type(error).__name__}")
            heard = understand(witness.verifier, note, head.size, *answer)
            if heard.says is not Says.SEEN_LESS or heard.size == old:
                return heard
            if heard.size < feed.size and feed.seen:
                await self._accuse(witness, feed, head, FORGOT, heard)
            feed.size = heard.size
        return heard

    async def _cosigned(self, witness: WitnessAt, feed: Feed, head: Head, line: str) -> None:
        now = self._clock()
        await self._pool.execute(
            _COSIGNED, head.id, head.size, witness.name, line, witness.verifier.vkey, witness.url, None, now
        )
        feed.size, feed.seen, feed.away, feed.trouble = head.size, now, None, None
        feed.pause, feed.again, feed.accused = 0.0, 0, None

    async def _refused(self, witness: WitnessAt, feed: Feed, head: Head, heard: Heard) -> None:
        if heard.says is Says.SEEN_MORE and await self._pool.fetchval(_SIZE, head.id) >= heard.size:
            feed.size = heard.size  # another notary was faster
            return
        now = self._clock()
        if heard.told != feed.trouble:
            log.warning("not witnessed", log=head.origin, witness=witness.name, size=head.size, why=heard.told)
            against = heard.says.value if heard.says in _CONTRADICTS else None
            await self._pool.execute(
                _TROUBLE, head.id, witness.name, witness.verifier.vkey, witness.url, heard.told, now, against
            )
        feed.trouble, feed.away = heard.told, feed.away or now
        self._later(feed)
        if heard.says in _CONTRADICTS:
            feed.size = max(feed.size, heard.size)
            await self._accuse(witness, feed, head, heard.says, heard)

    def _later(self, feed: Feed) -> None:
        feed.pause = longer(feed.pause)
        feed.again = after(self._clock(), feed.pause * (0.5 + self._random()))

    async def _accuse(self, witness: WitnessAt, feed: Feed, head: Head, what: str, heard: Heard) -> None:
        """Enter, once, what a witness holds against a log, or a log against its witness."""
        if feed.accused == what:
            return
        log.critical("log and witness contradict", log=head.origin, witness=witness.name, what=what, told=heard.told)
        about = {"log": head.origin, "size": head.size, "seen": heard.size, "known": feed.size}
        await self._enter(head.region, what, witness.name, about)
        feed.accused = what

    async def _mind_absence(self, witness: WitnessAt) -> None:
        """Enter that a witness has been away for a while, and that it is back."""
        feeds = [feed for (name, _), feed in self._feeds.items() if name == witness.name]
        since = min((feed.away for feed in feeds if feed.away is not None and _is_away(feed.trouble)), default=None)
        entered = self._away.get(witness.name)
        with _LivedThrough():  # the ledger is away: the next turn tries again
            if since is not None and entered is None and self._clock() - since >= AWAY:
                await self._enter(0, "away", witness.name, {"since": since})
                self._away[witness.name] = since
            elif since is None and entered is not None:
                await self._enter(0, "back", witness.name, {"since": entered})
                del self._away[witness.name]

    async def _enter(self, region: int, what: str, witness: str, about: Mapping[str, Any]) -> None:
        told_ = {"witness": witness, **about}
        draft = said(self._ids(), self._clock(), LeafClass.WITNESS, f"witness.{what}", region, None, told_)
        await self._ledger.append(msgspec.structs.replace(draft, retention=RETENTION))


async def thin(pool: Any, now: Instant) -> int:
    """Remove checkpoints of more than `THIN` ago that nobody cosigned, but for the last of each log; how many went."""
    gone = 0
    for row in await pool.fetch("select id from ledger_log"):
        gone += await pool.fetchval("select ledger_thin($1, $2)", row["id"], now - THIN)
    return gone


async def thin_cosigned(pool: Any, now: Instant) -> int:
    """Remove cosigned checkpoints of more than `WHOLE` ago, but one in ten minutes of each witness; how many went."""
    gone = 0
    for row in await pool.fetch("select id from ledger_log"):
        gone += await pool.fetchval("select ledger_thin_cosigned($1, $2)", row["id"], now - WHOLE)
    return gone


def _as_left(row: Mapping[str, Any]) -> Feed:
    """What was known of a log at a witness when the last notary ended."""
    return Feed(row["size"], row["seen"] or 0, row["away"], row["trouble"], accused=row["against"])


def _is_away(trouble: str | None) -> bool:
    return trouble is not None and trouble.startswith(_SILENT)


async def _post(http: httpx.AsyncClient, url: str, body: bytes) -> tuple[int, str, str]:
    """(status, content type, text) of an answer; what is longer than any answer is cut."""
    async with http.stream("POST", f"{url}/add-checkpoint", content=body) as response:
        data = bytearray()
        async for part in response.aiter_bytes():
            data += part
            if len(data) > _ANSWER_LIMIT:
                break
        return response.status_code, response.headers.get("content-type", ""), data.decode("utf-8", "replace")


async def _rest(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


class _LivedThrough:
    """`with _LivedThrough()`: go on after a failure; an outage is told, a fault with its trace."""

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        if is_passing(error):
            log.warning("the notary waits", error=told(error))
        else:
            log.error("the notary failed", exc_info=error)
        return True
