"""Silence of a camera is a signal: what is dark, shows nothing, or was switched off opens an item by itself.

Every few seconds one worker asks the index of recordings what it does not have: open gaps, cameras whose newest picture
is old though nobody wrote a gap (their recorder is dead), verdicts about pictures, acts of switching off, and minutes
of custody that the account calls unexplained though no gap told of them. What desks make of it, and the mark at the
gap that it has its item, is one transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from saqtau.engine import items, video_kept
from saqtau.engine.chain import Chain, listeners
from saqtau.engine.lines import Outgoing
from saqtau.engine.store import commit_chain
from saqtau.kernel.clock import HOUR, MINUTE, SECOND, Instant
from saqtau.kernel.desk import Desks
from saqtau.kernel.ids import Ids
from saqtau.kernel.item import Item
from saqtau.kernel.signal import CameraCondition, CameraState, Signal
from saqtau.kernel.terms import Calendar
from saqtau.video.account import MinuteState, runs
from saqtau.video.health import Verdict
from saqtau.video.told import ASKS

CUSTODY: Final = ("police_office", "penal_colony")
PATIENCE: Final = {"street": MINUTE, "school": MINUTE, "police_office": 10 * SECOND, "penal_colony": 10 * SECOND}
"""How long a picture may be away before anybody is told. With the pace of this watch the prosecutor has it in 60 s."""
STALE: Final = 30 * SECOND
"""A recorder that lives tells of each camera's newest picture more often than this."""
COMING: Final = 2 * MINUTE
"""From being entered to the first picture: somebody still stands on the ladder."""
LONGEST_FILE: Final = 15 * MINUTE
"""No file of a camera lasts so long: a living camera has one that began since."""
BEARABLE: Final = 5 * SECOND
"""A gap of custody that was over before it was seen needs an item from this length on, as the minute account says."""
LOOKED_BACK: Final = 26 * HOUR
"""How far back gaps and minutes without an item are looked for: a worker that was away for a day misses none."""
AT_ONCE: Final = 2_000
"""States told in one transaction; the rest follows in the next."""
WELL_SEEN: Final = (Verdict.OK.value, Verdict.DARK.value)
"""Verdicts that ask nothing of anybody: dark as at night is no tampering, and dark by hand is `covered`."""

_LOCK: Final = 0x71DE0
_PLACE: Final = "c.id as camera, c.name, c.site, c.region, c.place, c.room, c.lat, c.lon"
_NOT_OFF: Final = """
    not exists (select from video_disable d where d.camera = c.id and d.began <= $1
        and (d.ended is null or d.ended > $1))
"""
_DARK: Final = f"""
    select {_PLACE}, min(g.began) as since, min(g.kind) as kind, null::bigint as until from video_gap g
    join video_camera c on c.id = g.camera and c.retired is null
    where g.ended is null and g.kind not in ('expired', 'disabled') and {_NOT_OFF} group by c.id
    union all
    select {_PLACE}, s.ended, 'recorder_down', null from video_camera c
    cross join lateral (select max(ended) as ended from (select ended from video_segment v where v.camera = c.id
        order by v.began desc limit 3) newest) s
    where c.retired is null and s.ended < $1::bigint - {STALE} and {_NOT_OFF}
        and not exists (select from video_segment v where v.camera = c.id and v.began > $1::bigint - {LONGEST_FILE}
            and v.ended >= $1::bigint - {STALE})
        and not exists (select from video_gap g where g.camera = c.id and g.ended is null)
    union all
    select {_PLACE}, c.added, 'source_silent', null from video_camera c
    where c.retired is null and c.added < $1::bigint - {COMING} and {_NOT_OFF}
        and not exists (select from video_segment v where v.camera = c.id)
        and not exists (select from video_deleted v where v.camera = c.id)
        and not exists (select from video_gap g where g.camera = c.id and g.ended is null)
"""  # noqa: S608 - constants
_TAMPERED: Final = f"""
    select {_PLACE}, h.since, h.verdict as kind, null::bigint as until from video_health h
    join video_camera c on c.id = h.camera and c.retired is null
    where h.verdict <> all($2::text[]) and {_NOT_OFF}
"""  # noqa: S608 - constants of ours
_TOLD: Final = f"""
    select {_PLACE}, min(t.began) as since, min(t.word) as kind, null::bigint as until from video_told t
    join video_camera c on c.id = t.camera and c.retired is null and c.back_fill is not null
    where t.ended is null and t.word = any($2::text[]) and {_NOT_OFF} group by c.id
"""  # noqa: S608 - constants of ours
_OFF: Final = f"""
    select {_PLACE}, d.began as since, d.kind, null::bigint as until, d.by, d.why from video_disable d
    join video_camera c on c.id = d.camera and c.retired is null
    where d.began <= $1 and (d.ended is null or d.ended > $1) and c.place = any($2::text[])
"""  # noqa: S608 - constants of ours
_SHORT: Final = f"""
    select {_PLACE}, g.began as since, g.kind, g.ended as until from video_gap g
    join video_camera c on c.id = g.camera and c.place = any($2::text[])
    where g.ended > $1::bigint - {LOOKED_BACK} and g.item is null and g.ended - g.began > {BEARABLE}
        and g.ended > c.added + {COMING}
        and g.kind not in ('expired', 'disabled')
        and not exists (select from video_disable d where d.camera = c.id and d.began < g.ended
            and (d.ended is null or d.ended > g.began))
    order by g.began limit {AT_ONCE}
"""  # noqa: S608 - constants of ours
_MINUTES: Final = f"""
    select {_PLACE}, m.hour, m.minutes, c.added from video_hour m
    join video_camera c on c.id = m.camera and c.place = any($2::text[])
    where m.hour > $1::bigint - {LOOKED_BACK} and (position('\\x05'::bytea in m.minutes) > 0
        or position('\\x08'::bytea in m.minutes) > 0) limit {AT_ONCE}
"""  # noqa: S608 - constants of ours
_OPEN: Final = f"""
    select {items.COLUMNS} from item where desk = 'custody' and ended is null and data ->> 'dark_since' is not null
    union all
    select {items.COLUMNS} from item where desk = 'street_cameras' and ended is null
        and data ->> 'dark_since' is not null
"""  # noqa: S608 - constants of ours
_ANSWERED: Final = f"""
    select {items.COLUMNS} from item where desk = 'custody' and ended > $1::bigint - {2 * LOOKED_BACK}
        and data ->> 'dark_since' is not null
"""  # noqa: S608 - constants of ours
_MARK: Final = """
    update video_gap g set item = n.item from
        unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) as n (camera, item, since, until)
    where g.camera = n.camera and g.item is null and g.kind not in ('expired', 'disabled')
        and g.began between n.since - 1000 and n.until + 1000 and (g.ended is null or g.ended > $5)
"""


async def look(pg: Any, desks: Desks, now: Instant, ids: Ids, calendar: Calendar) -> list[Outgoing]:
    """Tell the desks what cameras do, in one transaction; returns what to publish. One worker at a time."""
    async with pg.transaction():
        if not await pg.fetchval("select pg_try_advisory_xact_lock($1)", _LOCK):
            return []
        known = {one.id: one for one in map(items.to_item, await pg.fetch(_OPEN))}
        signals = await _signals(pg, known, now)
        held = await video_kept.answered(pg, now)
        if not signals and not held:
            return []
        chain = Chain(pg, desks, now, ids, calendar)
        for signal in signals[:AT_ONCE]:
            site = signal.site
            await _tell(chain, signal, [one for one in _now(chain, known).values() if one.data.get("site") == site])
        for item, told in held:
            await _tell(chain, told, [item])
        done = await commit_chain(pg, chain)
        marks = [
            (one["camera"], item.id, one["since"], one["until"] or now)
            for item in _now(chain, known).values()
            for one in _listed(item)
        ]
        if marks:
            await pg.execute(_MARK, *map(list, zip(*marks, strict=True)), now - LOOKED_BACK)
    return done.outbox


def _now(chain: Chain, known: Mapping[str, Item]) -> dict[str, Item]:
    """The items as they are after the chain's steps so far."""
    fresh = {step.item.id: step.item for step in chain.steps}
    return {**known, **fresh}


async def _tell(chain: Chain, signal: Signal, family: Sequence[Item]) -> None:
    for desk in listeners(chain.desks, type(signal)):
        for action in desk.reacts[type(signal)](signal, tuple(family)):
            await chain.do(action)


async def _signals(pg: Any, known: Mapping[str, Item], now: Instant) -> list[CameraState]:
    """What has changed since the items were last told, the oldest darkness first."""
    custody = list(CUSTODY)
    dark = {row["camera"]: row for row in await pg.fetch(_DARK, now) if now - row["since"] > PATIENCE[row["place"]]}
    off = {row["camera"]: row for row in await pg.fetch(_OFF, now, custody)}
    bad = {
        row["camera"]: row
        # what we saw says more than what it told
        for row in (*await pg.fetch(_TOLD, now, sorted(ASKS)), *await pg.fetch(_TAMPERED, now, list(WELL_SEEN)))
        if row["camera"] not in dark and row["camera"] not in off
    }
    told = open_darkness(known.values())
    away = {**bad, **dark, **off}
    found = [
        state(row, condition)
        for rows, condition in (
            (dark, CameraCondition.DARK),
            (bad, CameraCondition.TAMPERED),
            (off, CameraCondition.DISABLED),
        )
        for camera, row in rows.items()
        if camera not in told
    ]
    found += [state(row, CameraCondition.DARK) for row in await pg.fetch(_SHORT, now, custody)]
    back = [camera for camera in told if camera not in away]
    if back:
        found += await _well(pg, back, told, now)
    rows = await pg.fetch(_MINUTES, now, custody)
    if rows:
        answered = [*known.values(), *map(items.to_item, await pg.fetch(_ANSWERED, now))]
        found += _unexplained(rows, answered, found, now)
    return sorted(found, key=lambda one: (one.since, one.camera))


async def _well(pg: Any, cameras: Sequence[str], told: Mapping[str, Instant], now: Instant) -> list[CameraState]:
    """Cameras that have their picture again, and since when: the end of their last gap, where one was written."""
    rows = await pg.fetch(
        f"""select {_PLACE}, n.since, '' as kind, coalesce((select max(g.ended) from video_gap g
                where g.camera = c.id and g.began >= n.since - 1000 and g.ended <= $3), $3) as until
            from unnest($1::text[], $2::bigint[]) as n (camera, since) join video_camera c on c.id = n.camera""",  # noqa: S608
        list(cameras),
        [told[camera] for camera in cameras],
        now,
    )
    return [state(row, CameraCondition.WELL) for row in rows]


def state(row: Mapping[str, Any], condition: CameraCondition) -> CameraState:
    """The signal of a row of these questions."""
    return CameraState(
        camera=row["camera"], site=row["site"], region=row["region"], place=row["place"], state=condition,
        since=row["since"], kind=row["kind"] or "", name=row["name"], room=row["room"], until=row["until"],
        by=row.get("by"), why=row.get("why"), lat=row["lat"], lon=row["lon"],
    )  # fmt: skip


def open_darkness(known: Iterable[Item]) -> dict[str, Instant]:
    """Cameras that some open item says are dark now, and since when. Pure."""
    found: dict[str, Instant] = {}
    for item in known:
        for one in _listed(item):
            if one["until"] is None:
                found[one["camera"]] = min(one["since"], found.get(one["camera"], one["since"]))
    return found


def _listed(item: Item) -> list[dict[str, Any]]:
    data = item.data
    if "cameras" in data:
        return list(data["cameras"])
    if "dark_since" not in data:
        return []
    return [{"camera": data["camera"], "since": data["dark_since"], "until": data["dark_until"]}]


def _unexplained(
    rows: Iterable[Mapping[str, Any]], told: Sequence[Item], new: Sequence[CameraState], now: Instant
) -> list[CameraState]:
    """Minutes that the account calls unexplained, and that no item and no signal speaks of.

    Somebody took a file away, or wrote no gap where there was one.
    """
    spans: dict[str, list[tuple[int, int]]] = {}
    for item in told:
        for one in _listed(item):
            spans.setdefault(one["camera"], []).append((one["since"], one["until"] or now))
    for signal in new:
        spans.setdefault(signal.camera, []).append((signal.since, signal.until or now))
    found = []
    for row in rows:
        # what was fetched afterwards explains nothing
        states = (MinuteState.UNEXPLAINED, MinuteState.FETCHED)
        for run in (run for wanted in states for run in runs(row["hour"], row["minutes"], wanted)):
            ended = run.ended if run.ended is not None else now
            known = run.began >= row["added"] + COMING or ended > row["added"] + 2 * COMING
            if known and not any(low < ended and run.began < high for low, high in spans.get(row["camera"], ())):
                plain = dict(row) | {"since": run.began, "until": ended, "kind": "unexplained"}
                found.append(state(plain, CameraCondition.DARK))
    return found
