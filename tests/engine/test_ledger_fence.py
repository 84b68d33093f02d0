"""Nobody edits the past: roles cannot write at all, the owner is refused by triggers, and a batch must fit its log."""

import asyncpg
import pytest
from tests.engine.test_ledger import NOW, SEED, draft, keeper

from saqtau.engine import postgres
from saqtau.engine.keys import Signers
from saqtau.engine.lane import open_log
from saqtau.engine.ledger import Count
from saqtau.engine.sequencer import APPEND, Entry, plan
from saqtau.ledger.leaf import Leaf, LeafClass, encode_leaf

pytestmark = pytest.mark.anyio

TABLES = ["log", "pack", "records", "held", "tile", "checkpoint", "cosigned", "witness", "count"]
SIGNER = Signers("saqtau.test", SEED).signer("saqtau.test/03/access/2026")
BATCH_ID = "0199a3c4-7c00-7000-8000-000000000000"


def entries(count):
    leaf = encode_leaf(Leaf(bytes(32), LeafClass.VIEW, "2026-09-21", "access_3y"))
    return [Entry(leaf, LeafClass.VIEW, "2026-09-21", "access_3y")] * count


@pytest.fixture
async def filled(database, tmp_path):
    """A log with a row in every table; its origin."""
    async with postgres.pool(database, postgres.WORKER, 2) as pool:
        ledger = keeper(pool, tmp_path)
        placed = await ledger.append_all([draft(n) for n in range(300)])
        origin = placed[0].origin
        log = await pool.fetchval("select id from ledger_log where origin = $1", origin)
        size = await pool.fetchval("select size from ledger_log where id = $1", log)
        await pool.execute("select ledger_cosign($1, $2, 'w', 'line', 1)", log, size)
        await pool.execute("select ledger_witnessed($1, 'w', 'vkey', 'http://w', $2, null, 1)", log, size)
        await pool.execute("select ledger_hold($1, 'case-1', '{5}', array['x'::bytea], array['y'::bytea])", log)
        await ledger.append(draft(klass=LeafClass.VIEW, count=Count(action="item.read")))
        yield origin


async def test_the_roles_of_services_read_and_write_nothing(filled, pg_app, pg_worker):
    for pg in (pg_app, pg_worker):
        for table in TABLES:
            assert await pg.fetchval(f"select count(*) from ledger_{table}") > 0
            for verb in (f"insert into ledger_{table} select * from ledger_{table}", f"delete from ledger_{table}",
                         f"update ledger_{table} set {'log' if table != 'log' else 'id'} = 9",
                         f"truncate ledger_{table}"):  # fmt: skip
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await pg.execute(verb)


@pytest.mark.parametrize("table", [table for table in TABLES if table != "witness"])
async def test_the_owner_is_refused_by_a_trigger(filled, pg_owner, table):
    change = "at = at + 1" if table in {"log", "checkpoint", "cosigned"} else "log = log + 1"
    for verb in (f"delete from ledger_{table}", f"update ledger_{table} set {change}", f"truncate ledger_{table}"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="nobody edits the past"):
            await pg_owner.execute(verb)


async def test_a_setting_that_the_functions_use_does_not_help_others(filled, pg_worker, pg_owner):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pg_worker.execute("set app.ledger = 'erase'; update ledger_records set records = null")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pg_owner.execute("set app.ledger = 'erase'; update ledger_records set retention = 'x'")


async def test_the_web_cannot_erase_thin_or_cosign(filled, pg_app):
    for call in (
        "ledger_erase(1::int2, 'access_3y', '2026-09-21')",
        "ledger_thin(1::int2, 9)",
        "ledger_thin_cosigned(1::int2, 9)",
        "ledger_cosign(1::int2, 1, 'w', 'line', 1)",
        "erase_ended('hit_30d', 1, 1, 1)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pg_app.execute(f"select {call}")


NAMES = ("origin", "expected", "expected_root", "batch", "at", "size", "root", "edge", "note", "pack_first",
         "pack_count", "pack_leaves", "tile_level", "tile_index", "tile_hashes")  # fmt: skip


def changed(made, **values):
    arguments = list(made.arguments)
    for name, value in values.items():
        arguments[NAMES.index(name)] = value
    return arguments


async def test_a_batch_that_does_not_continue_its_log_is_refused(pg_app):
    head = await open_log(pg_app, SIGNER, NOW)
    made = plan(head, entries(600), SIGNER, BATCH_ID, NOW)
    a = dict(zip(NAMES, made.arguments, strict=False))
    short = [a["pack_leaves"][0][:-1], *a["pack_leaves"][1:]]
    long = [a["pack_leaves"][0] + b"\0", *a["pack_leaves"][1:]]
    lying = [b"\xff\xff" + a["pack_leaves"][0][2:], *a["pack_leaves"][1:]]
    wrong = [
        {"size": 599}, {"size": 0}, {"size": 601}, {"root": a["root"][:31]}, {"root": bytes(32)}, {"edge": None},
        {"edge": a["edge"] + bytes(32)}, {"edge": a["edge"][:-1]}, {"note": a["note"].replace("\n600\n", "\n601\n")},
        {"note": a["note"].replace("/03/", "/04/")}, {"note": a["note"] + "x" * 5000}, {"pack_first": [0, 256, 513]},
        {"pack_first": [1, 257, 513]}, {"pack_first": [0, 256]}, {"pack_count": [256, 256, 87]},
        {"pack_count": [300, 212, 88], "pack_first": [0, 300, 512]}, {"pack_leaves": short}, {"pack_leaves": long},
        {"pack_leaves": lying}, {"tile_level": [0], "tile_index": [0], "tile_hashes": a["tile_hashes"][:1]},
        {"tile_level": [0, 0], "tile_index": [0, 2]}, {"tile_level": [0, 1]}, {"tile_level": [0, 9]},
        {"tile_hashes": [a["tile_hashes"][0], a["tile_hashes"][1][:-32]]}, {"tile_hashes": a["tile_hashes"][:1]},
        {"origin": "saqtau.test/03/access/2027"},
    ]  # fmt: skip
    for change in wrong:
        with pytest.raises(asyncpg.CheckViolationError, match="ledger"):
            await pg_app.fetchrow(APPEND, *changed(made, **change))
    assert await pg_app.fetchval("select size from ledger_log where origin = $1", SIGNER.name) == 0
    assert (await pg_app.fetchrow(APPEND, *made.arguments))["placed"] == 0


async def test_an_old_head_gets_the_new_one_and_writes_nothing(pg_app):
    before = await open_log(pg_app, SIGNER, NOW)
    made = plan(before, entries(3), SIGNER, BATCH_ID.replace("0199", "0200"), NOW)
    first = await pg_app.fetchrow(APPEND, *made.arguments)
    late = plan(before, entries(5), SIGNER, BATCH_ID.replace("0199", "0201"), NOW)
    row = await pg_app.fetchrow(APPEND, *late.arguments)
    again = await pg_app.fetchrow(APPEND, *made.arguments)
    assert (first["placed"], row["placed"], row["size"]) == (before.edge.size, None, made.after.edge.size)
    assert again["placed"] == first["placed"]  # the answer was lost: the batch is there, once
    shrunk = changed(made, expected=made.after.edge.size, expected_root=made.after.root, size=made.after.edge.size - 1)
    with pytest.raises(asyncpg.CheckViolationError):
        await pg_app.fetchrow(APPEND, *shrunk)


async def test_a_log_restored_to_another_past_of_the_same_size_is_not_continued(pg_app):
    head = await open_log(pg_app, SIGNER, NOW)
    made = plan(head, entries(2), SIGNER, BATCH_ID.replace("0199", "0300"), NOW)
    row = await pg_app.fetchrow(APPEND, *changed(made, expected_root=bytes(32)))
    assert (row["placed"], row["size"]) == (None, head.edge.size)


async def test_an_appended_entry_is_durable_though_the_session_asked_for_less(pg_app):
    head = await open_log(pg_app, SIGNER, NOW)
    await pg_app.execute("set synchronous_commit = off")
    async with pg_app.transaction():
        made = plan(head, entries(1), SIGNER, BATCH_ID.replace("0199", "0400"), NOW)
        assert (await pg_app.fetchrow(APPEND, *made.arguments))["placed"] is not None
        assert await pg_app.fetchval("show synchronous_commit") == "on"
    await pg_app.execute("reset synchronous_commit")


async def test_a_log_under_a_strange_name_is_not_opened(pg_app):
    vkey = SIGNER.vkey()
    for origin, kind in (
        ("saqtau.test/3/access/2026", "access"),
        ("saqtau.test/03/access/2026/x", "access"),
        ("access", "access"),
        ("saqtau.test/03/other/2026", "other"),
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await pg_app.execute("select ledger_open($1, $2, 3::int2, 2026::int2, $3, 'n', 1)", origin, kind, vkey)
