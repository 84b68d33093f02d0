"""Recordings for tests: a clip of ours, through the recorder's own fragmenter and writer, without a camera."""

from saqtau.kernel.clock import Instant
from saqtau.simulate.clip import scene
from saqtau.video.access_unit import AccessUnit, Loss
from saqtau.video.fragment import Fragmenter
from saqtau.video.segment_writer import SegmentWriter

BEGAN = Instant(1_795_000_000_000)


def units(seconds, *, began=BEGAN, lost=(), name="street", filler=0):
    """What a camera sends in so many seconds. lost: seconds at which packets are missing; filler: bytes a picture."""
    more = (b"\x0c" + b"\xff" * filler + b"\x80",) if filler else ()
    clip = scene(name)
    yield clip.parameters
    for number in range(int(seconds * clip.fps)):
        at = Instant(began + int(number * 1000 / clip.fps))
        if number % clip.fps == 0 and number // clip.fps in lost:
            yield Loss(3, at)
        which = number % len(clip.pictures)
        yield AccessUnit(int(number * 90_000 / clip.fps), clip.keys[which], (*clip.pictures[which], *more), at, None)


def record(folder, camera="cam-1", seconds=10, *, place="street", **more):
    """Record; the files that were written, oldest first, all closed."""
    writer, cutter = SegmentWriter(folder, camera, place), Fragmenter(camera)
    found = []
    for unit in units(seconds, **more):
        found += [writer.append(link).closed for link in cutter.take(unit)]
    ended = Instant(more.get("began", BEGAN) + int(seconds * 1000))
    found += [writer.append(link).closed for link in cutter.flush(ended)]
    return [one for one in (*found, writer.close()) if one is not None]
