"""A camera that goes dark is told by itself: to the prosecutor where people are held, to the operator in the street."""

import itertools

import pytest

from saqtau.engine import postgres, store, video_watch
from saqtau.kernel.clock import HOUR, MINUTE, SECOND, Instant
from saqtau.kernel.desk import discover, gather
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.item import Actor, Open, open_by_form
from saqtau.kernel.terms import Calendar
from saqtau.video.account import MinuteState

pytestmark = pytest.mark.anyio

NOW = Instant(1_790_000_000_000 // HOUR * HOUR)
DESKS = gather(*discover("saqtau.desks"))
SUPERVISOR = Actor("supervisor1", "custody_supervisor", regions=frozenset({2}))
_count = itertools.count()
_TABLES = (
    "item, outbox, video_gap, video_segment, video_hour, video_health, video_disable, video_hold, video_volume, "
    "video_camera"
)


def ids():
    return f"00000000-0000-7000-8000-{next(_count):012d}"


@pytest.fixture
async def pool(database, pg_owner):
    await pg_owner.execute(f"truncate {_TABLES} cascade; delete from site")
    await pg_owner.execute("insert into site (id, name, region, lat, lon) values ('colony', 'Colony', 2, 43.2, 76.9)")
    await pg_owner.execute("insert into site (id, name, region, lat, lon) values ('square', 'Square', 2, 43.2, 76.9)")
    await pg_owner.execute("insert into video_volume (folder, name, at) values ('v', 'v', 0)")
    async with postgres.pool(database, postgres.WORKER, 4) as made:
        yield made


async def camera(pool, code, place="penal_colony", recorded=NOW, added=NOW - 90 * HOUR):
    site = "square" if place in {"street", "school"} else "colony"
    await pool.execute(
        """insert into video_camera (id, site, name, region, place, lat, lon, address, keep_days, added, added_by)
           values ($1, $2, $1, 2, $3, 43.2, 76.9, 'rtsp://camera.example/1', 90, $4, 'import')""",
        code, site, place, added,
    )  # fmt: skip
    if recorded is not None:
        await record(pool, code, NOW - 5 * MINUTE, recorded)


async def record(pool, code, began, ended):
    await pool.execute(
        """insert into video_segment
               (camera, first, last, began, ended, volume, path, bytes, frames, recorded_ms, previous, chain)
           values ($1, $2, $2, $3::bigint, $4::bigint, 'v', $5, 1, 1, $4::bigint - $3::bigint, $6, $6)""",
        code, next(_count), began, ended, f"{code}/{next(_count)}", b"0" * 32,
    )  # fmt: skip


async def gap(pool, code, began, ended=None, kind="source_silent"):
    await pool.execute(
        "insert into video_gap (id, camera, began, ended, kind) values ($1, $2, $3, $4, $5)",
        f"{code}/{next(_count)}", code, began, ended, kind,
    )  # fmt: skip


async def look(pool, now=NOW):
    async with pool.acquire() as pg:
        return await video_watch.look(pg, DESKS, now, ids, Calendar())


async def items(pool):
    rows = await pool.fetch("select desk, state, owner, data::text, id from item order by opened, id")
    return [
        (row["desk"], row["state"], row["owner"], store.msgspec.json.decode(row["data"]), row["id"]) for row in rows
    ]


async def test_cameras_that_record_ask_nothing_of_anybody(pool):
    await camera(pool, "c1")
    await camera(pool, "s1", "street")
    assert await look(pool) == []
    assert await items(pool) == []


async def test_a_plug_that_is_pulled_in_a_colony_is_the_prosecutors_item_and_the_gap_names_it(pool):
    await camera(pool, "c1")
    await gap(pool, "c1", NOW - 12 * SECOND)
    parcels = await look(pool)
    ((desk, state, owner, data, item),) = await items(pool)
    assert (desk, state, owner) == ("custody", "unexplained", "prosecutor")
    assert (data["dark_since"], data["kind"]) == (NOW - 12 * SECOND, "source_silent")
    assert await pool.fetchval("select item from video_gap") == item
    assert parcels
    assert await look(pool) == []  # once


async def test_a_reconnect_of_a_few_seconds_is_not_told_before_its_patience_is_over(pool):
    await camera(pool, "c1")
    await gap(pool, "c1", NOW - 9 * SECOND, kind="reconnect")
    await look(pool)
    assert await items(pool) == []


async def test_a_gap_that_was_over_before_anybody_looked_is_told_all_the_same(pool):
    await camera(pool, "c1")
    await gap(pool, "c1", NOW - 40 * SECOND, NOW - 20 * SECOND)
    await gap(pool, "c1", NOW - 10 * SECOND, NOW - 8 * SECOND, "packet_loss")
    await look(pool)
    ((_, state, _, data, item),) = await items(pool)
    assert (state, data["dark_until"]) == ("unexplained", NOW - 20 * SECOND)
    assert [row[0] for row in await pool.fetch("select item from video_gap order by began")] == [item, None]
    assert await look(pool) == []


async def test_the_wait_for_the_first_picture_of_a_camera_that_was_just_entered_is_nobodys_item(pool):
    await camera(pool, "new", added=NOW - 3 * MINUTE)
    await gap(pool, "new", NOW - 3 * MINUTE, NOW - 2 * MINUTE, "reconnect")
    assert (await look(pool), await items(pool)) == ([], [])
    await gap(pool, "new", NOW - 50 * SECOND, NOW - 40 * SECOND, "reconnect")
    await look(pool)
    assert len(await items(pool)) == 1


async def test_a_recorder_that_died_without_a_word_is_seen_by_its_old_pictures(pool):
    await camera(pool, "c1", recorded=NOW - 40 * SECOND)
    await look(pool)
    ((_, _, _, data, _),) = await items(pool)
    assert (data["kind"], data["dark_since"]) == ("recorder_down", NOW - 40 * SECOND)


async def test_a_camera_that_never_sent_anything_is_dark_since_it_was_entered(pool):
    await camera(pool, "c1", recorded=None)
    await look(pool)
    assert len(await items(pool)) == 1


async def test_a_camera_that_was_just_entered_has_two_minutes_to_its_first_picture(pool):
    await camera(pool, "c1", recorded=None, added=NOW - MINUTE)
    await camera(pool, "c2", added=NOW - MINUTE)
    states = bytes([0] * 59 + [MinuteState.UNEXPLAINED])
    await pool.execute("insert into video_hour (camera, hour, minutes) values ('c2', $1, $2)", NOW - HOUR, states)
    await look(pool)
    assert await items(pool) == []
    await record(pool, "c2", NOW, NOW + 3 * MINUTE)
    await look(pool, Instant(NOW + 2 * MINUTE))
    ((_, _, _, data, _),) = await items(pool)
    assert (data["camera"], data["dark_since"]) == ("c1", NOW - MINUTE)


async def test_the_picture_that_comes_back_is_told_with_the_end_of_its_gap(pool):
    await camera(pool, "c1")
    await gap(pool, "c1", NOW - 20 * SECOND)
    await look(pool)
    await pool.execute("update video_gap set ended = $1", NOW + 5 * SECOND)
    await record(pool, "c1", NOW + 5 * SECOND, NOW + 10 * SECOND)
    await look(pool, Instant(NOW + 10 * SECOND))
    ((_, state, owner, data, _),) = await items(pool)
    assert (state, owner, data["dark_until"]) == ("unexplained", "prosecutor", NOW + 5 * SECOND)


async def test_a_street_camera_is_the_operators_and_ends_by_itself(pool):
    await camera(pool, "s1", "street")
    await gap(pool, "s1", NOW - 61 * SECOND)
    await look(pool)
    ((desk, state, owner, _, _),) = await items(pool)
    assert (desk, state, owner) == ("street_cameras", "dark", "operator")
    await pool.execute("update video_gap set ended = $1", NOW)
    await look(pool, Instant(NOW + SECOND))
    assert [one[1] for one in await items(pool)] == ["well"]


async def test_whoever_switches_a_colonys_camera_off_is_told_to_the_prosecutor_with_his_reason(pool):
    await camera(pool, "c1", recorded=NOW - HOUR)
    await camera(pool, "s1", "street", recorded=NOW - HOUR)
    for code, kind in (("c1", "maintenance"), ("s1", "disabled")):
        await pool.execute(
            """insert into video_disable (id, camera, kind, began, by, role, why, entry)
               values ($1, $1, $2, $3, $4, $4, $5, $4)""",
            code, kind, NOW - HOUR, "supervisor1", "the cell is painted",
        )  # fmt: skip
    await look(pool)
    ((desk, state, owner, data, _),) = await items(pool)
    assert (desk, state, owner) == ("custody", "explained", "prosecutor")
    assert (data["explained"][0]["by"], data["explained"][0]["note"]) == ("supervisor1", "the cell is painted")


async def test_a_hand_over_the_lens_is_told_and_a_night_is_not(pool):
    for code, verdict in (("c1", "covered"), ("c2", "dark"), ("c3", "ok")):
        await camera(pool, code)
        await pool.execute(
            "insert into video_health (camera, at, verdict, since, measures) values ($1, $2, $3, $2, '{}')",
            code, NOW - 20 * SECOND, verdict,
        )  # fmt: skip
    await look(pool)
    ((_, _, _, data, _),) = await items(pool)
    assert (data["camera"], data["kind"], data["tampered"]) == ("c1", "covered", True)


async def test_a_minute_that_the_account_misses_without_any_gap_is_told_once_even_after_its_answer(pool, pg_owner):
    await camera(pool, "c1")
    states = bytearray([MinuteState.RECORDED] * 60)
    states[7:9] = bytes([MinuteState.UNEXPLAINED] * 2)
    hour = NOW - HOUR
    await pool.execute("insert into video_hour (camera, hour, minutes) values ('c1', $1, $2)", hour, bytes(states))
    await look(pool)
    ((_, _, _, data, _),) = await items(pool)
    assert (data["kind"], data["dark_since"], data["dark_until"]) == (
        "unexplained",
        hour + 7 * MINUTE,
        hour + 9 * MINUTE,
    )
    assert await look(pool) == []
    await pg_owner.execute("update item set state = 'found', ended = $1, owner = null, due = null", NOW)
    assert await look(pool) == []


async def test_a_switch_pulled_for_a_whole_colony_is_one_item(pool):
    for number in range(30):
        await camera(pool, f"c{number}")
        await gap(pool, f"c{number}", NOW - 20 * SECOND + number)
    await look(pool)
    ((_, _, _, data, item),) = await items(pool)
    assert len(data["cameras"]) == 30
    assert {row[0] for row in await pool.fetch("select item from video_gap")} == {item}


async def asked(pool, now=NOW):
    place = {"site": "colony", "place": "penal_colony", "region": 2, "camera": None, "name": ""}
    form = {"site": "colony", "began": now - HOUR, "ended": now, "asker": "lawyer", "why": "my client was beaten"}
    wish = open_by_form(DESKS.current["custody"], "ask_to_keep", SUPERVISOR, place, form, now)
    async with pool.acquire() as pg:
        return (await store.open_by_hand(pg, DESKS, wish, SUPERVISOR, now, ids)).items[0]


async def test_footage_that_is_asked_for_is_held_on_every_camera_of_the_place_in_the_same_act(pool):
    await camera(pool, "c1")
    await camera(pool, "c2")
    await camera(pool, "s1", "street")
    item = await asked(pool)
    rows = await pool.fetch("select camera, began, ended, case_number from video_hold order by camera")
    assert [tuple(row) for row in rows] == [(code, NOW - HOUR, NOW, item.id) for code in ("c1", "c2")]


async def test_it_is_held_when_the_recorder_has_acknowledged_every_camera_and_says_how_much_there_is(pool):
    await camera(pool, "c1", recorded=None)
    await camera(pool, "c2", recorded=None)
    await record(pool, "c1", NOW - 2 * HOUR, NOW + HOUR)
    await record(pool, "c2", NOW - 2 * HOUR, NOW - HOUR // 2)
    await record(pool, "c2", NOW - HOUR // 2, NOW + HOUR)
    await gap(pool, "c2", NOW - HOUR // 2 - 5 * MINUTE, NOW - HOUR // 2 + 5 * MINUTE)
    later = Instant(NOW + 6 * SECOND)
    item = (await asked(pool)).id
    await pool.execute("update video_hold set acknowledged = $1, kept_ms = 0 where camera = 'c1'", NOW)
    await look(pool, later)
    assert await pool.fetchval("select state from item where id = $1", item) == "asked"
    await pool.execute("update video_hold set acknowledged = $1, kept_ms = 0 where camera = 'c2'", NOW)
    await look(pool, NOW)
    assert await pool.fetchval("select state from item where id = $1", item) == "asked", "its last seconds are not told"
    await look(pool, later)
    ((state, owner, data),) = [one[1:4] for one in await items(pool) if one[4] == item]
    assert (state, owner) == ("held", "prosecutor")
    assert (data["kept"]["recorded"], data["kept"]["missing"]) == (110 * MINUTE, 10 * MINUTE)
    assert await look(pool, later) == []


async def test_one_person_does_not_fill_the_disk_with_what_he_wants_kept(pool, monkeypatch):
    await camera(pool, "c1")
    monkeypatch.setattr(store, "OPENED", 2)
    await asked(pool)
    await asked(pool)
    with pytest.raises(Refused) as refused:
        await asked(pool)
    assert (refused.value.kind, refused.value.fields) == (Kind.TOO_MANY, {"opened": "2"})
    assert await pool.fetchval("select count(*) from video_hold") == 2


async def test_footage_that_is_not_there_is_the_prosecutors_question(pool):
    await camera(pool, "c1", recorded=NOW + HOUR)
    item = (await asked(pool, Instant(NOW - 10 * HOUR))).id
    await pool.execute("update video_hold set acknowledged = $1, kept_ms = 0", NOW)
    await look(pool)
    ((state, data),) = [(one[1], one[3]) for one in await items(pool) if one[4] == item]
    assert (state, data["kept"]["recorded"]) == ("unheld", 0)


async def test_a_tie_to_a_camera_that_is_not_there_leaves_nothing(pool):
    await camera(pool, "c1")
    place = {"site": "colony", "place": "penal_colony", "region": 2, "camera": None, "name": ""}
    form = {"site": "colony", "happened": "force", "began": NOW - MINUTE, "ended": NOW, "note": "a door was forced"}
    wish = open_by_form(DESKS.current["custody"], "report_incident", SUPERVISOR, place, form, NOW)
    async with pool.acquire() as pg:
        item = (await store.open_by_hand(pg, DESKS, wish, SUPERVISOR, NOW, ids)).items[0]
        tie = {"camera": "c9", "began": NOW - MINUTE, "ended": NOW}
        with pytest.raises(Refused) as refused:
            await store.fire(pg, DESKS, item.id, "tie", SUPERVISOR, tie, item.rev, NOW, ids)
    assert (refused.value.kind, refused.value.fields) == (Kind.INVALID, {"camera": "unknown"})
    assert [(one[1], one[3]["footage"]) for one in await items(pool)] == [("reported", [])]


async def test_two_workers_tell_it_once(pool):
    await camera(pool, "c1")
    await gap(pool, "c1", NOW - 20 * SECOND)
    async with pool.acquire() as first, first.transaction():
        await video_watch.look(first, DESKS, NOW, ids, Calendar())
        assert await look(pool) == []
    assert len(await items(pool)) == 1


async def test_a_rule_may_not_hand_out_what_a_person_decides(pool):
    async with pool.acquire() as pg, pg.transaction():
        with pytest.raises(Refused):
            await store.act(pg, DESKS, [Open(desk="custody", data={}, region=2, state="given")], NOW, ids)
