"""Cases and shifts: what a claimed purpose is held against, imported as files, asked as five plain answers."""

from datetime import UTC, datetime

import asyncpg
import pytest

from saqtau.engine.register_files import read_rows
from saqtau.engine.registers import import_register
from saqtau.kernel.clock import DAY, HOUR, Instant

pytestmark = pytest.mark.anyio

NOW = Instant(1_790_000_000_000)
FACTS = "select * from access_facts($1, $2, $3, $4, $5, $6, $7)"


def iso(at):
    return datetime.fromtimestamp(at / 1000, UTC).isoformat()


def refusals(kind, text):
    return [(one.row, one.field) for one in read_rows(kind, text.encode())[1]]


@pytest.fixture
async def registers(pg_worker, pg_owner):
    await pg_owner.execute(
        "insert into people (id, name, roles, regions, created, changed) "
        "values ('inspector', 'И', '{inspector}', '{2}', 0, 0) on conflict do nothing"
    )
    await pg_owner.execute(
        "insert into unit (id, call_sign, region, status) values ('u1', 'U1', 2, 'available'), "
        "('u2', 'U2', 2, 'off_duty') on conflict (id) do update set status = excluded.status"
    )
    cases = (
        "number,region,opened,closed,authority\n"
        f"26-2/17,2,{iso(NOW - DAY)},,Алматы\n"
        f"26-3/1,3,{iso(NOW - DAY)},,\n"
        f"26-0/9,,{iso(NOW - DAY)},,Республика\n"
        f"25-2/1,2,{iso(NOW - 9 * DAY)},{iso(NOW - DAY)},\n"
        f"27-2/1,2,{iso(NOW + DAY)},,\n"
    )
    report = await import_register(pg_worker, "cases", "cases.csv", cases.encode(), "test", NOW)
    assert (report.imported, report.refusals) == (5, [])
    shifts = f"person,from,until\ninspector,{iso(NOW - HOUR)},{iso(NOW + HOUR)}\n"
    report = await import_register(pg_worker, "shifts", "shifts.csv", shifts.encode(), "test", NOW)
    assert (report.imported, report.refusals) == (1, [])


async def facts(pg, person="inspector", unit=None, regions=(2,), everywhere=False, named=None, at=NOW):
    return await pg.fetchrow(FACTS, person, unit, list(regions), everywhere, named, "x", at)


@pytest.mark.parametrize(
    ("number", "regions", "everywhere", "known"),
    [
        ("26-2/17", [2], False, True),
        ("26-2/17", [3], False, False),  # a case of another region
        ("26-2/17", [], True, True),
        ("26-0/9", [7], False, True),  # of the republic
        ("25-2/1", [2], False, False),  # closed
        ("27-2/1", [2], False, False),  # not opened yet
        ("26-2/18", [2], False, False),  # invented
        (None, [2], False, False),
    ],
)
async def test_a_case_is_known_while_it_is_open_and_where_it_belongs(
    pg_app, registers, number, regions, everywhere, known
):
    assert (await facts(pg_app, named=number, regions=regions, everywhere=everywhere))["case_known"] is known


async def test_a_shift_begins_and_ends(pg_app, registers):
    around = (NOW - HOUR - 1, NOW - HOUR, NOW + HOUR - 1, NOW + HOUR)
    assert [(await facts(pg_app, at=at))["on_shift"] for at in around] == [False, True, True, False]
    assert not (await facts(pg_app, person="somebody"))["on_shift"]


async def test_a_patrol_is_on_shift_while_its_unit_is_on_duty(pg_app, registers):
    assert (await facts(pg_app, person="p1", unit="u1"))["on_shift"]
    assert not (await facts(pg_app, person="p2", unit="u2"))["on_shift"]
    assert not (await facts(pg_app, person="p2", unit="u9"))["on_shift"]


async def test_no_glass_is_broken_by_asking(pg_app, registers):
    assert not (await facts(pg_app))["break_glass"]


async def test_the_web_sees_the_answers_and_not_the_tables(pg_app, registers):
    for table in ("cases", "shifts", "late_done", "late_mark"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pg_app.fetch(f"select * from {table}")


async def test_a_shift_of_nobody_is_refused(pg_worker, registers):
    text = f"person,from,until\nnobody,{iso(NOW)},{iso(NOW + HOUR)}\n"
    report = await import_register(pg_worker, "shifts", "s.csv", text.encode(), "test", NOW)
    assert [(one.row, one.field) for one in report.refusals] == [(2, "person")]
    assert report.imported == 0


def test_a_shift_ends_after_it_began_and_within_two_days():
    line = "person,from,until\na,2026-11-24T08:00:00Z,{}\n"
    assert refusals("shifts", line.format("2026-11-24T20:00:00Z")) == []
    for until in ("2026-11-24T08:00:00Z", "2026-11-24T07:00:00Z", "2026-11-26T08:00:01Z"):
        assert refusals("shifts", line.format(until)) == [(2, "until")]


def test_a_case_is_not_closed_before_it_is_opened():
    line = "number,opened,closed\n26-1,2026-11-24,{}\n"
    assert refusals("cases", line.format("2026-11-25")) == []
    assert refusals("cases", line.format("2026-11-23")) == [(2, "closed")]
    assert refusals("cases", "number,opened\n1,2026-11-24\n") == [(2, "number")]


async def test_the_places_of_a_case_are_imported_and_go_when_the_file_names_them_no_more(pg_worker, pg_owner):
    file = f"number;opened;sites\n26-2/77;{iso(NOW)};S1 S2\n"
    report = await import_register(pg_worker, "cases", "cases.csv", file.encode(), "test", NOW)
    assert (report.imported, report.refusals) == (1, [])
    places = "select sites from cases where number = '26-2/77'"
    assert await pg_owner.fetchval(places) == ["S1", "S2"]
    without = f"number,opened\n26-2/77,{iso(NOW)}\n"
    await import_register(pg_worker, "cases", "cases.csv", without.encode(), "test", NOW)
    assert await pg_owner.fetchval(places) == []


def test_places_of_a_case_are_codes_and_a_hundred_at_most():
    many = ";".join(f"S{number}" for number in range(101))
    assert refusals("cases", f"number,opened,sites\n26-2/78,{iso(NOW)},{many}\n") == [(2, "sites")]
    assert refusals("cases", f"number,opened,sites\n26-2/78,{iso(NOW)},a'b\n") == [(2, "sites")]
    (row,), _, _ = read_rows("cases", f"number,opened,sites\n26-2/78,{iso(NOW)},S1;S1;S2\n".encode())
    assert row.record.sites == ("S1", "S2")
