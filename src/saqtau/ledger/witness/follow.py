"""Fetches what a log serves: its new entries for the mirror, and its authority's list of logs.

Nothing that is fetched is believed before it is checked against a root that was cosigned or a key that is known.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import msgspec
import structlog

from saqtau.kernel.clock import SECOND, Clock, Instant, after
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.note import Verifier
from saqtau.ledger.open_records import LARGEST, parse_lines
from saqtau.ledger.tiles import ENTRIES, MAX_ENTRY, TilePath
from saqtau.ledger.tree import WIDTH
from saqtau.ledger.witness import opened
from saqtau.ledger.witness.acting import judge_open
from saqtau.ledger.witness.loglist import LIST_LIMIT, LogList, admit, parse_list
from saqtau.ledger.witness.mirror import Draft, Mirror
from saqtau.ledger.witness.server import Witness
from saqtau.ledger.witness.store import Authority, Log, Store

log = structlog.get_logger("saqtau.witness")

MIRROR_EVERY: Final = 5.0
LIST_EVERY: Final = 60.0
LIST_AT_MOST: Final = 2.0
"""Seconds between two looks at an authority's list, however often an unknown log of its name asks."""
AGAIN: Final = 5.0
"""Seconds until who did not answer is asked again."""
AGAIN_FALSE: Final = 60.0
"""And one that served what does not fit: its leaves are then fetched from the first one."""
_PATIENT: Final = 10  # how often a log that asks for patience gets it, a second longer each time
_AHEAD: Final = 4  # bundles under way at once
_BUNDLE_LIMIT: Final = WIDTH * (MAX_ENTRY + 2)
_OPEN_LIMIT: Final = WIDTH * LARGEST
OPEN_KIND: Final = "evidence"
"""The logs whose open records are copied too."""
OPEN_EVERY: Final = 20.0
"""Seconds between two questions for the open records of one log."""
_PATIENCE: Final = httpx.Timeout(10.0)


class Served(msgspec.Struct, frozen=True):
    """What `GET <url>/ledger/logs` answers, as far as a witness needs it."""

    authority: str  # the vkey under the list, for a person to compare; believed only when it was given otherwise
    signed: str


@asynccontextmanager
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """For requests to logs: no redirects, no cookies, bounded patience; certificates of this machine."""
    async with httpx.AsyncClient(timeout=_PATIENCE, follow_redirects=False) as made:
        yield made


async def fetch(http: httpx.AsyncClient, url: str, token: str | None, limit: int) -> bytes:
    """The bytes at an address.

    Raises Refused: NOT_FOUND (404), TOO_MANY (it asks for patience), TOO_LARGE beyond the limit, UNAVAILABLE otherwise.
    """
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    data = bytearray()
    try:
        async with http.stream("GET", url, headers=headers) as response:
            if response.status_code in {429, 503}:
                raise Refused(Kind.TOO_MANY, f"{url}: answers {response.status_code}", url="busy")
            if response.status_code == 404:
                raise Refused(Kind.NOT_FOUND, f"{url}: not there", url="not_found")
            if response.status_code != 200:
                raise Refused(Kind.UNAVAILABLE, f"{url}: answers {response.status_code}", url="refused")
            async for part in response.aiter_bytes():
                data += part
                if len(data) > limit:
                    raise Refused(Kind.TOO_LARGE, f"{url}: more than {limit} bytes", url="too_large")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Refused(Kind.UNAVAILABLE, f"{url}: {type(error).__name__} {error}".strip(), url="silent") from error
    return bytes(data)


async def fetch_list(http: httpx.AsyncClient, url: str) -> Served:
    """What is served at `<url>/ledger/logs`, nothing of it verified. Raises as `fetch`, INVALID when it is none."""
    data = await fetch(http, f"{url.rstrip('/')}/ledger/logs", None, 2 * LIST_LIMIT)
    try:
        return msgspec.json.decode(data, type=Served)
    except msgspec.DecodeError as error:
        raise Refused(Kind.INVALID, f"{url}/ledger/logs: {error}", list="invalid") from error


class Follower:
    """Keeps the mirror behind the cosigned checkpoints, and the list of logs behind its authority's."""

    def __init__(self, store: Store, mirror: Mirror, clock: Clock) -> None:
        self._store = store
        self._mirror = mirror
        self._clock = clock
        self._asked = asyncio.Event()
        self._authorities: tuple[str, ...] = ()
        self._again: dict[str, Instant] = {}  # what failed, and when it is tried again
        self._asked_open: dict[str, Instant] = {}  # when open records were asked for

    def asked(self, origin: str) -> None:
        """A log that is not watched asked; when it bears a known authority's name, its list is read soon."""
        if any(origin.startswith(f"{name}/") for name in self._authorities):
            self._asked.set()

    async def run(self, witness: Witness, stop: asyncio.Event) -> None:
        """Mirror and read lists until told to stop; trouble is noted where `saqtau witness logs` shows it."""
        async with client() as http:
            chores = (self._mirror_all(witness, http, stop), self._read_lists(witness, http, stop))
            tasks = [asyncio.create_task(chore) for chore in chores]
            await stop.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _mirror_all(self, witness: Witness, http: httpx.AsyncClient, stop: asyncio.Event) -> None:
        while not stop.is_set():
            for one in await witness.working(self._store.logs):
                waits = self._again.get(one.origin, 0) > self._clock()
                if one.url is not None and one.mirrored < one.size and not waits:
                    await self._noted(witness, "log", one.origin, self._copy(witness, http, one))
                elif one.url is not None and not waits and self._lacks_records(one):
                    await self._noted(witness, "log", one.origin, self._open_records(http, one))
            await asyncio.sleep(MIRROR_EVERY)

    async def _read_lists(self, witness: Witness, http: httpx.AsyncClient, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._asked.clear()
            well = True
            found: list[Authority] = await witness.working(self._store.authorities)
            self._authorities = tuple(one.name for one in found)
            for one in found:
                if one.url is not None:
                    well &= await self._noted(witness, "authority", one.name, self._read_list(witness, http, one))
            await asyncio.sleep(LIST_AT_MOST)
            try:
                await asyncio.wait_for(self._asked.wait(), LIST_EVERY if well else AGAIN)
            except TimeoutError:
                continue

    async def _noted(self, witness: Witness, table: str, key: str, chore: Coroutine[Any, Any, None]) -> bool:
        """Do it, and say whether it went well; what went wrong is written beside the log or authority until then."""
        told = None
        try:
            await chore
        except Refused as refusal:
            told = refusal.message
            self._again[key] = after(self._clock(), AGAIN if refusal.kind is Kind.UNAVAILABLE else AGAIN_FALSE)
            log.warning("the witness cannot read", what=key, why=told)
        except OSError as error:  # our own disk
            told = str(error)
            log.error("the mirror fails", what=key, why=told)  # noqa: TRY400 - no trace of a disk
        await witness.working(lambda: self._store.trouble(table, key, told, self._clock()))
        return told is None

    async def _copy(self, witness: Witness, http: httpx.AsyncClient, one: Log) -> None:
        """Copy what is new of a log. A copy of ours that turns out damaged is made again from the first leaf."""
        size = await self._copy_from(witness, http, one, one.mirrored)
        await asyncio.to_thread(opened.arrived, self._mirror.place(one.origin), self._clock(), size)
        await witness.working(lambda: self._store.mirrored(one.origin, size))
        await witness.working(lambda: judge_open(self._store, one.origin, self.root_at))

    def _lacks_records(self, one: Log) -> bool:
        """Whether it is time to ask for the open records of what is mirrored."""
        if one.origin.split("/")[-2:-1] != [OPEN_KIND] or not one.mirrored:
            return False
        if self._clock() < after(self._asked_open.get(one.origin, Instant(0)), OPEN_EVERY):
            return False
        return opened.next_of(self._mirror.place(one.origin)) < one.mirrored

    async def _open_records(self, http: httpx.AsyncClient, one: Log) -> None:
        """Copy what cameras recorded and how they were: each record is held against its leaf, which is here already."""
        self._asked_open[one.origin] = self._clock()
        place = self._mirror.place(one.origin)
        first = await asyncio.to_thread(opened.next_of, place)
        lacking = 0
        while first < one.mirrored:
            stop = min(first - first % WIDTH + WIDTH, one.mirrored)
            url = f"{(one.url or '').rstrip('/')}/ledger/{one.origin}/open/{first}"
            data = await self._patiently(lambda url=url: fetch(http, url, one.token, _OPEN_LIMIT))  # type: ignore[misc]
            records = [record for record in parse_lines(data) if record.index < stop]
            lacking += await asyncio.to_thread(opened.keep, place, first, stop, records)
            first = stop
        if lacking:
            log.warning("records of cameras are withheld", origin=one.origin, entries=lacking)

    def root_at(self, origin: str, size: int) -> bytes | None:
        """The root that the mirrored leaves give; called in the file's thread."""
        found = self._store.log(origin)
        return None if found is None else self._mirror.root_at(origin, size, found.mirrored)

    async def _copy_from(self, witness: Witness, http: httpx.AsyncClient, one: Log, have: int) -> int:
        try:
            draft = await asyncio.to_thread(self._mirror.begin, one.origin, have)
        except Refused:
            if have == 0:
                raise
            return await self._copy_from(witness, http, one, 0)
        await self._fill(http, one, draft)
        checkpoint = (one.note or b"") + (one.line or "").encode()
        if await asyncio.to_thread(draft.finish, one.root, checkpoint):
            return one.size
        if have:
            return await self._copy_from(witness, http, one, 0)
        raise Refused(
            Kind.CONFLICT, f"{one.origin}: what is served does not give the root that was signed", tiles="false"
        )

    async def _fill(self, http: httpx.AsyncClient, one: Log, draft: Draft) -> None:
        wanted = [
            TilePath(ENTRIES, index, min(WIDTH, one.size - index * WIDTH))
            for index in range(draft.size // WIDTH, -(-one.size // WIDTH))
        ]
        for start in range(0, len(wanted), _AHEAD):
            some = wanted[start : start + _AHEAD]
            bundles = await asyncio.gather(*(self._bundle(http, one, path) for path in some))
            for path, bundle in zip(some, bundles, strict=True):
                await asyncio.to_thread(draft.add, bundle, path.width)

    async def _bundle(self, http: httpx.AsyncClient, one: Log, path: TilePath) -> bytes:
        """A bundle; one that was partial may be there as a full one by now."""
        place = f"{(one.url or '').rstrip('/')}/ledger/{one.origin}"
        try:
            return await self._patiently(lambda: fetch(http, f"{place}/{path.text}", one.token, _BUNDLE_LIMIT))
        except Refused as refusal:
            if refusal.kind is not Kind.NOT_FOUND or path.width == WIDTH:
                raise
        full = TilePath(path.level, path.index)
        return await self._patiently(lambda: fetch(http, f"{place}/{full.text}", one.token, _BUNDLE_LIMIT))

    async def _patiently(self, ask: Callable[[], Awaitable[bytes]]) -> bytes:
        """What is answered; a log that asks for patience gets some."""
        for tries in range(1, _PATIENT + 1):
            try:
                return await ask()
            except Refused as refusal:
                if refusal.kind is not Kind.TOO_MANY:
                    raise
                await asyncio.sleep(tries)
        return await ask()

    async def _read_list(self, witness: Witness, http: httpx.AsyncClient, one: Authority) -> None:
        data = (await fetch_list(http, one.url or "")).signed.encode()
        listed = parse_list(data, Verifier.parse(one.vkey))
        await witness.working(lambda: take_list(self._store, listed, data, self._clock()))


def take_list(store: Store, listed: LogList, data: bytes, now: Instant) -> int:
    """Watch the new logs of a list that its authority signed; returns how many. What contradicts is kept."""
    year = datetime.fromtimestamp(now / SECOND, UTC).year
    with store.writing():
        known = {one.origin: one.vkeys for one in store.logs()}
        admission = admit(known, listed, year)
        for one in admission.new:
            store.add_log(one.vkey, now, authority=listed.authority, basis=data)
            log.info("a new log is watched", origin=one.name, authority=listed.authority)
        for one in admission.contradicted:
            store.contradicted(one.name, one.vkey, data, now)
        store.listed(listed.authority, data, now)
    return len(admission.new)
