"""Help goes on while the ledger cannot write; power stops. What was helped is entered afterwards, once, with a mark."""

import asyncio
import os
import secrets

import pytest
from structlog.testing import capture_logs
from tests.engine.door import on_shift, opened

from saqtau.engine import postgres
from saqtau.engine.journal import LATE, ensure_streams, last_sequence, replay
from saqtau.engine.late import Late
from saqtau.engine.ledger import ACCESS, Draft
from saqtau.engine.ledger_read import read_records
from saqtau.kernel.access import AccessRequest, Action, Purpose, Viewer
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.leaf import LeafClass

pytestmark = pytest.mark.anyio

NOW = Instant(1_790_000_000_000)
AGES = Instant(NOW + 10**12)
OPERATOR = Viewer("op1", "operator", frozenset({2}))
PATROL = Viewer("p1", "patrol", frozenset({2}), "u1")
WRITING = "ledger_head_of, ledger_open, ledger_lock, ledger_append"
HELP = {
    "queue": (OPERATOR, AccessRequest(action=Action.WATCH_QUEUE, purpose=Purpose.DUTY)),
    "units": (OPERATOR, AccessRequest(action=Action.WATCH_UNITS, purpose=Purpose.DUTY)),
    "cameras": (OPERATOR, AccessRequest(action=Action.READ_REGISTER, purpose=Purpose.DUTY, object="cameras")),
    "own alert": (PATROL, AccessRequest(action=Action.WATCH_OWN, purpose=Purpose.DUTY, unit="u1")),
    "open item": (
        OPERATOR,
        AccessRequest(action=Action.READ_ITEM, purpose=Purpose.INCIDENT, object="open", case="open", region=2),
    ),
}
POWER = {
    "picture": AccessRequest(action=Action.READ_PICTURE, purpose=Purpose.INCIDENT, object="open", case="open"),
    "ended item": AccessRequest(action=Action.READ_ITEM, purpose=Purpose.INCIDENT, object="ended", case="ended"),
    "register": AccessRequest(action=Action.READ_REGISTER, purpose=Purpose.DUTY, object="officers"),
    "overseer": AccessRequest(action=Action.WATCH_QUEUE, purpose=Purpose.OVERSIGHT),
}


async def revoked(door, pg_owner):
    """The database lives, but the right to write to the ledger is gone."""
    await pg_owner.execute(f"revoke execute on function {WRITING} from saqtau_app")


async def restored(pg_owner):
    await pg_owner.execute(f"grant execute on function {WRITING} to saqtau_app")


async def keyless(door, pg_owner):
    """The folder of keys cannot be read: a file lies where it should be."""
    (door.keys._folder).write_text("not a folder")


BROKEN = {"the right is revoked": revoked, "the keys cannot be read": keyless}


@pytest.fixture
async def items(pg_owner):
    await on_shift(pg_owner, NOW, "op1")
    for name, ended in (("open", None), ("ended", NOW)):
        await pg_owner.execute(
            """insert into item (id, desk, spec, state, rev, region, priority, opened, opened_by, changed, retention,
               data, ended)
               values ($1, 'd', 's', 'x', 1, 2, 1, 0, 'rule', 0, 'short', '{}', $2) on conflict do nothing""",
            name, ended,
        )  # fmt: skip


@pytest.fixture
async def door(database, js, tmp_path, pg_owner, items):
    with capture_logs():  # each refusal is logged with its trace
        async with opened(database, tmp_path, lambda: NOW, js=js) as made:
            yield made
    await restored(pg_owner)


async def letters(js):
    """What lies in the stream LATE."""
    return [message.data for message in await anext(replay(js, LATE, "*", 0, wait=0.1))]


@pytest.mark.parametrize("how", BROKEN)
async def test_help_goes_on_and_power_stops_while_the_ledger_cannot_write(door, js, pg_owner, how):
    await BROKEN[how](door, pg_owner)
    for name, (viewer, wish) in HELP.items():
        grant = await door.access.open(viewer, wish)
        assert grant.entry.startswith("late:"), name
    for name, wish in POWER.items():
        viewer = Viewer("a1", "auditor", frozenset()) if name == "overseer" else OPERATOR
        with pytest.raises(Refused) as refused:
            await door.access.open(viewer, wish)
        assert (refused.value.kind, refused.value.fields) == (Kind.UNAVAILABLE, {"ledger": "unavailable"}), name
    assert len(await letters(js)) == len(HELP)


async def test_a_letter_says_nothing_to_who_reads_the_journal(door, js, pg_owner):
    await revoked(door, pg_owner)
    await door.access.open(*HELP["open item"])
    (letter,) = await letters(js)
    assert b"op1" not in letter
    assert b"item" not in letter


async def test_what_came_late_is_entered_once_with_its_own_time_and_a_mark(door, js, pg_owner, database):
    await revoked(door, pg_owner)
    grant = await door.access.open(*HELP["queue"])
    with pytest.raises(Refused):
        await door.access.open(OPERATOR, AccessRequest(action=Action.READ_LIST, purpose=Purpose.DUTY))  # denied
    await restored(pg_owner)
    async with (
        postgres.pool(database, postgres.WORKER, 2) as pool,
        opened(database, door.keys._folder.parent, lambda: Instant(NOW + 60_000), role=postgres.WORKER) as notary,
    ):
        drain = Late(js, bytes(32), secrets.token_bytes).drain
        assert await drain(pool, notary.ledger, lambda: NOW) == 2
        assert await drain(pool, notary.ledger, lambda: NOW) == 0
        await door.access.close(grant, 5)
        await door.access.settle()  # for two seconds after a refusal the journal is asked at once
        assert await drain(pool, notary.ledger, lambda: NOW) == 1
        lines = await notary.lines()
    late = {line["action"]: line for line in lines if line["late"]}
    assert late.keys() == {"queue.watch", "list.read"}
    assert (late["queue.watch"]["id"], late["queue.watch"]["at"]) == (grant.entry, NOW)
    assert (late["queue.watch"]["delivered"], late["list.read"]["decision"]) == (5, "deny")
    assert await letters(js) == []


async def test_a_notary_that_dies_between_commit_and_purge_enters_nothing_twice(door, js, pg_owner, database):
    await revoked(door, pg_owner)
    for _ in range(3):
        await door.access.open(*HELP["queue"])
    await restored(pg_owner)

    class Dying(Late):
        async def _forget(self, _):
            raise Refused(Kind.UNAVAILABLE, "killed", test="killed")

    async with postgres.pool(database, postgres.WORKER, 2) as pool:
        with pytest.raises(Refused):
            await Dying(js, bytes(32), secrets.token_bytes).drain(pool, door.ledger, lambda: NOW)
        assert len(await letters(js)) == 3
        assert await Late(js, bytes(32), secrets.token_bytes).drain(pool, door.ledger, lambda: NOW) == 0
    assert len(await door.lines(action="queue.watch", late=True)) == 3


async def test_a_letter_under_another_key_leaves_an_entry_that_says_so(door, js, pg_owner, database):
    await revoked(door, pg_owner)
    await door.access.open(*HELP["queue"])
    await restored(pg_owner)
    async with postgres.pool(database, postgres.WORKER, 2) as pool:
        assert await Late(js, b"x" * 32, secrets.token_bytes).drain(pool, door.ledger, lambda: NOW) == 1
    assert [line["action"] for line in await door.lines(until=AGES, late=True)] == ["late_unreadable"]


async def emptied(js, door, pool):
    """As the notary leaves it: everything appended, so that what is missing afterwards is new."""
    return await Late(js, bytes(32), secrets.token_bytes).drain(pool, door.ledger, lambda: NOW)


async def gaps(door):
    """What the ledger says of letters that were taken out: how many, before which letter."""
    told = [(await records(door, line))["missing"] for line in await door.lines(action="late_gap", at=NOW + 7)]
    return sorted(told)


async def records(door, line):
    wish = AccessRequest(action=Action.READ_ACCESS, purpose=Purpose.OVERSIGHT)
    grant = await door.access.open(Viewer("a1", "auditor", frozenset()), wish)
    origin, index = line["entry"].split("#")
    (one,) = [one async for one in read_records(grant, door.pool, door.keys, origin, int(index), 1, NOW)]
    return one.record


async def test_letters_that_were_taken_out_of_the_journal_are_missed_by_number(door, js, pg_owner, database):
    async with postgres.pool(database, postgres.WORKER, 2) as pool:
        await emptied(js, door, pool)
        await revoked(door, pg_owner)
        for _ in range(4):
            await door.access.open(*HELP["queue"])
        await js.delete_msg(LATE.name, 2)
        await js.delete_msg(LATE.name, 3)
        await restored(pg_owner)
        late = Late(js, bytes(32), secrets.token_bytes)
        assert await late.drain(pool, door.ledger, lambda: NOW + 7) == 2
        assert await gaps(door) == [2]
        await revoked(door, pg_owner)
        await door.access.open(*HELP["queue"])
        await js.purge_stream(LATE.name)
        await restored(pg_owner)
        for _ in range(2):
            assert await late.drain(pool, door.ledger, lambda: NOW + 7) == 0
        assert await gaps(door) == [1, 2]


async def test_a_journal_that_was_made_anew_is_told_and_its_letters_count_from_one(door, js, pg_owner, database):
    async with postgres.pool(database, postgres.WORKER, 2) as pool:
        await emptied(js, door, pool)
        await js.delete_stream(LATE.name)
        await ensured(js)
        await revoked(door, pg_owner)
        await door.access.open(*HELP["queue"])
        await restored(pg_owner)
        before = len(await door.lines(action="late_gap"))
        assert await emptied(js, door, pool) == 1
        assert len(await door.lines(action="late_gap")) == before + 1


async def ensured(js):
    while True:
        try:
            return await ensure_streams(js, streams=(LATE,))
        except Refused:  # NATS removes the folder of the old one behind its answer
            await asyncio.sleep(0.1)


async def test_a_letter_that_somebody_says_is_known_is_entered_with_a_mark(door, js, pg_owner, database):
    async with postgres.pool(database, postgres.WORKER, 2) as pool:
        await emptied(js, door, pool)
        await revoked(door, pg_owner)
        grant = await door.access.open(*HELP["queue"])
        await restored(pg_owner)
        identity = grant.entry.removeprefix("late:")
        await pool.execute("insert into late_done values ($1, $2, $3)", "nowhere/00/access/2026#9", identity, NOW)
        assert await emptied(js, door, pool) == 1
    (line,) = await door.lines(id=grant.entry)
    record = await records(door, line)
    assert (record["again"], record["late"], record["letter"]) == (True, True, 1)


async def test_what_came_late_is_found_under_the_hour_in_which_it_happened(door, js, pg_owner, database):
    await revoked(door, pg_owner)
    grant = await door.access.open(*HELP["units"])
    await door.access.close(grant, 3)
    await door.access.settle()
    await restored(pg_owner)
    hours = Instant(NOW + 5 * 3_600_000)
    async with (
        postgres.pool(database, postgres.WORKER, 2) as pool,
        opened(database, door.keys._folder.parent, lambda: hours, role=postgres.WORKER) as notary,
    ):
        await notary.access.tell(LeafClass.ADMIN, "before")
        assert await Late(js, bytes(32), secrets.token_bytes).drain(pool, notary.ledger, lambda: hours) == 2
        await notary.access.tell(LeafClass.ADMIN, "after")
        (line,) = await door.lines(since=NOW, until=Instant(NOW + 1), id=grant.entry)
        assert (line["at"], line["late"], line["delivered"]) == (NOW, True, 3)
        assert await door.lines(since=hours, until=Instant(hours + 1), id=grant.entry) == []
        assert len(await door.lines(since=0, until=Instant(hours + 1), id=grant.entry)) == 1


async def test_ends_and_acts_are_kept_until_the_ledger_or_the_journal_takes_them(door, js, pg_owner):
    grant = await door.access.open(*HELP["open item"])
    await revoked(door, pg_owner)
    await door.access.close(grant, 3)
    await door.access.tell(LeafClass.LOGIN, "login", viewer=OPERATOR, must=False)
    await door.access.settle()
    assert len(await letters(js)) == 2
    with pytest.raises(Refused):
        await door.access.tell(LeafClass.ADMIN, "account.disable")


async def test_with_neither_ledger_nor_journal_nobody_is_shown_anything(database, items, pg_owner, tmp_path):
    async with opened(database, tmp_path, lambda: NOW) as door:
        await revoked(door, pg_owner)
        for viewer, wish in HELP.values():
            with pytest.raises(Refused) as refused:
                await door.access.open(viewer, wish)
            assert refused.value.fields == {"ledger": "unavailable"}
        await restored(pg_owner)


async def test_with_the_whole_database_gone_the_live_picture_goes_on(door, js):
    await door.pool.close()
    await door.ledger._pool.close()
    for name in ("queue", "units", "cameras", "own alert"):
        assert (await door.access.open(*HELP[name])).entry.startswith("late:")
    with pytest.raises(Refused) as refused:  # whether an item is open is not known then
        await door.access.open(*HELP["open item"])
    assert refused.value.kind is Kind.UNAVAILABLE
    assert len(await letters(js)) == 4


async def test_what_waits_is_written_when_the_ledger_comes_back(database, items, pg_owner, tmp_path):
    async with opened(database, tmp_path, lambda: NOW) as door:  # no journal: it waits in memory
        grant = await door.access.open(*HELP["queue"])
        await revoked(door, pg_owner)
        await door.access.close(grant, 9)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await door.access.settle()
        await restored(pg_owner)
        assert [line["delivered"] for line in await door.lines(id=grant.entry)] == [9]


async def test_a_letter_that_was_not_answered_is_one_letter(js):
    late = Late(js, bytes(32), os.urandom)
    draft = Draft(ACCESS, 2, LeafClass.VIEW, "access_3y", {"viewer": "op1"})
    await late.put("one", draft)
    await late.put("one", draft)
    assert await last_sequence(js, LATE) == 1
