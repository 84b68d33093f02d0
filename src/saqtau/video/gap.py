"""Time without picture, with its kind. A gap is a link of the camera's chain: it cannot be taken out."""

from enum import StrEnum

import msgspec

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused

LONGEST_TEXT = 500
"""Characters of `by` and of `why`."""


class GapKind(StrEnum):
    """Why there is no picture."""

    LOSS = "packet_loss"  # `packets` were sent and did not come
    SILENT = "source_silent"  # connected, and nothing came
    RECONNECT = "reconnect"  # not connected
    DOWN = "recorder_down"  # our own death or pause
    DISABLED = "disabled"  # by a person, with a reason
    DISK_FULL = "disk_full"  # our own want of room
    EXPIRED = "expired"  # recorded, and deleted by retention
    BAD = "undecodable"  # it came, and is no picture


class Gap(msgspec.Struct, frozen=True):
    """From `began` to `ended` (None while it lasts) `camera` has no picture."""

    camera: str
    began: Instant
    ended: Instant | None
    kind: GapKind
    packets: int | None = None
    by: str | None = None
    why: str | None = None


def check(gap: Gap) -> Gap:
    """The gap itself.

    Raises `Refused(INVALID)` with the field: it ends before it begins, counts below zero, or its text is too long or
    does not print.
    """
    if gap.began < 0:
        raise Refused(Kind.INVALID, f"camera {gap.camera}: a gap begins before 1970", began="gap.began")
    if gap.ended is not None and gap.ended < gap.began:
        raise Refused(Kind.INVALID, f"camera {gap.camera}: a gap ends before it begins", ended="gap.ended")
    if gap.packets is not None and not 0 <= gap.packets < 1 << 53:
        raise Refused(Kind.INVALID, f"camera {gap.camera}: {gap.packets} packets lost", packets="gap.packets")
    for name, text in (("by", gap.by), ("why", gap.why)):
        if text is not None and (len(text) > LONGEST_TEXT or not text.isprintable()):
            raise Refused(
                Kind.INVALID,
                f"camera {gap.camera}: {name} of a gap is too long or not printable",
                **{name: f"gap.{name}"},
            )
    return gap
