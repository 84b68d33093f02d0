"""Exports: one asks, another agrees (the prosecutor besides for minors and custody), who asked fetches the package."""

import os
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, PathParameter, QueryParameter
from litestar.types import ASGIApp

from saqtau.engine.export_package import Issuing, Package, read_package
from saqtau.engine.exports import (
    Asked,
    ExportLine,
    ask_export,
    find_export,
    read_export,
    read_exports,
    refuse_export,
    sign_export,
    subject_of,
)
from saqtau.engine.ledger_read import Proofs
from saqtau.engine.wishes import check_words
from saqtau.kernel.access import AccessRequest, Action, CaseNumber, Grant, Purpose
from saqtau.policies import texts
from saqtau.web.answers import answers
from saqtau.web.auth import SOON, counted, fresh, session_of, signed_in
from saqtau.web.bytes import CountedAnswer
from saqtau.web.hidden import asked_export
from saqtau.web.looking import asking, watching
from saqtau.web.parts import Parts, parts_of
from saqtau.web.schema import BY_TOKEN, Strict

ItemId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f-]{36}$", min_length=36, max_length=36)]
ExportId = Annotated[str, PathParameter(pattern=r"^[0-9a-f-]{36}$", min_length=36, max_length=36)]


class AskExport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What shall leave the house, for which case, for whom, and why."""

    item: ItemId
    case: CaseNumber
    recipient: Annotated[str, msgspec.Meta(min_length=2, max_length=120)]
    reason: Annotated[str, msgspec.Meta(min_length=10, max_length=300)]


class WhyNot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why something is not agreed to."""

    why: Annotated[str, msgspec.Meta(min_length=3, max_length=300)]


class Exports(msgspec.Struct, frozen=True):
    """Wishes of the caller's regions, newest first, at most 200."""

    exports: list[ExportLine]


@post(
    "/api/exports",
    operation_id="askExport",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[AskExport],
    return_dto=None,
    responses=answers(400, 401, 403, 404, 409, 413, 429, 503),
)
async def ask(request: Request[Any, Any, Any], data: JSONBody[AskExport]) -> ExportLine:
    """Ask for an export. Whoever asks does not agree to it; another person does."""
    parts, session = parts_of(request), session_of(request)
    check_words(data.recipient, data.reason)
    subject = await subject_of(parts.pg, data.item)
    name = parts.ids()
    wish = AccessRequest(
        action=Action.REQUEST_EXPORT, purpose=Purpose.CASE, object=subject.item, region=subject.region,
        unit=subject.unit, case=data.case, sensitive=subject.sensitive, reason=data.reason,
    )  # fmt: skip
    told = {"export": name, "recipient": data.recipient}
    async with parts.access.reading(*await asking(parts, session, [wish]), told) as (grant, _):
        return await ask_export(grant, parts.pg, name, subject, data.recipient, data.reason, parts.clock())


@get(
    "/api/exports", operation_id="readExports", guards=[counted, signed_in], responses=answers(400, 401, 403, 429, 503)
)
async def exports(
    request: Request[Any, Any, Any],
    item: Annotated[str | None, QueryParameter(pattern=r"^[0-9a-f-]{36}$", max_length=36)] = None,
) -> Exports:
    """Who asked for which export, who agreed. Nothing of what is in them."""
    parts, session = parts_of(request), session_of(request)
    async with watching(parts, session, Action.READ_EXPORT, about=item or "exports") as (grant, delivered):
        found = await read_exports(grant, parts.pg, parts.clock(), item=item)
        delivered.count = len(found)
    return Exports(found)


@post(
    "/api/exports/{export_id:str}/approve",
    operation_id="approveExport",
    security=BY_TOKEN,
    guards=[counted, signed_in, fresh(SOON)],
    status_code=200,
    responses=answers(400, 401, 403, 404, 409, 429, 503),
)
async def approve(request: Request[Any, Any, Any], export_id: ExportId) -> ExportLine:
    """Agree to somebody else's wish."""
    parts, session = parts_of(request), session_of(request)
    asked = await asked_export(
        parts, session, Action.APPROVE_EXPORT, export_id, find_export(parts.pg, export_id, parts.clock())
    )
    wishes = deciding(asked, Action.APPROVE_EXPORT)
    async with parts.access.reading(*await asking(parts, session, wishes), {"item": asked.item}) as (grant, _):
        return await sign_export(grant, parts.pg, export_id, parts.clock())


@post(
    "/api/exports/{export_id:str}/refuse",
    operation_id="refuseExport",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[WhyNot],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 404, 409, 413, 429, 503),
)
async def refuse(request: Request[Any, Any, Any], export_id: ExportId, data: JSONBody[WhyNot]) -> ExportLine:
    """Say no; who asked takes it back this way."""
    parts, session = parts_of(request), session_of(request)
    asked = await asked_export(
        parts, session, Action.APPROVE_EXPORT, export_id, find_export(parts.pg, export_id, parts.clock())
    )
    own = asked.asked_by == session.person.id
    wishes = deciding(asked, Action.REQUEST_EXPORT if own else Action.APPROVE_EXPORT)
    told = {"item": asked.item, "refused": data.why}
    async with parts.access.reading(*await asking(parts, session, wishes), told) as (grant, _):
        return await refuse_export(grant, parts.pg, export_id, data.why, parts.clock())


_ZIP = ResponseSpec(
    data_container=bytes, media_type="application/zip", description="The package.", generate_examples=False
)


@get(
    "/api/exports/{export_id:str}/package",
    operation_id="fetchExport",
    guards=[counted, signed_in],
    media_type="application/zip",
    responses={200: _ZIP, **answers(400, 401, 403, 404, 409, 413, 429, 503)},
)
async def package(request: Request[Any, Any, Any], export_id: ExportId) -> ASGIApp:
    """The package as a zip, the same bytes each time; the entry says how many really left.

    Its name says PROVISIONAL while no witness stands behind it.
    """
    parts, session = parts_of(request), session_of(request)
    asked = await asked_export(
        parts, session, Action.RECEIVE_EXPORT, export_id, find_export(parts.pg, export_id, parts.clock())
    )
    viewer, wish = await asking(parts, session, deciding(asked, Action.RECEIVE_EXPORT))
    grant = await parts.access.open(viewer, wish, {"item": asked.item})
    answer = CountedAnswer(parts, grant)
    try:
        async with request.app.state.packing:
            found = await fetched(parts, grant, export_id)
    except BaseException:
        await answer.close()
        raise
    return answer.of(found.data, "application/zip", found.name)


async def fetched(parts: Parts, grant: Grant, export_id: str) -> Package:
    """The package under its grant."""
    line = await read_export(grant, parts.pg, export_id, parts.clock())
    using = Issuing(
        pool=parts.pg, ledger=parts.access.ledger, keys=parts.keys, blobs=parts.blobs, proofs=Proofs(parts.pg),
        schema=texts()[1], clock=parts.clock, random=os.urandom,
    )  # fmt: skip
    return await read_package(grant, line, using)


def deciding(asked: Asked, action: Action) -> list[AccessRequest]:
    """The ways in which somebody may ask to act on a wish: for its case, or as overseer."""
    return [
        AccessRequest(
            action=action, purpose=purpose, object=asked.id, region=asked.region, case=asked.case,
            sensitive=asked.sensitive, requested_by=asked.asked_by,
        )
        for purpose in (Purpose.CASE, Purpose.OVERSIGHT)
    ]  # fmt: skip
