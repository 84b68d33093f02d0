"""How soon the export of an hour begins to leave, what it keeps in memory, and how long its check takes.

    python -m bench.export [--seconds 3600] [--kilobytes 10]

An hour of one camera at about 2.5 Mb/s, recorded, indexed and entered as the recorder does, asked for, agreed to, and
fetched over HTTP from the real application: from the request to the first byte, to the last, and the process's memory
meanwhile. Then the program inside the package, in a process of its own. Beside it, on the same files: what is done
where recordings are joined by `ffmpeg -c copy` into a file that plays (`+faststart`), whose first byte can only leave
when the last has been written.
"""

import argparse
import asyncio
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests import running
from tests.api import house as building
from tests.api.desks import DESKS, furnish
from tests.api.recordings import approved, recorded

from saqtau.bootstrap.web import watch_policies
from saqtau.engine import broker, journal


def memory():
    """MiB that this process has used at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def fetched(one, place):
    """Seconds to the first and to the last byte of a package; it lies at `place` then."""
    inspector, name = await approved(one, since=0, until=one.segments[-1].ended - one.began)
    begun, first = time.perf_counter(), 0.0
    async with inspector.stream("GET", f"/api/recording-exports/{name}/package") as answer:
        assert answer.status_code == 200, await answer.aread()
        with place.open("wb") as out:
            async for piece in answer.aiter_raw():
                first = first or time.perf_counter() - begun
                await asyncio.to_thread(out.write, piece)
    return first, time.perf_counter() - begun


def joined(one, folder):
    """Seconds that ffmpeg takes to join the same files into one that plays."""
    listed = folder / "list.txt"
    listed.write_text("".join(f"file '{segment.path}'\n" for segment in one.segments))
    ask = ["ffmpeg", "-v", "error", "-f", "concat", "-safe", "0", "-i", listed, "-c", "copy", "-movflags", "+faststart"]
    begun = time.perf_counter()
    subprocess.run([*ask, folder / "joined.mp4"], check=True)
    return time.perf_counter() - begun


def checked(place):
    """Seconds and MiB of the program inside, which must find that everything holds."""
    program = Path(sys.modules["saqtau.ledger.verify.export"].__file__)
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['verify.py', {str(place)!r}]\n"
        f"try:\n    runpy.run_path({str(program)!r}, run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')][0])"
    )
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert said[-2] == "everything holds", done.stdout
    return time.perf_counter() - begun, float(said[-1]) / 1024


async def measure(engine, database, seconds, kilobytes, folder):
    nc = await broker.connect(engine.broker, "bench")
    await journal.ensure_streams(broker.context(nc), engine.broker.replicas)
    async with building.standing(engine, database, folder, desks=DESKS) as house:
        await building.move_in(house.owner, house.parts.clock())
        await furnish(house.owner, house.parts.clock())
        await watch_policies(house.parts.pg, house.parts.access)
        one = await recorded(house, folder / "volume", seconds, filler=kilobytes * 1024)
        size = sum(segment.size for segment in one.segments)
        print(f"recorded: {seconds} s, {size / 1e6:,.0f} MB in {len(one.segments)} files")
        before = memory()
        first, last = await fetched(one, folder / "package.zip")
        more = memory() - before
        print(f"export: first byte after {first:.2f} s, last after {last:.1f} s ({size / 1e6 / last:,.0f} MB/s)")
        print(f"memory: {more:.0f} MiB more than before, web, client and index together")
        took, most = await asyncio.to_thread(checked, folder / "package.zip")
        print(f"verify.py: {took:.1f} s, {most:.0f} MiB")
        if shutil.which("ffmpeg"):
            other = await asyncio.to_thread(joined, one, folder)
            print(f"ffmpeg -c copy +faststart: first byte after {other:.2f} s: {other / first:.1f} times ours")
    await nc.close()


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seconds", type=int, default=3600)
    asked.add_argument("--kilobytes", type=int, default=10)
    given = asked.parse_args()
    running.QUICK.clear()  # the settings of the product, not those of the tests
    with running.running() as engine, tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(engine, engine.fresh_database(), given.seconds, given.kilobytes, Path(folder)))


if __name__ == "__main__":
    main()
