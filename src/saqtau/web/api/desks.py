"""Every desk as data: what the console draws its queue and forms from. It says nothing of any case."""

from typing import Any

import msgspec
from litestar import Request, get

from saqtau.kernel.desk import Desk
from saqtau.web.answers import answers
from saqtau.web.auth import counted, signed_in
from saqtau.web.forms import form_of
from saqtau.web.parts import parts_of


class StateSeen(msgspec.Struct, frozen=True):
    """A state: who must act, within which term (ISO 8601, or PnWD), and whether it is an end."""

    owner: str | None
    within: str | None
    end: bool


class EdgeSeen(msgspec.Struct, frozen=True, rename={"start": "from"}):
    """An edge. `by`: a role, "clock" or "rule". `form`: JSON Schema of what it requires."""

    name: str
    start: str
    to: str
    by: str
    form: dict[str, Any] | None


class OpeningSeen(msgspec.Struct, frozen=True):
    """A way in by hand. `by`: roles. `form`: JSON Schema of what it requires."""

    name: str
    to: str
    by: tuple[str, ...]
    form: dict[str, Any] | None


class DeskSeen(msgspec.Struct, frozen=True):
    """A desk."""

    name: str
    article: int
    version: int
    mode: str
    states: dict[str, StateSeen]
    edges: list[EdgeSeen]
    purposes: tuple[str, ...]
    opened_by: tuple[str, ...]
    openings: list[OpeningSeen]
    doc: str


def desk_seen(desk: Desk) -> DeskSeen:
    """The desk as the console sees it."""
    return DeskSeen(
        name=desk.name,
        article=desk.article,
        version=desk.version,
        mode=desk.mode,
        states={name: StateSeen(state.owner, state.within, state.end) for name, state in desk.states.items()},
        edges=[EdgeSeen(edge.name, edge.start, edge.to, edge.by, form_of(edge.requires)) for edge in desk.edges],
        purposes=desk.purposes,
        opened_by=desk.opened_by,
        openings=[OpeningSeen(one.name, one.to, one.by, form_of(one.requires)) for one in desk.openings],
        doc=desk.doc,
    )


@get("/api/desks", operation_id="readDesks", guards=[counted, signed_in], responses=answers(401, 429, 503))
async def desks(request: Request[Any, Any, Any]) -> list[DeskSeen]:
    """Every desk this release runs."""
    return [desk_seen(desk) for desk in parts_of(request).desks.current.values()]
