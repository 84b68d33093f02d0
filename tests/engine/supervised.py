"""A supervisor as a process of its own, for the tests that kill it: `python -m tests.engine.supervised FOLDER`."""

import asyncio
import sys
from pathlib import Path

from tests.running import QUICK

from saqtau.engine import broker, migrate, postgres
from saqtau.engine.place import open_place
from saqtau.engine.supervisor import Supervisor


async def main(folder):
    place = open_place(folder)
    supervisor = Supervisor(place)
    supervisor.claim()
    programs = postgres.binaries()
    postgres.prepare(place, programs, sync=False)
    await supervisor.start(postgres.part(place, programs, QUICK))
    await supervisor.start(broker.part(place, broker.binary(), broker.choose_port(place), reserve=0))
    await migrate.create_roles(postgres.own_server(place))
    print("up", flush=True)
    await supervisor.run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
