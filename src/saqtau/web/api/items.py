"""Items: the queue, one item, its pictures, and the edges that move it."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, PathParameter, QueryParameter
from litestar.types import ASGIApp

from saqtau.engine.lines import ItemLine
from saqtau.engine.reading import read_picture, read_queue
from saqtau.kernel.access import Action, Purpose
from saqtau.web.answers import answers
from saqtau.web.auth import counted, session_of, signed_in
from saqtau.web.bytes import CountedAnswer
from saqtau.web.items import after_act, holder_of, look_at, take_edge, wish_for
from saqtau.web.looking import may, watching
from saqtau.web.parts import parts_of
from saqtau.web.schema import BY_TOKEN, Strict
from saqtau.web.views import ItemSeen

ItemId = Annotated[str, PathParameter(pattern=r"^[0-9a-f-]{36}$", min_length=36, max_length=36)]
Name = Annotated[str, PathParameter(pattern=r"^[a-z0-9_.-]{1,40}$", min_length=1, max_length=40)]
MEDIA = frozenset({"image/jpeg", "image/png", "image/webp", "image/bmp", "image/gif"})


class TakeEdge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`rev`: the revision the caller saw. `data`: what the edge's form requires."""

    rev: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
    data: dict[str, Any] = {}


@get("/api/items", operation_id="readItems", guards=[counted, signed_in], responses=answers(400, 401, 403, 429, 503))
async def items(
    request: Request[Any, Any, Any],
    which: Annotated[Literal["open", "ended"], QueryParameter(name="state")] = "open",
    desk: Annotated[str | None, QueryParameter(pattern=r"^[a-z_]{1,40}$", max_length=40)] = None,
) -> list[ItemLine]:
    """Lines of the queue, most urgent first, at most 1,000; a patrol gets those of its own unit."""
    parts, session = parts_of(request), session_of(request)
    unit = session.person.unit
    own = not may(parts, session, Action.WATCH_QUEUE) and may(parts, session, Action.WATCH_OWN, unit)
    action, unit = (Action.WATCH_OWN, unit) if own else (Action.WATCH_QUEUE, None)
    async with watching(parts, session, action, unit) as (grant, delivered), parts.pg.acquire() as pg:
        lines = await read_queue(grant, pg, parts.desks, parts.clock(), desk=desk, ended=which == "ended")
        delivered.count = len(lines)
    return lines


@get(
    "/api/items/{item_id:str}",
    operation_id="readItem",
    guards=[counted, signed_in],
    responses=answers(400, 401, 403, 404, 429, 503),
)
async def item(
    request: Request[Any, Any, Any],
    item_id: ItemId,
    purpose: Annotated[Purpose | None, QueryParameter()] = None,
) -> ItemSeen:
    """One item with its log, children, pictures' names, and the edges the caller may take now."""
    return await look_at(parts_of(request), session_of(request), item_id, purpose)


@post(
    "/api/items/{item_id:str}/edges/{edge:str}",
    operation_id="takeEdge",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[TakeEdge],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 404, 409, 413, 429, 503),
)
async def take(request: Request[Any, Any, Any], item_id: ItemId, edge: Name, data: JSONBody[TakeEdge]) -> ItemSeen:
    """Move the item along an edge; the answer is the fresh item."""
    parts, session = parts_of(request), session_of(request)
    outcome = await take_edge(parts, session, item_id, edge, data.rev, data.data)
    request.app.state.publisher.put(outcome.outbox)
    return await after_act(parts, session, item_id)


_PICTURE = ResponseSpec(data_container=bytes, media_type="image/*", description="The picture.", generate_examples=False)


@get(
    "/api/items/{item_id:str}/pictures/{name:str}",
    operation_id="readPicture",
    guards=[counted, signed_in],
    media_type="image/*",
    responses={200: _PICTURE, **answers(400, 401, 403, 404, 429, 503)},
)
async def picture(
    request: Request[Any, Any, Any],
    item_id: ItemId,
    name: Name,
    purpose: Annotated[Purpose | None, QueryParameter()] = None,
) -> ASGIApp:
    """A picture's bytes; the entry says how many really left. An offer shows the pictures of its parent."""
    parts, session = parts_of(request), session_of(request)
    holder = await holder_of(parts, item_id, name)
    viewer, wish = await wish_for(parts, session, Action.READ_PICTURE, holder, purpose)
    grant = await parts.access.open(viewer, wish, {"picture": name})  # a face and a street are not the same look
    answer = CountedAnswer(parts, grant)
    try:
        async with parts.pg.acquire() as pg:
            media, data = await read_picture(grant, pg, parts.blobs, holder, name, parts.clock())
    except BaseException:
        await answer.close()
        raise
    return answer.of(data, media if media in MEDIA else "application/octet-stream")
