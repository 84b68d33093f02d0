"""Exports of recordings: one asks, another agrees (the prosecutor besides, by the place), who asked fetches them.

A redacted copy is made before anybody agrees; whoever agrees to it has looked at all of it.
"""

import os
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, PathParameter, QueryParameter
from litestar.types import ASGIApp

from saqtau.engine.ledger_read import Proofs
from saqtau.engine.recording_draft import MEDIA, Drafting, make_draft, note_seen, read_draft
from saqtau.engine.recording_exports import (
    AskedRecording,
    Keep,
    RecordingLine,
    Wanted,
    ask_recording,
    check_wanted,
    find_recording,
    read_recording,
    read_recordings,
    refuse_recording,
    sign_recording,
)
from saqtau.engine.recording_package import Leaving, Making, read_package
from saqtau.kernel.access import AccessRequest, Action, CaseNumber, Grant, Purpose
from saqtau.kernel.clock import DAY, Instant
from saqtau.policies import texts
from saqtau.web.answers import answers
from saqtau.web.auth import SOON, counted, fresh, session_of, signed_in
from saqtau.web.bytes import CountedAnswer
from saqtau.web.cameras import asked_camera, must_know
from saqtau.web.hidden import asked_export
from saqtau.web.leaving import LeavingAnswer
from saqtau.web.looking import asking, watching
from saqtau.web.parts import Parts, parts_of
from saqtau.web.schema import BY_TOKEN, Strict
from saqtau.web.sessions import Session

CameraCode = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,32}$", max_length=32)]
ExportId = Annotated[str, PathParameter(pattern=r"^[0-9a-f-]{36}$", min_length=36, max_length=36)]
Moment = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Marked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the subject of a redacted copy is at an instant: a box in shares of the picture."""

    at: Moment
    left: Share
    top: Share
    right: Share
    bottom: Share


class AskRecording(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"began": "from", "ended": "to"}):
    """What shall leave the house, for which case, for whom, and why.

    from, to: Unix ms, at most 24 hours; of a redacted copy, at most 10 minutes. keep: null as it was recorded; a list
    (which may be empty) asks for a redacted copy in which only the marked subject is shown.
    """

    camera: CameraCode
    began: Moment
    ended: Moment
    case: CaseNumber
    recipient: Annotated[str, msgspec.Meta(min_length=2, max_length=120)]
    reason: Annotated[str, msgspec.Meta(min_length=10, max_length=300)]
    keep: Annotated[list[Marked], msgspec.Meta(max_length=200)] | None = None


class Recordings(msgspec.Struct, frozen=True):
    """Wishes of the caller's regions, newest first, at most 200."""

    exports: list[RecordingLine]


class WhyNotRecording(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why something is not agreed to."""

    why: Annotated[str, msgspec.Meta(min_length=3, max_length=300)]


@post(
    "/api/recording-exports",
    operation_id="askRecordingExport",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[AskRecording],
    return_dto=None,
    responses=answers(400, 401, 403, 404, 409, 413, 429, 503),
)
async def ask(request: Request[Any, Any, Any], data: JSONBody[AskRecording]) -> RecordingLine:
    """Ask for what a camera recorded in a time. Whoever asks does not agree to it; another person does."""
    parts, session = parts_of(request), session_of(request)
    now = parts.clock()
    keep = None if data.keep is None else tuple(
        Keep(Instant(one.at), one.left, one.top, one.right, one.bottom) for one in data.keep
    )  # fmt: skip
    wanted = Wanted(Instant(data.began), Instant(data.ended), data.recipient, data.reason, keep)
    check_wanted(wanted, now)
    place = await asked_camera(parts, session, Action.REQUEST_EXPORT, data.camera)
    wish = AccessRequest(
        action=Action.REQUEST_EXPORT, purpose=Purpose.CASE, object=place.id, region=place.region, case=data.case,
        sensitive=place.sensitive, age_days=(now - data.began) // DAY, reason=data.reason,
    )  # fmt: skip
    name = parts.ids()
    told = {
        "export": name, "recipient": data.recipient, "from": data.began, "to": data.ended,
        "redacted": keep is not None,
    }  # fmt: skip
    viewer, wish = await asking(parts, session, [wish])
    await must_know(parts, session, place, viewer, wish)
    async with parts.access.reading(viewer, wish, told) as (grant, _):
        return await ask_recording(grant, parts.pg, name, place, wanted, parts.clock())


@get(
    "/api/recording-exports",
    operation_id="readRecordingExports",
    guards=[counted, signed_in],
    responses=answers(400, 401, 403, 429, 503),
)
async def exports(
    request: Request[Any, Any, Any],
    camera: Annotated[str | None, QueryParameter(pattern=r"^[A-Za-z0-9._-]{1,32}$", max_length=32)] = None,
) -> Recordings:
    """Who asked for which recording, who agreed. Nothing of what they show."""
    parts, session = parts_of(request), session_of(request)
    async with watching(parts, session, Action.READ_EXPORT, about=camera or "recordings") as (grant, delivered):
        found = await read_recordings(grant, parts.pg, parts.clock(), camera=camera)
        delivered.count = len(found)
    return Recordings(found)


@post(
    "/api/recording-exports/{export_id:str}/approve",
    operation_id="approveRecordingExport",
    security=BY_TOKEN,
    guards=[counted, signed_in, fresh(SOON)],
    status_code=200,
    responses=answers(400, 401, 403, 404, 409, 429, 503),
)
async def approve(request: Request[Any, Any, Any], export_id: ExportId) -> RecordingLine:
    """Agree to somebody else's wish; to a redacted copy only after having looked at all of it."""
    parts, session = parts_of(request), session_of(request)
    asked = await asked_export(
        parts, session, Action.APPROVE_EXPORT, export_id, find_recording(parts.pg, export_id, parts.clock())
    )
    wishes = deciding(asked, Action.APPROVE_EXPORT)
    async with parts.access.reading(*await asking(parts, session, wishes), {"camera": asked.camera}) as (grant, _):
        return await sign_recording(grant, parts.pg, export_id, parts.clock())


@post(
    "/api/recording-exports/{export_id:str}/refuse",
    operation_id="refuseRecordingExport",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[WhyNotRecording],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 404, 409, 413, 429, 503),
)
async def refuse(
    request: Request[Any, Any, Any], export_id: ExportId, data: JSONBody[WhyNotRecording]
) -> RecordingLine:
    """Say no; who asked takes it back this way."""
    parts, session = parts_of(request), session_of(request)
    asked = await asked_export(
        parts, session, Action.APPROVE_EXPORT, export_id, find_recording(parts.pg, export_id, parts.clock())
    )
    own = asked.asked_by == session.person.id
    wishes = deciding(asked, Action.REQUEST_EXPORT if own else Action.APPROVE_EXPORT)
    told = {"camera": asked.camera, "refused": data.why}
    async with parts.access.reading(*await asking(parts, session, wishes), told) as (grant, _):
        return await refuse_recording(grant, parts.pg, export_id, data.why, parts.clock())


@post(
    "/api/recording-exports/{export_id:str}/redact",
    operation_id="redactRecording",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    status_code=200,
    responses=answers(400, 401, 403, 404, 409, 429, 503),
)
async def redact(request: Request[Any, Any, Any], export_id: ExportId) -> RecordingLine:
    """Make the redacted copy that was asked for; answers when it is made, which takes about as long as it lasts."""
    parts, session = parts_of(request), session_of(request)
    asked = await asked_export(
        parts, session, Action.REQUEST_EXPORT, export_id, find_recording(parts.pg, export_id, parts.clock())
    )
    wishes = deciding(asked, Action.REQUEST_EXPORT)
    told = {"camera": asked.camera, "done": "redacted"}
    async with parts.access.reading(*await asking(parts, session, wishes), told) as (grant, _):
        line = await read_recording(grant, parts.pg, export_id, parts.clock())
        async with request.app.state.packing:
            await make_draft(grant, line, drafting(parts))
        return await read_recording(grant, parts.pg, export_id, parts.clock())


_FILM: Final = ResponseSpec(
    data_container=bytes, media_type=MEDIA, description="The redacted copy.", generate_examples=False
)
_ZIP: Final = ResponseSpec(
    data_container=bytes, media_type="application/zip", description="The package.", generate_examples=False
)


@get(
    "/api/recording-exports/{export_id:str}/draft",
    operation_id="readRedacted",
    guards=[counted, signed_in],
    media_type=MEDIA,
    responses={200: _FILM, **answers(400, 401, 403, 404, 409, 429, 503)},
)
async def draft(request: Request[Any, Any, Any], export_id: ExportId) -> ASGIApp:
    """The redacted copy, for who asked and who is to agree: an entry for each look."""
    parts, session = parts_of(request), session_of(request)
    asked = await asked_export(
        parts, session, Action.APPROVE_EXPORT, export_id, find_recording(parts.pg, export_id, parts.clock())
    )
    own = asked.asked_by == session.person.id
    if own and asked.sensitive:
        await _must_be_about(parts, session, asked)
    wishes = deciding(asked, Action.REQUEST_EXPORT if own else Action.APPROVE_EXPORT)
    grant = await parts.access.open(*await asking(parts, session, wishes), {"camera": asked.camera, "draft": True})

    async def seen() -> None:
        await note_seen(grant, line, drafting(parts))

    answer = CountedAnswer(parts, grant, whole=seen)
    try:
        line = await read_recording(grant, parts.pg, export_id, parts.clock())
        found = await read_draft(grant, line, drafting(parts))
    except BaseException:
        await answer.close()
        raise
    return answer.of(found.data, MEDIA)


async def _must_be_about(parts: Parts, session: Session, asked: AskedRecording) -> None:
    """Refuse (DENIED, `case`) a copy to who asked for it where the recording itself would not be shown to him.

    What is blurred he chooses himself. An agreement ties his case to that camera.
    """
    wish = AccessRequest(
        action=Action.PLAY_RECORDING, purpose=Purpose.CASE, object=asked.camera, region=asked.region, case=asked.case,
        sensitive=asked.sensitive,
    )  # fmt: skip
    viewer, wish = await asking(parts, session, [wish])
    if not await parts.access.allows(viewer, wish):
        await parts.access.close(await parts.access.open(viewer, wish, {"export": asked.id}), 0)


@get(
    "/api/recording-exports/{export_id:str}/package",
    operation_id="fetchRecordingExport",
    guards=[counted, signed_in],
    media_type="application/zip",
    responses={200: _ZIP, **answers(400, 401, 403, 404, 409, 413, 429, 503)},
)
async def package(request: Request[Any, Any, Any], export_id: ExportId) -> ASGIApp:
    """The package as a zip; it begins to leave at once, and the entry says how many bytes really left.

    Its name says PROVISIONAL while no witness stands behind it.
    """
    parts, session = parts_of(request), session_of(request)
    asked = await asked_export(
        parts, session, Action.RECEIVE_EXPORT, export_id, find_recording(parts.pg, export_id, parts.clock())
    )
    viewer, wish = await asking(parts, session, deciding(asked, Action.RECEIVE_EXPORT))
    grant = await parts.access.open(viewer, wish, {"camera": asked.camera})
    answer = LeavingAnswer(parts, grant)
    try:
        async with request.app.state.packing:
            found = await leaving(parts, grant, export_id)
    except BaseException:
        await answer.close()
        raise
    return answer.of(found)


async def leaving(parts: Parts, grant: Grant, export_id: str) -> Leaving:
    """The package under its grant."""
    line = await read_recording(grant, parts.pg, export_id, parts.clock())
    using = Making(
        pool=parts.pg, ledger=parts.access.ledger, keys=parts.keys, blobs=parts.blobs, proofs=Proofs(parts.pg),
        schema=texts()[1], clock=parts.clock, random=os.urandom, exporting=parts.exporting,
    )  # fmt: skip
    return await read_package(grant, line, using)


def drafting(parts: Parts) -> Drafting:
    """What redacted copies are made with."""
    return Drafting(parts.pg, parts.keys, parts.blobs, parts.clock, os.urandom, parts.exporting.scratch)


def deciding(asked: AskedRecording, action: Action) -> list[AccessRequest]:
    """The ways in which somebody may ask to act on a wish: for its case, or as overseer."""
    return [
        AccessRequest(
            action=action, purpose=purpose, object=asked.id, region=asked.region, case=asked.case,
            sensitive=asked.sensitive, requested_by=asked.asked_by,
        )
        for purpose in (Purpose.CASE, Purpose.OVERSIGHT)
    ]  # fmt: skip
