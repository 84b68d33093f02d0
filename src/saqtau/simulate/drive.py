"""Drive the city in real time through the public inputs only: the cameras' push and the tablets' signed positions."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from http import HTTPStatus
from random import Random
from typing import Generic, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from saqtau.devices.hikvision.compose import Capture
from saqtau.devices.hikvision.compose import compose as compose_push
from saqtau.devices.tablet.compose import compose as compose_batch
from saqtau.devices.tablet.parse import Fix
from saqtau.kernel.clock import SECOND, Clock, Instant
from saqtau.kernel.register import Camera
from saqtau.kernel.signal import Picture
from saqtau.simulate import plates
from saqtau.simulate.officers import Crew, serve
from saqtau.simulate.sightings import Sighting
from saqtau.simulate.stage import Stage
from saqtau.simulate.wire import BROKEN, Line

TICK = 0.2  # s
KEPT_PUSHES = 500  # a camera cut off longer forgets the oldest, as real ones do
KEPT_FIXES = 3_600  # an hour of a tablet
BATCH = 300  # fixes of a batch after an outage
LATE = 10 * SECOND  # a push older than this is marked as re-uploaded
UNSENT = 0  # in place of a status: told to stop before there was an answer
GPS = 3.5  # metres, one sigma
DEGREE = 111_195.0

Say = Callable[[str], None]
Make = Callable[[], tuple[Mapping[str, str], bytes]]
T = TypeVar("T")


class Tablet(msgspec.Struct, frozen=True):
    """An enrolled device of a unit and the key it signs with."""

    unit: str
    device: str
    key: EllipticCurvePrivateKey


class Tally:
    """What was sent and how it was answered, for the log and the tests."""

    def __init__(self) -> None:
        self.pushes: Counter[int] = Counter()
        self.batches: Counter[int] = Counter()
        self.fixes = 0
        self.cut_off = 0


async def drive(
    stage: Stage,
    tablets: Sequence[Tablet],
    passwords: Mapping[str, str],
    *,
    intake: str,
    web: str,
    clock: Clock,
    stop: asyncio.Event,
    say: Say,
    officers: bool = True,
) -> Tally:
    """Move the stage and send what its cameras and tablets see, until told to stop.

    intake, web: addresses, `http://host:port`. tablets: enrolled devices. passwords: of the accounts that the
    simulation serves; officers: whether simulated crews answer their offers. A part of the system that is killed
    meanwhile is waited for; cameras and tablets store and send on, as real ones do.
    """
    tally = Tally()
    cameras = [_Queue[Sighting](KEPT_PUSHES) for _ in stage.town.cameras]
    known = {tablet.unit: _Queue[Fix](KEPT_FIXES) for tablet in tablets}
    crews = [
        Crew(account, passwords[account.name], Random(number))  # noqa: S311 - a simulation
        for number, account in enumerate(stage.registers.accounts)
        if account.unit is not None and account.name in passwords and (officers or not account.simulated)
    ]
    async with asyncio.TaskGroup() as tasks:
        for camera, queue in zip(stage.town.cameras, cameras, strict=True):
            path = f"/hikvision/{stage.registers.tokens[camera.id]}"
            tasks.create_task(_push_all(queue, camera, intake, path, clock, stop, tally, say))
        for tablet in tablets:
            tasks.create_task(_send_all(known[tablet.unit], tablet, intake, stop, tally, say))
        for crew in crews:
            tasks.create_task(serve(crew, web, stage, clock, stop, say))
        await _run(stage, cameras, known, clock, stop)
        for fresh in (*(queue.fresh for queue in cameras), *(queue.fresh for queue in known.values())):
            fresh.set()
    return tally


class _Queue(Generic[T]):
    """What waits to be sent; the oldest falls off."""

    def __init__(self, most: int) -> None:
        self.waiting: deque[T] = deque(maxlen=most)
        self.fresh = asyncio.Event()

    def put(self, thing: T) -> None:
        self.waiting.append(thing)
        self.fresh.set()


async def _run(
    stage: Stage,
    cameras: Sequence[_Queue[Sighting]],
    tablets: Mapping[str, _Queue[Fix]],
    clock: Clock,
    stop: asyncio.Event,
) -> None:
    """Five times a second the traffic goes on, once a second each tablet takes its position."""
    seq = clock() // SECOND  # a device started again goes on above what it has sent
    next_fix = clock()
    while not stop.is_set():
        now = clock()
        for sighting in stage.move(now):
            cameras[sighting.camera].put(sighting)
        if now >= next_fix:
            next_fix = Instant(max(next_fix + SECOND, now))
            seq += 1
            for unit, queue in tablets.items():
                queue.put(_fix(stage, unit, seq, now))
        await asyncio.sleep(TICK)


def _fix(stage: Stage, unit: str, seq: int, now: Instant) -> Fix:
    lat, lon, heading, speed = stage.place(unit)
    east, north = stage.random.normal(0.0, GPS, 2) / DEGREE
    return Fix(
        seq=seq,
        at=now,
        lat=round(lat + float(north), 7),
        lon=round(lon + float(east) * 1.5, 7),
        accuracy=round(float(stage.random.uniform(3, 9)), 1),
        speed=round(speed, 1),
        heading=round(heading, 1) % 360 if speed > 2 else None,
        battery=0.9,
    )


async def _push_all(
    queue: _Queue[Sighting],
    camera: Camera,
    intake: str,
    path: str,
    clock: Clock,
    stop: asyncio.Event,
    tally: Tally,
    say: Say,
) -> None:
    """Send a camera's sightings one after the other over its own connection."""
    line = Line(intake)
    while not stop.is_set():
        await queue.fresh.wait()
        queue.fresh.clear()
        while queue.waiting and not stop.is_set():
            sighting = queue.waiting.popleft()
            shown = pictures(sighting, camera)

            def push(
                sighting: Sighting = sighting, shown: Sequence[Picture] = shown
            ) -> tuple[Mapping[str, str], bytes]:
                return compose_push(capture(sighting, camera, late=clock() - sighting.at > LATE), shown)

            status = await _post(line, path, push, stop, tally)
            tally.pushes[status] += 1
            if status not in (HTTPStatus.OK, UNSENT):
                say(f"camera {camera.id}: the intake answered {status}")
    line.close()


async def _send_all(
    queue: _Queue[Fix], tablet: Tablet, intake: str, stop: asyncio.Event, tally: Tally, say: Say
) -> None:
    """Send a tablet's fixes, several at once after an outage; end when the device is not known any more."""
    line = Line(intake)
    headers = {"Content-Type": "application/json"}
    while not stop.is_set():
        await queue.fresh.wait()
        queue.fresh.clear()
        while queue.waiting and not stop.is_set():
            fixes = [queue.waiting.popleft() for _ in range(min(BATCH, len(queue.waiting)))]
            body = compose_batch(tablet.key, tablet.device, fixes)
            status = await _post(line, "/tablet/positions", partial(_as_it_is, headers, body), stop, tally)
            tally.batches[status] += 1
            tally.fixes += len(fixes) if status == HTTPStatus.OK else 0
            if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                say(f"tablet of {tablet.unit}: its device is not known any more, its positions end")
                line.close()
                return
            if status not in (HTTPStatus.OK, UNSENT):
                say(f"tablet of {tablet.unit}: the intake answered {status}")
    line.close()


def _as_it_is(headers: Mapping[str, str], body: bytes) -> tuple[Mapping[str, str], bytes]:
    return headers, body


async def _post(line: Line, path: str, make: Make, stop: asyncio.Event, tally: Tally) -> int:
    """The final status; again and again while the intake is away or says that it cannot just now."""
    pause = 0.3
    while not stop.is_set():
        headers, body = make()
        try:
            reply = await line.ask("POST", path, body, headers)
            if reply.status not in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
                return reply.status
        except BROKEN:
            tally.cut_off += 1
        await asyncio.sleep(pause)
        pause = min(pause * 2, 5.0)
    return UNSENT


def capture(sighting: Sighting, camera: Camera, *, late: bool = False) -> Capture:
    """The push of a sighting. Its id follows from camera, time and plate: sent twice it is the same event."""
    return Capture(
        at=sighting.at,
        plate=sighting.plate,
        uuid=f"{camera.id}-{sighting.at}-{sighting.truth}",
        confidence=sighting.confidence,
        believed=sighting.believed,
        speed=sighting.speed,
        late=late,
    )


def pictures(sighting: Sighting, camera: Camera) -> tuple[Picture, Picture]:
    """Crop and scene; they show the true plate, so that a person sees a misread."""
    paint = sum(map(ord, sighting.truth))
    stamp = f"{camera.id}   {_stamp(sighting.at)}   {sighting.speed} km/h   limit {camera.limit:.0f}"
    blur = 0.55 if sighting.plate != sighting.truth else 0.0
    return (
        Picture("crop", "image/jpeg", plates.crop(sighting.truth, blur=blur)),
        Picture("scene", "image/jpeg", plates.scene(sighting.truth, stamp, paint=paint, seed=paint + sighting.at)),
    )


def _stamp(at: Instant) -> str:
    moment = datetime.fromtimestamp(at / SECOND, UTC).astimezone(timezone(timedelta(hours=5)))
    return moment.isoformat(sep=" ", timespec="milliseconds")
