"""One part of Saqtau as a process: `python -m saqtau.bootstrap web|worker|recorder|... --config FILE`."""

import argparse
import asyncio
import signal
import sys
from functools import partial
from pathlib import Path

import uvloop

from saqtau.bootstrap import lean  # noqa: F401 - before whatever imports structlog

# isort: split
from saqtau.bootstrap import configured, logs
from saqtau.bootstrap.gone import be_gone
from saqtau.bootstrap.ground import Ground, leaving, stand
from saqtau.engine.leaving_folder import EVERY, sweep
from saqtau.engine.worker import every
from saqtau.kernel.errors import Refused

PARTS = ("intake", "web", "worker", "notary", "recorder", "cameras", "health", "simulate")


async def _run(part: str, ground: Ground, shard: int) -> None:
    if part == "simulate":
        from saqtau.bootstrap.demonstration import drive_city

        await drive_city(ground)
        return
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for wanted in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(wanted, stop.set)
    emptying = asyncio.create_task(every(EVERY, "leaving", partial(_empty, ground), stop))
    try:
        await _serve(part, ground, shard, stop)
    finally:
        emptying.cancel()


async def _empty(ground: Ground) -> None:
    """Whichever part starts or runs takes away what a killed one left."""
    await asyncio.to_thread(sweep, leaving(ground))


async def _serve(part: str, ground: Ground, shard: int, stop: asyncio.Event) -> None:
    match part:
        case "intake":
            from saqtau.bootstrap.intake import take_in

            await take_in(ground, stop)
        case "web":
            from saqtau.bootstrap.web import answer

            await answer(ground, stop)
        case "notary":
            from saqtau.bootstrap.notary import notarise

            await notarise(ground, stop)
        case "cameras":
            from saqtau.bootstrap.cameras import show

            await show(ground, stop)
        case "recorder":
            from saqtau.bootstrap.recorder import record

            await record(ground, shard, stop)
        case "health":
            from saqtau.bootstrap.health import watch

            await watch(ground, stop)
        case _:
            from saqtau.bootstrap.worker import work

            await work(ground, stop)


def main() -> None:
    """Run a part until SIGTERM."""
    arguments = argparse.ArgumentParser(prog="saqtau.bootstrap")
    arguments.add_argument("part", choices=PARTS)
    arguments.add_argument("--config", type=Path, default=None)
    arguments.add_argument("--folder", type=Path, default=None)
    arguments.add_argument("--shard", type=int, default=0, help="which of the recorder processes, from 0")
    chosen = arguments.parse_args()
    logs.configure()
    try:
        uvloop.run(_run(chosen.part, stand(configured(chosen.config, chosen.folder)), chosen.shard))
    except Refused as refusal:
        sys.exit(f"{chosen.part}: {refusal.message}")
    be_gone()


if __name__ == "__main__":
    main()
