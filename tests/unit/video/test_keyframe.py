"""Pictures out of fragments: those of the clips that come with Saqtau, H.264 and H.265, and what is none."""

import random

import cv2
import numpy as np
import pytest

from saqtau.kernel.errors import Kind, Refused
from saqtau.simulate.clip import SCENES, scene
from saqtau.video.boxes import Sample, fragment_bytes, init_segment
from saqtau.video.health import Verdict, judge, look, refer
from saqtau.video.keyframe import MAX_FRAGMENT, decode, jpeg

NOW = 1_790_000_000_000


def fragment(clip, at=0, count=5):
    pictures = zip(clip.keys[at : at + count], clip.pictures[at : at + count], strict=True)
    return fragment_bytes(7, NOW, NOW * 90, [Sample(3600, key, nals) for key, nals in pictures])


@pytest.mark.parametrize("name", SCENES)
def test_the_first_picture_of_a_key_fragment_is_decoded(name):
    clip = scene(name)
    picture = decode(init_segment(clip.parameters), fragment(clip))
    assert picture.shape == (clip.parameters.height, clip.parameters.width, 3)
    assert picture.std() > 10, "it shows something"


def test_every_key_picture_of_a_clip_shows_the_same_scene():
    clip = scene("street")
    init = init_segment(clip.parameters)
    looks = [look(decode(init, fragment(clip, at))) for at, key in enumerate(clip.keys) if key]
    assert len(looks) > 2
    reference = refer(looks)
    assert {judge([reference], None, one).verdict for one in looks} == {Verdict.OK}


def test_scenes_are_told_apart():
    looks = {
        name: look(decode(init_segment(scene(name).parameters), fragment(scene(name))))
        for name in ("street", "yard", "corridor", "cell")
    }
    for name, one in looks.items():
        for other, seen in looks.items():
            found = judge([refer([one])], None, seen).verdict
            assert (found is Verdict.OK) == (name == other), (name, other, found)


def test_the_same_picture_in_two_codings_is_the_same_scene():
    one, other = (decode(init_segment(scene(n).parameters), fragment(scene(n))) for n in ("street", "street265"))
    assert judge([refer([look(one)])], None, look(other)).verdict is Verdict.OK


def test_what_is_no_picture_is_refused():
    clip = scene("cell")
    init, good = init_segment(clip.parameters), fragment(clip)
    for init_, data in ((init, b""), (b"", good), (b"", b""), (init, good[:90]), (init, b"\0" * 5000)):
        with pytest.raises(Refused) as refused:
            decode(init_, data)
        assert refused.value.fields == {"fragment": "undecodable"}
    with pytest.raises(Refused) as refused:
        decode(init, bytes(MAX_FRAGMENT + 1))
    assert refused.value.kind is Kind.TOO_LARGE


def test_a_damaged_fragment_is_a_picture_or_a_refusal():
    clip = scene("corridor")
    init, good = init_segment(clip.parameters), fragment(clip)
    dice = random.Random(5)
    for _ in range(60):
        bad = bytearray(good)
        for _ in range(dice.randrange(1, 40)):
            bad[dice.randrange(len(bad))] = dice.randrange(256)
        try:
            picture = decode(init, bytes(bad))
        except Refused:
            continue
        assert picture.ndim == 3


def test_a_jpeg_is_as_wide_as_asked_and_never_wider_than_the_picture():
    picture = np.zeros((360, 640, 3), np.uint8)
    picture[:, 320:] = 200
    for asked, wide in ((160, 160), (640, 640), (2000, 640)):
        back = cv2.imdecode(np.frombuffer(jpeg(picture, asked), np.uint8), cv2.IMREAD_COLOR)
        assert back.shape[:2] == (round(360 * wide / 640), wide)
        assert back[:, -5:].mean() > 180
    for wrong in (0, 15, 5000, -1):
        with pytest.raises(Refused):
            jpeg(picture, wrong)
