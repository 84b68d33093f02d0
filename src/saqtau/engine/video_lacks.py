"""What cameras lack although they record: a reference to be judged by, a right clock, days of their archive, a look.

Read from what health has told; nothing of what is to be seen. Every function takes the grant first.
"""

from collections.abc import Collection
from typing import Any, Final

import msgspec

from saqtau.engine.access import must_hold
from saqtau.engine.failures import refusals
from saqtau.engine.reading import regions_of
from saqtau.engine.store import see
from saqtau.engine.video_health import CLOCK
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import MINUTE, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import PlaceKind

UNLOOKED: Final = 5 * MINUTE
"""Health looks at every camera once a minute: one that records and was not looked at for so long is watched by none."""
LISTED: Final = 2_000
CHANGES: Final = 50


class CameraHealth(msgspec.Struct, frozen=True):
    """How a camera is, besides its state. day, infra_red: when it was learned how it looks when it is well.

    lacks: of `learning` (there is no reference yet: covered or turned away would not be noticed), `clock`, `archive`,
    `unlooked`. drift_ms: its clock less ours. short_days: missing of `keep_days`. looked: the last look.
    """

    id: str
    lacks: tuple[str, ...]
    verdict: str | None
    since: Instant | None
    looked: Instant | None
    day: Instant | None
    infra_red: Instant | None
    drift_ms: int | None
    oldest: Instant | None
    keep_days: int
    short_days: int


class Change(msgspec.Struct, frozen=True):
    """A change that was entered: the word and the one before; `entry` is its place in the evidence log."""

    at: Instant
    word: str
    before: str | None
    entry: str | None


class Told(msgspec.Struct, frozen=True):
    """What the camera said of itself; `ended` null while it goes on."""

    word: str
    source: str
    began: Instant
    ended: Instant | None


class HealthSeen(msgspec.Struct, frozen=True):
    """A camera's health, its changes and what it told, the newest first."""

    now: Instant
    health: CameraHealth
    changes: list[Change]
    told: list[Told]


_HEALTH: Final = """
    select c.id, c.keep_days, h.verdict, h.since, h.at as looked, h.drift_ms, f.began as oldest, s.ended as written,
        coalesce((h.measures ->> 'short_days')::int, 0) as short_days,
        (select max(l.at) from video_health_log l where l.camera = c.id and l.verdict = 'learned'
            and l.at > coalesce(w.at, 0)) as day,
        (select max(l.at) from video_health_log l where l.camera = c.id and l.verdict = 'learned_infra_red'
            and l.at > coalesce(w.at, 0)) as infra_red
    from video_camera c
    left join video_health h on h.camera = c.id
    left join lateral (select max(at) as at from video_relearn where camera = c.id) w on true
    left join lateral (select ended from video_segment where camera = c.id and frames > 0
        order by began desc, first desc limit 1) s on true
    left join lateral (select began from video_segment where camera = c.id and frames > 0 order by began limit 1) f
        on true
    where c.retired is null and {which} order by c.id
"""
_OFF: Final = """
    not exists (select from video_disable d where d.camera = c.id and d.kind = 'disabled' and d.began <= $2
        and (d.ended is null or d.ended > $2))
"""
_ONE: Final = _HEALTH.format(which="c.id = $1")
_MANY: Final = _HEALTH.format(which=f"c.place = any($1) and {_OFF}")


async def read_lacks(grant: Grant, pg: Any, places: Collection[PlaceKind], now: Instant) -> list[CameraHealth]:
    """Cameras of these kinds of places that lack something, by their code, at most `LISTED`. Raises Refused(DENIED)."""
    must_hold(grant, now, Action.READ_CAMERA)
    with refusals():
        async with pg.transaction():
            await see(pg, regions_of(grant.viewer))
            rows = await pg.fetch(_MANY, [one.value for one in places], now)
    found = (_health(row, now) for row in rows)
    return [one for one in found if one.lacks][:LISTED]


async def read_health(grant: Grant, pg: Any, camera: str, now: Instant) -> HealthSeen:
    """A camera's health and its last changes. Raises Refused: DENIED, NOT_FOUND."""
    must_hold(grant, now, Action.READ_CAMERA, named=camera)
    with refusals():
        async with pg.transaction():
            await see(pg, regions_of(grant.viewer))
            row = await pg.fetchrow(_ONE, camera)
            changes = await pg.fetch(
                "select at, verdict, before_, entry from video_health_log where camera = $1 order by at desc, seq desc"
                " limit $2", camera, CHANGES,
            )  # fmt: skip
            told = await pg.fetch(
                "select word, source, began, ended from video_told where camera = $1 order by began desc, id limit $2",
                camera, CHANGES,
            )  # fmt: skip
    if row is None:
        raise Refused(Kind.NOT_FOUND, f"there is no camera {camera}", camera="unknown")
    return HealthSeen(now, _health(row, now), [Change(*line) for line in changes], [Told(*line) for line in told])


def _health(row: Any, now: Instant) -> CameraHealth:
    return CameraHealth(
        row["id"], lacks_of(row, now), row["verdict"], row["since"], row["looked"], row["day"], row["infra_red"],
        row["drift_ms"], row["oldest"], row["keep_days"], row["short_days"],
    )  # fmt: skip


def lacks_of(row: Any, now: Instant) -> tuple[str, ...]:
    """What a camera lacks. A camera without a picture lacks nothing here: that it is dark is said elsewhere."""
    if row["oldest"] is None:
        return ()
    lives = row["written"] is not None and now - row["written"] < UNLOOKED
    looked = row["looked"]
    lacking = {
        "learning": row["day"] is None and row["infra_red"] is None,
        "clock": row["drift_ms"] is not None and abs(row["drift_ms"]) > CLOCK,
        "archive": row["short_days"] > 0,
        "unlooked": lives and now - row["oldest"] > UNLOOKED and (looked is None or now - looked > UNLOOKED),
    }
    return tuple(name for name, holds in lacking.items() if holds)
