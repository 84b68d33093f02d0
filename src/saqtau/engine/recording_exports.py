"""Exports of recordings as wishes: what a camera recorded in a time, for a case. Two people, as every export.

What hangs where decides who must agree besides: for a school, a police office, a colony it is the prosecutor. A
redacted copy is agreed to by somebody who has seen it whole, and what he signs is its SHA-256.
"""

import hashlib
from typing import Any, Final

import msgspec

from saqtau.engine.access import must_hold
from saqtau.engine.chain import EVERYWHERE
from saqtau.engine.exports import LISTED, WHY_NOT, check_words
from saqtau.engine.failures import refusals
from saqtau.engine.reading import regions_of
from saqtau.engine.store import see
from saqtau.engine.video_reading import CameraPlace
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import DAY, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import PlaceKind
from saqtau.kernel.sensitive import Sensitive, sensitive_of
from saqtau.kernel.two_people import Signature, Standing, Wish, agree, covers, may_fetch, refuse, standing_at

LONGEST: Final = DAY
"""Of one wish."""
LONGEST_REDACTED: Final = 10 * 60_000
"""Of a redacted copy: each picture of it is looked at by a person."""
MOST_KEPT: Final = 200
"""Places at which the subject of a redacted copy is shown."""

_COLUMNS: Final = """
    w.id, w.camera, w.region, w.began, w.ended, w.redaction, w.sensitive, w.asked_by, w.asked_role, w.asked_at,
    w.purpose, w.case_number, w.recipient, w.reason, w.standing, w.entry, w.closed_by, w.closed_at, w.closed_why,
    (select coalesce(json_agg(json_build_object('by', s.signer, 'role', s.role, 'at', s.at, 'entry', s.entry)
        order by s.at), '[]') from signature s where s.kind = 'recording' and s.wish = w.id) as signatures,
    (select d.sha256 from recording_draft d where d.wish = w.id) as draft, c.name, c.place
"""
_FROM: Final = "from recording_wish w join video_camera c on c.id = w.camera"
_ONE: Final = f"select {_COLUMNS} {_FROM} where w.id = $1"
_ALL: Final = f"""
    select {_COLUMNS} {_FROM} where $1::text is null or w.camera = $1 order by w.asked_at desc, w.id desc limit $2
"""
_ANYTHING: Final = """
    select exists (select from video_segment where camera = $1 and began < $3 and ended > $2) as kept,
        exists (select from video_gap where camera = $1 and began < $3 and (ended is null or ended > $2)) as gap
"""


class Keep(msgspec.Struct, frozen=True, array_like=True):
    """Where the subject of a redacted copy is at an instant: a box in shares of the picture (0 to 1)."""

    at: Instant
    left: float
    top: float
    right: float
    bottom: float


class RecordingLine(msgspec.Struct, frozen=True):
    """A wish to export a recording, and where it is. Nothing of what it shows.

    redacted: everybody but the subject is blurred; draft: the SHA-256 of that copy, once it is made.
    """

    id: str
    camera: str
    name: str
    place: PlaceKind
    region: int
    began: Instant
    ended: Instant
    redacted: bool
    keep: tuple[Keep, ...]
    draft: str | None
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
    viewer, request = grant.viewer, grant.request
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, regions_of(viewer))
            found = await pg.fetchrow(_ANYTHING, place.id, wanted.began, wanted.ended)
            if not found["kept"]:
                told = "only gaps: the timeline says why" if found["gap"] else "nothing"
                raise Refused(Kind.NOT_FOUND, f"{place.id}: of this time there is {told}", recording="none")
            keep = None if wanted.keep is None else msgspec.json.encode(wanted.keep).decode()
            await pg.execute(
                """insert into recording_wish (id, camera, region, began, ended, redaction, sensitive, asked_by,
                       asked_role, asked_at, purpose, case_number, recipient, reason, entry)
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)""",
                name, place.id, place.region, wanted.began, wanted.ended, keep, sorted(place.sensitive), viewer.id,
                viewer.role, now, request.purpose.value, request.case or "", wanted.recipient, wanted.reason,
                grant.entry,
            )  # fmt: skip
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
            concerns = _concerns(line)
            wish = msgspec.structs.replace(_wish(line), sensitive=concerns)
            agreed = agree(wish, Signature(viewer.id, viewer.role, now, grant.entry))
            await pg.execute(
                """insert into signature (kind, wish, signer, role, at, entry, state)
                   values ('recording', $1, $2, $3, $4, $5, $6)""",
                name, viewer.id, viewer.role, now, grant.entry, line.state,
            )  # fmt: skip
            await pg.execute(
                "update recording_wish set standing = $2, sensitive = $3 where id = $1",
                name, agreed.standing.value, sorted(concerns),
            )  # fmt: skip
            return await _load(pg, name, now)


async def _must_have_seen(pg: Any, line: RecordingLine, viewer: str) -> None:
    if line.draft is None:
        raise Refused(Kind.CONFLICT, "the redacted copy is not made yet", draft="not_made")
    seen = "select exists (select from recording_draft_seen where wish = $1 and viewer = $2)"
    if not await pg.fetchval(seen, line.id, viewer):
        raise Refused(Kind.CONFLICT, "who agrees to a redacted copy has looked at it first", draft="not_seen")


async def refuse_recording(grant: Grant, pool: Any, name: str, why: str, now: Instant) -> RecordingLine:
    """Say no; who asked may take it back. Raises Refused: CONFLICT, DENIED, INVALID (`why`), NOT_FOUND, UNAVAILABLE."""
    must_hold(grant, now, Action.APPROVE_EXPORT, Action.REQUEST_EXPORT)
    least, most = WHY_NOT
    if not least <= len(why.strip()) or len(why) > most:
        raise Refused(Kind.INVALID, f"why not: {least} to {most} letters", why="length")
    viewer = grant.viewer
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, regions_of(viewer))
            line = await _load(pg, name, now, lock=True)
            if grant.request.action is Action.REQUEST_EXPORT and line.asked_by != viewer.id:
                raise Refused(Kind.DENIED, "only who asked takes it back", actor="not_yours")
            if grant.request.object != name:
                raise Refused(Kind.DENIED, "the grant is for another object", grant="other_object")
            refuse(_wish(line), viewer.id, now)
            await pg.execute(
                """update recording_wish set standing = 'refused', closed_by = $2, closed_at = $3, closed_why = $4
                   where id = $1""",
                name, viewer.id, now, why,
            )  # fmt: skip
            return await _load(pg, name, now)


async def find_agreed(pg: Any, line: RecordingLine) -> frozenset[Sensitive]:
    """What an approved wish concerns now, in a transaction of the caller's.

    Raises Refused(CONFLICT): `prosecutor` (the camera hangs elsewhere than it did, and none agreed), `content` (the
    redacted copy is not the one that was agreed to).
    """
    concerns = _concerns(line)
    if not covers(line.signatures, concerns):
        named = ", ".join(sorted(concerns))
        raise Refused(Kind.CONFLICT, f"it concerns {named}, and no prosecutor agreed", prosecutor="not_agreed")
    for row in await pg.fetch("select state from signature where kind = 'recording' and wish = $1", line.id):
        if row["state"] != line.state:
            raise Refused(Kind.CONFLICT, "it is not what was agreed to; it is asked for anew", content="changed")
    return concerns


def _concerns(line: RecordingLine) -> frozenset[Sensitive]:
    """By where the camera hung when it was asked for, and by where it hangs now."""
    return line.sensitive | sensitive_of(line.place)


async def _load(pg: Any, name: str, now: Instant, *, lock: bool = False) -> RecordingLine:
    row = await pg.fetchrow(f"{_ONE} for update of w" if lock else _ONE, name)
    if row is None:
        raise Refused(Kind.NOT_FOUND, f"there is no export {name}", export="unknown")
    return _line(row, now)


def _line(row: Any, now: Instant) -> RecordingLine:
    keep = row["redaction"]
    line = RecordingLine(
        id=row["id"], camera=row["camera"], name=row["name"], place=PlaceKind(row["place"]), region=row["region"],
        began=row["began"], ended=row["ended"], redacted=keep is not None,
        keep=() if keep is None else msgspec.json.decode(keep, type=tuple[Keep, ...]),
        draft=None if row["draft"] is None else row["draft"].hex(),
        sensitive=frozenset(map(Sensitive, row["sensitive"])), asked_by=row["asked_by"], asked_role=row["asked_role"],
        asked_at=row["asked_at"], purpose=row["purpose"], case=row["case_number"], recipient=row["recipient"],
        reason=row["reason"], standing=Standing(row["standing"]), entry=row["entry"], closed_by=row["closed_by"],
        closed_at=row["closed_at"], closed_why=row["closed_why"],
        signatures=msgspec.json.decode(row["signatures"], type=tuple[Signature, ...]),
    )  # fmt: skip
    wish = _wish(line)
    return msgspec.structs.replace(line, standing=standing_at(wish, now), fetchable=may_fetch(wish, now))


def _wish(line: RecordingLine) -> Wish:
    return Wish(
        asked_by=line.asked_by, asked_at=line.asked_at, standing=line.standing, sensitive=line.sensitive,
        signatures=line.signatures,
    )  # fmt: skip
