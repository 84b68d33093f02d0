"""No grant, no data: the entry is durable before the grant, and every reading function looks at the grant first."""

import itertools

import pytest
from tests.engine.desks import DESKS
from tests.engine.door import on_shift, opened, register_case

from saqtau import policies
from saqtau.engine import reading
from saqtau.engine.blobs import Blobs, keep_pictures
from saqtau.engine.looked import read_access
from saqtau.engine.store import act
from saqtau.kernel.access import LIFETIME, AccessRequest, Action, Purpose, Viewer
from saqtau.kernel.clock import DAY, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.item import Open
from saqtau.kernel.signal import Picture
from saqtau.ledger.leaf import LeafClass, parse_leaf
from saqtau.ledger.tiles import unpack_entries

pytestmark = pytest.mark.anyio

NOW = Instant(1_790_000_000_000)
OPERATOR = Viewer("op1", "operator", frozenset({2}), session="session-1")
INSPECTOR = Viewer("i1", "inspector", frozenset({2}))
PATROL = Viewer("p1", "patrol", frozenset({2}), "u1")
PROSECUTOR = Viewer("pr1", "prosecutor", frozenset())
_count = itertools.count()


def ids():
    return f"id-{next(_count)}"


@pytest.fixture
async def door(database, pg_owner, tmp_path):
    await on_shift(pg_owner, NOW, "op1", "i1", "d1")
    await register_case(pg_owner, "26-2/17")
    await register_case(pg_owner, "26-7/1", region=7)
    async with opened(database, tmp_path, lambda: NOW) as made:
        yield made


@pytest.fixture
async def item(pg_worker):
    await pg_worker.execute(
        "insert into unit (id, call_sign, region, status) values ('u1', 'U1', 2, 'available'), "
        "('u2', 'U2', 2, 'available'), ('u9', 'U9', 9, 'available') "
        "on conflict (id) do update set status_item = null, status = 'available'"
    )
    async with pg_worker.transaction():
        wish = Open(desk="chase", data={"plate": "123ABC02", "help": True}, region=2, lat=43.0, lon=77.0)
        return (await act(pg_worker, DESKS, [wish], NOW, ids)).items[0]


def asks(action, item=None, region=2, **more):
    by = {"purpose": Purpose.INCIDENT, "case": item} if item else {"purpose": Purpose.DUTY}
    return AccessRequest(**{"action": action, "object": item or "", "region": region, **by, **more})


async def refusal(awaitable):
    with pytest.raises(Refused) as refused:
        await awaitable
    return refused.value


async def leaves(door):
    rows = await door.pool.fetch("select log, first, leaves from ledger_pack order by log, first")
    return [parse_leaf(leaf) for row in rows for leaf in unpack_entries(row["leaves"])]


async def test_the_entry_is_in_the_ledger_when_the_grant_is_in_the_hand(door, item):
    before = len(await leaves(door))
    grant = await door.access.open(OPERATOR, asks(Action.READ_ITEM, item.id))
    leaf = (await leaves(door))[-1]
    assert (len(await leaves(door)), leaf.klass, leaf.retention) == (before + 1, LeafClass.VIEW, "access_3y")
    assert grant.entry.startswith("saqtau.test/02/access/2026#")
    (line,) = await door.lines(id=grant.entry)
    assert (line["viewer"], line["action"], line["object"], line["decision"]) == ("op1", "item.read", item.id, "allow")
    assert (line["policy"], line["case"], line["delivered"]) == ("item-for-incident", item.id, None)
    await door.access.close(grant, 7)
    (line,) = await door.lines(id=grant.entry)
    assert (line["delivered"], line["closed"]) == (7, NOW)


async def test_nothing_of_a_person_stands_in_the_clear(door, item, pg_owner):
    await door.access.open(OPERATOR, asks(Action.READ_ITEM, item.id), {"note": "a very personal remark"})
    told = [str(await pg_owner.fetch(f"select * from {table}")) for table in (
        "ledger_log", "ledger_pack", "ledger_records", "ledger_count", "ledger_checkpoint",
    )]  # fmt: skip
    for word in ("op1", item.id, "session-1", "personal"):
        assert word not in "".join(told)
    assert await pg_owner.fetchval("select to_regclass('access_entry')") is None


async def test_an_entry_says_by_which_policies_of_which_set_and_in_which_session(door, item):
    grant = await door.access.open(OPERATOR, asks(Action.READ_ITEM, item.id, reason="he asked me to"), {"more": 1})
    record = await one_record(door, grant.entry)
    assert record["policy_set"] == policies.load().hash
    assert record["policies"] == ["item-for-incident"]
    assert (record["session"], record["reason"], record["told"]) == ("session-1", "he asked me to", {"more": 1})
    assert record["facts"] == ["incident_known", "incident_open", "on_shift"]


async def one_record(door, entry):
    from saqtau.engine.ledger_read import read_records

    origin, _, index = entry.partition("#")
    looker = Viewer("looker", "auditor", frozenset())
    grant = await door.access.open(looker, AccessRequest(action=Action.READ_ACCESS, purpose=Purpose.OVERSIGHT))
    (found,) = [one async for one in read_records(grant, door.pool, door.keys, origin, int(index), 1, NOW)]
    return found.record


async def test_a_denial_leaves_an_entry_too(door, item):
    error = await refusal(door.access.open(OPERATOR, asks(Action.READ_HISTORY, item.id)))
    assert (error.kind, error.fields) == (Kind.DENIED, {"policy": "nothing-permits"})
    (line,) = await door.lines(decision="deny", object=item.id)
    assert (line["viewer"], line["policy"], line["closed"]) == ("op1", "nothing-permits", None)
    assert LeafClass.DENY in {leaf.klass for leaf in await leaves(door)}


async def test_what_a_request_says_of_itself_is_not_believed(door, item):
    """Facts are looked up: whoever brings his own is asked about the real ones."""
    from saqtau.kernel.policy_laws import EVERYTHING

    for wish in (
        asks(Action.READ_HISTORY, purpose=Purpose.CASE, case="26-2/999", facts=EVERYTHING),
        asks(Action.READ_HISTORY, purpose=Purpose.CASE, case="26-7/1", facts=EVERYTHING),
        asks(Action.READ_PICTURE, "no-such-item", facts=EVERYTHING),
        asks(Action.READ_PICTURE, item.id, purpose=Purpose.EMERGENCY, facts=EVERYTHING),
    ):
        assert (await refusal(door.access.open(INSPECTOR, wish))).kind is Kind.DENIED
    off_shift = Viewer("op2", "operator", frozenset({2}))
    error = await refusal(door.access.open(off_shift, asks(Action.READ_PICTURE, item.id, facts=EVERYTHING)))
    assert error.fields == {"policy": "evidence-on-shift"}
    assert await door.access.open(off_shift, asks(Action.READ_ITEM, item.id))  # help is bound to no shift


async def test_an_invented_case_opens_nothing_and_a_registered_one_does(door):
    wish = asks(Action.READ_HISTORY, purpose=Purpose.CASE, case="26-2/17")
    assert await door.access.open(INSPECTOR, wish)
    invented = asks(Action.READ_HISTORY, purpose=Purpose.CASE, case="26-2/18")
    assert (await refusal(door.access.open(INSPECTOR, invented))).fields == {"policy": "case-exists"}


async def test_without_a_ledger_there_is_no_grant(door):
    await door.ledger.close()
    error = await refusal(door.access.open(OPERATOR, asks(Action.WATCH_QUEUE)))
    assert (error.kind, error.fields) == (Kind.UNAVAILABLE, {"ledger": "unavailable"})


@pytest.mark.parametrize("field", ["object", "case", "reason", "unit", "requested_by", "concerns"])
@pytest.mark.parametrize("value", ["x" * 301, "a\0b", "\ud800"])
async def test_a_request_that_no_entry_can_hold_is_refused_by_its_field(door, field, value):
    error = await refusal(door.access.open(OPERATOR, asks(Action.WATCH_QUEUE, **{field: value})))
    assert (error.kind, error.fields) == (Kind.INVALID, {field: "invalid"})


async def test_the_counts_name_no_person_and_add_up(door, item):
    before = await counts(door)
    grant = await door.access.open(OPERATOR, asks(Action.READ_ITEM, item.id))
    await door.access.close(grant, 5)
    await refusal(door.access.open(OPERATOR, asks(Action.READ_LIST)))
    await door.access.settle()
    after = await counts(door)
    read, denied = ("item.read", "incident", "operator", "allow"), ("list.read", "duty", "operator", "deny")
    assert [a - b for a, b in zip(after[read], before.get(read, (0, 0)), strict=True)] == [1, 5]
    assert [a - b for a, b in zip(after[denied], before.get(denied, (0, 0)), strict=True)] == [1, 0]


async def counts(door):
    found = await door.pool.fetch(
        "select action, purpose, role, decision, sum(entries)::int8, sum(delivered)::int8 from ledger_count "
        "group by action, purpose, role, decision"
    )
    return {tuple(row)[:4]: tuple(row)[4:] for row in found}


async def test_what_happens_is_told_and_what_waits_is_written_when_it_ends(door):
    entry = await door.access.tell(LeafClass.ADMIN, "register.import", {"file": "cases.csv"}, region=2)
    assert await door.access.tell(LeafClass.LOGIN, "login", viewer=OPERATOR, must=False) is None
    await door.access.stop()
    actions = [line["action"] for line in await door.lines()]
    assert actions[-2:] == ["register.import", "login"]
    assert (await one_record(door, entry))["told"] == {"file": "cases.csv"}


async def test_the_choice_of_a_role_is_the_first_that_is_allowed(door, item):
    viewers = [Viewer("x", role, frozenset({2})) for role in ("analyst", "inspector", "operator")]
    wishes = [asks(Action.READ_ITEM, item.id), asks(Action.READ_ITEM, item.id, purpose=Purpose.OVERSIGHT)]
    viewer, wish = await door.access.choose(viewers, wishes)
    assert (viewer.role, wish.purpose) == ("inspector", Purpose.INCIDENT)
    viewer, wish = await door.access.choose(viewers[:1], wishes)
    assert (viewer.role, wish.purpose) == ("analyst", Purpose.INCIDENT)  # the denial is of something real


async def test_an_item_is_read_whole_under_its_grant(door, pg_app, item):
    grant = await door.access.open(OPERATOR, asks(Action.READ_ITEM, item.id))
    view = await reading.read_item(grant, pg_app, item.id, NOW)
    assert view.item == item
    assert [entry.edge for entry in view.entries] == ["open"]
    assert [child.desk for child in view.children] == ["help"]


async def test_a_grant_serves_its_own_object_action_and_time_only(door, pg_app, item):
    grant = await door.access.open(OPERATOR, asks(Action.READ_ITEM, item.id))
    for call, told in (
        (reading.read_item(grant, pg_app, "another", NOW), "other_object"),
        (reading.read_queue(grant, pg_app, DESKS, NOW), "other_action"),
        (reading.read_item(grant, pg_app, item.id, Instant(NOW + LIFETIME)), "expired"),
    ):
        with pytest.raises(Refused) as refused:
            await call
        assert refused.value.fields == {"grant": told}


async def test_a_request_that_lies_about_the_region_reads_nothing(door, pg_app, pg_worker, item):
    everywhere = Viewer("d1", "duty_officer", frozenset({2, 5}))
    grant = await door.access.open(everywhere, asks(Action.READ_ITEM, item.id, region=5))
    with pytest.raises(Refused) as refused:
        await reading.read_item(grant, pg_app, item.id, NOW)
    assert refused.value.kind is Kind.DENIED
    unsaid = await door.access.open(Viewer("d2", "duty_officer", frozenset({5})), asks(Action.READ_ITEM, item.id, None))
    with pytest.raises(Refused) as refused:
        await reading.read_item(unsaid, pg_app, item.id, NOW)
    assert refused.value.kind is Kind.NOT_FOUND


async def test_a_patrol_reaches_the_item_behind_its_own_offer_and_its_own_line(door, pg_app, item):
    where = await reading.where_is(pg_app, item.id, PATROL)
    assert (where.region, where.unit) == (2, "u1")
    assert (await reading.where_is(pg_app, item.id, OPERATOR)).unit is None
    grant = await door.access.open(PATROL, asks(Action.WATCH_OWN, unit="u1"))
    lines = await reading.read_queue(grant, pg_app, DESKS, NOW)
    assert {(line.desk, line.unit) for line in lines} == {("help", "u1")}
    units = await reading.read_positions(grant, pg_app, NOW)
    assert [(unit.id, unit.status) for unit in units] == [("u1", "reserved")]


async def test_the_queue_holds_the_regions_of_the_viewer_and_a_prosecutor_sees_all(door, pg_app, pg_worker, item):
    async with pg_worker.transaction():
        await act(pg_worker, DESKS, [Open(desk="chase", data={}, region=9, priority=0)], NOW, ids)
    grant = await door.access.open(OPERATOR, asks(Action.WATCH_QUEUE, region=None))
    assert {line.region for line in await reading.read_queue(grant, pg_app, DESKS, NOW)} == {2}
    overseer = AccessRequest(action=Action.WATCH_QUEUE, purpose=Purpose.OVERSIGHT)
    grant = await door.access.open(PROSECUTOR, overseer)
    lines = await reading.read_queue(grant, pg_app, DESKS, NOW)
    assert {line.region for line in lines} == {2, 9}
    assert lines[0].priority == 0


async def test_a_picture_is_read_back_and_a_damaged_one_is_not(door, pg_app, pg_worker, item, tmp_path):
    blobs = Blobs(tmp_path / "blobs")
    async with pg_worker.transaction():
        pictures = [Picture("crop", "image/jpeg", b"bytes"), Picture("scene", "image/jpeg", b"bytes")]
        await keep_pictures(pg_worker, blobs, item.id, 2, pictures, NOW)
    grant = await door.access.open(OPERATOR, asks(Action.READ_PICTURE, item.id))
    assert await reading.read_picture(grant, pg_app, blobs, item.id, "crop", NOW) == ("image/jpeg", b"bytes")
    with pytest.raises(Refused) as refused:
        await reading.read_picture(grant, pg_app, blobs, item.id, "none", NOW)
    assert refused.value.kind is Kind.NOT_FOUND
    files = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert len(files) == 1
    assert files[0].stat().st_mode & 0o77 == 0
    files[0].write_bytes(b"other")
    with pytest.raises(Refused) as refused:
        await reading.read_picture(grant, pg_app, blobs, item.id, "scene", NOW)
    assert refused.value.fields == {"blob": "damaged"}


async def test_what_was_delivered_is_counted_to_the_end_of_the_access(door, item):
    request = AccessRequest(action=Action.WATCH_QUEUE, purpose=Purpose.DUTY)

    async def broken_off():
        async with door.access.reading(OPERATOR, request) as (grant, delivered):
            async with door.pool.acquire() as pg:
                delivered.count += len(await reading.read_queue(grant, pg, DESKS, NOW))
            raise ZeroDivisionError(grant.entry)

    with pytest.raises(ZeroDivisionError) as error:
        await broken_off()
    (line,) = await door.lines(id=str(error.value))
    assert line["closed"] == NOW
    assert line["delivered"] > 0


async def test_the_overseer_reads_who_looked_and_nobody_else_does(door, item):
    grant = await door.access.open(OPERATOR, asks(Action.READ_ITEM, item.id))
    wish = AccessRequest(action=Action.READ_ACCESS, purpose=Purpose.OVERSIGHT)
    overseer = await door.access.open(PROSECUTOR, wish)
    span = (Instant(NOW - DAY), Instant(NOW + 1))
    found = await read_access(overseer, door.pool, door.keys, *span, NOW)
    assert found.whole
    assert [line.id for line in found.lines if line.object == item.id] == [grant.entry]
    assert {line.action for line in found.lines if line.viewer == "pr1"} == {"access.read"}  # his reading is one too
    for since, until in ((NOW + 1, NOW + DAY), (NOW - DAY, NOW)):
        outside = await read_access(overseer, door.pool, door.keys, Instant(since), Instant(until), NOW)
        assert outside.lines == []
    assert (await refusal(door.access.open(OPERATOR, wish))).kind is Kind.DENIED


async def test_the_list_of_vehicles_is_not_part_of_the_other_registers(door, pg_app, pg_worker, item):
    await pg_worker.execute(
        "insert into listed_vehicle values ('A1', 'stolen', 'x', 'y', 1, null, ''), "
        "('B1', 'stolen', 'x', 'y', 1, 9, '') on conflict do nothing"
    )
    operator = await door.access.open(OPERATOR, asks(Action.READ_REGISTER, region=None))
    assert [row["id"] for row in await reading.read_register(operator, pg_app, "units", NOW)] == ["u1", "u2"]
    with pytest.raises(Refused):
        await reading.read_register(operator, pg_app, "vehicles", NOW)
    officer = Viewer("d1", "duty_officer", frozenset({2}))
    grant = await door.access.open(officer, asks(Action.READ_LIST, region=None))
    assert [row["plate"] for row in await reading.read_register(grant, pg_app, "vehicles", NOW)] == ["A1"]
