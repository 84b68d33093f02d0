"""What the authority has, as far as the caller may see it."""

from typing import Annotated, Any, Literal

from litestar import Request, get
from litestar.params import PathParameter, QueryParameter

from saqtau.engine.reading import read_register
from saqtau.kernel.access import Action
from saqtau.web.answers import answers
from saqtau.web.auth import counted, session_of, signed_in
from saqtau.web.looking import watching
from saqtau.web.parts import parts_of


@get(
    "/api/registers/{kind:str}",
    operation_id="readRegister",
    guards=[counted, signed_in],
    responses=answers(400, 401, 403, 429, 503),
)
async def register(
    request: Request[Any, Any, Any],
    kind: Annotated[Literal["cameras", "units", "officers", "vehicles", "sites"], PathParameter()],
    after: Annotated[int, QueryParameter(ge=0, le=10_000_000)] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=10_000)] = 10_000,
) -> list[dict[str, Any]]:
    """Rows of a register in the caller's regions; the vehicles on the list are for those who need them."""
    parts, session = parts_of(request), session_of(request)
    action = Action.READ_LIST if kind == "vehicles" else Action.READ_REGISTER
    async with watching(parts, session, action, about=kind) as (grant, delivered), parts.pg.acquire() as pg:
        rows = await read_register(grant, pg, kind, parts.clock(), after=after, limit=limit)
        delivered.count = len(rows)
    return rows
