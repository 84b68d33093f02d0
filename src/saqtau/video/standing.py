"""What is believed of a camera: a verdict changes when two looks in a row differ from it, and its time is the first's.

A lorry before the lens, a flash, one damaged picture are no verdict. Pure.
"""

from typing import Final

import msgspec

from saqtau.kernel.clock import DAY, HOUR, Instant
from saqtau.video.health import TAMPERED, Judged, Look, Measure, Reference, Verdict, frozen, knows, refer

LEARNED_FROM: Final = 5
"""Looks that a reference is the median of."""
_NOTHING: Final = Measure(0.0, 0.0, 0.0, 0.0, None, 0.0, None, None, 0.0, None)


class Standing(msgspec.Struct, frozen=True, eq=False):
    """A camera as far as it is known.

    verdict, since: what is believed. suspect: what the last look said when that was something else. well: the last look
    of a camera that was well then. same: looks in a row that may be one picture. learning: looks of a reference to be.
    """

    verdict: Verdict
    since: Instant
    suspect: tuple[Verdict, Instant] | None = None
    well: Look | None = None
    same: tuple[Look, ...] = ()
    learning: tuple[Look, ...] = ()


class Step(msgspec.Struct, frozen=True, eq=False):
    """What a look changed. told: the verdict has changed. learned: a reference that is to be kept."""

    standing: Standing
    told: bool
    learned: Reference | None


def first(at: Instant) -> Standing:
    """A camera of which nothing is known yet: nobody accuses it."""
    return Standing(Verdict.OK, at)


def undecodable() -> Judged:
    """What is said of a camera whose bytes are no picture."""
    return Judged(Verdict.UNDECODABLE, _NOTHING)


def repeats(standing: Standing, now: Look) -> bool:
    """Whether another picture is needed to tell a frozen camera from a stream that came round to the same picture."""
    return len(standing.same) > 1 and frozen((*standing.same, now))


def step(standing: Standing, judged: Judged, now: Look | None, at: Instant, *, known: bool) -> Step:
    """Take a look into account. now: None when there was no picture. known: there is a reference of this light."""
    verdict = _dark_by_hand(standing) if judged.verdict is Verdict.DARK else judged.verdict
    changed = verdict != standing.verdict
    if not changed:
        believed, since, suspect, told = standing.verdict, standing.since, None, False
    elif standing.suspect is not None:
        # the second look in a row that differs; of two different ones the newer counts, from the first one's time on
        believed, since, suspect, told = verdict, standing.suspect[1], None, True
    else:
        believed, since, suspect, told = standing.verdict, standing.since, (verdict, at), False
    fine = verdict is Verdict.OK and now is not None
    learning = standing.learning
    if fine and now is not None and (not known or judged.learn):
        # one light only: what is learned at dusk begins anew when the camera sees infra-red
        learning = (*(one for one in learning if knows((refer((one,)),), now)), now)
    elif not fine:
        learning = ()
    learned = refer(learning) if len(learning) >= LEARNED_FROM else None
    return Step(
        Standing(
            verdict=believed,
            since=since,
            suspect=suspect,
            well=now if fine else None if verdict is not Verdict.DARK else now,
            same=_same(standing, now),
            learning=() if learned is not None else learning,
        ),
        told,
        learned,
    )


def _dark_by_hand(standing: Standing) -> Verdict:
    """What was covered does not become night by itself: it stays what it was until the scene is seen again."""
    last = standing.verdict if standing.suspect is None else standing.suspect[0]
    return last if last in TAMPERED else Verdict.DARK


def _same(standing: Standing, now: Look | None) -> tuple[Look, ...]:
    if now is None:
        return ()
    last = standing.same[-1:]
    if last and frozen((last[0], last[0], now)):
        return (*standing.same, now)[-3:]
    return (now,)


def short_of(now: Instant, added: Instant, oldest: Instant | None, keep_days: int) -> int:
    """Whole days by which the oldest picture is younger than it has to be; 0 when all is there.

    A camera that was added yesterday cannot have more than a day, and a missing hour at the edge is no day.
    """
    due = max(added, now - keep_days * DAY)
    have = now if oldest is None else oldest
    return max(0, (have - due - HOUR) // DAY)
