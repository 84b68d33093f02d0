"""Fifty writers to one log in a process of their own: 24 bytes to a file for each acknowledgement, until it is killed.

python -m tests.faults.ledger_writer DSN PASSWORD FOLDER ACKS
"""

import asyncio
import contextlib
import os
import secrets
import struct
import sys
import time
from pathlib import Path

from saqtau.engine import postgres
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.ledger import ACCESS, Count, Draft, Ledger
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Refused
from saqtau.ledger.leaf import LeafClass

WRITERS = 50
PAUSE = 0.03  # s: figures are measured elsewhere
AUTHORITY, SEED = "saqtau.test", bytes(range(32))
LINE = struct.Struct(">QQQ")  # index, process, number


def now():
    return Instant(time.time_ns() // 1_000_000)


async def main(dsn, password, folder, acks):
    descriptor = os.open(acks, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    server = postgres.Server(dsn, {postgres.APP: password})
    numbers = iter(range(2**62))
    async with postgres.pool(server, postgres.APP, 3, min_size=0) as pool:
        ledger = Ledger(pool, Signers(AUTHORITY, SEED), Keys(Path(folder)), now, secrets.token_bytes)

        async def write():
            while True:
                number = next(numbers)
                record = {"process": os.getpid(), "number": number}
                draft = Draft(ACCESS, 2, LeafClass.VIEW, "access_3y", record, Count(action="item.read"))
                with contextlib.suppress(Refused):
                    placed = await ledger.append(draft)
                    os.write(descriptor, LINE.pack(placed.index, os.getpid(), number))
                await asyncio.sleep(PAUSE)

        async with asyncio.TaskGroup() as group:
            for _ in range(WRITERS):
                group.create_task(write())
            await asyncio.to_thread(sys.stdin.buffer.read)  # whoever started it is gone
            os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
