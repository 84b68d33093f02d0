"""What a message of plate reads means: the main job, one read after the other, in the transaction of its offset.

Most reads hit nothing and cost a hash, a look into memory and a row. What may found something goes to the desk.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog
from prometheus_client import Counter

from saqtau.desks.dangerous_drivers import confusable
from saqtau.desks.dangerous_drivers.rules import (
    Context,
    Earlier,
    Limits,
    SectionSpeed,
    actions_for,
    certificate_gap,
)
from saqtau.engine import items, store
from saqtau.engine.advice import Advice, advise
from saqtau.engine.atlas import Atlas, Whereabouts, place_cameras
from saqtau.engine.blobs import Blobs, keep_pictures
from saqtau.engine.evidence import earlier_pictures
from saqtau.engine.journal import Message, partition_of
from saqtau.engine.lines import Outgoing
from saqtau.engine.pack import open_pack
from saqtau.engine.recent import Recent, Seen, read_recent
from saqtau.engine.registry import NOTHING, Registers, read_registers
from saqtau.engine.window import Slot, Window, hash_plate
from saqtau.engine.worker import message_partition
from saqtau.kernel.clock import MINUTE, SECOND, Clock, Instant
from saqtau.kernel.desk import Desks
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import Ids
from saqtau.kernel.item import Action, Item
from saqtau.kernel.register import Camera, ListedVehicle
from saqtau.kernel.signal import PlateRead, Status, Trust
from saqtau.kernel.terms import Calendar
from saqtau.roads.graph import Place
from saqtau.roads.section import average_speed, impossible, least_metres, section

log = structlog.get_logger()

OLDEST_PAIR: Final = 15 * MINUTE
"""An earlier read older than this says nothing about where the vehicle came from."""
SECTIONS_KEPT: Final = 200_000

_decoder = msgspec.msgpack.Decoder(list[PlateRead])
_RECENT = ("received", "partition", "plate_key", "camera", "at", "speed", "sure")
_KEEP = """
    insert into read_history (received, at, plate, camera, region, lat, lon, speed, item, retention)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_ITEM = f"""
    select {items.COLUMNS} from item where desk = $1 and data ->> 'plate' = $2 order by opened desc limit 1
"""  # noqa: S608 - columns are ours
_STANDS = """
    select exists (select from read_history where plate = any($3::text[]) and at = $2 and camera = $1)
        or exists (select from read_recent where plate_key = any($4::bytea[]) and at = $2 and camera = $1)
"""
_HELD_FOR = "select u.id from unit u join item i on i.id = u.status_item where i.parent = any($1::text[])"

READS = Counter("saqtau_reads", "Plate reads that took effect")
HITS = Counter("saqtau_hits", "Plate reads that founded something or moved an open item")
UNKNOWN = Counter("saqtau_reads_of_unknown_cameras", "Plate reads of a camera that has left the register")
EXPIRED = Counter(
    "saqtau_reads_without_certificate", "Reads above the limit that a missing certificate kept from counting"
)


class Reads:
    """The handler of the READS stream."""

    def __init__(
        self,
        *,
        js: Any,
        window: Window,
        window_seconds: float,
        atlas: Atlas | None,
        whereabouts: Whereabouts | None,
        desks: Desks,
        limits: Limits,
        calendar: Calendar,
        blobs: Blobs,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._js = js
        self._window = window
        self._slot_length = round(window_seconds * SECOND / 2)
        self._atlas = atlas
        self._whereabouts = whereabouts
        self._desks = desks
        self._limits = limits
        self._calendar = calendar
        self._blobs = blobs
        self._clock = clock
        self._ids = ids
        self._registers: Registers = NOTHING
        self._places: dict[str, Place] = {}
        self._sections: dict[tuple[str, str], float | None] = {}
        self._shortest: dict[tuple[str, str], float] = {}
        self._recent = Recent()
        self._watched: dict[str, int] = {}  # plate with an item that was open when we last looked -> partition
        self._complained: set[str] = set()

    async def claimed(self, pg: Any, partition: int) -> None:
        """The window and the open items of a partition, from the record."""
        since = Instant(self._clock() - 2 * self._slot_length)
        self._recent.fill(partition, await read_recent(pg, partition, since, self._slot_length))
        rows = await pg.fetch(
            "select data ->> 'plate' from item where ended is null and desk in ('dangerous_drivers', 'cloned_plates')"
        )
        for (plate,) in rows:
            if partition_of(plate) == partition:
                self._watched[plate] = partition

    def lost(self, partition: int) -> None:
        """Another worker has it."""
        self._recent.drop(partition)
        self._watched = {plate: owner for plate, owner in self._watched.items() if owner != partition}

    async def refresh(self, pg: Any) -> None:
        """Registers and list as they are now; called every second and before the first message."""
        found = await read_registers(pg, self._registers, self._clock())
        if found is not self._registers:
            self._registers = found
            self._sections.clear()
            self._shortest.clear()
            self._complained.clear()
            self._places = {} if self._atlas is None else place_cameras(self._atlas, found.cameras.values())
        self._recent.keep(self._window.number(self._clock()) - 1)

    async def handle(self, pg: Any, messages: Sequence[Message]) -> list[Outgoing]:
        """Take effect of a batch of packs."""
        if self._registers is NOTHING:
            await self.refresh(pg)
        rows: list[tuple[Any, ...]] = []
        told: list[Outgoing] = []
        statuses: dict[str, str] | None = None
        slots: dict[int, tuple[Slot, Slot | None]] = {}
        count = 0
        for message in messages:
            partition = message_partition(message)
            reads = await self._open(message)
            if any(read.camera not in self._registers.cameras for read in reads):
                await self.refresh(pg)  # the intake may have heard of a camera before us: what it took is not lost
            for index, read in enumerate(reads):
                camera = self._registers.cameras.get(read.camera)
                if camera is None:
                    UNKNOWN.inc()
                    continue
                count += 1
                number = read.received // self._slot_length
                if number not in slots:
                    slots[number] = await self._slots(read, message)
                slot, before = slots[number]
                seen = Seen(read.camera, read.at, read.trust is Trust.SURE, message.sequence, index)
                key, earlier = self._recent.put(partition, slot, read.plate, seen, before)
                if earlier is not None and (earlier.camera, earlier.at) == (read.camera, read.at):
                    continue  # the same push again: its answer was lost
                listed = self._registers.listed.get(read.plate, ())
                near = self._near(read) if not listed else ()
                if self._may_found(read, camera, earlier, listed or near):
                    keys = [key, *(() if before is None else (hash_plate(before.key, read.plate),))]
                    if await self._stands(pg, read, near, keys):
                        continue  # the same push again, after another read or a restart: memory knows only the last
                    if statuses is None:
                        statuses = {row[0]: row[1] for row in await pg.fetch("select id, status from unit")}
                    hit, parcels = await self._consider(pg, read, camera, earlier, listed, near, statuses)
                    told += parcels
                    if hit:
                        statuses = None  # the next one in this batch must not be sent the unit that this one holds
                        continue
                rows.append((read.received, partition, key, read.camera, read.at, read.speed, seen.sure))
        if rows:
            await pg.copy_records_to_table("read_recent", records=rows, columns=_RECENT)
        READS.inc(count)
        return told

    async def _stands(self, pg: Any, read: PlateRead, near: Sequence[ListedVehicle], keys: Sequence[bytes]) -> bool:
        """Whether the record holds this read already, as a hit or by hash."""
        plates = [read.plate, *(entry.plate for entry in near)]
        return bool(await pg.fetchval(_STANDS, read.camera, read.at, plates, keys))

    async def _open(self, message: Message) -> list[PlateRead]:
        try:
            return _decoder.decode(await open_pack(self._window, message))
        except Refused as refused:
            if refused.kind is Kind.NOT_FOUND:
                log.exception("a pack came after its window", sequence=message.sequence)
                return []
            raise

    async def _slots(self, read: PlateRead, message: Message) -> tuple[Slot, Slot | None]:
        """The slot the read was received in, and the one before. Without a key of its own it counts to its pack's."""
        number = self._window.number(read.received)
        here = await self._window.find(number)
        if here is None:  # received in the last moment of a slot that sealed nothing
            number = int(message.headers["slot"])
            here = await self._window.open(number)
        return here, await self._window.find(number - 1)

    def _near(self, read: PlateRead) -> tuple[ListedVehicle, ...]:
        if not read.doubts:
            return ()
        plates = confusable.near(read.plate, read.doubts, self._registers.urgent)
        return tuple(entry for plate in plates for entry in self._registers.listed[plate])

    def _may_found(
        self, read: PlateRead, camera: Camera, earlier: Seen | None, listed: Sequence[ListedVehicle]
    ) -> bool:
        """The quick no for nearly all reads. Everything the desk could act upon passes."""
        if listed or read.plate in self._watched:
            return True
        if read.speed is not None and read.speed > camera.limit + self._limits.tolerance:
            if camera.certificate is not None and camera.certificate.covers(read.at):
                return True
            self._complain(camera, read.at)
        return earlier is not None and self._pair_matters(read, camera, earlier)

    def _complain(self, camera: Camera, at: Instant) -> None:
        EXPIRED.inc()
        if camera.id not in self._complained:
            self._complained.add(camera.id)
            log.warning(
                certificate_gap(camera, at, lambda when: f"{datetime.fromtimestamp(when / SECOND, UTC):%Y-%m-%d}")
            )

    def _pair_matters(self, read: PlateRead, camera: Camera, earlier: Seen) -> bool:
        first = self._registers.cameras.get(earlier.camera)
        if first is None or not (earlier.sure and read.trust is Trust.SURE):
            return False
        if self._impossible(read, camera, first, earlier):
            return True
        speed = self._section(read, camera, first, earlier)
        return speed is not None and speed.lower_kmh > max(first.limit, camera.limit) + self._limits.tolerance

    def _impossible(self, read: PlateRead, camera: Camera, first: Camera, earlier: Seen) -> bool:
        seconds = (read.at - earlier.at) / SECOND
        return impossible((first.lat, first.lon), (camera.lat, camera.lon), seconds)

    def _section(self, read: PlateRead, camera: Camera, first: Camera, earlier: Seen) -> SectionSpeed | None:
        """The certain average over the way between two certified cameras."""
        if not 0 < read.at - earlier.at <= OLDEST_PAIR or first.certificate is None or camera.certificate is None:
            return None
        metres = self._metres(first.id, camera.id)
        if metres is None:
            return None
        seconds = (read.at - earlier.at) / SECOND
        speed = average_speed(metres, seconds)
        if speed is not None and speed.certain > max(first.limit, camera.limit) + self._limits.tolerance:
            # too fast on the legal way; it counts only if no other way was shorter
            metres = self._least(first.id, camera.id)
            speed = average_speed(metres, seconds)
        return None if speed is None else SectionSpeed(float(speed.certain), metres, seconds)

    def _least(self, first: str, second: str) -> float:
        """Metres of the shortest way, legal or not, between two cameras that have a legal one."""
        pair = (first, second)
        if pair not in self._shortest and self._atlas is not None:
            if len(self._shortest) >= SECTIONS_KEPT:
                self._shortest.clear()
            self._shortest[pair] = float(least_metres(self._atlas.graph, self._places[first], self._places[second]))
        return self._shortest[pair]

    def _metres(self, first: str, second: str) -> float | None:
        pair = (first, second)
        if pair not in self._sections:
            if len(self._sections) >= SECTIONS_KEPT:
                self._sections.clear()
            self._sections[pair] = self._measure(first, second)
        return self._sections[pair]

    def _measure(self, first: str, second: str) -> float | None:
        start, goal = self._places.get(first), self._places.get(second)
        if self._atlas is None or start is None or goal is None or start == goal:
            return None
        try:
            return float(section(self._atlas.graph, start, goal).metres)
        except Refused as refused:
            if refused.kind is Kind.NOT_FOUND:
                return None
            raise

    async def _consider(
        self,
        pg: Any,
        read: PlateRead,
        camera: Camera,
        earlier: Seen | None,
        listed: tuple[ListedVehicle, ...],
        near: tuple[ListedVehicle, ...],
        statuses: dict[str, str],
    ) -> tuple[bool, list[Outgoing]]:
        """Ask the desk and do what it says. Returns whether the read is a hit that is kept, and what to tell."""
        now = self._clock()
        plate = near[0].plate if near and not listed else read.plate
        first = None if earlier is None else self._registers.cameras.get(earlier.camera)
        usable = earlier is not None and first is not None and abs(read.at - earlier.at) <= OLDEST_PAIR
        advice: list[Advice] = []

        def recommend() -> Any:
            before = self._places.get(first.id) if usable and first is not None else None
            here = self._places.get(camera.id)
            units = None if self._whereabouts is None else self._whereabouts.now()
            advice.append(
                advise(read, camera, here, before if before != here else None, self._atlas, units, statuses, now)
            )
            return advice[-1].recommendation

        known = await self._item(pg, "dangerous_drivers", read.plate)
        close = await self._item(pg, "dangerous_drivers", plate) if plate != read.plate else None
        cloned = await self._item(pg, "cloned_plates", read.plate)
        # who is held for this very vehicle may have it: else each further read would take the offer away again
        ours = [one.id for one in (known, close) if one is not None and one.ended is None]
        if ours:
            statuses = statuses | {row[0]: Status.AVAILABLE.value for row in await pg.fetch(_HELD_FOR, ours)}
        context = Context(
            camera=camera,
            now=now,
            limits=self._limits,
            recommend=recommend,
            listed=listed,
            near=near,
            earlier=Earlier(first, earlier.at, earlier.trust) if earlier and first and usable else None,
            section=self._section(read, camera, first, earlier) if earlier and first else None,
            impossible=bool(earlier and first and usable and self._impossible(read, camera, first, earlier)),
            item=known,
            near_item=close,
            cloned=cloned if cloned is not None and cloned.ended is None else None,
        )
        actions = actions_for(read, context)
        if not actions:
            if known is None or known.ended is not None:
                self._watched.pop(read.plate, None)
                return False, []
            if not listed:
                return False, []
            # late or out of order it moves nobody, but a read that hits is kept
            await self._keep(pg, known, read, camera, earlier)
            return True, []
        HITS.inc()
        done = await store.act(pg, self._desks, _drawn(actions, advice), now, self._ids, self._calendar)
        for item in done.items:
            if item.desk in {"dangerous_drivers", "cloned_plates"}:
                self._watched[item.data["plate"]] = partition_of(item.data["plate"])
                await self._keep(pg, item, read, camera, earlier)
        return True, done.outbox

    async def _item(self, pg: Any, desk: str, plate: str) -> Item | None:
        row = await pg.fetchrow(_ITEM, desk, plate)
        return None if row is None else items.to_item(row)

    async def _keep(self, pg: Any, item: Item, read: PlateRead, camera: Camera, earlier: Seen | None) -> None:
        """The read and its pictures, under the item's class of retention."""
        await pg.execute(
            _KEEP, read.received, read.at, item.data["plate"], camera.id, camera.region, camera.lat, camera.lon,
            read.speed, item.id, item.retention,
        )  # fmt: skip
        pictures = read.pictures
        if item.desk == "cloned_plates" and item.rev == 0 and earlier is not None:
            pictures += await earlier_pictures(self._js, self._window, item.data["plate"], earlier)
        await keep_pictures(pg, self._blobs, item.id, item.region, pictures, read.received)


def _drawn(actions: Sequence[Action], advice: Sequence[Advice]) -> list[Action]:
    """The actions with the streets of the recommendation beside it, for the map."""
    if not advice:
        return list(actions)
    band = advice[-1].band
    return [
        msgspec.structs.replace(action, data={**action.data, "band": band})
        if "recommendation" in action.data
        else action
        for action in actions
    ]
