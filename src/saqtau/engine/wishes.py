"""Wishes that something leaves the house, whatever it is: who asks, who agrees, who says no. Kept the same for all.

What differs stands with each kind: `exports` (items), `recording_exports` (recordings).
"""

from collections.abc import Collection
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec

from saqtau.engine.access import must_hold
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.sensitive import Sensitive
from saqtau.kernel.two_people import Signature, Standing, Wish, agree, covers, may_fetch, refuse, standing_at

LISTED: Final = 200
RECIPIENT: Final = (2, 120)
REASON: Final = (10, 300)
WHY_NOT: Final = (3, 300)


class Of(StrEnum):
    """What a wish is about; its table is `<name>_wish`."""

    ITEM = "export"
    RECORDING = "recording"


class WishLine(msgspec.Struct, frozen=True, kw_only=True):
    """A wish, and where it is. Nothing of what it is about."""

    id: str
    region: int
    sensitive: frozenset[Sensitive]
    asked_by: str
    asked_role: str
    asked_at: Instant
    purpose: str
    case: str
    recipient: str
    reason: str
    standing: Standing
    entry: str
    closed_by: str | None
    closed_at: Instant | None
    closed_why: str | None
    signatures: tuple[Signature, ...]
    fetchable: bool = False

    def wish(self) -> Wish:
        """What the rule of two people looks at."""
        return Wish(
            asked_by=self.asked_by, asked_at=self.asked_at, standing=self.standing, sensitive=self.sensitive,
            signatures=self.signatures,
        )  # fmt: skip


Line = TypeVar("Line", bound=WishLine)


def columns(of: Of) -> str:
    """The columns of a `WishLine`; the table of the wishes is `w`."""
    return f"""
        w.id, w.region, w.sensitive, w.asked_by, w.asked_role, w.asked_at, w.purpose, w.case_number, w.recipient,
        w.reason, w.standing, w.entry, w.closed_by, w.closed_at, w.closed_why,
        (select coalesce(json_agg(json_build_object('by', s.signer, 'role', s.role, 'at', s.at, 'entry', s.entry)
            order by s.at), '[]') from signature s where s.kind = '{of}' and s.wish = w.id) as signatures
    """  # noqa: S608 - a constant of ours


def line_of(kind: type[Line], row: Any, now: Instant, **own: Any) -> Line:
    """A line out of a row with `columns`; own: what only this kind has."""
    line = kind(
        id=row["id"], region=row["region"], sensitive=frozenset(map(Sensitive, row["sensitive"])),
        asked_by=row["asked_by"], asked_role=row["asked_role"], asked_at=row["asked_at"], purpose=row["purpose"],
        case=row["case_number"], recipient=row["recipient"], reason=row["reason"], standing=Standing(row["standing"]),
        entry=row["entry"], closed_by=row["closed_by"], closed_at=row["closed_at"], closed_why=row["closed_why"],
        signatures=msgspec.json.decode(row["signatures"], type=tuple[Signature, ...]), **own,
    )  # fmt: skip
    wish = line.wish()
    return msgspec.structs.replace(line, standing=standing_at(wish, now), fetchable=may_fetch(wish, now))


def check_words(recipient: str, reason: str) -> None:
    """Raises Refused(INVALID) naming `recipient` or `reason`."""
    for field, text, (least, most) in (("recipient", recipient, RECIPIENT), ("reason", reason, REASON)):
        if not least <= len(text.strip()) or len(text) > most:
            raise Refused(Kind.INVALID, f"{field}: {least} to {most} letters", **{field: "length"})


async def write_wish(pg: Any, of: Of, line: dict[str, Any], grant: Grant, now: Instant) -> None:
    """Write a wish down as asked by whoever holds the grant. line: its columns besides who, when and for what."""
    viewer, request = grant.viewer, grant.request
    row = {
        **line, "asked_by": viewer.id, "asked_role": viewer.role, "asked_at": now, "purpose": request.purpose.value,
        "case_number": request.case or "", "entry": grant.entry,
    }  # fmt: skip
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    await pg.execute(f"insert into {of}_wish ({', '.join(row)}) values ({places})", *row.values())  # noqa: S608 - ours


async def write_agreement(
    pg: Any, of: Of, line: WishLine, concerns: frozenset[Sensitive], state: bytes, grant: Grant, now: Instant
) -> None:
    """Write down that the viewer agrees. concerns: what it concerns now; state: SHA-256 of what he agrees to.

    Raises Refused as `agree`.
    """
    viewer = grant.viewer
    wish = msgspec.structs.replace(line.wish(), sensitive=concerns)
    agreed = agree(wish, Signature(viewer.id, viewer.role, now, grant.entry))
    await pg.execute(
        "insert into signature (kind, wish, signer, role, at, entry, state) values ($1, $2, $3, $4, $5, $6, $7)",
        of.value, line.id, viewer.id, viewer.role, now, grant.entry, state,
    )  # fmt: skip
    await pg.execute(
        f"update {of}_wish set standing = $2, sensitive = $3 where id = $1",  # noqa: S608 - a constant of ours
        line.id, agreed.standing.value, sorted(concerns),
    )  # fmt: skip


def must_refuse(grant: Grant, why: str, now: Instant) -> None:
    """Whether the grant is one to say no. Raises Refused: DENIED, INVALID (`why`)."""
    must_hold(grant, now, Action.APPROVE_EXPORT, Action.REQUEST_EXPORT)
    least, most = WHY_NOT
    if not least <= len(why.strip()) or len(why) > most:
        raise Refused(Kind.INVALID, f"why not: {least} to {most} letters", why="length")


async def write_refusal(
    pg: Any, of: Of, line: WishLine, why: str, grant: Grant, now: Instant, *, about: Collection[str]
) -> None:
    """Write down that the viewer says no, or takes his own wish back. about: what his grant may name.

    Raises Refused: CONFLICT, DENIED.
    """
    viewer = grant.viewer
    if grant.request.action is Action.REQUEST_EXPORT and line.asked_by != viewer.id:
        raise Refused(Kind.DENIED, "only who asked takes it back", actor="not_yours")
    if grant.request.object not in about:
        raise Refused(Kind.DENIED, "the grant is for another object", grant="other_object")
    refuse(line.wish(), viewer.id, now)
    await pg.execute(
        f"""update {of}_wish set standing = 'refused', closed_by = $2, closed_at = $3, closed_why = $4
            where id = $1""",  # noqa: S608 - a constant of ours
        line.id, viewer.id, now, why,
    )  # fmt: skip


def must_cover(line: WishLine, concerns: frozenset[Sensitive]) -> None:
    """Raises Refused(CONFLICT, `prosecutor`): minors or custody are concerned now, and no prosecutor agreed."""
    if not covers(line.signatures, concerns):
        named = ", ".join(sorted(concerns))
        raise Refused(Kind.CONFLICT, f"it concerns {named}, and no prosecutor agreed", prosecutor="not_agreed")


async def signed_states(pg: Any, of: Of, line: WishLine) -> list[bytes]:
    """What those who agreed have agreed to."""
    rows = await pg.fetch("select state from signature where kind = $1 and wish = $2", of.value, line.id)
    return [row["state"] for row in rows]


def unknown(name: str) -> Refused:
    """There is no such wish."""
    return Refused(Kind.NOT_FOUND, f"there is no export {name}", export="unknown")
