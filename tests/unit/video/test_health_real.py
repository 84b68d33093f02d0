"""The same judge over real cameras' video: a toll lane, a motorway from above, people one by one, a campus.

The clips lie outside of the repository (their licences are theirs); without them this is skipped, and says so.
"""

from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.unit.video.scenes import blurred, cloth, hand, shifted, shot, torch

from saqtau.video.health import Verdict, judge, look, refer

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "video"
CLIPS = ("parkpow-cars", "intel-car-detection", "intel-one-by-one-person-detection", "opencv-vtest")
WELL = {
    "as it was": lambda p: p,
    "dusk": lambda p: shot(p, 0.35, 0, 1),
    "rain": lambda p: shot(p * 0.6 + 60, 1, 0, 1, noise=8),
    "sway": lambda p: shifted(p, 2, 2),
}
ILL = {
    "covered": lambda _: shot(np.full((360, 640), 30, np.uint8), 1, 0, 1),
    "cloth": lambda p: cloth(p, 0.85),
    "hand": lambda _: hand(),
    "torch": torch,
    "out of focus": lambda p: blurred(p, 6),
    "turned": lambda p: shifted(p, 80, 30),
    "turned a little": lambda p: shifted(p, 24),
}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="real clips (../shared/data/video) are not on this machine")


@pytest.fixture(scope="module", params=CLIPS)
def clip(request):
    """A picture a second, at most forty, grey, 640x360."""
    capture = cv2.VideoCapture(str(FOLDER / f"{request.param}.mp4"), cv2.CAP_FFMPEG)
    step = max(1, round(capture.get(cv2.CAP_PROP_FPS)))
    found = []
    while capture.grab() and len(found) < 40 * step:
        found.append(capture.retrieve()[1] if len(found) % step == 0 else None)
    capture.release()
    return [
        cv2.resize(cv2.cvtColor(one, cv2.COLOR_BGR2GRAY), (640, 360), interpolation=cv2.INTER_AREA)
        for one in found
        if one is not None
    ]


@pytest.fixture(scope="module")
def known(clip):
    return refer([look(one) for one in clip[:7]]), look(clip[7])


@pytest.mark.parametrize("what", WELL)
def test_a_working_day_is_no_tampering(clip, known, what):
    reference, before = known
    found = [judge([reference], before, look(WELL[what](one))).verdict for one in clip]
    # a lorry may fill a picture: what is told to people needs two in a row (engine)
    assert found.count(Verdict.OK) >= len(found) - 2, found


@pytest.mark.parametrize("what", ILL)
def test_what_hands_do_is_found(clip, known, what):
    reference, before = known
    found = [judge([reference], before, look(ILL[what](one))).verdict for one in clip]
    assert found.count(Verdict.OK) <= 1, found
