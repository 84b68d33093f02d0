"""The numbers of a month, exact as the authority has them, and as they are published: small counts withheld.

How small counts stay secret. Every count about people stands in exactly one cell of one partition. A cell of 1 to 4 is
published as "1-4", whatever it is. Everything else that is printed (sums, shares) is computed from the published cells,
never from the exact ones. So any other value of 1 to 4 gives the same report, byte by byte: nothing printed can give
the difference away, alone or together. Two partitions of the same events are not printed, for one could be subtracted
from the other. See docs/oversee/report.md.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Final

import msgspec

from saqtau.kernel.clock import Instant

FEW: Final = 5
"""A count below this, but for none at all, is withheld."""

LOOKS: Final = ("live", "view", "search", "export", "other")
"""Kinds of looks that were allowed, in the order they are told; "denied" and "breakglass" stand by themselves."""
REVIEWS: Final = ("in_time", "late", "open")
"""What became of a use of break-glass: reviewed within 72 h, later, or not yet."""
ALERTS: Final = ("stopped", "not_seen", "wrong", "cancelled", "lapsed", "open")
"""What became of an alert about a vehicle. `wrong`: a person said that plate or vehicle was another one."""
ERASURES: Final = ("items", "records", "overdue", "held")
"""Cases and records of the ledger that were erased in the month; days of records whose term is over and that are still
there; records that a case keeps. They are counts of different things and are not added up."""

Month = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{4}-(0[1-9]|1[0-2])\Z")]


class Cell(msgspec.Struct, frozen=True, order=True):
    """An exact count of one cell of a partition."""

    key: tuple[str, ...]
    count: int


class Shown(msgspec.Struct, frozen=True):
    """A count as published; None: between 1 and 4."""

    key: tuple[str, ...]
    count: int | None


class Total(msgspec.Struct, frozen=True):
    """The sum of the cells that are shown, and how many cells are withheld."""

    count: int
    withheld: int


class Witnessing(msgspec.Struct, frozen=True):
    """How soon checkpoints were witnessed. Milliseconds; None when none was. `unwitnessed`: whole minutes."""

    checkpoints: int
    median: int | None
    late: int | None  # the 95th percentile
    unwitnessed: int


class Seen(msgspec.Struct, frozen=True):
    """A witness that cosigned a checkpoint, and when."""

    witness: str
    at: Instant


class Before(msgspec.Struct, frozen=True):
    """The last checkpoint that was witnessed, of a log whose end is not."""

    size: int
    witnesses: tuple[Seen, ...]


class LogEnd(msgspec.Struct, frozen=True):
    """A log at the end of the period. root: base64, as in the checkpoint; note: the checkpoint as it was signed.

    before: what was witnessed of it, when its end was not; None: the end was, or nothing ever.
    """

    origin: str
    size: int
    root: str
    at: Instant
    witnesses: tuple[Seen, ...]
    note: str
    before: Before | None = None


class PolicyChange(msgspec.Struct, frozen=True):
    """A set of policies that came into force: the day and its SHA-256."""

    day: str
    policy: str


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """A month, exact. Never leaves the authority; `published` makes what may."""

    month: Month
    finished: bool
    authority: str
    looks: tuple[Cell, ...]  # (kind of LOOKS or "denied", purpose, role)
    reviews: tuple[Cell, ...]  # (outcome of REVIEWS,)
    alerts: tuple[Cell, ...]  # (outcome of ALERTS,)
    erasures: tuple[Cell, ...]  # (what of ERASURES,)
    cameras: tuple[Cell, ...]  # (region code,)
    retention: tuple[tuple[str, str], ...]  # class, ISO 8601 duration
    policies: tuple[PolicyChange, ...]
    witnessing: Witnessing
    logs: tuple[LogEnd, ...]


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A month as the public sees it."""

    month: Month
    finished: bool
    authority: str
    looks: tuple[Shown, ...]
    reviews: tuple[Shown, ...]
    alerts: tuple[Shown, ...]
    erasures: tuple[Shown, ...]
    cameras: tuple[Shown, ...]
    retention: tuple[tuple[str, str], ...]
    policies: tuple[PolicyChange, ...]
    witnessing: Witnessing
    logs: tuple[LogEnd, ...]


def cells(counts: Iterable[tuple[tuple[str, ...], int]]) -> tuple[Cell, ...]:
    """A partition out of counts: equal keys are added up, empty cells left out, sorted by key."""
    found: Counter[tuple[str, ...]] = Counter()
    for key, count in counts:
        found[key] += count
    return tuple(Cell(key, count) for key, count in sorted(found.items()) if count)


def shown(partition: Iterable[Cell]) -> tuple[Shown, ...]:
    """The partition with its small counts withheld."""
    return tuple(Shown(one.key, None if 0 < one.count < FEW else one.count) for one in partition)


def total(partition: Iterable[Shown]) -> Total:
    """What may be said of the sum: the shown cells added up, and how many are missing from it."""
    counts = [one.count for one in partition]
    return Total(sum(count for count in counts if count is not None), counts.count(None))


def share(part: Total, whole: Total) -> int | None:
    """Whole per cent of `part` in `whole`, rounded down; None while too few, or any cell of it, can be shown."""
    if whole.withheld or part.withheld or whole.count < FEW:
        return None
    return 100 * part.count // whole.count


def published(figures: Figures) -> Published:
    """What may leave the authority."""
    return Published(
        month=figures.month,
        finished=figures.finished,
        authority=figures.authority,
        looks=shown(figures.looks),
        reviews=shown(figures.reviews),
        alerts=shown(figures.alerts),
        erasures=shown(figures.erasures),
        cameras=shown(figures.cameras),
        retention=figures.retention,
        policies=figures.policies,
        witnessing=figures.witnessing,
        logs=figures.logs,
    )


_CONTENT: Final = frozenset({"item.read", "picture.read", "recording.play"})


def kind_of(klass: str, action: str) -> str | None:
    """What kind of look an entry of the ledger stands for; None for what is no look. Each entry is counted once."""
    match klass:
        case "view":
            return "live" if action.endswith(".watch") else "view" if action in _CONTENT else "other"
        case "search" | "breakglass":
            return klass
        case "export":
            return "export" if action == "export.receive" else None  # asked for and approved is not yet taken out
        case "deny":
            return "denied"
        case _:
            return None
