"""What became of each minute of a camera: recorded, masked, in maintenance, or missing, and then explained or not.

A minute is judged by what is missing of it. Why a recorder had no picture (`GapKind`) is no explanation: a pulled plug
is a silent source too. Only a person's act explains, entered in the log: maintenance beforehand, a word afterwards.
Pure; times are Unix milliseconds UTC, and a minute begins at a multiple of 60,000.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Final

import msgspec

from saqtau.kernel.clock import HOUR, MINUTE, SECOND, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.gap import Gap, GapKind

BEARABLE: Final = 5 * SECOND
"""Missing time of a minute that needs no explanation: lost packets, one reconnect."""
TRIFLE: Final = 500
"""Milliseconds that may be missing of a minute that still counts as recorded whole: where two files meet."""
LONGEST: Final = 400 * 24 * 60
"""Minutes that one call counts, at most."""


class MinuteState(IntEnum):
    """What became of a minute; the numbers are stored."""

    UNKNOWN = 0  # not yet, or before the camera was known
    RECORDED = 1  # whole, but for a trifle
    PARTLY = 2  # but for `BEARABLE`
    MASKED = 3  # hidden by a mask over the whole picture, as configured
    MAINTENANCE = 4  # switched off by a person, with a reason, entered
    UNEXPLAINED = 5  # missing, and nobody has said why
    EXPLAINED = 6  # missing, and a person has said why, afterwards
    EXPIRED = 7  # recorded once, deleted when its time was over
    FETCHED = 8  # missing, and fetched afterwards from the camera's own memory; it explains nothing


class Span(msgspec.Struct, frozen=True, gc=False):
    """From `began` to before `ended`; None while it lasts."""

    began: Instant
    ended: Instant | None


Spans = list[tuple[int, int]]


def minutes(
    began: Instant,
    ended: Instant,
    segments: Iterable[Span],
    gaps: Iterable[Gap],
    maintenance: Iterable[Span] = (),
    *,
    masked: Iterable[Span] = (),
    explained: Iterable[Span] = (),
    fetched: Iterable[Span] = (),
    known: Instant | None = None,
    told: Instant | None = None,
) -> bytes:
    """One `MinuteState` a minute from `began` (a minute's begin) to `ended`.

    segments: what is on disk, or was; an open one reaches to what was last written. gaps: of any kind, of this camera.
    maintenance: declared by a person. masked: a mask covers the whole picture. explained: by a person, afterwards.
    known: when the camera was entered in the register; a minute that ends before is UNKNOWN. told: up to where the
    recorders have told what they did; a minute that ends later is UNKNOWN.
    A declared time that has no end lasts to `ended`. Raises Refused(INVALID): `began` is no minute's, `ended` too far.
    """
    if began % MINUTE or not 0 <= ended - began <= LONGEST * MINUTE:
        raise Refused(Kind.INVALID, "minutes are counted from a minute's begin on, 400 days at most", began="invalid")
    last = int(ended)
    there = _united(_ends(segments, last), began, last)
    holes: Spans = []
    acts = [(one.began, last if one.ended is None else one.ended) for one in maintenance]
    expired: Spans = []
    for gap in gaps:
        span = (gap.began, last if gap.ended is None else gap.ended)
        match gap.kind:
            case GapKind.EXPIRED:
                expired.append(span)
            case GapKind.DISABLED:
                acts.append(span)
        holes.append(span)
    present = without(there, _united(holes, began, last))
    excuses = (
        (MinuteState.MAINTENANCE, _united(acts, began, last)),
        (MinuteState.MASKED, _united(_ends(masked, last), began, last)),
        (MinuteState.FETCHED, _united(_ends(fetched, last), began, last)),
        (MinuteState.EXPLAINED, _united(_ends(explained, last), began, last)),
        (MinuteState.EXPIRED, _united(expired, began, last)),
    )
    # nobody answers for the seconds before a camera was known
    missing = without([(began if known is None else max(began, min(known, last)), last)], present)
    bare = missing
    for _, excused in excuses:
        bare = without(bare, excused)
    lacking, naked = _by_minute(missing, began, last), _by_minute(bare, began, last)
    long = {_mostly(*span, began) for span in bare if span[1] - span[0] > BEARABLE}
    apart = [(state, _by_minute(within(missing, excused), began, last)) for state, excused in excuses]
    shown = _by_minute(within(present, dict(excuses)[MinuteState.MASKED]), began, last)
    out = bytearray()
    for number in range(-(-(last - began) // MINUTE)):
        start = began + number * MINUTE
        stop = min(start + MINUTE, last)
        if (known is not None and stop <= known) or (told is not None and stop > told):
            out.append(MinuteState.UNKNOWN)
        else:
            shares = [(state, share[number]) for state, share in apart]
            bearable = naked[number] <= BEARABLE and number not in long
            state = _judge(lacking[number], shares, shown[number], stop - start)
            out.append(state if bearable else MinuteState.UNEXPLAINED)
    return bytes(out)


def _mostly(low: int, high: int, began: int) -> int:
    """The minute in which most of a span lies, so that one over a minute's end is not borne as two short ones."""
    first = (low - began) // MINUTE
    inner = min(high, began + (first + 1) * MINUTE) - low
    return first if 2 * inner >= min(high - low, MINUTE) else first + 1


def _judge(lacking: int, shares: Sequence[tuple[MinuteState, int]], shown: int, length: int) -> MinuteState:
    """The state of a minute of which `lacking` ms are missing, none of them long without excuse."""
    if lacking <= TRIFLE:
        return MinuteState.MASKED if shown >= length - TRIFLE else MinuteState.RECORDED
    state, most = max(shares, key=lambda share: share[1])
    return state if most > BEARABLE else MinuteState.PARTLY


def hours(began: Instant, states: bytes) -> dict[Instant, bytes]:
    """States from `began` on as the hours they lie in, 60 bytes each; what they do not say of an hour is UNKNOWN."""
    found: dict[Instant, bytearray] = {}
    for number, state in enumerate(states):
        at = began + number * MINUTE
        hour = Instant(at - at % HOUR)
        found.setdefault(hour, bytearray(60))[(at - hour) // MINUTE] = state
    return {hour: bytes(row) for hour, row in found.items()}


def runs(began: Instant, states: bytes, wanted: MinuteState) -> list[Span]:
    """Whole minutes of a state that follow each other, as spans."""
    found: list[Span] = []
    start: int | None = None
    for number, state in enumerate((*states, -1)):
        if state == wanted and start is None:
            start = number
        elif state != wanted and start is not None:
            found.append(Span(Instant(began + start * MINUTE), Instant(began + number * MINUTE)))
            start = None
    return found


def without(spans: Spans, holes: Spans) -> Spans:
    """`spans` less `holes`; both in order and apart, and so is the result."""
    left: Spans = []
    at = 0
    for began, ended in spans:
        start = began
        while at < len(holes) and holes[at][1] <= start:
            at += 1
        look = at
        while look < len(holes) and holes[look][0] < ended:
            low, high = holes[look]
            if low > start:
                left.append((start, low))
            start = max(start, high)
            look += 1
        if start < ended:
            left.append((start, ended))
    return left


def within(spans: Spans, others: Spans) -> Spans:
    """What lies in both; both in order and apart."""
    return without(spans, without(spans, others))


def recorded(began: Instant, ended: Instant, segments: Iterable[Span], gaps: Iterable[Gap]) -> int:
    """Milliseconds between `began` and `ended` that lie in some segment and in no gap; what overlaps counts once."""
    holes = _united(((one.began, ended if one.ended is None else one.ended) for one in gaps), began, ended)
    return sum(high - low for low, high in without(_united(_ends(segments, ended), began, ended), holes))


def _ends(spans: Iterable[Span], last: int) -> Iterable[tuple[int, int]]:
    return ((one.began, last if one.ended is None else one.ended) for one in spans)


def _united(spans: Iterable[tuple[int, int]], began: int, ended: int) -> Spans:
    """In order, apart, within the window."""
    found: Spans = []
    for low, high in sorted((max(low, began), min(high, ended)) for low, high in spans):
        if low >= high:
            continue
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return found


def _by_minute(spans: Spans, began: int, ended: int) -> list[int]:
    """Milliseconds of each minute that lie in the spans."""
    sums = [0] * -(-(ended - began) // MINUTE)
    for low, high in spans:
        for number in range((low - began) // MINUTE, -(-(high - began) // MINUTE)):
            start = began + number * MINUTE
            sums[number] += min(high, start + MINUTE) - max(low, start)
    return sums
