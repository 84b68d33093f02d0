"""Kill -9 of the recorder at random moments: what is lost of each stream, beside ffmpeg that writes plain MP4.

The recorder runs as a process of its own against our looping server and is killed with SIGKILL. Lost is, by the clock,
the time from the end of the last whole fragment on disk to the kill; and by pictures, what the server had sent by then
(40 ms each) and ffprobe does not find in the files. Every file must be read by ffprobe, every chain must follow, and
the time until the next recorder's first picture must stand in a gap.

    python bench/kills.py [--kills 100] [--streams 8]
"""

import argparse
import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "src"), str(HERE.parent)]

from tests.engine.recorders import camera_at, chained, now, recorder_process, unaccounted, until  # noqa: E402
from tests.running import running  # noqa: E402

from saqtau.engine import postgres  # noqa: E402
from saqtau.engine.postgres import WORKER  # noqa: E402
from saqtau.engine.recording_start import find_start  # noqa: E402
from saqtau.engine.video_camera import add_camera  # noqa: E402
from saqtau.simulate.loop import serving  # noqa: E402
from saqtau.video.segment import scan  # noqa: E402
from saqtau.video.shelf import files_from  # noqa: E402


def newest(folder, code):
    """The end of the last picture on disk, Unix ms; None before the first."""
    for path in reversed(files_from(folder / "video", code, 0)):
        with contextlib.suppress(Exception):
            pictures = [one for one in scan(path, followed=False).links if one.gap is None]
            if pictures:
                return pictures[-1].ended
    return None


def read_by_peer(path):
    """Pictures that ffprobe finds in a file; None when it says a word of it."""
    asked = ["ffprobe", "-v", "error", "-count_packets", "-select_streams", "v", "-of", "csv=p=0"]
    found = subprocess.run(
        [*asked, "-show_entries", "stream=nb_read_packets", path], capture_output=True, text=True, check=False
    )
    told = found.stdout.strip().rstrip(",")
    return None if found.returncode or found.stderr else int(told or 0)  # a file of gaps has no pictures


async def ours(server, database, folder, codes, kills, chance):
    """(ms lost by the clock, pictures lost) of each stream at each kill, and files that ffprobe did not read."""
    lost, missed, unread = [], [], 0
    read = dict.fromkeys(codes, 0)  # files looked at
    for number in range(kills):
        streams = {code: server.stream(f"street/{code}") for code in codes}
        await until(lambda streams=streams: not any(one.viewers for one in streams.values()))
        sent = {code: one.sent for code, one in streams.items()}
        with recorder_process(database, folder) as process:
            began = now()
            await until(lambda began=began: all((newest(folder, code) or 0) > began for code in codes), patience=120)
            await asyncio.sleep(chance.uniform(0, 1.0))
            killed = now()
            process.send_signal(signal.SIGKILL)
            process.wait()  # nothing is sent meanwhile: the server is on this loop
        lost += [max(killed - newest(folder, code), 0) for code in codes]
        for code in codes:
            paths = files_from(folder / "video", code, 0)
            found = [read_by_peer(path) for path in paths[read[code] :]]
            unread += found.count(None)
            missed.append(streams[code].sent - sent[code] - sum(one or 0 for one in found))
            read[code] = len(paths)
        print(f"\r  kill {number + 1}", end="", flush=True)
    print()
    return lost, missed, unread


async def plain(server, folder, kills, chance):
    """The same of `ffmpeg -c copy` into plain MP4 of ten seconds: milliseconds of the file that nobody reads."""
    lost = []
    for number in range(kills):
        out = folder / f"{number}-%03d.mp4"
        began = time.monotonic()
        command = [
            "ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", server.address("street/plain"), "-c", "copy",
            "-f", "segment", "-segment_time", "10", "-reset_timestamps", "1", str(out),
        ]  # fmt: skip
        process = await asyncio.create_subprocess_exec(*command)
        await asyncio.sleep(chance.uniform(14, 26))
        process.kill()
        await process.wait()
        files = sorted(folder.glob(f"{number}-*.mp4"))
        read = 0.0
        for path in files:
            probe = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", path]
            found = subprocess.run(probe, capture_output=True, text=True, check=False)
            read += float(found.stdout) if found.returncode == 0 and found.stdout.strip() else 0.0
        lost.append(max(time.monotonic() - began - read, 0) * 1000)
    return lost


async def measure(database, folder, asked):
    """(ms and pictures lost of ours, files not read, ms unaccounted for, ms lost of the peer)."""
    chance = random.Random(1)
    pg = await postgres.connect(database, WORKER)
    await pg.execute("insert into site values ('s1', 'Site', 3, 51, 71)")
    async with serving(clock=now) as server:
        codes = [f"c{number}" for number in range(asked.streams)]
        for code in codes:
            await add_camera(pg, camera_at(code, server.address(f"street/{code}")), "bench", now())
        lost, missed, unread = await ours(server, database, folder, codes, asked.kills, chance)
        for code in codes:
            find_start(code, None, [folder / "video"], now())
        missing = sum(unaccounted(chained(folder, code)) for code in codes)
        (folder / "plain").mkdir()
        found = shutil.which("ffmpeg") and asked.plain
        peer = await plain(server, folder / "plain", asked.plain, chance) if found else []
    await pg.close()
    return lost, missed, unread, missing, peer


def main():
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--plain", type=int, default=3)
    asked = parser.parse_args()
    with running() as engine, tempfile.TemporaryDirectory(prefix="sq-") as name:
        lost, missed, unread, missing, peer = asyncio.run(measure(engine.fresh_database(), Path(name), asked))
    share = np.percentile(lost, [50, 99, 100])
    print(f"{asked.kills} kills of {asked.streams} streams: lost of a stream {share[0]:.0f} ms (median), "
          f"{share[1]:.0f} ms (99 %), {share[2]:.0f} ms (most), over 200 ms {np.mean(np.array(lost) > 200):.1%}; "
          f"load {os.getloadavg()[0]:.1f}")  # fmt: skip
    pictures = np.percentile(missed, [50, 99, 100])
    print(f"pictures that were sent and are in no file, of 40 ms each: {pictures[0]:.0f} (median), {pictures[1]:.0f} "
          f"(99 %), {pictures[2]:.0f} (most), more than 5 in {np.mean(np.array(missed) > 5):.1%}")  # fmt: skip
    print(f"files that ffprobe does not read: {unread}; chains follow; unaccounted milliseconds: {missing}")
    if peer:
        theirs = float(np.mean(peer))
        print(
            f"ffmpeg -c copy, plain MP4 of 10 s: {theirs / 1000:.1f} s lost a kill; ours is 1/{theirs / share[0]:.0f}"
        )


if __name__ == "__main__":
    main()
