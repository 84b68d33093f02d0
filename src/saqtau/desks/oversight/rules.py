"""What is kept of a broken glass, and what its review adds.

Whether an account is locked is computed from the item: while it has not ended and its 72 hours are over, nobody logs in
with that account.

An item's data: `officer`, `object`, `object_kind`, `reason`, `broken` (when), `until`, `entry` (in the ledger),
`comments`, `finding`, `wrong`, `reviewed_by`, `reviewed_at`.
"""

from typing import Any

from saqtau.kernel.clock import Instant
from saqtau.kernel.desk import Data
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.item import Call, Open

KEPT_COMMENTS = 20
PRIORITY = 3


def broken(
    officer: str,
    region: int,
    object_kind: str,
    opened: str,
    reason: str,
    now: Instant,
    until: Instant,
    entry: str | None,
) -> Open:
    """The wish for a review. region: of the officer's duty, so that his supervisor sees it; the prosecutor sees all."""
    return Open(
        desk="oversight",
        data={
            "officer": officer,
            "object": opened,
            "object_kind": object_kind,
            "reason": reason,
            "broken": now,
            "until": until,
            "entry": entry,
            "comments": [],
            "finding": None,
            "wrong": None,
            "reviewed_by": None,
            "reviewed_at": None,
        },
        region=region,
        priority=PRIORITY,
        by="break_glass",
    )


def commented(data: Data, form: Data, call: Call) -> Data:
    """What the supervisor said, beside what was said before."""
    said: dict[str, Any] = {"by": call.actor.id, "at": call.now, "note": form["note"]}
    return {"comments": [*data["comments"][-KEPT_COMMENTS + 1 :], said]}


def reviewed(data: Data, form: Data, call: Call) -> Data:
    """The prosecutor's finding. Nobody reviews what he did himself, whatever his roles are."""
    if call.actor.id == data["officer"]:
        raise Refused(Kind.DENIED, "nobody reviews what he did himself", actor="own_glass")
    return {
        "finding": form["finding"],
        "wrong": form.get("wrong"),
        "reviewed_by": call.actor.id,
        "reviewed_at": call.now,
    }


def line(data: Data) -> Data:
    """One line of the queue: who opened what kind of thing until when; neither the object nor the reason."""
    return {name: data[name] for name in ("officer", "object_kind", "broken", "until", "wrong")}
