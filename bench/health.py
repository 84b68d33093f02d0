"""Camera health: what 40,000 cameras cost a core in a minute, besides decoding; and decoding, told apart.

    python -m bench.health [--cameras 40000]

Ours: of each camera the newest key picture is found in its growing file (heads of a minute's 300 fragments), decoded
(`video/keyframe`), reduced, judged, believed (`video/health`, `video/standing`). Every camera has a reference and a
look before of its own, so that no cache is kinder than a house would be. The peer is what tamper detection without key
frames costs (`motion`, and every detector that reads a stream): decoding all pictures of the same minute, same FFmpeg.
Real clips of ../shared/data/video are used where they are there: how many looks of a working day are told as tampering,
and how many manipulated ones are not.
"""

import argparse
import io
import resource
import tempfile
from pathlib import Path

import cv2
import numpy as np
from tests.unit.video.scenes import blurred, cloth, hand, scene, shifted, shot, torch

from saqtau.simulate.clip import scene as clip_of
from saqtau.video.access_unit import AccessUnit
from saqtau.video.boxes import Sample, fragment_bytes, init_segment
from saqtau.video.fragment import Fragmenter
from saqtau.video.health import Verdict, judge, look, refer
from saqtau.video.keyframe import decode
from saqtau.video.latest import look_through, read_key
from saqtau.video.segment_writer import SegmentWriter
from saqtau.video.standing import first, step

NOW = 1_795_000_000_000
CLIPS = Path(__file__).parents[2] / "shared" / "data" / "video"


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(work, count):
    begun = cpu()
    for number in range(count):
        work(number)
    return (cpu() - begun) / count


def judging(cameras):
    """CPU seconds a camera: reduce a 720p picture, judge it, believe it; and the megabytes that all of them hold."""
    drawn = [scene(seed) for seed in range(20)]
    pictures = [
        cv2.resize(cv2.cvtColor(shot(one, 1, 3, n), cv2.COLOR_GRAY2BGR), (1280, 720)) for n, one in enumerate(drawn)
    ]
    looks = [look(one) for one in pictures]
    reduce_ = timed(lambda n: look(pictures[n % len(pictures)]), 2000)
    before = memory()
    rng = np.random.default_rng(1)
    references, standings = [], []
    for number in range(cameras):
        base = looks[number % len(looks)]
        points = np.clip(base.points.astype(np.int16) + rng.integers(-2, 3), 0, 255).astype(np.uint8)
        own = type(base)(points, base.mean, base.contrast, base.sharpness, base.white, base.colour)
        references.append(refer([own]))
        standings.append(first(NOW))
    told = 0

    def minute(number):
        nonlocal told
        now = looks[number % len(looks)]
        now = type(now)(now.points.copy(), now.mean, now.contrast, now.sharpness, now.white, now.colour)
        judged = judge([references[number]], standings[number].well, now)
        done = step(standings[number], judged, now, NOW, known=True)
        standings[number] = done.standing
        told += done.told

    timed(minute, cameras)  # the first minute: nobody has a look before
    judge_ = timed(minute, cameras)
    assert told == 0
    return reduce_, judge_, memory() - before


def finding(folder):
    """CPU seconds a camera: the heads of a minute of fragments, 25 pictures a second."""
    clip = clip_of("street")
    writer, cutter = SegmentWriter(folder, "c", "street"), Fragmenter("c")
    for link in cutter.take(clip.parameters):
        writer.append(link)
    number, place, spent, minutes = 0, None, 0.0, 3
    for _ in range(minutes):
        for _ in range(60 * 25):
            at = NOW + number * 40
            which = number % len(clip.pictures)
            for link in cutter.take(AccessUnit(number * 3600, clip.keys[which], clip.pictures[which], at, None)):
                writer.append(link)
            number += 1
        path = writer.segment().path
        begun = cpu()
        place = look_through(path, place)
        read_key(place)
        spent += cpu() - begun
    return spent / minutes


def decoding():
    """CPU seconds: one key picture in memory; and all pictures of a minute, as whoever reads the stream has to."""
    found = {}
    for name in ("street", "street265", "corridor"):
        clip = clip_of(name)
        init = init_segment(clip.parameters)
        data = fragment_bytes(1, NOW, NOW * 90, [Sample(3600, True, clip.pictures[0])])
        one = timed(lambda _, init=init, data=data: decode(init, data), 50)
        samples = [Sample(3600, key, nals) for key, nals in zip(clip.keys, clip.pictures, strict=True)]
        whole = init + fragment_bytes(1, NOW, 0, samples)

        def everything(_, whole=whole):
            reader = io.BytesIO(whole)
            capture = cv2.VideoCapture(reader, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
            while capture.grab():
                pass
            capture.release()

        seconds = len(clip.pictures) / float(clip.fps)
        found[name, clip.parameters.width, clip.parameters.height] = one, timed(everything, 3) * 60 / seconds
    return found


def real():
    """Of each real clip: looks of a working day told as tampering; manipulated looks told as well."""
    ill = {
        "cloth": lambda p: cloth(p, 0.85), "hand": lambda _: hand(), "torch": torch,
        "defocus": lambda p: blurred(p, 6), "turned": lambda p: shifted(p, 80, 30),
        "turned 24 px": lambda p: shifted(p, 24),
    }  # fmt: skip
    well = {
        "as it was": lambda p: p,
        "dusk": lambda p: shot(p, 0.35, 0, 1),
        "rain": lambda p: shot(p * 0.6 + 60, 1, 0, 1),
    }
    for path in sorted(CLIPS.glob("*.mp4")):
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        every, pictures, number = max(1, round(capture.get(cv2.CAP_PROP_FPS))), [], 0
        while capture.grab() and len(pictures) < 140:
            if number % every == 0:
                grey = cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2GRAY)
                pictures.append(cv2.resize(grey, (640, 360), interpolation=cv2.INTER_AREA))
            number += 1
        capture.release()
        reference, before = refer([look(one) for one in pictures[:7]]), look(pictures[7])

        def count(make, pictures=pictures, reference=reference, before=before):
            return sum(judge([reference], before, look(make(p))).verdict is not Verdict.OK for p in pictures)

        false = " ".join(f"{what} {count(make)}" for what, make in well.items())
        missed = " ".join(f"{what} {len(pictures) - count(make)}" for what, make in ill.items())
        print(f"  {path.stem}, {len(pictures)} looks: told though well: {false}; missed: {missed}")


def main():
    wanted = argparse.ArgumentParser()
    wanted.add_argument("--cameras", type=int, default=40_000)
    cameras = wanted.parse_args().cameras
    cv2.setNumThreads(1)
    reduce_, judge_, megabytes = judging(cameras)
    with tempfile.TemporaryDirectory() as folder:
        find_ = finding(Path(folder))
    each = reduce_ + judge_ + find_
    print(f"{cameras:,} cameras once a minute, besides decoding: {each * cameras / 60:.2f} of a core")
    print(f"  a camera: {each * 1e3:.2f} ms = reduce 720p {reduce_ * 1e3:.2f} + judge and believe {judge_ * 1e3:.2f} "
          f"+ find the picture in its file {find_ * 1e3:.2f}")  # fmt: skip
    print(f"  memory of all references and looks: {megabytes:.0f} MB, {megabytes * 1024 / cameras:.0f} KB a camera")
    for (name, width, height), (one, whole) in decoding().items():
        print(f"decoding {name} {width}x{height}: a key picture {one * 1e3:.1f} ms; all pictures of a minute "
              f"{whole * 1e3:.0f} ms (peer): {whole / (one + each):.0f} times ours with everything")  # fmt: skip
    if CLIPS.is_dir():
        print("real video, one look a second, judged one by one (people are told after two in a row):")
        real()
    else:
        print("real video: not on this machine")


if __name__ == "__main__":
    main()
