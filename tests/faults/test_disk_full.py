"""A full disk: what is new is refused clearly, what is stored is unharmed, and it goes on when there is room."""

import asyncio
import os
from contextlib import aclosing, suppress

import pytest

from saqtau.engine import broker, journal
from saqtau.engine.journal import READS
from saqtau.engine.place import open_place
from saqtau.engine.room import Room
from saqtau.engine.supervisor import Supervisor
from saqtau.kernel.errors import Kind, Refused

pytestmark = pytest.mark.anyio

MIB = 1 << 20
DISK = 64
STREAM = journal.Stream("READS", "reads", 3600, 1 << 30)


class Journal:
    """NATS alone under the supervisor on a small disk, its room watched."""

    def __init__(self, disk):
        self.disk = disk
        self.place = open_place(disk / "s")
        self.supervisor = Supervisor(self.place)
        self.accepted = 0

    async def __aenter__(self):
        self.supervisor.claim()
        port = broker.choose_port(self.place)
        part = broker.part(self.place, broker.binary(), port, max_file=1 << 30, reserve=-(1 << 30))
        await self.supervisor.start(part)
        self.nc = await broker.connect(broker.own_broker(self.place))
        self.js = broker.context(self.nc)
        await journal.ensure_streams(self.js, streams=(STREAM,))
        self.room = Room(
            self.place.folder,
            broker.own_broker(self.place),
            lambda: self.supervisor.again("nats"),
            reserve=16 * MIB,
            streams=(STREAM,),
        )
        self.keeping = asyncio.create_task(self.room.keep())
        return self

    async def __aexit__(self, *_):
        self.keeping.cancel()
        with suppress(asyncio.CancelledError):
            await self.keeping
        await self.nc.close()
        await self.supervisor.stop()

    async def publish(self, patience=1.0):
        number = self.accepted
        await journal.publish(self.js, "reads.1", os.urandom(100_000), f"m{number}", patience=patience)
        self.accepted += 1

    async def until_refused(self):
        while True:
            try:
                await self.publish()
            except Refused as refused:
                return refused
            await asyncio.sleep(0.03)  # 3 MB/s

    async def until_accepted(self, patience=30.0):
        for _ in range(int(patience / 0.1)):
            with suppress(Refused):
                await self.publish(3.0)
                return True
            await asyncio.sleep(0.1)
        return False

    async def stored(self):
        seen = []
        async with aclosing(journal.replay(self.js, READS, 1, after=0)) as batches:
            async for batch in batches:
                seen += [message.headers["Nats-Msg-Id"] for message in batch]
                if not batch:
                    return seen
        return seen


async def test_new_events_are_refused_before_the_disk_is_full_and_taken_when_there_is_room(small_disk):
    async with Journal(small_disk) as under_test:
        (small_disk / "filler").write_bytes(bytes(30 * MIB))
        refused = await under_test.until_refused()
        assert refused.kind is Kind.UNAVAILABLE
        assert refused.fields == {"journal": "full"}
        assert under_test.room.held
        accepted = under_test.accepted
        (small_disk / "filler").unlink()
        assert await under_test.until_accepted()
        assert await under_test.stored() == [f"m{number}" for number in range(accepted + 1)]
        assert under_test.supervisor.health["nats"].starts == 1


async def test_a_disk_that_somebody_else_filled_in_one_go_harms_nothing_and_is_recovered_from(small_disk):
    async with Journal(small_disk) as under_test:
        for _ in range(20):
            await under_test.publish()
        with suppress(OSError), (small_disk / "filler").open("wb") as filler:
            while True:
                filler.write(bytes(MIB))
        refused = await under_test.until_refused()
        assert refused.kind is Kind.UNAVAILABLE
        accepted = under_test.accepted
        (small_disk / "filler").unlink()
        assert await under_test.until_accepted()
        stored = await under_test.stored()
        assert [mark for mark in stored if int(mark[1:]) < accepted] == [f"m{number}" for number in range(accepted)]
        assert len(stored) == len(set(stored))
