"""Pictures that a case keeps: asked for by a person, acknowledged by the recorder, lifted by two.

A hold is a row. From the moment it is acknowledged nothing of its time goes: a deletion and an acknowledgement take the
same lock, so that a hold is either seen by a deletion or finds what that left.
"""

from typing import Any, Final

import msgspec

from saqtau.engine.failures import refusals
from saqtau.kernel.clock import DAY, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.two_people import DOWNLOADABLE, LAPSES, Signature, Wish, agree
from saqtau.video.retention import Held

LOCK: Final = 23171
"""Advisory lock (transaction) of whoever deletes or acknowledges."""
REASON: Final = (10, 300)
LONGEST: Final = 31 * DAY
"""One hold keeps at most so much of a camera; more takes more holds."""
LISTED: Final = 500

_COLUMNS: Final = """
    id, camera, began, ended, case_number, by, role, why, asked, entry, acknowledged, kept_ms, lift_asked_by,
    lift_asked_role, lift_asked_at, lift_asked_why, lift_asked_entry, lifted
"""
_ONE: Final = f"select {_COLUMNS} from video_hold where id = $1 for update"  # noqa: S608 - constant
_OF: Final = f"""
    select {_COLUMNS} from video_hold
    where ($1::text is null or camera = $1) and ($2::text is null or case_number = $2)
    order by asked desc, id desc limit $3
"""  # noqa: S608 - constants of ours
_NEW: Final = "select id, camera from video_hold where acknowledged is null and camera = any($1::text[]) order by asked"
_KEPT: Final = """
    select coalesce(sum(least(s.ended, h.ended) - greatest(s.began, h.began)), 0)::bigint
    from video_hold h join video_segment s on s.camera = h.camera and s.began < h.ended and h.began < s.ended
    where h.id = $1
"""
_ACKNOWLEDGE: Final = "update video_hold set acknowledged = $2, kept_ms = $3 where id = $1 and acknowledged is null"


class VideoHold(msgspec.Struct, frozen=True):
    """A hold. `acknowledged`: the recorder has read it; `kept_ms`: how much of its time it found."""

    id: str
    camera: str
    began: Instant
    ended: Instant
    case: str
    by: str
    role: str
    why: str
    asked: Instant
    entry: str
    acknowledged: Instant | None = None
    kept_ms: int | None = None
    lift_asked_by: str | None = None
    lift_asked_role: str | None = None
    lift_asked_at: Instant | None = None
    lift_asked_why: str | None = None
    lift_asked_entry: str | None = None
    lifted: Instant | None = None


async def hold_video(
    pg: Any,
    name: str,
    camera: str,
    began: Instant,
    ended: Instant,
    case: str,
    why: str,
    by: str,
    role: str,
    entry: str,
    now: Instant,
) -> VideoHold:
    """Keep what a camera recorded (or will) from `began` to before `ended`. name: a new id. entry: of the ledger.

    pg: in the transaction of the act. Asked again by the same id it changes nothing. Raises Refused: INVALID (`began`,
    `ended`, `case`, `why`), NOT_FOUND (`camera`).
    """
    if not 0 <= began < ended or ended - began > LONGEST:
        raise Refused(Kind.INVALID, f"a hold is of at most {LONGEST // DAY} days", ended="range")
    if not 3 <= len(case) <= 40:
        raise Refused(Kind.INVALID, "a hold is for a case", case="missing")
    _check_reason(why)
    if not await pg.fetchval("select true from video_camera where id = $1", camera):
        raise Refused(Kind.NOT_FOUND, f"there is no camera {camera}", camera="unknown")
    await pg.execute(
        """insert into video_hold (id, camera, began, ended, case_number, by, role, why, asked, entry)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (id) do nothing""",
        name, camera, began, ended, case, by, role, why, now, entry,
    )  # fmt: skip
    return await find_hold(pg, name)


async def find_hold(pg: Any, name: str) -> VideoHold:
    """A hold; its row is locked until the transaction ends. Raises Refused(NOT_FOUND)."""
    row = await pg.fetchrow(_ONE, name)
    if row is None:
        raise Refused(Kind.NOT_FOUND, f"there is no hold {name}", hold="unknown")
    return VideoHold(*row)


async def list_holds(pg: Any, *, camera: str | None = None, case: str | None = None) -> list[VideoHold]:
    """Holds that the transaction sees, newest first, at most 500."""
    return [VideoHold(*row) for row in await pg.fetch(_OF, camera, case, LISTED)]


async def acknowledge(pool: Any, cameras: list[str], now: Instant) -> list[str]:
    """The recorder of these cameras has read their holds; the ids of those that are new. Raises Refused(UNAVAILABLE).

    From here on nothing of their time is deleted: who deletes takes the same lock and reads them.
    """
    with refusals():
        async with pool.acquire() as pg:
            if not await pg.fetch(_NEW, cameras):
                return []
            async with pg.transaction():
                await pg.execute("select pg_advisory_xact_lock($1)", LOCK)
                rows = await pg.fetch(_NEW, cameras)
                for row in rows:
                    await pg.execute(_ACKNOWLEDGE, row["id"], now, await pg.fetchval(_KEPT, row["id"]))
                return [row["id"] for row in rows]


async def standing(pg: Any, cameras: list[str], now: Instant) -> list[Held]:
    """What must stay of these cameras: what is held, acknowledged or not, and what waits to be exported."""
    held = "select camera, began, ended from video_hold where lifted is null and camera = any($1::text[])"
    wished = """select camera, began, ended from recording_wish where camera = any($1::text[])
        and standing in ('requested', 'awaits_prosecutor', 'approved') and asked_at > $2"""
    rows = await pg.fetch(f"{held} union all {wished}", cameras, now - LAPSES - DOWNLOADABLE)
    return [Held(*row) for row in rows]


async def ask_to_lift(pg: Any, name: str, why: str, by: str, role: str, entry: str, now: Instant) -> VideoHold:
    """Wish that a hold be lifted; another person agrees within days. Raises Refused: NOT_FOUND, CONFLICT, INVALID."""
    _check_reason(why)
    hold = await find_hold(pg, name)
    if hold.lifted is not None:
        raise Refused(Kind.CONFLICT, "the hold is lifted already", hold="lifted")
    if hold.lift_asked_at is not None and now < hold.lift_asked_at + LAPSES:
        raise Refused(Kind.CONFLICT, "somebody has asked for it already", hold="asked")
    await pg.execute(
        """update video_hold set lift_asked_by = $2, lift_asked_role = $3, lift_asked_at = $4, lift_asked_why = $5,
               lift_asked_entry = $6 where id = $1""",
        name, by, role, now, why, entry,
    )  # fmt: skip
    return await find_hold(pg, name)


async def agree_to_lift(pg: Any, name: str, by: str, role: str, entry: str, now: Instant) -> VideoHold:
    """Lift a hold that another person wants lifted. Raises Refused: NOT_FOUND, DENIED (the own wish), CONFLICT."""
    hold = await find_hold(pg, name)
    if hold.lift_asked_by is None or hold.lift_asked_at is None:
        raise Refused(Kind.CONFLICT, "nobody asked for this hold to be lifted", hold="not_asked")
    if hold.lifted is not None:
        return hold
    agree(Wish(asked_by=hold.lift_asked_by, asked_at=hold.lift_asked_at), Signature(by, role, now))
    await pg.execute(
        "insert into signature (kind, wish, signer, role, at, entry) values ('video_hold', $1, $2, $3, $4, $5)",
        f"{name}@{hold.lift_asked_at}", by, role, now, entry,
    )  # fmt: skip
    await pg.execute("update video_hold set lifted = $2 where id = $1", name, now)
    return await find_hold(pg, name)


def _check_reason(why: str) -> None:
    least, most = REASON
    if len(why.strip()) < least or len(why) > most or not why.isprintable():
        raise Refused(Kind.INVALID, f"the reason: {least} to {most} letters", why="length")
