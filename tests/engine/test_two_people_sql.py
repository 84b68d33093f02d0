"""The second fence: whoever takes over the web's process cannot approve his own wish in the database either."""

import asyncpg
import pytest

from saqtau.engine.chain import EVERYWHERE
from saqtau.engine.store import see

pytestmark = pytest.mark.anyio

REFUSED = asyncpg.InsufficientPrivilegeError
NOW = 1_764_000_000_000
HASH = "ab" * 32


PEOPLE = (
    ("a", ["inspector", "duty_officer"], None), ("b", ["duty_officer", "prosecutor"], None),
    ("c", ["duty_officer"], None), ("p", ["prosecutor"], None), ("gone", ["prosecutor"], 1),
)  # fmt: skip
STATE = bytes(32)


@pytest.fixture
async def lived_in(pg_owner):
    """People who may sign, and a log of three entries."""
    await pg_owner.executemany(
        "insert into people (id, name, roles, created, changed, disabled) values ($1, $1, $2, 1, 1, $3) "
        "on conflict do nothing",
        PEOPLE,
    )
    await pg_owner.execute(
        """insert into ledger_log (id, origin, kind, region, year, vkey, size, root, edge, note, at)
           values (1, 'log', 'access', 2, 2026, 'v', 3, $1, '', 'n', 1) on conflict do nothing""",
        STATE,
    )


@pytest.fixture
async def pg(pg_app, lived_in):
    """The web's role in a transaction that sees everything and is rolled back."""
    transaction = pg_app.transaction()
    await transaction.start()
    await see(pg_app, EVERYWHERE)
    yield pg_app
    await transaction.rollback()


async def ask(pg, *, sensitive=(), standing="requested"):
    await pg.execute(
        """insert into export_wish (id, item, region, sensitive, asked_by, asked_role, asked_at, purpose, case_number,
               recipient, reason, standing, entry)
           values ('e1', 'i1', 2, $1, 'a', 'inspector', $2, 'case', '123-45', 'The court', 'asked for by the court',
               $3, 'log#1')""",
        list(sensitive),
        NOW,
        standing,
    )


async def sign(pg, signer, role="duty_officer", kind="export", wish="e1", entry="log#2", state=STATE):
    await pg.execute(
        "insert into signature (kind, wish, signer, role, at, entry, state) values ($1, $2, $3, $4, $5, $6, $7)",
        kind, wish, signer, role, NOW, entry, state,
    )  # fmt: skip


async def refused(pg, sql, *args):
    with pytest.raises(REFUSED):
        async with pg.transaction():
            await pg.execute(sql, *args)


APPROVE = "update export_wish set standing = 'approved' where id = 'e1'"


async def test_a_wish_cannot_begin_approved(pg):
    with pytest.raises(REFUSED):
        await ask(pg, standing="approved")


async def test_without_a_signature_nothing_is_approved(pg):
    await ask(pg)
    await refused(pg, APPROVE)
    await sign(pg, "b")
    await pg.execute(APPROVE)


async def test_nobody_signs_his_own_wish(pg):
    await ask(pg)
    with pytest.raises(REFUSED):
        await sign(pg, "a")


async def unsigned(pg, *args, **more):
    with pytest.raises(REFUSED):
        async with pg.transaction():
            await sign(pg, *args, **more)


async def test_nobody_signs_who_is_nobody_or_has_not_the_role_or_is_out_of_service(pg):
    await ask(pg)
    await unsigned(pg, "nobody.1")
    await unsigned(pg, "c", "prosecutor")
    await unsigned(pg, "gone", "prosecutor")
    await sign(pg, "c")


@pytest.mark.parametrize(
    "entry", ["no entry", "log", "log#", "log#3", "log#x", "log#1#1", "log#-1", "other#1", "log#" + 19 * "9"]
)
async def test_nobody_signs_without_an_entry_of_the_ledger(pg, entry):
    await ask(pg)
    await unsigned(pg, "c", entry=entry)
    await sign(pg, "c", entry="log#0")


async def test_an_export_is_not_agreed_to_without_saying_what_it_was(pg):
    await ask(pg)
    with pytest.raises(asyncpg.CheckViolationError):
        await sign(pg, "c", state=None)


async def test_a_table_of_the_same_name_does_not_stand_in_for_the_real_one(pg):
    await ask(pg, sensitive=["minors"])
    await pg.execute("create temporary table people (id text, roles text[], disabled bigint)")
    await pg.execute("insert into people values ('nobody.1', '{prosecutor}', null)")
    await pg.execute("create temporary table ledger_log (origin text, size bigint)")
    await pg.execute("insert into ledger_log values ('mine', 9)")
    await unsigned(pg, "nobody.1", "prosecutor")
    await unsigned(pg, "c", entry="mine#1")
    await pg.execute("create temporary table signature (kind text, wish text, signer text, role text)")
    await pg.execute("insert into signature values ('export', 'e1', 'x', 'prosecutor'), ('export', 'e1', 'y', 'z')")
    await refused(pg, APPROVE)


async def test_what_a_wish_concerns_grows_and_never_shrinks(pg):
    await ask(pg, sensitive=["minors"])
    await pg.execute("update export_wish set sensitive = '{custody,minors}' where id = 'e1'")
    await refused(pg, "update export_wish set sensitive = '{custody}' where id = 'e1'")
    await refused(pg, "update export_wish set sensitive = '{}' where id = 'e1'")


async def test_a_sensitive_one_takes_two_of_whom_one_is_the_prosecutor(pg):
    await ask(pg, sensitive=["minors"])
    await sign(pg, "b")
    await sign(pg, "c")
    await refused(pg, APPROVE)
    await sign(pg, "p", "prosecutor")
    await pg.execute(APPROVE)


async def test_what_was_asked_does_not_change_and_what_was_refused_stays_refused(pg):
    await ask(pg)
    await refused(pg, "update export_wish set recipient = 'somebody else' where id = 'e1'")
    await pg.execute("update export_wish set standing = 'refused' where id = 'e1'")
    await refused(pg, "update export_wish set standing = 'requested' where id = 'e1'")
    await refused(pg, "delete from export_wish where id = 'e1'")
    await sign(pg, "b")
    await refused(pg, "update signature set signer = 'c'")


async def propose(pg, name, *, base=HASH, standing="requested", hash_=HASH):
    await pg.execute(
        """insert into policy_set (id, hash, texts, base, why, asked_by, asked_role, asked_at, standing, entry)
           values ($1, $2, '{}', $3, 'first', 'a', 'administrator', $4, $5, 'log#1')""",
        name,
        hash_,
        base,
        NOW,
        standing,
    )


async def test_only_the_very_first_policies_come_into_force_by_themselves(pg):
    await propose(pg, "first", base=None, standing="approved")
    await pg.execute("insert into policy_force (id, hash, since) values ('first', $1, $2)", HASH, NOW)
    with pytest.raises(REFUSED):
        async with pg.transaction():
            await propose(pg, "forged", standing="approved")
    await propose(pg, "second", hash_="cd" * 32)
    change = "update policy_force set id = 'second', hash = $1, since = $2"
    await refused(pg, change, "cd" * 32, NOW + 1)
    await refused(pg, "update policy_set set standing = 'approved' where id = 'second'")
    await sign(pg, "p", "prosecutor", "policy", "second")
    await pg.execute("update policy_set set standing = 'approved' where id = 'second'")
    await refused(pg, change, "ef" * 32, NOW + 1)
    await refused(pg, change, "cd" * 32, NOW)
    await pg.execute(change, "cd" * 32, NOW + 1)
    await refused(pg, "delete from policy_force")


async def test_a_hold_is_lifted_by_two(pg):
    await pg.execute(
        """insert into legal_hold
               (id, kind, object, region, case_number, reason, placed_by, placed_role, placed_at, entry)
           values ('h1', 'item', 'i1', 2, '123-45', 'needed in court', 'a', 'inspector', $1, 'log#1')""",
        NOW,
    )
    lift = "update legal_hold set lifted_at = $1 where id = 'h1'"
    await refused(pg, lift, NOW)
    await pg.execute(
        """update legal_hold set asked_by = 'b', asked_role = 'inspector', asked_at = $1, asked_why = 'it is over',
               asked_entry = 'log#2' where id = 'h1'""",
        NOW,
    )
    await refused(pg, lift, NOW)
    with pytest.raises(REFUSED):
        async with pg.transaction():
            await sign(pg, "b", "prosecutor", "hold", f"h1@{NOW}")
    await sign(pg, "p", "prosecutor", "hold", f"h1@{NOW}")
    await pg.execute(lift, NOW)
    await refused(pg, "update legal_hold set lifted_at = null where id = 'h1'")


async def test_what_is_held_is_not_erased(pg_owner, pg_worker):
    item = """insert into item (id, desk, spec, state, rev, region, priority, opened, changed, opened_by, retention,
        ended, data) values ($1, 'd', 's', 'over', 0, 2, 5, 1, 1, 'rule', 'short', 5, '{}')"""
    await pg_owner.execute(item, "held")
    await pg_owner.execute(item, "free")
    await pg_owner.execute(
        """insert into legal_hold
               (id, kind, object, region, case_number, reason, placed_by, placed_role, placed_at, entry)
           values ('h2', 'item', 'held', 2, '123-45', 'needed in court', 'a', 'inspector', 1, 'log#1')"""
    )
    await pg_worker.fetch("select * from erase_ended('short', 100, 100, 10)")
    left = await pg_owner.fetch("select id from item where id in ('held', 'free')")
    assert [row[0] for row in left] == ["held"]


async def test_an_account_is_locked_by_an_unreviewed_glass_whatever_regions_one_sees(pg_owner, pg_app):
    await pg_owner.execute(
        "insert into people (id, name, roles, created, changed) values ('duty9', 'Duty', '{duty_officer}', 1, 1)"
    )
    await pg_owner.execute(
        """insert into item (id, desk, spec, state, rev, region, priority, opened, changed, opened_by, retention, data)
           values ('review', 'oversight', 's', 'broken', 0, 2, 1, 1, 1, 'rule', 'oversight_10y', '{}')"""
    )
    await pg_owner.execute(
        """insert into broken_glass values
           ('g', 'duty9', 'duty_officer', 2, 'item', 'i', 'a life in danger', 1000, 2000, 5000, 'log#1', 'review')"""
    )
    locked = "select account_locked('duty9', $1)"
    assert await pg_app.fetchval(locked, 4999) is False
    assert await pg_app.fetchval(locked, 5000) is True
    assert await pg_app.fetchval("select account_locked('somebody', 9000)") is False
    with pytest.raises(REFUSED):
        await pg_owner.execute("delete from broken_glass")
    await pg_owner.execute("update item set ended = 6000 where id = 'review'")
    assert await pg_app.fetchval(locked, 9000) is False
