"""A recorder for tests: real files, a real database, a looping camera; here or in a process to be killed."""

import asyncio
import contextlib
import json
import secrets
import subprocess
import sys
import time
from pathlib import Path
from random import Random

from saqtau.devices import source
from saqtau.devices.rtsp.replay import replay
from saqtau.engine import postgres
from saqtau.engine.card_fetching import Fetching, Place
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.ledger import Ledger
from saqtau.engine.postgres import WORKER
from saqtau.engine.recording import Recorder
from saqtau.engine.recording_leases import Leases
from saqtau.engine.recording_volumes import Volumes
from saqtau.kernel.clock import Instant
from saqtau.kernel.ids import uuid7_source
from saqtau.kernel.register import PlaceKind, VideoCamera
from saqtau.video.chain import START, Broken, Row, follow
from saqtau.video.segment import scan
from saqtau.video.shelf import files_from
from saqtau.video.volume import Volume


def now():
    """UTC."""
    return Instant(time.time_ns() // 1_000_000)


ids = uuid7_source(now, secrets.token_bytes)


def camera_at(code, address, **facts):
    """A camera of a street, kept for thirty days."""
    facts = {"place": PlaceKind.STREET, "keep_days": 30, **facts}
    return VideoCamera(
        id=code, site="s1", name=f"Camera {code}", region=3, lat=51.1, lon=71.4, address=address, **facts
    )  # fmt: skip


async def play(camera, on_units):
    """As the recorder's process plays."""
    await source.play(camera.address, credentials=None, audio=camera.audio, clock=now, on_units=on_units, silence=2.0)


async def find(camera, began, ended):
    """As the recorder's process finds what a camera stored."""
    from saqtau.devices.onvif.card import find_card  # where it is asked, as the process does: it is weighed

    card = await find_card(camera.back_fill, None, now, began, ended)
    return Place(card.address, card.clock)


async def play_again(camera, address, began, ended, on_units):
    """As the recorder's process fetches it."""
    del camera
    await replay(address, began, ended, credentials=None, clock=now, on_units=on_units, silence=2.0)


def quickly(_tries, _random):
    """A pause that tests have time for."""
    return 0.2


@contextlib.asynccontextmanager
async def recording(database, folder, *, index=0, count=1, budget=None, folders=None, live=None, pause=quickly):
    """A recorder until the block is left: (recorder, pool)."""
    pool = await postgres.pool(database, WORKER, 5)
    ledger_pool = await postgres.pool(database, WORKER, 2)
    ledger = Ledger(ledger_pool, Signers("test", bytes(32)), Keys(Path(folder) / "keys"), now, secrets.token_bytes)
    volumes = Volumes([Volume(one, budget) for one in folders or [Path(folder) / "video"]], now)
    leases = Leases(Path(folder) / "locks", index, count)
    fetching = Fetching(pool, ledger, volumes, find, play_again, now, settled=500)
    recorder = Recorder(pool, ledger, leases, volumes, play, pause, now, ids, Random(1), live=live, fetching=fetching)
    stop = asyncio.Event()
    running = asyncio.create_task(recorder.run(stop))
    try:
        yield recorder, pool
    finally:
        stop.set()
        await running
        await ledger.close()
        await ledger_pool.close()
        await pool.close()


async def until(asked, *, patience=30.0):
    """What `asked` answers once it is true. Fails after `patience` seconds."""
    end = time.monotonic() + patience
    while True:
        found = asked()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < end, f"waited {patience} s"
        await asyncio.sleep(0.05)


@contextlib.contextmanager
def recorder_process(database, folder, *, index=0, count=1):
    """A recorder that can be killed as a power button does it."""
    told = {
        "dsn": database.dsn,
        "passwords": dict(database.passwords),
        "folder": str(folder),
        "folders": [str(Path(folder) / "video")],
        "index": index,
        "count": count,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "tests.engine.recorder_process"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    ) as process:  # fmt: skip
        try:
            process.stdin.write(json.dumps(told) + "\n")
            process.stdin.flush()
            assert process.stdout.readline() == "records\n"
            yield process
        finally:
            process.kill()
            process.wait()


def chained(folder, camera):
    """Every link of a camera, in order; fails unless each file's chain goes on from the one before."""
    links, head, expected = [], START, 0
    for path in files_from(Path(folder) / "video", camera, 0):
        found = scan(path)
        assert found.broken is None
        assert (found.segment.first, found.segment.previous) == (expected, head), path.name
        head = follow(camera, head, expected, [Row(one.seq, one.at, one.kind, one.digest) for one in found.links])
        assert not isinstance(head, Broken)
        assert head == found.segment.chain
        links += found.links
        expected = found.segment.last + 1
    return links


def unaccounted(links):
    """Milliseconds from the first to the last link that are neither picture nor gap."""
    spans = sorted((one.at if one.gap is None else one.gap.began, one.ended) for one in links)
    missing, covered = 0, spans[0][0]
    for began, ended in spans:
        missing += max(0, began - covered)
        covered = max(covered, ended)
    return missing
