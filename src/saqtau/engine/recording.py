"""The recorder: which cameras are ours, each played until it ends and then again, and everything written down.

Cameras are recorded as long as this process lives, whatever else is away: without PostgreSQL rows wait, without the
ledger leaves wait, without the broker nobody looks on.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any, Final

import structlog
from prometheus_client import Counter, Gauge

from saqtau.engine.card_fetching import Fetching
from saqtau.engine.failures import is_passing, refusals, told
from saqtau.engine.forgetting import is_vouched
from saqtau.engine.ledger import Draft, Ledger
from saqtau.engine.recording_index import Index, read_heads
from saqtau.engine.recording_leases import Leases, partition_of
from saqtau.engine.recording_minutes import Minutes
from saqtau.engine.recording_noted import note_leaves
from saqtau.engine.recording_play import Live, Pause, Play, go_on
from saqtau.engine.recording_start import Head, NamedGap, Start, find_start
from saqtau.engine.recording_tape import Tape
from saqtau.engine.recording_volumes import Volumes, excess_of
from saqtau.engine.video_camera import Off, read_cameras, read_off, read_retired
from saqtau.engine.video_holds import acknowledge
from saqtau.engine.video_retention import BATCH, forget_past, make_room, sweep
from saqtau.engine.worker import every
from saqtau.kernel.clock import MINUTE, SECOND, Clock, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import Ids
from saqtau.kernel.register import VideoCamera
from saqtau.video.access_unit import Parameters
from saqtau.video.boxes import init_segment
from saqtau.video.fragment import Fragment, Link
from saqtau.video.gap import Gap
from saqtau.video.nal import codec_string
from saqtau.video.segment import Segment, SegmentWriter, Written
from saqtau.video.volume import Volume

log = structlog.get_logger("saqtau.recorder")

TOLD: Final = 5 * SECOND
"""How often the row of a file that is being written is brought up to date."""
BEGINNING: Final = 8
"""Cameras whose last files are looked at side by side."""
PATIENT: Final = 2 * MINUTE
"""How long leaves wait for a volume that cannot sync; then they are told of what was written, on disk or not."""
FILLED: Final = 5_000
"""Leaves that wait while the ledger cannot write; the oldest are then lost to the log, and it is said."""

CAMERAS = Gauge("saqtau_video_cameras", "Cameras this process records", ["state"])
RECORDED = Counter("saqtau_video_recorded_bytes", "Bytes written")
FRAGMENTS = Counter("saqtau_video_fragments", "Fragments written")
GAPS = Counter("saqtau_video_gaps", "Gaps that began", ["kind"])
LOST_LEAVES = Counter("saqtau_video_lost_leaves", "Leaves of minutes that the ledger never took")


class _Camera:
    """One camera of ours."""

    def __init__(self, camera: VideoCamera) -> None:
        self.camera = camera
        self.tape: Tape | None = None
        self.task: asyncio.Task[None] | None = None
        self.playing: asyncio.Task[None] | None = None
        self.changed = asyncio.Event()  # switched off or on
        self.volume: Volume | None = None  # of the file that is being written
        self.told: Instant = Instant(0)


class Recorder:
    """Records the cameras of its partitions until stopped.

    pool: asyncpg, as saqtau_worker. shard: this process and how many there are; the first does what one must do alone.
    fetching: what cameras stored themselves during a gap; None: it is not asked for.
    """

    def __init__(
        self,
        pool: Any,
        ledger: Ledger,
        leases: Leases,
        volumes: Volumes,
        play: Play,
        pause: Pause,
        clock: Clock,
        ids: Ids,
        random: Random,
        *,
        live: Live | None = None,
        fetching: Fetching | None = None,
    ) -> None:
        self._pool = pool
        self._ledger = ledger
        self._leases = leases
        self._volumes = volumes
        self._play = play
        self._pause = pause
        self._clock = clock
        self._ids = ids
        self._random = random
        self._live = live
        self._fetching = fetching
        self._register: dict[str, VideoCamera] = {}
        self._retired: dict[str, VideoCamera] = {}
        self._revision = -1
        self._off: dict[str, Off] = {}
        self._ours: dict[str, _Camera] = {}
        self._index: Index | None = None
        self._minutes = Minutes(clock())
        self._cut: deque[Draft] = deque()  # leaves of minutes whose files are not synced yet
        self._leaves: deque[Draft] = deque()
        self._flushing = asyncio.Lock()
        self._synced = clock()
        self._beginning = asyncio.Semaphore(BEGINNING)

    @property
    def cameras(self) -> frozenset[str]:
        """Cameras that are ours now."""
        return frozenset(self._ours)

    async def run(self, stop: asyncio.Event) -> None:
        """Record until told to stop; then every file is ended and every row written, if it can be."""
        chores = [
            every(0.5, "cameras", self._lead, stop),
            every(0.5, "silence", self._tick, stop),
            every(1.0, "files and rows", self._flush, stop),
            every(1.0, "holds", self._acknowledge, stop),
            every(1.0, "minutes", self._tell_minutes, stop),
            every(5.0, "volumes", self._weigh, stop),
            every(30.0, "volumes' state", self._tell_volumes, stop),
            every(60.0, "retention", self._forget, stop),
            every(2.0, "cards", self._fetch, stop),
        ]
        try:
            await asyncio.gather(*chores)
        finally:
            await self._end()

    # WHOSE CAMERAS

    async def _lead(self) -> None:
        turn = self._leases.turn(self._clock())
        try:
            await self._read()
        finally:  # what is not ours any more is left also while the register cannot be read
            await self._leave(
                [
                    code
                    for code, one in self._ours.items()
                    if partition_of(code) in turn.leaving or self._register.get(code) != one.camera
                ]
            )
            for partition in turn.leaving:
                self._leases.release(partition)
        if self._index is None:
            return
        owned = self._leases.owned
        new = [code for code in self._register if code not in self._ours and partition_of(code) in owned]
        if new:
            await self._begin(new)

    async def _read(self) -> None:
        """The register, when it has changed, and who is switched off."""
        await self._volumes.open(self._pool, self._ids)
        with refusals():
            async with self._pool.acquire() as pg:
                revision = await pg.fetchval("select revision from register_revision where kind = 'video_cameras'")
                if revision != self._revision:
                    self._register = await read_cameras(pg)
                    self._retired = await read_retired(pg)
                    self._revision = revision
                off = {code: one for code, one in (await read_off(pg, self._clock())).items() if one.kind == "disabled"}
        if self._index is None and self._volumes.folders:
            await self._volumes.weigh(self._pool)
            self._index = Index(self._volumes.all)
        before, self._off = self._off, off
        for code in before.keys() ^ off.keys():
            if code in self._ours:
                self._ours[code].changed.set()

    async def _begin(self, codes: list[str]) -> None:
        """Take cameras; each is played as soon as its chain's end is found."""
        with refusals():
            async with self._pool.acquire() as pg:
                heads = await read_heads(pg, codes)
        for code in codes:
            one = self._ours[code] = _Camera(self._register[code])
            one.task = asyncio.create_task(self._keep(one, heads.get(code)), name=f"camera {code}")

    async def _leave(self, codes: Iterable[str]) -> None:
        """Give cameras up: their files are ended and their rows written before somebody else may begin."""
        leaving = [self._ours.pop(code) for code in codes]
        if not leaving:
            return
        if self._fetching is not None:
            await self._fetching.leave([one.camera.id for one in leaving])
        for one in leaving:
            if one.task is not None:
                one.task.cancel()
        await asyncio.gather(*(one.task for one in leaving if one.task is not None), return_exceptions=True)
        for one in leaving:
            self._minutes.leave(one.camera.id)
            if self._live is not None:
                self._live.forget(one.camera.id)
        try:
            await self._flush()
        except Refused as refused:  # the next one finds the files
            log.warning("cameras were left before their rows were written", reason=told(refused))

    # ONE CAMERA

    async def _keep(self, one: _Camera, head: Head | None) -> None:
        """Record one camera until cancelled."""
        tries = 0
        while True:
            try:
                start = await self._find(one.camera.id, head)
                await self._record(one, start)
            except Refused as refused:  # somebody wrote beside us, or a volume is away: look at the files again
                tries += 1
                log.warning("a camera is begun anew", camera=one.camera.id, reason=told(refused))
            except OSError as error:
                tries += 1
                log.warning("a camera's files cannot be read", camera=one.camera.id, reason=told(error))
            except Exception:  # a fault of ours in one camera's stream must not end its recording for good
                tries += 1
                log.exception("a camera's recording failed", camera=one.camera.id)
            await asyncio.sleep(self._pause(tries, self._random))

    async def _find(self, code: str, head: Head | None) -> Start:
        async with self._beginning:
            start = await asyncio.to_thread(find_start, code, head, self._volumes.folders, self._clock())
        index = self._must_index()
        index.begin(code, start, self._clock())
        return start

    async def _record(self, one: _Camera, start: Start) -> None:
        camera = one.camera
        folder = self._volumes.choose(camera.id) or self._volumes.all[0]
        writer = SegmentWriter(folder, camera.id, camera.place.value, seq=start.seq, chain=start.chain)
        tape = Tape(camera, writer, self, self._clock, start.ended)
        self._minutes.enter(camera, start.seq - 1, start.chain)
        one.tape = tape
        try:
            tape.tick()
            tape.begin()
            await go_on(
                camera,
                tape,
                one.changed,
                self._off_of,
                self._play,
                self._pause,
                self._clock,
                self._random,
            )
        finally:
            one.tape = None
            tape.stop()

    def _off_of(self, code: str) -> Off | None:
        return self._off.get(code)

    # WHAT THE TAPES SAY

    def began(self, camera: VideoCamera, parameters: Parameters | None, path: Path, seq: int) -> None:
        """A file was begun."""
        one = self._ours.get(camera.id)
        if one is not None:
            one.told = Instant(0)  # its row is written with its first link
            one.volume = self._volumes.of(path)
        if self._live is not None and parameters is not None:
            self._live.begin(camera.id, codec_string(parameters), init_segment(parameters), path, seq)

    def wrote(self, camera: VideoCamera, link: Link, written: Written) -> None:
        """A link was written."""
        index, one = self._must_index(), self._ours.get(camera.id)
        self._minutes.add(camera.id, link, written.size, written.chain)
        RECORDED.inc(written.size)
        if one is not None and one.volume is not None:
            one.volume.grew(written.size)
        if isinstance(link, Fragment):
            FRAGMENTS.inc()
            index.picture(camera.id, link.at)
            if self._live is not None:
                self._live.written(camera.id, link.seq, link.at, link.key, written.offset, link.data)
        else:
            index.gap(NamedGap(f"{camera.id}/{link.seq}", link.gap))
            if link.gap.ended is None:
                GAPS.labels(link.gap.kind.value).inc()
                self._darken(link.gap)
        if one is not None and self._clock() - one.told >= TOLD:
            one.told = self._clock() if isinstance(link, Fragment) else Instant(0)  # its first picture is told at once
            self._note(camera.id)

    def closed(self, camera: VideoCamera, segment: Segment) -> None:
        """A file has ended."""
        del camera
        self._must_index().segment(segment)

    def waits(self, camera: VideoCamera, name: str, gap: Gap) -> None:
        """A gap lasts that is in no file yet."""
        self._must_index().gap(NamedGap(name, gap))
        self._minutes.wait(camera.id, gap.kind.value, gap.began)
        GAPS.labels(gap.kind.value).inc()
        self._darken(gap)

    def folder(self, camera: VideoCamera) -> Path | None:
        """The volume of its next file."""
        return self._volumes.choose(camera.id)

    def failed(self, folder: Path, error: OSError) -> None:
        """A volume did not take a write."""
        self._volumes.failed(folder, error)

    def _darken(self, gap: Gap) -> None:
        if self._live is not None:
            self._live.dark(gap.camera, gap.kind.value, gap.began)

    def _note(self, code: str) -> None:
        one = self._ours.get(code)
        segment = one.tape.writer.segment() if one is not None and one.tape is not None else None
        if segment is not None and segment.links:
            self._must_index().segment(segment)

    def _must_index(self) -> Index:
        if self._index is None:
            raise Refused(Kind.UNAVAILABLE, "no volume is there", folder="away")
        return self._index

    # CHORES

    async def _tick(self) -> None:
        self._volumes.look()
        dark = 0
        for one in tuple(self._ours.values()):
            if one.tape is not None:
                one.tape.tick()
                dark += one.tape.dark is not None
        CAMERAS.labels("recorded").set(len(self._ours) - dark)
        CAMERAS.labels("dark").set(dark)

    async def _flush(self) -> None:
        """Sync what was written, then tell of it: after a power cut nothing is told that is not there."""
        async with self._flushing:
            self._cut.extend(self._minutes.cut(self._clock()))
            cut, batch = len(self._cut), self._index.take() if self._index is not None else None
            unsynced = await self._volumes.sync()
            now = self._clock()
            if not unsynced:
                self._synced = now
            if not unsynced or now - self._synced > PATIENT:
                self._leaves.extend(self._cut.popleft() for _ in range(cut))
            if self._index is not None and batch is not None:
                await self._index.write(self._pool, batch, unsynced)

    async def _acknowledge(self) -> None:
        for name in await acknowledge(self._pool, sorted(self._kept()), self._clock()):
            log.info("a hold is acknowledged", hold=name)

    def _kept(self) -> Mapping[str, VideoCamera]:
        """Cameras whose recordings we keep and delete: ours, and those of nobody where we lead."""
        ours = {code: one.camera for code, one in self._ours.items()}
        return {**self._retired, **ours} if self._leads else ours

    async def _tell_minutes(self) -> None:
        while len(self._leaves) > FILLED:
            self._leaves.popleft()
            LOST_LEAVES.inc()
        while self._leaves:
            part = [self._leaves[n] for n in range(min(len(self._leaves), 256))]
            placed = await self._ledger.append_all(part)
            try:
                await note_leaves(self._pool, part, placed)
            except Refused as refused:  # they stand in the log; an export of them says what it lacks
                log.warning("minutes are entered, and not found again by their place", error=refused.message)
            for _ in part:
                self._leaves.popleft()

    async def _fetch(self) -> None:
        if self._fetching is not None and self._volumes.folders:
            await self._fetching.round({code: one.camera for code, one in self._ours.items()})

    async def _weigh(self) -> None:
        await self._volumes.weigh(self._pool)
        if not self._leads:
            return
        for folder in self._volumes.folders:
            room = self._volumes.room(folder)
            if room is not None and (excess := excess_of(room)):
                now = self._clock()
                vouched = await is_vouched(self._pool, now)
                await make_room(self._pool, self._ledger, folder, excess, now, vouched=vouched)
        await sweep(self._pool, self._volumes.folders)

    async def _tell_volumes(self) -> None:
        if self._leads and self._register:
            days = [one.keep_days for one in self._register.values()]
            await self._volumes.tell(self._pool, sum(days) / len(days))

    async def _forget(self) -> None:
        if not await is_vouched(self._pool, self._clock()):
            return  # a clock that is wrong by months would delete everything at once
        while len(await forget_past(self._pool, self._ledger, self._kept(), self._clock())) == BATCH:
            await sweep(self._pool, self._volumes.folders)
        await sweep(self._pool, self._volumes.folders)

    @property
    def _leads(self) -> bool:
        """Whether this process does what one must do alone."""
        return 0 in self._leases.owned

    async def _end(self) -> None:
        """End every file; what cannot be written now is found in the files by the next one."""
        await self._leave(list(self._ours))
        self._cut.extend(self._minutes.cut(self._clock(), final=True))
        for what, work in (("rows", self._flush), ("minutes", self._tell_minutes)):
            try:
                await work()
            except Exception as error:
                if not is_passing(error):
                    raise
                log.warning("the recorder stops before it could write", what=what, reason=told(error))
        self._leases.close()
        self._volumes.close()
