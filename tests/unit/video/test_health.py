"""Which pictures are a well camera's and which are not: forty drawn scenes, what weather does and what hands do."""

import numpy as np
import pytest
from tests.unit.video.scenes import blurred, cloth, hand, scene, shifted, shot, torch, turned

from saqtau.kernel.errors import Refused
from saqtau.video.health import Judged, Look, Verdict, frozen, judge, look, pack, refer, unpack

SEEDS = range(40)
WELL = {
    "as it was": lambda s, n: shot(s, 1, 3, n),
    "a crowd": lambda s, n: shot(s, 1, 25, n),
    "dusk": lambda s, n: shot(s, 0.35, 2, n),
    "night": lambda s, n: shot(s, 0.12, 2, n),
    "sun": lambda s, n: shot(s, 1.5, 2, n),
    "fog": lambda s, n: shot(s.astype(np.float32) * 0.25 + 140, 1, 2, n, noise=3),
    "sway": lambda s, n: shot(shifted(s, 4, 2), 1, 2, n),
}
ILL = {
    "covered": (lambda _, n: shot(np.full((360, 640), 30, np.uint8), 1, 0, n), {Verdict.COVERED}),
    "cloth over all but a strip": (lambda s, n: cloth(shot(s, 1, 2, n), 0.85), {Verdict.COVERED}),
    "cloth over most": (lambda s, n: cloth(shot(s, 1, 2, n), 0.6), {Verdict.COVERED}),
    "hand": (lambda _, n: hand(n), {Verdict.COVERED}),
    "white": (lambda s, _: np.full_like(s, 255), {Verdict.BLINDED}),
    "torch": (lambda s, n: torch(shot(s, 1, 2, n)), {Verdict.BLINDED}),
    "out of focus": (lambda s, n: shot(blurred(shot(s, 1, 2, n), 6), 1, 0, n, noise=2), {Verdict.DEFOCUSED}),
    "a little out of focus": (lambda s, n: shot(blurred(shot(s, 1, 2, n), 3), 1, 0, n, noise=1), {Verdict.DEFOCUSED}),
    "turned a little": (lambda s, n: shot(shifted(s, 20), 1, 2, n), {Verdict.MOVED}),
    "turned": (lambda s, n: shot(shifted(s, 80, 30), 1, 2, n), {Verdict.MOVED}),
    "tilted": (lambda s, n: shot(turned(s, 12), 1, 2, n), {Verdict.MOVED}),
    "another scene": (lambda _, n: shot(scene(1000 + n), 1, 2, n), {Verdict.MOVED}),
}


@pytest.fixture(scope="module")
def known():
    """Scene, its reference and the look before, for each seed."""
    found = []
    for seed in SEEDS:
        drawn = scene(seed)
        looks = [look(shot(drawn, 1, 2, 100 * seed + n)) for n in range(3)]
        found.append((drawn, refer(looks), looks[-1]))
    return found


def judged(known, make):
    return [
        judge([reference], before, look(make(drawn, 7000 + n))).verdict
        for n, (drawn, reference, before) in enumerate(known)
    ]


@pytest.mark.parametrize("what", WELL)
def test_weather_and_people_are_no_tampering(known, what):
    assert judged(known, WELL[what]) == [Verdict.OK] * len(known)


@pytest.mark.parametrize("what", ILL)
def test_what_hands_do_is_found_and_named(known, what):
    make, names = ILL[what]
    found = judged(known, make)
    assert sum(one in names for one in found) >= 0.95 * len(found), found
    assert found.count(Verdict.OK) <= 1, found


def coloured(image, seed=0):
    """The picture in colours."""
    strengths = np.random.default_rng(seed).uniform(0.7, 1.0, 3)
    return np.clip(image[:, :, None] * strengths, 0, 255).astype(np.uint8)


def test_dark_by_night_is_told_from_dark_by_hand():
    drawn = scene(6)
    reference = refer([look(coloured(shot(drawn, 1, 2, n))) for n in range(3)])
    black = look(coloured(shot(drawn, 0.0, 0, 1, noise=1.5)))
    dusk, noon = (look(coloured(shot(drawn, gain, 2, 1))) for gain in (0.25, 1.0))

    def said(previous, *, daylight):
        return judge([reference], previous, black, daylight=daylight).verdict

    assert said(dusk, daylight=False) is Verdict.DARK, "the last light went"
    assert said(None, daylight=False) is Verdict.DARK
    assert said(noon, daylight=None) is Verdict.COVERED, "from one minute to the next"
    assert said(dusk, daylight=True) is Verdict.COVERED, "the sun is up"


def test_a_camera_that_sees_infra_red_is_never_dark_by_itself():
    drawn = scene(6)
    day = refer([look(coloured(shot(drawn, 1, 0, 1)))])
    night = refer([look(shot(drawn, 0.6, 0, 3))])
    black = look(shot(drawn, 0.0, 0, 1, noise=1.5))
    assert judge([day, night], None, black, daylight=False).verdict is Verdict.COVERED
    assert (day.colourless, night.colourless) == (False, True)


def infra_red(drawn):
    """How another light shows the scene: other surfaces are bright. No colours."""
    return np.repeat(shot(255 - drawn.T[:360, :].repeat(2, axis=1)[:, :640], 0.8, 0, 5)[:, :, None], 3, axis=2)


def test_infra_red_is_learned_once_by_night_and_never_by_day():
    drawn = scene(5)
    day = refer([look(coloured(shot(drawn, 1, 0, n))) for n in range(3)])
    seen = look(infra_red(drawn))
    first = judge([day], None, seen, daylight=False)
    assert (first.verdict, first.learn) == (Verdict.OK, True)
    assert judge([day], None, seen, daylight=True).verdict is Verdict.MOVED
    night = refer([seen])
    again = judge([day, night], None, seen, daylight=False)
    assert (again.verdict, again.learn) == (Verdict.OK, False)
    other = look(infra_red(scene(99)))
    assert judge([day, night], None, other, daylight=False).verdict is Verdict.MOVED


def test_light_that_changes_step_by_step_is_followed_and_a_leap_is_not():
    one, other = scene(1), scene(2)
    reference = refer([look(shot(one, 1, 0, 1))])
    before = look(shot(other, 1, 0, 2))
    assert judge([reference], before, look(shot(other, 0.9, 1, 3))).verdict is Verdict.OK
    assert judge([reference], look(shot(one, 1, 1, 4)), look(shot(other, 0.9, 1, 3))).verdict is Verdict.MOVED


def test_the_same_picture_three_times_is_frozen_and_a_still_scene_is_not():
    drawn = scene(3)
    still = [look(shot(drawn, 1, 0, n)) for n in range(3)]
    assert not frozen(still)
    assert frozen([still[0]] * 3)
    assert not frozen([still[0]] * 2)
    assert not frozen([])


def test_without_a_reference_only_nothing_at_all_is_told():
    assert judge([], None, look(scene(1))).verdict is Verdict.OK
    assert judge([], None, look(np.full((360, 640), 3, np.uint8)), daylight=True).verdict is Verdict.COVERED
    assert judge([], None, look(np.full((360, 640), 255, np.uint8))).verdict is Verdict.BLINDED


def test_a_reference_is_kept_and_read_again():
    drawn = scene(8)
    reference = refer([look(coloured(shot(drawn, 1, 2, n))) for n in range(5)])
    again = unpack(pack(reference))
    now = look(coloured(shot(drawn, 1, 3, 77)))
    assert len(pack(reference)) < 9400
    assert np.array_equal(again.look.points, reference.look.points)
    assert judge([again], None, now).verdict is judge([reference], None, now).verdict is Verdict.OK
    for damaged in (b"", b"\xc1", pack(reference)[:-1], pack(reference) + b"x"):
        with pytest.raises(Refused):
            unpack(damaged)


def test_walkers_are_not_in_the_reference():
    drawn = scene(9)
    looks = [look(shot(drawn, 1, 6, n, noise=0)) for n in range(9)]
    empty = look(shot(drawn, 1, 0, 0, noise=0))
    apart = np.abs(refer(looks).look.points.astype(int) - empty.points)
    assert np.count_nonzero(apart > 8) < 60


def test_what_is_no_picture_is_refused():
    for shape in ((10, 10), (360, 640, 4, 1), (20, 640, 3)):
        with pytest.raises(Refused):
            look(np.zeros(shape, np.uint8))
    with pytest.raises(Refused):
        refer([])


def test_a_look_forgets_who_was_there():
    found = look(coloured(scene(4)))
    assert isinstance(found, Look)
    assert found.points.shape == (72, 128)
    assert isinstance(judge([], None, found), Judged)
