"""Exports of recordings as wishes: what a camera recorded in a time, for a case. Two people, as every export.

What hangs where decides who must agree besides: for a school, a police office, a colony it is the prosecutor. A
redacted copy is agreed to by somebody who has seen it whole, and what he signs is its SHA-256.
"""

import hashlib
from typing import Any, Final

import msgspec

from saqtau.engine.access import must_hold
from saqtau.engine.chain import EVERYWHERE
from saqtau.engine.failures import refusals
from saqtau.engine.reading import regions_of
from saqtau.engine.store import see
from saqtau.engine.video_reading import CameraPlace
from saqtau.engine.wishes import (
    LISTED,
    Of,
    WishLine,
    check_words,
    columns,
    line_of,
    must_cover,
    must_refuse,
    signed_states,
    unknown,
    write_agreement,
    write_refusal,
    write_wish,
)
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import DAY, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import PlaceKind
from saqtau.kernel.sensitive import Sensitive, sensitive_of
from saqtau.kernel.two_people import Standing

LONGEST: Final = DAY
"""Of one wish."""
LONGEST_REDACTED: Final = 10 * 60_000
"""Of a redacted copy: each picture of it is looked at by a person."""
MOST_KEPT: Final = 200
"""Places at which the subject of a redacted copy is shown."""

_COLUMNS: Final = f"""
    w.camera, w.began, w.ended, w.redaction, {columns(Of.RECORDING)},
    (select d.sha256 from recording_draft d where d.wish = w.id) as draft, c.name, c.place
"""  # noqa: S608 - constants of ours
_FROM: Final = "from recording_wish w join video_camera c on c.id = w.camera"
_ONE: Final = f"select {_COLUMNS} {_FROM} where w.id = $1"
_ALL: Final = f"""
    select {_COLUMNS} {_FROM} where $1::text is null or w.camera = $1 order by w.asked_at desc, w.id desc limit $2
"""
_ANYTHING: Final = """
    select exists (select from video_segment where camera = $1 and began < $3 and ended > $2)
            or exists (select from video_card where camera = $1 and began < $3 and ended > $2) as kept,
        exists (select from video_gap where camera = $1 and began < $3 and (ended is null or ended > $2)) as gap
"""


class Keep(msgspec.Struct, frozen=True, array_like=True):
    """Where the subject of a redacted copy is at an instant: a box in shares of the picture (0 to 1)."""

    at: Instant
    left: float
    top: float
    right: float
    bottom: float


class RecordingLine(WishLine, frozen=True, kw_only=True):
    """A wish to export a recording, and where it is. Nothing of what it shows.

    redacted: everybody but the subject is blurred; draft: the SHA-256 of that copy, once it is made.
    """

    camera: str
    name: str
    place: PlaceKind
    began: Instant
    ended: Instant
    redacted: bool
    keep: tuple[Keep, ...]
    draft: str | None

    @property
    def state(self) -> bytes:
        """What a signature is about: the time of the camera, or the very bytes of the redacted copy."""
        return hashlib.sha256(msgspec.json.encode([self.camera, self.began, self.ended, self.draft])).digest()


class AskedRecording(msgspec.Struct, frozen=True):
    """What a request about a wish must say before anybody may act on it."""

    id: str
    camera: str
    region: int
    sensitive: frozenset[Sensitive]
    asked_by: str
    case: str
    standing: Standing


class Wanted(msgspec.Struct, frozen=True):
    """What somebody wants to leave the house. keep: None as it was recorded; else who stays visible, maybe nobody."""

    began: Instant
    ended: Instant
    recipient: str
    reason: str
    keep: tuple[Keep, ...] | None = None


def check_wanted(wanted: Wanted, now: Instant) -> None:
    """Raises Refused(INVALID) naming `from`, `to`, `keep`, `recipient` or `reason`."""
    check_words(wanted.recipient, wanted.reason)
    most = LONGEST if wanted.keep is None else LONGEST_REDACTED
    if wanted.began < 0:
        raise Refused(Kind.INVALID, "from: not before 1970", **{"from": "out_of_range"})
    if not wanted.began < wanted.ended <= wanted.began + most:
        raise Refused(Kind.INVALID, f"to: after from, by {most // 60_000} minutes at most", to="out_of_range")
    if wanted.ended > now:
        raise Refused(Kind.INVALID, "to: what is not recorded yet is not exported", to="future")
    if wanted.keep is None:
        return
    order = [one.at for one in wanted.keep]
    if len(order) > MOST_KEPT or order != sorted(set(order)):
        raise Refused(Kind.INVALID, f"keep: at most {MOST_KEPT} boxes, in the order of time", keep="order")
    for one in wanted.keep:
        if not (0 <= one.left < one.right <= 1 and 0 <= one.top < one.bottom <= 1):
            raise Refused(Kind.INVALID, "keep: boxes in shares of the picture, 0 to 1", keep="box")


async def ask_recording(
    grant: Grant, pool: Any, name: str, place: CameraPlace, wanted: Wanted, now: Instant
) -> RecordingLine:
    """Ask for a recording under this id.

    Raises Refused: DENIED, INVALID, NOT_FOUND (`recording`: nothing is known of this time), UNAVAILABLE.
    """
    must_hold(grant, now, Action.REQUEST_EXPORT, named=place.id)
    check_wanted(wanted, now)
    wish = {
        "id": name, "camera": place.id, "region": place.region, "sensitive": sorted(place.sensitive),
        "began": wanted.began, "ended": wanted.ended, "recipient": wanted.recipient, "reason": wanted.reason,
        "redaction": None if wanted.keep is None else msgspec.json.encode(wanted.keep).decode(),
    }  # fmt: skip
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, regions_of(grant.viewer))
            found = await pg.fetchrow(_ANYTHING, place.id, wanted.began, wanted.ended)
            if not found["kept"]:
                told = "only gaps: the timeline says why" if found["gap"] else "nothing"
                raise Refused(Kind.NOT_FOUND, f"{place.id}: of this time there is {told}", recording="none")
            await write_wish(pg, Of.RECORDING, wish, grant, now)
            return await _load(pg, name, now)


async def find_recording(pool: Any, name: str, now: Instant) -> AskedRecording:
    """A wish, for the request that asks for leave to act on it. Raises Refused(NOT_FOUND)."""
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, EVERYWHERE)
            line = await _load(pg, name, now)
    return AskedRecording(line.id, line.camera, line.region, _concerns(line), line.asked_by, line.case, line.standing)


async def read_recording(grant: Grant, pool: Any, name: str, now: Instant) -> RecordingLine:
    """One wish. Raises Refused: DENIED, NOT_FOUND, UNAVAILABLE."""
    must_hold(grant, now, Action.READ_EXPORT, Action.REQUEST_EXPORT, Action.APPROVE_EXPORT, Action.RECEIVE_EXPORT)
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, regions_of(grant.viewer))
            return await _load(pg, name, now)


async def read_recordings(grant: Grant, pool: Any, now: Instant, *, camera: str | None = None) -> list[RecordingLine]:
    """Wishes of the viewer's regions, newest first, at most 200. Raises Refused: DENIED, UNAVAILABLE."""
    must_hold(grant, now, Action.READ_EXPORT)
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, regions_of(grant.viewer))
            return [_line(row, now) for row in await pg.fetch(_ALL, camera, LISTED)]


async def sign_recording(grant: Grant, pool: Any, name: str, now: Instant) -> RecordingLine:
    """Agree to a wish; to a redacted copy only after having seen it whole.

    Raises Refused as `agree`, CONFLICT (`draft`: not made yet, or not seen by whoever agrees), NOT_FOUND, UNAVAILABLE.
    """
    must_hold(grant, now, Action.APPROVE_EXPORT, named=name)
    viewer = grant.viewer
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, regions_of(viewer))
            line = await _load(pg, name, now, lock=True)
            if line.redacted:
                await _must_have_seen(pg, line, viewer.id)
            await write_agreement(pg, Of.RECORDING, line, _concerns(line), line.state, grant, now)
            return await _load(pg, name, now)


async def _must_have_seen(pg: Any, line: RecordingLine, viewer: str) -> None:
    if line.draft is None:
        raise Refused(Kind.CONFLICT, "the redacted copy is not made yet", draft="not_made")
    seen = "select exists (select from recording_draft_seen where wish = $1 and viewer = $2)"
    if not await pg.fetchval(seen, line.id, viewer):
        raise Refused(Kind.CONFLICT, "who agrees to a redacted copy has looked at it first", draft="not_seen")


async def refuse_recording(grant: Grant, pool: Any, name: str, why: str, now: Instant) -> RecordingLine:
    """Say no; who asked may take it back. Raises Refused: CONFLICT, DENIED, INVALID (`why`), NOT_FOUND, UNAVAILABLE."""
    must_refuse(grant, why, now)
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, regions_of(grant.viewer))
            line = await _load(pg, name, now, lock=True)
            await write_refusal(pg, Of.RECORDING, line, why, grant, now, about={name})
            return await _load(pg, name, now)


async def find_agreed(pg: Any, line: RecordingLine) -> frozenset[Sensitive]:
    """What an approved wish concerns now, in a transaction of the caller's.

    Raises Refused(CONFLICT): `prosecutor` (the camera hangs elsewhere than it did, and none agreed), `content` (the
    redacted copy is not the one that was agreed to).
    """
    concerns = _concerns(line)
    must_cover(line, concerns)
    if any(signed != line.state for signed in await signed_states(pg, Of.RECORDING, line)):
        raise Refused(Kind.CONFLICT, "it is not what was agreed to; it is asked for anew", content="changed")
    return concerns


def _concerns(line: RecordingLine) -> frozenset[Sensitive]:
    """By where the camera hung when it was asked for, and by where it hangs now."""
    return line.sensitive | sensitive_of(line.place)


async def _load(pg: Any, name: str, now: Instant, *, lock: bool = False) -> RecordingLine:
    row = await pg.fetchrow(f"{_ONE} for update of w" if lock else _ONE, name)
    if row is None:
        raise unknown(name)
    return _line(row, now)


def _line(row: Any, now: Instant) -> RecordingLine:
    keep = row["redaction"]
    return line_of(
        RecordingLine, row, now, camera=row["camera"], name=row["name"], place=PlaceKind(row["place"]),
        began=row["began"], ended=row["ended"], redacted=keep is not None,
        keep=() if keep is None else msgspec.json.decode(keep, type=tuple[Keep, ...]),
        draft=None if row["draft"] is None else row["draft"].hex(),
    )  # fmt: skip
