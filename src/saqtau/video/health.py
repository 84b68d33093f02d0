"""What a camera's picture says about the camera: covered, blinded, out of focus, turned away, frozen, or dark.

A key frame is reduced to a `Look` of 128x72 grey points and six figures. Looks are compared with a `Reference`, learned
when the camera was known to be well. What is compared is structure, not brightness: gradients by phase correlation
(has the scene shifted?) and tiles by local correlation (is it still that scene, and how much of it?), so that night,
headlights and a crowd change little. Blur is judged by the variance of the Laplacian over the variance of the picture.
Measured on real video and on manipulated real video: bench/health.py, tests/unit/video/test_health.py.

One look says `suspect`; the caller believes what two looks in a row say. Pure: no clock, no state; numpy and OpenCV.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from saqtau.kernel.errors import Kind, Refused
from saqtau.video.keyframe import Picture

Grey = NDArray[np.uint8]
Field = NDArray[np.float32]

WIDE, HIGH = 128, 72
"""Points of a look."""
TILE: Final = 8
"""Points of a side of a tile: 16 by 9 tiles."""
_FINE: Final = (320, 180)
"""Points of the picture in which sharpness is measured."""
_FLAT: Final = 3.0
"""Grey levels of deviation below which a tile has no texture."""
_ALIKE: Final = 0.4
"""Local correlation from which a tile is still what it was."""
_KEPT: Final = 0.35
"""Share of the reference's tiles that must still be there."""
_HIDDEN: Final = 0.4
"""Share of them without texture from which the lens is covered."""
_DAZZLED: Final = 0.6
"""Share of them that is left of a scene that is bright, and no more than bright."""
_FOUND: Final = 0.15
"""How much more of the scene must be found again at the shifted place."""
_SAME: Final = 0.6
"""Share of the tiles of the look before that go on, where the reference no longer helps."""
_RICH: Final = 32
"""Textured tiles from which those that are gone say something by themselves."""
_FEW_TILES: Final = 9
"""Fewer textured tiles than these say nothing."""
_SURE: Final = 0.12
"""Response of the phase correlation from which a shift is believed."""
_SHIFT: Final = 2.4
"""Points of a look that a camera on a mast may sway: 12 of 640. A real one over a motorway swayed 9."""
_BLUR: Final = 0.3
"""Share of the reference's sharpness below which a picture is out of focus."""
_GLARE: Final = 0.35
"""Share of white points, beyond the reference's, from which a camera is blinded."""
_NIGHT: Final = 45.0
"""Grey level on average below which a picture may be a night's."""
_WHITE: Final = 248
_COLOURLESS: Final = 3.0
_COLOURED: Final = 6.0
_VERSION: Final = 1

_window = np.asarray(cv2.createHanningWindow((WIDE, HIGH), cv2.CV_32F), np.float32)


class Verdict(StrEnum):
    """How a camera's picture is."""

    OK = "ok"
    COVERED = "covered"  # something is before the lens, or it is dark by hand
    BLINDED = "blinded"  # a light into the lens
    DEFOCUSED = "defocused"
    MOVED = "moved"  # turned, or shows another scene
    FROZEN = "frozen"  # the same picture again and again
    DARK = "dark"  # as at night: nothing can be seen, and nobody need have done it
    UNDECODABLE = "undecodable"  # what comes is no picture


TAMPERED: Final = frozenset(
    {Verdict.COVERED, Verdict.BLINDED, Verdict.DEFOCUSED, Verdict.MOVED, Verdict.FROZEN, Verdict.UNDECODABLE}
)
"""Verdicts that a person has to look at."""


class Look(msgspec.Struct, frozen=True, eq=False):
    """One picture, reduced."""

    points: Grey  # (72, 128)
    mean: float  # grey level, 0..255
    contrast: float  # its deviation
    sharpness: float  # of the picture at 320x180: variance of the Laplacian over the variance
    white: float  # share of points that are white
    colour: float  # mean distance between the strongest and the weakest colour, 0..255


class Reference(msgspec.Struct, frozen=True, eq=False):
    """How a camera looks when it is well: the median of some looks. 10 KB: the rest is computed when it is needed."""

    look: Look
    textured: NDArray[np.bool_]  # (9, 16)

    @property
    def colourless(self) -> bool:
        """A night's reference, of a camera that sees infra-red."""
        return self.look.colour < _COLOURLESS


class Measure(msgspec.Struct, frozen=True):
    """What was measured of one look; `shift_x` and `shift_y` in points of 128, None where it is not believed."""

    mean: float
    contrast: float
    white: float
    sharpness: float  # of the reference's, 1.0 = the same
    kept: float | None  # share of the reference's textured tiles that are still there; None: it has too few
    flat: float  # share of them that have lost all texture
    shift_x: float | None
    shift_y: float | None
    response: float  # of the phase correlation, -1..1
    change: float | None  # grey levels a point, against the look before; None without one


class Judged(msgspec.Struct, frozen=True):
    """A verdict and what it rests on."""

    verdict: Verdict
    measure: Measure
    learn: bool = False  # the camera has begun to see infra-red, and how it looks then is not known yet


def look(picture: Picture | Grey) -> Look:
    """Reduce a picture of any size: (height, width, 3) blue green red, or (height, width) grey.

    Raises Refused(INVALID): `picture` smaller than 64x36, or of another shape.
    """
    if picture.ndim not in {2, 3} or picture.shape[0] < HIGH // 2 or picture.shape[1] < WIDE // 2:
        raise Refused(Kind.INVALID, f"a picture of shape {picture.shape}", picture="invalid")
    colour = 0.0
    picture = _halved(picture)
    if picture.ndim == 3:
        blue, green, red = cv2.split(cv2.resize(picture, (WIDE // 2, HIGH // 2), interpolation=cv2.INTER_NEAREST))
        # of three numbers the distances to each other add up to twice that of the largest to the smallest
        apart = (
            cv2.norm(blue, green, cv2.NORM_L1) + cv2.norm(green, red, cv2.NORM_L1) + cv2.norm(red, blue, cv2.NORM_L1)
        )
        colour = apart / 2 / blue.size
        picture = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
    fine = cv2.resize(_halved(picture, _FINE[0]), _FINE, interpolation=cv2.INTER_AREA)
    points = np.asarray(cv2.resize(fine, (WIDE, HIGH), interpolation=cv2.INTER_AREA), np.uint8)
    mean, deviation = cv2.meanStdDev(points)
    smooth = cv2.GaussianBlur(fine, (3, 3), 0)
    edges = cv2.meanStdDev(cv2.Laplacian(smooth, cv2.CV_16S))[1].item() ** 2
    spread = cv2.meanStdDev(smooth)[1].item() ** 2
    return Look(
        points=points,
        mean=mean.item(),
        contrast=deviation.item(),
        sharpness=edges / max(spread, 1.0),
        white=float(np.count_nonzero(points >= _WHITE)) / points.size,
        colour=colour,
    )


def _halved(picture: Picture | Grey, least: int = 2 * _FINE[0]) -> Picture | Grey:
    """The picture, halved while it stays at least so wide: a step of two is ten times quicker than any other."""
    while picture.shape[1] >= 2 * least and picture.shape[0] % 2 == picture.shape[1] % 2 == 0:
        size = (picture.shape[1] // 2, picture.shape[0] // 2)
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return picture


def refer(looks: Sequence[Look]) -> Reference:
    """A reference from some looks, minutes apart where it can be: who walked through is not in the median.

    Raises Refused(INVALID): `looks` is empty.
    """
    if not looks:
        raise Refused(Kind.INVALID, "a reference is made of looks", looks="missing")
    points = np.median(np.stack([one.points for one in looks]), axis=0).astype(np.uint8)

    def middle(field: str) -> float:
        return float(np.median([getattr(one, field) for one in looks]))

    mean, deviation = cv2.meanStdDev(points)
    return _reference(
        Look(points, mean.item(), deviation.item(), middle("sharpness"), middle("white"), middle("colour"))
    )


def _reference(found: Look) -> Reference:
    return Reference(found, _deviations(found.points.astype(np.float32)) >= _FLAT)


def judge(references: Sequence[Reference], previous: Look | None, now: Look, *, daylight: bool | None = None) -> Judged:
    """What one look says.

    references: how the camera looks when it is well, by day and, where it sees infra-red, by night; the nearest counts.
    previous: the look before, when the camera was well then; None otherwise. daylight: whether the sun is up, None
    indoors. Without a reference only what needs none is judged. FROZEN is `frozen`'s to say, of several looks.
    """
    if not references:
        measure = _measure(None, previous, now)
        lost = now.contrast < _FLAT
        return Judged(_lost(previous, now, daylight=daylight) if lost else Verdict.OK, measure)
    reference = min(references, key=lambda one: abs(one.look.colour - now.colour) + abs(one.look.mean - now.mean) / 8)
    measure, sunny = _measure(reference, previous, now), daylight
    if reference.colourless and not all(one.colourless for one in references):
        daylight = True  # it has a light of its own
    verdict = _verdict(reference, previous, now, measure, daylight=daylight)
    learn = (
        verdict is Verdict.MOVED
        and not sunny
        and now.colour < _COLOURLESS
        and reference.look.colour >= _COLOURED
        and not any(one.colourless for one in references)
    )
    return Judged(Verdict.OK if learn else verdict, measure, learn=learn)


def _verdict(
    reference: Reference, previous: Look | None, now: Look, measure: Measure, *, daylight: bool | None
) -> Verdict:
    kept, rich = measure.kept, np.count_nonzero(reference.textured) >= _RICH
    if measure.white - reference.look.white > _GLARE and (kept is None or kept < _DAZZLED):
        return Verdict.BLINDED
    shift = None if measure.shift_x is None or measure.shift_y is None else (measure.shift_x, measure.shift_y)
    if shift is not None and max(map(abs, shift)) > _SHIFT:
        if _shifted(reference, now, shift, kept or 0.0):
            return Verdict.MOVED
        shift = None
    there = shift is not None
    if kept is None:
        gone = not there and now.contrast < _FLAT
    elif rich:
        gone = kept < _KEPT or measure.flat > _HIDDEN
    else:
        gone = (kept < _KEPT and not there) or (measure.flat > 0.5 and kept < 0.5)
    if not gone:
        return Verdict.DEFOCUSED if measure.sharpness < _BLUR and now.contrast >= _FLAT else Verdict.OK
    if previous is not None and measure.flat <= _HIDDEN and not there and _goes_on(previous, now):
        return Verdict.OK
    if measure.flat > _HIDDEN and now.contrast >= 2 * _FLAT:
        return Verdict.COVERED
    return _lost(previous, now, daylight=daylight)


def _shifted(reference: Reference, now: Look, shift: tuple[float, float], kept: float) -> bool:
    """Whether more of the scene is found again when the look is moved back: else a car moved, not the mast."""
    back = np.array([[1, 0, -shift[0]], [0, 1, -shift[1]]], np.float32)
    moved = np.asarray(cv2.warpAffine(now.points, back, (WIDE, HIGH), borderMode=cv2.BORDER_CONSTANT), np.uint8)
    again = _tiles(reference, moved, now.contrast)[0]
    return again is not None and again > kept + _FOUND


def _lost(previous: Look | None, now: Look, *, daylight: bool | None) -> Verdict:
    """The scene is not to be seen: why."""
    if now.mean < _NIGHT and now.contrast < 2 * _FLAT:
        if daylight:
            return Verdict.COVERED
        # the sun takes minutes and a lamp outside stays; a hand takes a moment
        return Verdict.DARK if previous is None or previous.mean < 2 * _NIGHT else Verdict.COVERED
    if now.mean > 255 - _NIGHT and now.contrast < 2 * _FLAT:
        return Verdict.BLINDED
    # what is near the lens has no detail: its slopes are smooth
    points = now.points.astype(np.float32)
    detail = _deviations(points - cv2.boxFilter(points, -1, (TILE + 1, TILE + 1)))
    smooth = float(np.count_nonzero(detail < _FLAT / 2)) / detail.size
    return Verdict.COVERED if smooth > 0.6 else Verdict.MOVED


def _measure(reference: Reference | None, previous: Look | None, now: Look) -> Measure:
    change = None if previous is None else difference(previous, now)
    if reference is None:
        return Measure(now.mean, now.contrast, now.white, 1.0, None, 0.0, None, None, 0.0, change)
    (x, y), response = cv2.phaseCorrelate(_outline(reference.look.points), _outline(now.points))
    sure = response >= _SURE and abs(x) < WIDE / 2 and abs(y) < HIGH / 2
    kept, flat = _tiles(reference, now.points, now.contrast)
    return Measure(
        mean=now.mean,
        contrast=now.contrast,
        white=now.white,
        sharpness=now.sharpness / max(reference.look.sharpness, 1e-6),
        kept=kept,
        flat=flat,
        shift_x=x if sure else None,
        shift_y=y if sure else None,
        response=response,
        change=change,
    )


def _goes_on(previous: Look, now: Look) -> bool:
    """Whether this is the scene of the look before: light changes from minute to minute, structure does not."""
    before = _reference(previous)
    (x, y), response = cv2.phaseCorrelate(_outline(previous.points), _outline(now.points))
    kept, _ = _tiles(before, now.points, now.contrast)
    return response >= _SURE and max(abs(x), abs(y)) <= _SHIFT and kept is not None and kept >= _SAME


def knows(references: Sequence[Reference], now: Look) -> bool:
    """Whether it is known how the camera looks in this light: with colours, or without as in infra-red."""
    return any(one.colourless == (now.colour < _COLOURLESS) for one in references)


def frozen(looks: Sequence[Look]) -> bool:
    """Whether looks that were not taken at a regular distance are one and the same picture; at least three.

    A sensor's noise differs from picture to picture, even of a scene in which nothing moves.
    """
    first = looks[0] if looks else None
    return first is not None and len(looks) > 2 and all(difference(first, one) < 0.02 for one in looks[1:])


def difference(one: Look, other: Look) -> float:
    """Grey levels a point between two looks, on average."""
    return float(cv2.norm(one.points, other.points, cv2.NORM_L1)) / one.points.size


def pack(reference: Reference) -> bytes:
    """A reference as it is kept: 9.3 KB."""
    found = reference.look
    figures = (found.mean, found.contrast, found.sharpness, found.white, found.colour)
    return msgspec.msgpack.encode((_VERSION, figures, found.points.tobytes()))


def unpack(data: bytes) -> Reference:
    """A reference that was kept. Raises Refused(INVALID): `reference`."""
    try:
        version, figures, points = msgspec.msgpack.decode(
            data, type=tuple[int, tuple[float, float, float, float, float], bytes]
        )
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Refused(Kind.INVALID, f"a kept reference: {error}", reference="invalid") from error
    if version != _VERSION or len(points) != WIDE * HIGH:
        raise Refused(Kind.INVALID, "a kept reference of another version", reference="invalid")
    return _reference(Look(np.frombuffer(points, np.uint8).reshape(HIGH, WIDE), *figures))


def _outline(points: Grey) -> Field:
    """Gradients, each over itself plus the average: strong edges do not outweigh weak ones, nor light darkness."""
    smooth = cv2.GaussianBlur(points, (3, 3), 0)
    gradient = cv2.magnitude(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    weighed = gradient / (gradient + (gradient.mean() + 1.0))
    # the window is ours: OpenCV's own multiplies what it was handed, in place
    return np.asarray((weighed - weighed.mean()) * _window, np.float32)


def _tiles(reference: Reference, points: Grey, contrast: float) -> tuple[float | None, float]:
    """Share of the reference's textured tiles that are still there, and that have lost all texture."""
    count = int(np.count_nonzero(reference.textured))
    if count < _FEW_TILES:
        return None, 0.0
    before, after = reference.look.points.astype(np.float32), points.astype(np.float32)
    sums = _averages(np.stack((before, after, before * before, after * after, before * after)))
    mean_before, mean_after, square_before, square_after, both = sums
    spread_before = np.maximum(square_before - mean_before**2, 0)
    spread_after = np.maximum(square_after - mean_after**2, 0)
    alike = (both - mean_before * mean_after) / np.sqrt(spread_before * spread_after + 1e-3)
    # how much less contrast the light leaves: a tile is flat when it has lost more than that
    dimmer = min(1.0, contrast / max(reference.look.contrast, 1.0))
    flat = np.sqrt(spread_after) < np.minimum(0.2 * dimmer * np.sqrt(spread_before) + 0.4, _FLAT)
    kept = (alike >= _ALIKE) & ~flat
    chosen = reference.textured
    return float(np.count_nonzero(kept & chosen)) / count, float(np.count_nonzero(flat & chosen)) / count


def _deviations(points: Field) -> Field:
    mean, square = _averages(np.stack((points, points * points)))
    return np.asarray(np.sqrt(np.maximum(square - mean**2, 0)), np.float32)


def _averages(fields: Field) -> Field:
    """Averages of tiles: (n, 72, 128) -> (n, 9, 16)."""
    number = fields.shape[0]
    return np.asarray(
        fields.reshape(number, HIGH // TILE, TILE, WIDE // TILE, TILE).mean(axis=(2, 4), dtype=np.float32), np.float32
    )
