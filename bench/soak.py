"""Soak: cameras recorded for an hour, and what of it stands on disk. A line a minute.

The recorder runs as it does in `bench/record.py`, with a budget, so that what is oldest goes while it records. Counted
is what its files say, by their own boxes, in a process that is not the recorder: milliseconds and pictures of each
camera from its first picture to the moment the recorder was told to stop, gaps, time in neither, and the chain of each
file that ended, hashed anew. A line before the end misses what is under way: at most a fragment a camera. With
`--folder`, a soak that was ended is gone on with for the minutes that are left; what lies between is not expected.

    python bench/soak.py [--minutes 60] [--cameras 20] [--budget-mb 6000] [--folder DIR]
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "src"), str(HERE.parent)]

import msgspec  # noqa: E402
import uvloop  # noqa: E402

from record import FPS, Lags, draw, memory, register, ticks  # noqa: E402
from saqtau.kernel.errors import Refused  # noqa: E402
from saqtau.video.segment import scan  # noqa: E402
from saqtau.video.shelf import files_from  # noqa: E402

MINUTE = 60.0  # s
FRAGMENT = 5  # pictures


class Counted(msgspec.Struct):
    """What one camera's files came to. `last`: sequence counted; `file`, `chain`: of the last file that ended."""

    last: int = -1
    first_at: int | None = None  # ms, first picture of this run
    ended: int = 0  # ms, end of the last link
    counted: int = 0  # ms, when its files were looked at
    recorded: int = 0
    frames: int = 0
    gaps: int = 0
    unaccounted: int = 0
    file: int = -1
    chain: str = ""
    broken: int = 0


class State(msgspec.Struct):
    """What is kept beside the recordings. `expected`: ms of the runs before, all cameras together."""

    minutes: int = 0
    runs: int = 0
    expected: int = 0
    cameras: dict[str, Counted] = msgspec.field(default_factory=dict)
    memory: list[float] = msgspec.field(default_factory=list)  # MB at each minute


async def record(folder, database, budget):
    """The recorder, until its input ends; at each line, what it did since the one before."""
    import saqtau.bootstrap.lean  # as the process does

    # isort: split
    import structlog
    from tests.engine.recorders import recording

    import saqtau.bootstrap.recorder  # noqa: F401 - its broker, law and metrics are part of what a recorder weighs
    from saqtau.engine import postgres

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    lags = Lags()
    async with recording(postgres.Server(**json.loads(database)), folder, live=lags, budget=int(budget)):
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while await reader.readline():
            behind = sorted(one - 1000 * FRAGMENT / FPS for one in lags.behind or [0])
            told = {"cameras": len(lags.seen), "p50": behind[len(behind) // 2], "p99": behind[len(behind) * 99 // 100],
                    "worst": behind[-1]}  # fmt: skip
            lags.behind.clear()
            print(json.dumps(told), flush=True)


def count(volume, code, counted):
    """Take in what has been written since."""
    counted.counted = time.time_ns() // 1_000_000
    for path in files_from(volume, code, max(counted.file, 0)):
        try:
            found = scan(path, followed=False)
        except (Refused, FileNotFoundError):
            continue  # its first link is being written, or it went for want of room
        for link in found.links:
            if link.seq <= counted.last:
                continue
            counted.last = link.seq
            began = link.at if link.gap is None else link.gap.began
            if counted.first_at is not None:
                counted.unaccounted += max(began - counted.ended, 0)
                counted.gaps += link.gap is not None
            if link.gap is None:
                counted.first_at = link.at if counted.first_at is None else counted.first_at
                counted.recorded += link.duration_ms
                counted.frames += link.frames
            counted.ended = max(counted.ended, link.ended)
        if found.segment.closed and found.segment.first > counted.file:
            with contextlib.suppress(FileNotFoundError):
                whole = scan(path)
                follows = not counted.chain or whole.segment.previous.hex() == counted.chain
                counted.broken += whole.broken is not None or not follows
                counted.file, counted.chain = whole.segment.first, whole.segment.chain.hex()


def expected_of(state, until):
    """Milliseconds that should be there. until: ms; None: until each was looked at."""
    playing = [one for one in state.cameras.values() if one.first_at is not None]
    return state.expected + sum((until or one.counted) - one.first_at for one in playing)


def line(state):
    """Recorded of expected, gaps, time in neither, chains that do not follow."""
    cameras = state.cameras.values()
    expected, recorded = expected_of(state, None), sum(one.recorded for one in cameras)
    pictures = sum(one.frames for one in cameras)
    return (
        f"recorded {recorded / expected * 100:.4f} % of {expected / 3_600_000:.2f} h, "
        f"{pictures} pictures of {expected * FPS / 1000:.0f}, {sum(one.gaps for one in cameras)} gaps, "
        f"{sum(one.unaccounted for one in cameras)} ms in neither, "
        f"{sum(one.broken for one in cameras)} chains broken"
    )


def soak(asked, folder, state, engine):
    """The minutes that are left."""
    cameras = subprocess.Popen(
        [sys.executable, HERE / "record.py", "--serve", folder / "bench.h264"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    base = f"rtsp://127.0.0.1:{int(cameras.stdout.readline())}/load/bench/"
    database = engine.fresh_database()
    asyncio.run(register(database, base, asked.cameras))
    spelled = json.dumps({name: getattr(database, name) for name in database.__struct_fields__}, default=str)
    process = subprocess.Popen(
        [sys.executable, __file__, "--record", folder / "ours", spelled, str(asked.budget_mb << 20)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    def told():
        process.stdin.write("?\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    volume = folder / "ours" / "video"
    for code in (f"c{number}" for number in range(asked.cameras)):
        state.cameras.setdefault(code, Counted()).first_at = None
    try:
        while told()["cameras"] < asked.cameras:
            time.sleep(1)
        state.runs += 1
        for code, one in state.cameras.items():
            count(volume, code, one)
        while state.minutes < asked.minutes:
            used, began = ticks(process.pid), time.monotonic()
            time.sleep(MINUTE)
            core = (ticks(process.pid) - used) / (time.monotonic() - began)
            said, weight = told(), memory(process.pid)
            for code, one in state.cameras.items():
                count(volume, code, one)
            state.minutes += 1
            state.memory.append(round(weight, 1))
            keep(folder, state)
            late = ", ".join(f"{name} {said[name]:.0f}" for name in ("p50", "p99", "worst"))
            print(
                f"{time.strftime('%H:%M:%S')} minute {state.minutes:3}: "
                f"{line(state)}; "
                f"{weight:.1f} MB, {core * 100:.1f} % of a core, written after their last picture by ms {late}; "
                f"load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
    finally:
        stopped = time.time_ns() // 1_000_000
        with contextlib.suppress(BrokenPipeError):  # it may have died
            process.stdin.close()
        process.wait(120)
        cameras.stdin.close()
        cameras.wait(30)
        for code, one in state.cameras.items():
            count(volume, code, one)
        state.expected = expected_of(state, stopped)
        for one in state.cameras.values():
            one.first_at = None
        keep(folder, state)


def keep(folder, state):
    """So that it can be gone on with."""
    fresh = folder / "state.new"
    fresh.write_bytes(msgspec.json.encode(state))
    fresh.replace(folder / "state.json")


def main():
    """Print a line a minute, and what it came to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--cameras", type=int, default=20)
    parser.add_argument("--budget-mb", type=int, default=6_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--record", nargs=3)
    asked = parser.parse_args()
    if asked.record:
        uvloop.run(record(*asked.record))
        return
    from tests.running import running

    with contextlib.ExitStack() as stack:
        folder = asked.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak")))
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "bench.h264").is_file():
            draw(folder / "drawn")
            (folder / "drawn").rename(folder / "bench.h264")
        kept = folder / "state.json"
        state = msgspec.json.decode(kept.read_bytes(), type=State) if kept.is_file() else State()
        if state.minutes:
            print(f"goes on after minute {state.minutes}", flush=True)
        for wanted in (signal.SIGINT, signal.SIGTERM):  # also where a shell's background ignores the first
            signal.signal(wanted, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            soak(asked, folder, state, stack.enter_context(running()))
    print(f"{asked.cameras} cameras, {state.minutes} minutes in {state.runs} runs: {line(state)}")
    if state.memory:
        early = state.memory[min(4, len(state.memory) - 1)]
        last, most = state.memory[-1], max(state.memory)
        print(f"memory: {early} MB after five minutes, {last} MB at the end, {most} MB at most")


if __name__ == "__main__":
    main()
