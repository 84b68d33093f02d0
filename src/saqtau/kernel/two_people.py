"""Acts that take two people: exports, policies, lifting a hold, and one that takes a review: break-glass. Pure.

Whether a role has the right at all is the policy's business (`kernel.access`); here is what no policy can loosen:
nobody approves what he asked for, nobody signs twice, minors and custody need the prosecutor, a wish that nobody
answers lapses.
"""

from enum import StrEnum
from typing import Final

import msgspec

from saqtau.kernel.clock import DAY, HOUR, MINUTE, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.sensitive import Sensitive

LAPSES: Final = 7 * DAY
"""How long a wish waits for its second person."""
DOWNLOADABLE: Final = 14 * DAY
"""How long an approved package can be fetched; then it is erased, and a new wish is needed."""
OPEN_FOR: Final = 15 * MINUTE
"""How long a broken glass is open."""
REVIEW_WITHIN: Final = 72 * HOUR
"""Until when a broken glass must be reviewed; then the account is locked until it is."""
UNREVIEWED: Final = 5
"""How many broken glasses of one officer may wait for their review."""
PROSECUTOR: Final = "prosecutor"


class Standing(StrEnum):
    """Where a wish for two people's agreement is."""

    REQUESTED = "requested"  # waits for another person
    AWAITS_PROSECUTOR = "awaits_prosecutor"  # another person agreed; minors or custody
    APPROVED = "approved"
    REFUSED = "refused"
    LAPSED = "lapsed"


WAITING: Final = frozenset({Standing.REQUESTED, Standing.AWAITS_PROSECUTOR})


class Signature(msgspec.Struct, frozen=True):
    """One person's yes, in the role he said it in, with its entry in the ledger."""

    by: str
    role: str
    at: Instant
    entry: str = ""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants that takes more than him."""

    asked_by: str
    asked_at: Instant
    standing: Standing = Standing.REQUESTED
    sensitive: frozenset[Sensitive] = frozenset()
    signatures: tuple[Signature, ...] = ()


def standing_at(wish: Wish, now: Instant) -> Standing:
    """Where the wish is now: one that nobody answered in time has lapsed, whether anybody wrote it down or not."""
    if wish.standing in WAITING and now >= wish.asked_at + LAPSES:
        return Standing.LAPSED
    return wish.standing


def agree(wish: Wish, signature: Signature) -> Wish:
    """The wish after one more person agreed.

    Raises Refused: CONFLICT (`standing`: nothing to agree to any more; `prosecutor`: another officer agrees first),
    DENIED (`actor`: his own wish, or he has agreed already; `role`: the prosecutor is asked now).
    """
    standing = standing_at(wish, signature.at)
    if standing not in WAITING:
        raise Refused(Kind.CONFLICT, f"it is {standing}", standing=standing.value)
    if signature.by == wish.asked_by:
        raise Refused(Kind.DENIED, "nobody approves what he asked for himself", actor="own_wish")
    if any(one.by == signature.by for one in wish.signatures):
        raise Refused(Kind.DENIED, "nobody agrees twice", actor="agreed_already")
    match standing, signature.role == PROSECUTOR:
        case Standing.REQUESTED, True if wish.sensitive:
            raise Refused(Kind.CONFLICT, "another officer agrees first, then the prosecutor", prosecutor="not_yet")
        case Standing.AWAITS_PROSECUTOR, False:
            raise Refused(Kind.DENIED, "the prosecutor is asked now", role="prosecutor_only")
        case Standing.REQUESTED, False if wish.sensitive:
            following = Standing.AWAITS_PROSECUTOR
        case _:
            following = Standing.APPROVED
    return msgspec.structs.replace(wish, standing=following, signatures=(*wish.signatures, signature))


def covers(signatures: tuple[Signature, ...], concerns: frozenset[Sensitive]) -> bool:
    """Whether these signatures are enough for what it concerns now, which may be more than when they were given."""
    return not concerns or (len(signatures) > 1 and any(one.role == PROSECUTOR for one in signatures))


def refuse(wish: Wish, by: str, now: Instant) -> Wish:
    """The wish after somebody said no; who asked may take it back this way too. Raises Refused(CONFLICT)."""
    standing = standing_at(wish, now)
    if standing not in WAITING:
        raise Refused(Kind.CONFLICT, f"it is {standing}, {by} refuses nothing", standing=standing.value)
    return msgspec.structs.replace(wish, standing=Standing.REFUSED)


def may_fetch(wish: Wish, now: Instant) -> bool:
    """Whether the package may be fetched: agreed to by all who must, and not too long ago."""
    if wish.standing is not Standing.APPROVED or not wish.signatures:
        return False
    return now < wish.signatures[-1].at + DOWNLOADABLE


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """A broken glass."""

    officer: str
    at: Instant
    reviewed: Instant | None = None

    @property
    def until(self) -> Instant:
        """When the object closes again."""
        return Instant(self.at + OPEN_FOR)

    @property
    def review_due(self) -> Instant:
        """When the account is locked."""
        return Instant(self.at + REVIEW_WITHIN)


def may_break(broken: tuple[Broken, ...], about: frozenset[Sensitive], now: Instant) -> None:
    """Whether this officer may break another glass. broken: those of his that were not reviewed.

    Raises Refused: DENIED (`object`: custody is never opened this way; `account`: locked), TOO_MANY (`unreviewed`).
    """
    if Sensitive.CUSTODY in about:
        raise Refused(Kind.DENIED, "nothing of custody is opened by breaking the glass", object="custody")
    if is_locked(broken, now):
        raise Refused(Kind.DENIED, "a broken glass was not reviewed in 72 hours", account="locked_until_reviewed")
    if len([one for one in broken if one.reviewed is None]) >= UNREVIEWED:
        raise Refused(Kind.TOO_MANY, "the prosecutor reviews the last ones first", unreviewed=str(UNREVIEWED))


def is_locked(broken: tuple[Broken, ...], now: Instant) -> bool:
    """Whether the account is locked: some broken glass is unreviewed and its time is over."""
    return any(one.reviewed is None and now >= one.review_due for one in broken)
