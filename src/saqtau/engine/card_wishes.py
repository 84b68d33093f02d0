"""Gaps that a camera's own memory may fill: wanted, fetched, or told why not. A row a gap, for good."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from saqtau.engine.failures import refusals
from saqtau.kernel.clock import DAY, HOUR, SECOND, Instant
from saqtau.kernel.errors import Refused

LEAST: Final = 2 * SECOND
"""A gap that is shorter is not asked for."""
OLDEST: Final = 7 * DAY
"""One that ended before is not asked for any more: cards are small, and go round."""
LONGEST: Final = 7 * DAY
SETTLED: Final = 10 * SECOND
"""How long a gap is over before its camera is asked: it writes its own recording down first."""
MOST_TRIES: Final = 14
"""With the pauses below: some ten hours."""
LONGEST_PAUSE: Final = HOUR
NOTHING_TRIES: Final = 3
"""A card that has nothing is asked so often, a minute apart: what was recorded last is not always there at once."""
FINAL: Final = frozenset({"times", "too_much", "several", "no_card", "address"})
"""Why a camera is not asked again: nothing that a later try would change."""

_KINDS: Final = ("packet_loss", "source_silent", "reconnect", "recorder_down")
_WANT: Final = """
    insert into video_fetch (gap, camera, began, ended, asked, next, reached, changed)
    select g.id, g.camera, g.began, g.ended, $2, g.ended + $5, g.began, $2
    from video_gap g join video_camera c on c.id = g.camera
    where g.camera = any($1::text[]) and c.back_fill is not null and c.retired is null and g.kind = any($3::text[])
        and g.ended - g.began between $4 and $7 and g.ended > $6
        and not exists (select from video_fetch f where f.gap = g.id)
    on conflict do nothing
"""
_DUE: Final = """
    select distinct on (camera) gap, camera, began, ended, tries, reached, found_ms from video_fetch
    where camera = any($1::text[]) and state in ('wanted', 'fetching') and next <= $2
    order by camera, next, ended desc
"""
_AGAIN: Final = """
    select gap, camera, began, ended, tries, reached, found_ms from video_fetch
    where gap = $1 and state in ('wanted', 'fetching')
"""
_MOVE: Final = """
    update video_fetch set state = $2, tries = $3, next = $4, why = $5, changed = $6, reached = greatest(reached, $7)
    where gap = $1 and state in ('wanted', 'fetching')
"""


class Wanted(msgspec.Struct, frozen=True):
    """A gap that is to be fetched. reached: up to where it has been."""

    gap: str
    camera: str
    began: Instant
    ended: Instant
    tries: int
    reached: Instant
    found_ms: int


async def want(pg: Any, cameras: Sequence[str], now: Instant, settled: int = SETTLED) -> int:
    """Write down the gaps of these cameras that have ended; how many were new. pg: as saqtau_worker."""
    with refusals():
        done = await pg.execute(_WANT, list(cameras), now, list(_KINDS), LEAST, settled, now - OLDEST, LONGEST)
    return int(done.rpartition(" ")[2])


async def due(pg: Any, cameras: Sequence[str], now: Instant) -> list[Wanted]:
    """One gap of each of these cameras that is to be fetched now. pg: as saqtau_worker."""
    with refusals():
        found = [Wanted(*row) for row in await pg.fetch(_DUE, list(cameras), now)]
    return sorted(found, key=lambda one: one.tries)  # one that does not answer keeps nobody waiting


async def begin(pg: Any, wanted: Wanted, now: Instant) -> None:
    """It is being fetched."""
    with refusals():
        await pg.execute(_MOVE, wanted.gap, "fetching", wanted.tries, now, None, now, wanted.reached)


async def went_on(pg: Any, wanted: Wanted, reached: Instant, now: Instant, settled: int = SETTLED) -> None:
    """It was fetched up to there; at its end it is over."""
    with refusals():
        found = await pg.fetchval("select found_ms from video_fetch where gap = $1", wanted.gap)
        if reached < wanted.ended:
            await pg.execute(_MOVE, wanted.gap, "wanted", 0, now, None, now, reached)
        elif found:
            await pg.execute(_MOVE, wanted.gap, "fetched", wanted.tries, now, None, now, reached)
        else:
            await failed(pg, wanted, "nothing", now, settled)


async def failed(pg: Any, wanted: Wanted, why: str, now: Instant, settled: int = SETTLED) -> None:
    """It could not be fetched; it is tried again, unless it was often enough or is of no use.

    settled: ms, doubled with each failure.
    """
    tries = wanted.tries + 1
    state, pause = "wanted", min(LONGEST_PAUSE, settled * 2 ** min(tries, 12))
    if why in FINAL:
        state = "refused"
    elif why == "nothing":
        pause = 6 * settled
        state = "wanted" if tries < NOTHING_TRIES else "nothing"
    elif tries >= MOST_TRIES:
        state = "given_up"
    with refusals():
        if state in {"nothing", "given_up"}:
            found = await pg.fetchval("select found_ms from video_fetch where gap = $1", wanted.gap)
            state = "fetched" if found else state
        await pg.execute(_MOVE, wanted.gap, state, tries, now + pause, why[:40], now, wanted.reached)


def why_of(refused: Refused) -> str:
    """What stands in the row of a refusal."""
    return next((refused.fields[name] for name in ("card", "stream", "device") if name in refused.fields), "broken")


async def again(pg: Any, gap: str) -> Wanted | None:
    """A gap that is still to be fetched, as it stands now."""
    with refusals():
        row = await pg.fetchrow(_AGAIN, gap)
    return None if row is None else Wanted(*row)
