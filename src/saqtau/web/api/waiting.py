"""How many wishes wait for the caller's yes: the figure in the console's menu."""

from typing import Any

import msgspec
from litestar import Request, get

from saqtau.engine.waiting import count_waiting
from saqtau.web.answers import answers
from saqtau.web.auth import counted, session_of, signed_in
from saqtau.web.parts import parts_of


class Waiting(msgspec.Struct, frozen=True):
    """Exports and policies that the caller is asked about now."""

    waiting: int


@get("/api/waiting", operation_id="countWaiting", guards=[counted, signed_in], responses=answers(401, 403, 429, 503))
async def waiting(request: Request[Any, Any, Any]) -> Waiting:
    """A figure and nothing else, so it leaves no entry; reading what waits does."""
    parts, session = parts_of(request), session_of(request)
    person = session.person
    return Waiting(await count_waiting(parts.pg, person.id, person.roles, person.regions, parts.clock()))
