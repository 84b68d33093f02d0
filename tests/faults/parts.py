"""The processes that the fault test kills: a gateway that keeps sending, a worker that keeps taking effect."""

import asyncio
import itertools
import os
import signal
import sys
import time
from pathlib import Path

import msgspec
import uvloop

from saqtau.engine import broker, postgres
from saqtau.engine.journal import READS, ensure_streams
from saqtau.engine.pack import open_pack, read_packer
from saqtau.engine.window import Window, ensure_window
from saqtau.engine.worker import Worker, message_partition
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Refused
from saqtau.kernel.signal import PlateRead


class Addresses(msgspec.Struct):
    """Where the engine of the test is; handed over in a private file."""

    dsn: str
    passwords: dict[str, str]
    urls: tuple[str, ...]
    word: str
    replicas: int
    folder: str


def now():
    return Instant(time.time_ns() // 1_000_000)


async def send(where, journal, stop):
    """Put reads for ever; the id of every acknowledged one is in the file before the next is put by that sender."""
    folder = Path(where.folder)
    await ensure_streams(journal, where.replicas)
    await ensure_window(journal, where.replicas)
    run = f"{os.getpid()}-{time.time_ns()}"
    serial, packs = itertools.count(), itertools.count()
    packer = read_packer(journal, Window(journal), now, lambda: f"{run}-p{next(packs)}")
    acknowledged = os.open(folder / "acknowledged", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    async def camera(number):
        while not stop.is_set() and not (folder / "enough").exists():
            mark = f"{run}-{next(serial)}"
            plate = f"{number:03}ABC{next(serial) % 20:02}"
            try:
                await packer.put(PlateRead(mark, f"c{number}", now(), now(), plate, plate))
            except Refused:
                continue  # not acknowledged: a camera would send it again under the same id, this one does not
            os.write(acknowledged, f"{mark}\n".encode())
            await asyncio.sleep(0.002)

    await asyncio.gather(*(camera(number) for number in range(60)))
    await packer.close()
    await stop.wait()


class Effects:
    """Each read becomes a row without any constraint: what takes effect twice is there twice."""

    def __init__(self, journal):
        self._window = Window(journal)
        self._decoder = msgspec.msgpack.Decoder(list[PlateRead])

    async def handle(self, pg, messages):
        rows = [
            (read.id, message_partition(message))
            for message in messages
            for read in self._decoder.decode(await open_pack(self._window, message))
        ]
        await pg.copy_records_to_table("effect", records=rows, columns=["read", "partition"])
        return []


async def take(where, nc, journal, stop):
    server = postgres.Server(where.dsn, where.passwords)
    async with postgres.pool(server, postgres.WORKER, 6) as pool:
        await Worker(pool, nc, journal, {READS: Effects(journal)}, now).run(stop)


async def main(part, where):
    stop = asyncio.Event()
    for wanted in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(wanted, stop.set)
    nc = await broker.connect(broker.Broker(where.urls, where.word, where.replicas), part, patience=60)
    journal = broker.context(nc)
    await (send(where, journal, stop) if part == "gateway" else take(where, nc, journal, stop))
    await nc.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], msgspec.json.decode(Path(sys.argv[2]).read_bytes(), type=Addresses)))
