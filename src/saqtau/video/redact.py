"""A redacted copy: whatever moves, every face and every plate is made unrecognisable, but for the chosen subject.

    python -m saqtau.video.redact ORDER.json            # in a process of its own: it decodes what a camera made

What does not move and is no face that a cascade knows stays as it was: a person looks through the copy before it is
issued, and says no when somebody can be recognised who must not be. What is hidden is replaced by the mean of large
squares, never blurred: a blur can be undone. Pictures are coded anew (VP8), without sound.
"""

import ctypes
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from saqtau.kernel.errors import Kind, Refused

Picture = NDArray[np.uint8]
"""(height, width, 3), blue green red."""
Mask = NDArray[np.bool_]
"""(ROWS, COLUMNS): squares of the picture."""

COLUMNS, ROWS = 80, 45
"""Squares that are hidden or not."""
WIDEST: Final = 1280
"""Pixels of the copy, at most."""
FPS: Final = 12.5
"""Pictures a second of the copy: a person looks at each of them."""
MOST_PICTURES: Final = 10 * 60 * 13
_COARSE: Final = 20
"""Squares across the picture that hidden parts are averaged over: a face in one is a colour, not a face."""
_MOVED: Final = 14
"""Grey levels between a picture and the background that are no noise."""
_SAMPLES: Final = 31
"""Pictures that the background is the median of."""
_AROUND: Final = round(FPS)
"""Pictures before and after in which a square stays hidden: a person who stands still a moment is not shown."""
_SIGNS: Final = ("frontalface_alt2", "profileface", "russian_plate_number")
_CASCADES: Final = Path(cv2.__file__).parent / "data"
_SEARCHED: Final = 4
"""Each fourth picture is searched for faces and plates: three a second, and each hides a second around it."""
_SEARCHED_WIDE: Final = 960
"""Pixels of the picture that is searched, at most."""
_PR_SET_PDEATHSIG: Final = 1


class Shown(msgspec.Struct, frozen=True, array_like=True):
    """Where the subject is: milliseconds from the beginning, and a box in shares of the picture."""

    at: int
    left: float
    top: float
    right: float
    bottom: float


class Film(msgspec.Struct, frozen=True):
    """A piece of the recording: a file that decodes from its beginning, and when that is (ms from the beginning)."""

    path: str
    at: int


class Order(msgspec.Struct, frozen=True):
    """What is to be made. lasts: milliseconds."""

    films: tuple[Film, ...]
    out: str
    lasts: int
    shown: tuple[Shown, ...] = ()


class Made(msgspec.Struct, frozen=True):
    """What was made."""

    frames: int
    hidden: float
    """Share of all squares of all pictures that is hidden."""


def redact(order: Order) -> Made:
    """Make the copy. Raises Refused: INVALID (`film`: no picture can be decoded), TOO_LARGE, UNAVAILABLE (`codec`)."""
    count = int(order.lasts * FPS / 1000) + 1
    if count > MOST_PICTURES:
        raise Refused(Kind.TOO_LARGE, f"a copy of more than {MOST_PICTURES} pictures", film="too_long")
    masks = _masks(order, count)
    out = None
    frames, hidden = 0, 0
    for number, picture in _pictures(order, count):
        if out is None:
            out = _writer(order.out, picture.shape[1], picture.shape[0])
        mask = masks[number] & ~_kept(order.shown, int(number * 1000 / FPS))
        out.write(_hide(picture, mask))
        frames, hidden = frames + 1, hidden + int(mask.sum())
    if out is None:
        raise Refused(Kind.INVALID, "no picture of this time can be decoded", film="undecodable")
    out.release()
    return Made(frames, hidden / (frames * ROWS * COLUMNS))


def _writer(out: str, wide: int, tall: int) -> Any:
    found = cv2.VideoWriter(out, cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"VP80"), FPS, (wide, tall))
    if not found.isOpened():
        raise Refused(Kind.UNAVAILABLE, "the copy cannot be coded here", codec="missing")
    return found


def _pictures(order: Order, count: int) -> Iterator[tuple[int, Picture]]:
    """The picture of each instant of the copy, by its number; in a gap there is a grey one."""
    last: Picture | None = None
    number, until = 0, -1
    for at, lasts, picture in _decoded(order):
        while number < count and number * 1000 / FPS < at:
            yield number, _between(picture if last is None else last, shown=number * 1000 / FPS < until)
            number += 1
        last, until = picture, at + lasts
    while last is not None and number < count:
        yield number, _between(last, shown=number * 1000 / FPS < until)
        number += 1


def _between(picture: Picture, *, shown: bool) -> Picture:
    return picture if shown else np.full_like(picture, 96)


def _decoded(order: Order) -> Iterator[tuple[int, int, Picture]]:
    """Every picture: when it is, how long it stands at most, itself, no wider than the copy."""
    for film in order.films:
        capture = cv2.VideoCapture(film.path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        try:
            began: float | None = None
            while True:
                found, picture = capture.read()
                if not found or picture is None:
                    break
                place = capture.get(cv2.CAP_PROP_POS_MSEC)
                began = place if began is None else began
                yield film.at + round(place - began), 1000, _narrow(np.asarray(picture, np.uint8))
        finally:
            capture.release()


def _narrow(picture: Picture) -> Picture:
    tall, wide = picture.shape[:2]
    if wide > WIDEST:
        tall, wide = round(tall * WIDEST / wide), WIDEST
    size = (wide - wide % 2, tall - tall % 2)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _masks(order: Order, count: int) -> NDArray[np.bool_]:
    """(count, ROWS, COLUMNS): what is hidden, before the subject is taken out of it."""
    small = np.zeros((count, ROWS, COLUMNS), np.uint8)
    found = np.zeros((count, ROWS, COLUMNS), np.bool_)
    cascades = [cv2.CascadeClassifier(str(_CASCADES / f"haarcascade_{name}.xml")) for name in _SIGNS]
    for number, picture in _pictures(order, count):
        grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
        small[number] = cv2.resize(grey, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
        if number % _SEARCHED == 0:
            wide = min(_SEARCHED_WIDE, grey.shape[1])
            looked = cv2.resize(grey, (wide, grey.shape[0] * wide // grey.shape[1]), interpolation=cv2.INTER_AREA)
            for cascade in cascades:
                for box in cascade.detectMultiScale(looked, 1.2, 3, minSize=(20, 20)):
                    _cover(found[number], box, looked.shape)
    background = np.median(small[:: max(1, count // _SAMPLES)], axis=0).astype(np.int16)
    found |= np.abs(small.astype(np.int16) - background) > _MOVED
    found[1:] |= np.abs(np.diff(small.astype(np.int16), axis=0)) > _MOVED
    return _spread(found)


def _cover(mask: Mask, box: Sequence[int], shape: tuple[int, ...]) -> None:
    """Hide a box and a fifth around it."""
    left, top, wide, tall = (int(one) for one in box)
    more_x, more_y = wide // 5, tall // 5
    across, down = COLUMNS / shape[1], ROWS / shape[0]
    rows = slice(max(0, int((top - more_y) * down)), int((top + tall + more_y) * down) + 1)
    mask[rows, max(0, int((left - more_x) * across)) : int((left + wide + more_x) * across) + 1] = True


def _spread(found: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Two squares around what was found, and a second before and after."""
    kernel = np.ones((5, 5), np.uint8)
    wide = np.stack([cv2.dilate(one.astype(np.uint8), kernel) for one in found]).astype(np.bool_)
    total = np.concatenate([np.zeros((1, ROWS, COLUMNS), np.int32), np.cumsum(wide, axis=0, dtype=np.int32)])
    numbers = np.arange(len(found))
    low, high = np.maximum(numbers - _AROUND, 0), np.minimum(numbers + _AROUND + 1, len(found))
    return np.asarray((total[high] - total[low]) > 0)


def _kept(shown: Sequence[Shown], at: int) -> Mask:
    """Where the subject is at an instant, between the places that a person marked; nowhere before and after them."""
    mask = np.zeros((ROWS, COLUMNS), np.bool_)
    after = next((number for number, one in enumerate(shown) if one.at >= at), len(shown))
    if not shown or after == len(shown) or (after == 0 and shown[0].at != at):
        return mask
    one = shown[after]
    before = shown[after - 1] if after else one
    share = 1.0 if one.at == before.at else (at - before.at) / (one.at - before.at)
    left, top, right, bottom = (
        low + (high - low) * share
        for low, high in (
            (before.left, one.left), (before.top, one.top), (before.right, one.right), (before.bottom, one.bottom)
        )
    )  # fmt: skip
    mask[int(np.ceil(top * ROWS)) : int(bottom * ROWS), int(np.ceil(left * COLUMNS)) : int(right * COLUMNS)] = True
    return mask


def _hide(picture: Picture, mask: Mask) -> Picture:
    tall, wide = picture.shape[:2]
    coarse = cv2.resize(picture, (_COARSE, max(1, round(_COARSE * tall / wide))), interpolation=cv2.INTER_AREA)
    hidden = cv2.resize(coarse, (wide, tall), interpolation=cv2.INTER_NEAREST)
    where = cv2.resize(mask.astype(np.uint8), (wide, tall), interpolation=cv2.INTER_NEAREST)
    return np.asarray(np.where(where[:, :, None] > 0, hidden, picture), np.uint8)


def main(words: list[str]) -> int:
    """Make what an order file says; 0, or 1 and a refusal on standard error."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a copy that nobody waits for is made no further
    cv2.setNumThreads(1)
    order = msgspec.json.decode(Path(words[0]).read_bytes(), type=Order)
    try:
        made = redact(order)
    except Refused as refused:
        sys.stderr.write(f"{refused.message}\n")
        return 1
    sys.stdout.write(msgspec.json.encode(made).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
