"""Cameras of the fault test: they push over HTTP and send the same event again until it is answered with 200."""

import asyncio
import itertools
import time
from collections import Counter

import httpx

from saqtau.devices.hikvision.compose import Capture, compose
from saqtau.kernel.signal import Picture
from saqtau.simulate.plates import crop, random_plate

PENDING = 3  # events a camera holds without an answer; with several, repeats arrive out of order
REST = 0.3  # s before the same event is sent again
UNHEARD = 0.1  # of the answers get lost on their way to the camera


class Cameras:
    """Those of `watched` (camera -> listed plate) see their vehicle again and again, `others` ever new plates."""

    def __init__(self, intake, tokens, watched, others, listed, chance):
        self.listed, self.unlisted = set(), set()  # (camera, at) of each event that was answered with 200
        self.statuses = Counter()
        self._intake, self._tokens, self._chance = intake, tokens, chance
        self._serial = itertools.count()
        self._stop = asyncio.Event()
        self._strangers = self._ever_new(set(listed))
        self._pictures = {plate: (Picture("crop", "image/jpeg", crop(plate)),) for plate in watched.values()}
        self._cameras = [*watched.items(), *((camera, None) for camera in others)]

    @property
    def answered(self):
        return len(self.listed) + len(self.unlisted)

    def stop(self):
        """No new events; those under way are still sent until they are answered."""
        self._stop.set()

    async def run(self):
        """Push until stopped and everything is answered."""
        limits = httpx.Limits(max_connections=PENDING * len(self._cameras))
        async with httpx.AsyncClient(base_url=self._intake, timeout=10, limits=limits) as client:
            await asyncio.gather(*(self._watch(client, camera, plate) for camera, plate in self._cameras))

    async def _watch(self, client, camera, plate):
        free, last = asyncio.Semaphore(PENDING), 0
        async with asyncio.TaskGroup() as group:
            while not self._stop.is_set():
                await free.acquire()
                last = max(last + 1, time.time_ns() // 1_000_000)  # no two events of a camera at one moment
                sending = group.create_task(self._send(client, camera, last, plate))
                sending.add_done_callback(lambda _: free.release())
                await asyncio.sleep(self._chance.uniform(0.15, 0.6))

    async def _send(self, client, camera, at, plate):
        headers, body = compose(
            Capture(at=at, plate=plate or next(self._strangers), uuid=f"{next(self._serial):032x}"),
            self._pictures.get(plate, ()),
        )
        while True:
            try:
                answer = await client.post(f"/hikvision/{self._tokens[camera]}", headers=headers, content=body)
            except httpx.TransportError as error:
                self.statuses[type(error).__name__] += 1
            else:
                self.statuses[answer.status_code] += 1
                if answer.status_code == 200:
                    (self.listed if plate else self.unlisted).add((camera, at))
                    if self._stop.is_set() or self._chance.random() >= UNHEARD:
                        return
                    # long enough for an intake to be another one, that knows nothing of the first push
                    await asyncio.sleep(self._chance.uniform(1.0, 6.0))
            await asyncio.sleep(REST)

    def _ever_new(self, told):
        while True:
            plate = random_plate(self._chance, 3)
            if plate not in told:
                told.add(plate)
                yield plate
