"""What of the recordings goes: what is past its days, and, where a volume has no room, what is nearest to them.

A hold wins over everything, also over a full volume: then recording stops there and says so. Whole segments only: a
segment goes when its last picture is past its days.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

from saqtau.kernel.clock import DAY, Instant


class Stored(msgspec.Struct, frozen=True):
    """A closed segment, as the index knows it."""

    camera: str
    first: int
    last: int
    began: Instant
    ended: Instant
    size: int  # bytes
    chain: bytes
    path: str
    card: bool = False  # fetched from the camera's own memory: links of another chain


class Held(msgspec.Struct, frozen=True):
    """A time of a camera that is kept. `began` is in it, `ended` is not."""

    camera: str
    began: Instant
    ended: Instant


class Why(StrEnum):
    """Why a segment goes."""

    TERM = "term"  # its days are over
    ROOM = "room"  # the volume had no room: before its days


class Deletion(msgspec.Struct, frozen=True):
    """A segment that goes."""

    segment: Stored
    why: Why


def plan(
    segments: Iterable[Stored], now: Instant, keep_days: Mapping[str, int], holds: Iterable[Held], excess: int = 0
) -> list[Deletion]:
    """What goes now, in this order: what is past its days, then, until `excess` bytes are freed, what is nearest to it.

    segments: closed ones of one volume; of a volume without room at least its oldest. keep_days: by camera; a camera
    that is not there is kept. excess: bytes above what the volume may hold; 0 when it has room.
    Never a segment that a hold touches. It may free less than `excess`: then nothing else may go.
    """
    held = _by_camera(holds)
    due: list[tuple[Instant, Stored]] = []
    for one in segments:
        days = keep_days.get(one.camera)
        if days is not None and not _is_held(one, held.get(one.camera, ())):
            due.append((Instant(one.ended + days * DAY), one))
    due.sort(key=lambda found: (found[0], found[1].camera, found[1].card, found[1].first))
    gone: list[Deletion] = []
    freed = 0
    for ends, one in due:
        past = ends < now
        if not past and freed >= excess:
            break
        gone.append(Deletion(one, Why.TERM if past else Why.ROOM))
        freed += one.size
    return gone


def _by_camera(holds: Iterable[Held]) -> dict[str, list[Held]]:
    found: dict[str, list[Held]] = {}
    for hold in holds:
        found.setdefault(hold.camera, []).append(hold)
    return found


def _is_held(one: Stored, holds: Sequence[Held]) -> bool:
    # both ends count: a picture that stands on the edge is kept
    return any(hold.began <= one.ended and one.began <= hold.ended for hold in holds)
