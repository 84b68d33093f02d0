"""Recording: CPU and memory of a camera, beside `ffmpeg -c copy` a camera and Debian's `motion` in passthrough.

Each records the same streams (1280x720, 25 pictures and 2.5 Mb/s, a key picture each 2 s) from our looping server over
loopback TCP to the same disk, all at the same time: what else the machine does, it does to all. Ours is the recorder as
it runs: fragments, SHA-256 chain, one sync a second, rows in PostgreSQL, leaves of minutes in the log. PostgreSQL's own
time is printed apart. Then many streams: fragments lost, and how long after its last picture a fragment was written.
300 streams are 94 MB a second: what the disk takes is measured first and printed beside. `--folder` records elsewhere
(on a tmpfs: what is left of a delay is not the disk's).

    python bench/record.py [--streams 30] [--seconds 30] [--many 300] [--long 60] [--motion 6] [--folder DIR]
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import uvloop

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "src"), str(HERE.parent)]

# every process of this bench imports what it needs: the recorder is weighed with what a recorder carries, no more

WIDE, HIGH, FPS, RATE = 1280, 720, 25, 2_500_000
WARM = 8.0  # s until everything runs
PAGE = os.sysconf("SC_CLK_TCK")


def draw(to):
    """Ten seconds of moving noise: what the coder makes of it is as large as it is told."""
    import av
    import numpy as np

    dice = np.random.default_rng(1)
    coder = av.CodecContext.create("libx264", "w")
    coder.width, coder.height, coder.pix_fmt = WIDE, HIGH, "yuv420p"
    coder.time_base, coder.framerate, coder.gop_size, coder.bit_rate = Fraction(1, FPS), Fraction(FPS), 2 * FPS, RATE
    limits = f"bframes=0:scenecut=0:vbv-maxrate={RATE // 1000}:vbv-bufsize={RATE // 1000}:nal-hrd=cbr"
    coder.options = {"preset": "ultrafast", "x264-params": limits}
    ground = dice.integers(0, 255, (HIGH // 8, WIDE // 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    data = bytearray()
    for k in range(10 * FPS):
        shown = np.roll(ground, 4 * k, 1)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(shown), format="rgb24").reformat(format="yuv420p")
        frame.pts = k
        for packet in coder.encode(frame):
            data += bytes(packet)
    for packet in coder.encode(None):
        data += bytes(packet)
    last = data.rfind(b"\0\0\1")
    if data[last + 3] & 31 == 12:  # what fills up after the last picture would be sent as a picture of its own
        del data[last:]
    to.write_bytes(data.rstrip(b"\0"))


async def serve(file):
    """The cameras, in a process of their own, until the input ends."""
    from tests.engine.recorders import now

    from saqtau.simulate.clip import clip_of
    from saqtau.simulate.loop import serving
    from saqtau.video.access_unit import Codec

    clip = clip_of(Path(file).read_bytes(), Codec.H264, Fraction(FPS))
    async with serving({"bench": clip}, clock=now) as server:
        print(server.port, flush=True)
        await asyncio.to_thread(sys.stdin.read)


class Lags:
    """Takes what the recorder shows as it is written: milliseconds behind the end of each fragment's last picture."""

    def __init__(self):
        self.behind, self.seen, self.dark_since = [], set(), 0

    def begin(self, *_):
        pass

    def written(self, camera, seq, at, key, offset, data):
        del seq, key, offset, data
        self.behind.append(time.time_ns() // 1_000_000 - at)
        self.seen.add(camera)

    def dark(self, camera, *_):
        self.dark_since += camera in self.seen

    def forget(self, *_):
        pass


async def ours(folder, database):
    """The recorder, until a line comes; then what it did from the one before."""
    import saqtau.bootstrap.lean  # as the process does

    # isort: split
    import structlog
    from tests.engine.recorders import recording

    import saqtau.bootstrap.recorder  # noqa: F401 - its broker, law and metrics are part of what a recorder weighs
    from saqtau.engine import postgres

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # answers go to standard output
    lags = Lags()
    async with recording(postgres.Server(**json.loads(database)), folder, live=lags):
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while await reader.readline():
            behind = sorted(one - 1000 * 5 / FPS for one in lags.behind or [0])  # five pictures: a fragment's own time
            told = {
                "cameras": len(lags.seen), "fragments": len(lags.behind), "gaps": lags.dark_since,
                "p50": behind[len(behind) // 2], "p99": behind[len(behind) * 99 // 100], "worst": behind[-1],
            }  # fmt: skip
            lags.behind.clear()
            print(json.dumps(told), flush=True)


def ticks(pid):
    """CPU seconds of a process and of its children that are there."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / PAGE + sum(map(ticks, children))


def memory(pid):
    """Proportional set of a process, MB."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def measured(groups, seconds):
    """Share of a core and MB of groups of processes over the same while."""
    before, began = [sum(map(ticks, pids)) for pids in groups], time.monotonic()
    time.sleep(seconds)
    used = [sum(map(ticks, pids)) - one for pids, one in zip(groups, before, strict=True)]
    took = time.monotonic() - began
    return [(one / took, sum(map(memory, pids))) for pids, one in zip(groups, used, strict=True)]


def disk(folder, size=512 << 20):
    """MB a second that the disk takes, written through."""
    block, path = bytes(1 << 20), folder / "probe"
    began = time.monotonic()
    with path.open("wb", buffering=0) as file:
        for _ in range(size >> 20):
            file.write(block)
        os.fsync(file.fileno())
    path.unlink()
    return size / 1e6 / (time.monotonic() - began)


def say(label, count, core, mb, note=""):
    print(f"{label:34} {count:4} streams  {core * 60 / count:7.4f} CPU-s a stream-minute  {core * 100:6.1f} % of a core"
          f"  {mb / count:7.2f} MB a stream  {note}", flush=True)  # fmt: skip
    return core / count, mb / count


@contextlib.contextmanager
def beside(commands):
    """Runs commands side by side until the block is left: their process ids."""
    # out of this process's group: they are ended one by one, by their own numbers
    processes = [
        subprocess.Popen(one, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for one in commands
    ]
    try:
        yield [one.pid for one in processes]
    finally:
        for one in processes:
            one.terminate()
        for one in processes:
            try:
                one.wait(10)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()


def ffmpeg(base, count, folder):
    quiet = ["ffmpeg", "-v", "quiet", "-rtsp_transport", "tcp"]
    kept = ["-c", "copy", "-f", "segment", "-segment_time", "60", "-reset_timestamps", "1"]
    return [[*quiet, "-i", f"{base}{n}", *kept, f"{folder}/{n}-%05d.mp4"] for n in range(count)]


def motion(base, count, folder):
    shared = ["daemon off", "log_level 3", f"log_file {folder}/log", "webcontrol_port 0", "movie_output on",
              "movie_passthrough on", "movie_codec mp4", "movie_max_time 60", "emulate_motion on", "picture_output off",
              f"framerate {FPS}", f"target_dir {folder}"]  # fmt: skip
    for n in range(count):
        each = [f"camera_id {n + 1}", f"netcam_url {base}{n}", "netcam_params rtsp_transport=tcp", f"width {WIDE}",
                f"height {HIGH}", f"movie_filename {n}-%H%M%S"]  # fmt: skip
        (folder / f"c{n}.conf").write_text("\n".join(each))
        shared.append(f"camera {folder}/c{n}.conf")
    (folder / "motion.conf").write_text("\n".join(shared))
    return [["motion", "-n", "-c", str(folder / "motion.conf")]]


async def register(database, base, count):
    from tests.engine.recorders import camera_at, now

    from saqtau.engine import postgres
    from saqtau.engine.postgres import WORKER
    from saqtau.engine.video_camera import add_camera

    pool = await postgres.pool(database, WORKER, 2)
    async with pool.acquire() as pg:
        await pg.execute("insert into site values ('s1', 'Site', 3, 51, 71) on conflict do nothing")
        for n in range(count):
            await add_camera(pg, camera_at(f"c{n}", f"{base}{n}"), "bench", now())
    await pool.close()


def recorder(engine, base, count, folder, seconds, label, peers=()):
    """Our recorder over `count` streams, and peers (label, streams, commands) over the same streams at the same time.

    One after the other they would meet a machine whose other work had changed.
    """
    database = engine.fresh_database()
    asyncio.run(register(database, base, count))
    spelled = json.dumps({name: getattr(database, name) for name in database.__struct_fields__}, default=str)
    process = subprocess.Popen(
        [sys.executable, __file__, "--ours", str(folder), spelled],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def asked():
        process.stdin.write("?\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    try:
        while asked()["cameras"] < count:
            time.sleep(1)
        with contextlib.ExitStack() as stack:
            others = [stack.enter_context(beside(commands)) for _, _, commands in peers]
            time.sleep(WARM)
            asked()
            postgres = [engine.processes["postgres"].pid]
            (core, mb), (server, _), *found = measured([[process.pid], postgres, *others], seconds)
            told = asked()
        mine = say(label, count, core, mb, f"PostgreSQL {server * 60 / count:.4f} besides")
        expected = count * seconds * FPS / 5
        late = ", ".join(f"{name} {told[name]:.0f} ms" for name in ("p50", "p99", "worst"))
        whole = f"{told['fragments']} fragments of {expected:.0f} due, {told['gaps']} gaps"
        print(f"{'':34} {whole}; written after their last picture by {late}", flush=True)
        for (name, streams, _), other in zip(peers, found, strict=True):
            theirs = say(name, streams, *other)
            print(
                f"{'':34} ours takes {mine[0] / theirs[0]:.2f} of its CPU and {mine[1] / theirs[1]:.3f} of its memory",
                flush=True,
            )
    finally:
        process.stdin.close()
        process.wait(60)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--many", type=int, default=300)
    parser.add_argument("--long", type=float, default=60)
    parser.add_argument("--motion", type=int, default=6)
    parser.add_argument("--folder", help="where it is recorded (default: the temporary folder)")
    parser.add_argument("--serve")
    parser.add_argument("--ours", nargs=2)
    chosen = parser.parse_args()
    if chosen.serve:
        uvloop.run(serve(chosen.serve))
        return
    if chosen.ours:
        uvloop.run(ours(*chosen.ours))
        return
    from tests.running import running

    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores, "
          f"load {os.getloadavg()[0]:.1f}; "
          f"{WIDE}x{HIGH}, {FPS} pictures and {RATE / 1e6:g} Mb/s a stream", flush=True)  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="rec", dir=chosen.folder) as made, running() as engine:
        folder = Path(made)
        draw(folder / "bench.h264")
        cameras = subprocess.Popen(
            [sys.executable, __file__, "--serve", str(folder / "bench.h264")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            base = f"rtsp://127.0.0.1:{int(cameras.stdout.readline())}/load/bench/"
            peers = []
            for name, count, run in (("ffmpeg", chosen.streams, ffmpeg), ("motion", chosen.motion, motion)):
                if not count:
                    continue
                if shutil.which(name) is None:
                    print(f"{name}: not here (Debian: {name}), so not beside us")
                    continue
                (folder / name).mkdir()
                label = {"ffmpeg": "ffmpeg -c copy, a process a camera", "motion": "motion, passthrough"}[name]
                peers.append((label, count, run(base, count, folder / name)))
            recorder(engine, base, chosen.streams, folder / "ours", chosen.seconds, "the recorder", peers)
            for name in ("ours", "ffmpeg", "motion"):
                shutil.rmtree(folder / name, ignore_errors=True)
            if chosen.many:
                due = chosen.many * RATE / 8 / 1e6
                print(f"the disk takes {disk(folder):.0f} MB a second; {due:.0f} will come", flush=True)
                recorder(engine, base, chosen.many, folder / "many", chosen.long, "the recorder alone")
        finally:
            cameras.stdin.close()
            cameras.wait(30)


if __name__ == "__main__":
    main()
