"""A recorder as a process of its own, to be killed; one line of JSON on its input says what it records."""

import asyncio
import json
import sys
from pathlib import Path

import uvloop
from tests.engine.recorders import recording

from saqtau.engine.postgres import Server


async def run(told):
    """Record until killed."""
    server = Server(told["dsn"], told["passwords"])
    folders = [Path(one) for one in told["folders"]]
    async with recording(server, told["folder"], index=told["index"], count=told["count"], folders=folders):
        print("records", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(run(json.loads(sys.stdin.readline())))
