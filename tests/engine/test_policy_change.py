"""Policies change by two people, and every process knows within a second."""

import asyncio
import json

import pytest

from saqtau.engine import postgres
from saqtau.engine.policy_change import (
    PolicyWatch,
    approve,
    changed,
    changed_policies,
    check_change,
    find_proposal,
    in_force,
    install,
    propose,
    read_policy_set,
    read_policy_sets,
    turn_down,
)
from saqtau.engine.verify import verify
from saqtau.kernel.access import AccessRequest, Action, Decision, Purpose, Viewer, granted
from saqtau.kernel.clock import DAY, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.policies import policy_hash
from saqtau.kernel.two_people import Standing
from saqtau.policies import texts

pytestmark = pytest.mark.anyio

TEXTS, SCHEMA = texts()
NOW = Instant(1_764_000_000_000)
EXTRA = """@id("clerks-watch")
@sentence("Clerks watch the queue.")
permit (principal in Role::"clerk", action == Action::"queue.watch", resource) when { context.purpose == "duty" };
"""
UNLAWFUL = """@id("administrator-looks")
@sentence("The administrator looks at everything.")
permit (principal in Role::"operator", action == Action::"record.erase", resource);
"""
WITHOUT_A_LAW = {"limits.cedar": ""}


def grant(who, action, name="policies", now=NOW, role="prosecutor"):
    wish = AccessRequest(action=action, purpose=Purpose.OVERSIGHT, object=name)
    return granted(Decision(allow=True), "log#0", Viewer(who, role, frozenset()), wish, now)


@pytest.fixture
async def pool(engine):
    """A database of each test's own: what is in force is one row of the whole house."""
    server = await asyncio.to_thread(engine.fresh_database)
    owner = await postgres.connect(server, postgres.OWNER)
    await owner.execute(
        "insert into people (id, name, roles, created, changed) values ('p', 'The prosecutor', '{prosecutor}', 1, 1)"
    )
    await owner.execute(
        """insert into ledger_log (id, origin, kind, region, year, vkey, size, root, edge, note, at)
           values (1, 'log', 'access', 0, 2026, 'v', 1, $1, '', 'n', 1)""",
        bytes(32),
    )
    await owner.close()
    async with postgres.pool(server, postgres.APP, 4) as made:
        yield made


async def begin(pool):
    number = iter(range(99))

    async def entry(hash_, name):
        return f"log#{name}"

    assert await install(pool, TEXTS, SCHEMA, entry, NOW, lambda: f"set{next(number)}")


async def proposed(pool, name="p1", patch=None, by="admin", now=NOW):
    after, _ = await check_change(pool, SCHEMA, patch or {"extra.cedar": EXTRA})
    _, force = await in_force(pool)
    base = policy_hash(force, SCHEMA)
    await propose(grant(by, Action.PROPOSE_POLICY, name, now), pool, name, after, SCHEMA, base, "clerks need it", now)


async def refused(awaitable):
    with pytest.raises(Refused) as told:
        await awaitable
    return told.value.kind, dict(told.value.fields)


async def test_the_release_brings_the_first_policies_once(pool):
    await begin(pool)

    async def entry(*_):
        raise AssertionError

    assert not await install(pool, TEXTS, SCHEMA, entry, NOW, lambda: "x")
    assert (await in_force(pool))[1] == dict(sorted(TEXTS.items()))
    (line,) = await read_policy_sets(grant("p", Action.READ_POLICY), pool, NOW)
    assert (line.asked_by, line.standing, line.in_force, line.entry) == (
        "installer",
        Standing.APPROVED,
        True,
        "log#set0",
    )


async def test_a_change_is_in_force_once_another_person_approved_and_every_process_sees_it(pool):
    await begin(pool)
    adopted = []
    watches = [PolicyWatch(pool, SCHEMA, adopted.append) for _ in range(2)]
    for watch in watches:
        assert await watch.look()
        assert not await watch.look()
    await proposed(pool)
    assert not await watches[0].look(), "a proposal is not in force"
    done = await approve(grant("p", Action.APPROVE_POLICY, "p1"), pool, "p1", SCHEMA, NOW)
    assert (done.standing, done.in_force, done.signatures[0].by) == (Standing.APPROVED, True, "p")
    for watch in watches:
        assert await watch.look()
    assert [one.hash for one in adopted[2:]] == [policy_hash({**TEXTS, "extra.cedar": EXTRA}, SCHEMA)] * 2


async def test_nobody_approves_his_own(pool):
    await begin(pool)
    await proposed(pool, by="p")
    assert await refused(approve(grant("p", Action.APPROVE_POLICY, "p1"), pool, "p1", SCHEMA, NOW)) == (
        Kind.DENIED, {"actor": "own_wish"},
    )  # fmt: skip
    assert (await in_force(pool))[0] == "set0"


async def test_of_two_proposals_over_one_base_the_second_is_made_anew(pool):
    await begin(pool)
    await proposed(pool, "p1")
    await proposed(pool, "p2", {"extra.cedar": EXTRA.replace("clerk", "analyst")})
    await approve(grant("p", Action.APPROVE_POLICY, "p1"), pool, "p1", SCHEMA, NOW)
    assert await refused(approve(grant("p", Action.APPROVE_POLICY, "p2"), pool, "p2", SCHEMA, NOW)) == (
        Kind.CONFLICT, {"base": "changed"},
    )  # fmt: skip


async def test_going_back_is_a_proposal_like_any_other(pool):
    await begin(pool)
    await proposed(pool, "p1")
    await approve(grant("p", Action.APPROVE_POLICY, "p1"), pool, "p1", SCHEMA, NOW)
    await proposed(pool, "p2", {"extra.cedar": None})
    await approve(grant("p", Action.APPROVE_POLICY, "p2"), pool, "p2", SCHEMA, NOW)
    name, kept = await in_force(pool)
    assert (name, kept) == ("p2", dict(sorted(TEXTS.items())))


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"extra.cedar": "permit (principal"}, "extra.cedar"),
        ({"extra.cedar": EXTRA.replace("queue.watch", "queue.burn")}, "clerks-watch"),
        ({"extra.cedar": UNLAWFUL, **WITHOUT_A_LAW}, "policies"),
        ({"nothing.cedar": None}, "texts"),
        ({}, "texts"),
    ],
)
async def test_what_does_not_hold_is_not_even_proposed(pool, patch, field):
    await begin(pool)
    kind, fields = await refused(check_change(pool, SCHEMA, patch))
    assert kind is Kind.INVALID
    assert field in fields


async def test_a_proposal_is_turned_down_taken_back_or_lapses(pool):
    await begin(pool)
    await proposed(pool, "p1")
    line = await turn_down(grant("p", Action.APPROVE_POLICY, "p1"), pool, "p1", "not needed", NOW)
    assert (line.standing, line.closed_by, line.closed_why) == (Standing.REFUSED, "p", "not needed")
    await proposed(pool, "p2")
    stranger = grant("admin2", Action.PROPOSE_POLICY, "p2", role="administrator")
    assert (await refused(turn_down(stranger, pool, "p2", "mine", NOW)))[0] is Kind.DENIED
    await turn_down(grant("admin", Action.PROPOSE_POLICY, "p2"), pool, "p2", "a mistake", NOW)
    await proposed(pool, "p3")
    late = Instant(NOW + 7 * DAY)
    assert (await find_proposal(pool, "p3", late)).standing is Standing.LAPSED
    told = await refused(approve(grant("p", Action.APPROVE_POLICY, "p3", late), pool, "p3", SCHEMA, late))
    assert told == (Kind.CONFLICT, {"standing": "lapsed"})


async def test_a_reader_sees_what_a_proposal_means(pool):
    await begin(pool)
    await proposed(pool)
    seen = await read_policy_set(grant("p", Action.READ_POLICY), pool, "p1", SCHEMA, NOW)
    assert [one.id for one in seen.diff.rules] == ["clerks-watch"]
    assert seen.texts["extra.cedar"] == EXTRA
    assert {"clerks-watch", "own-region"} <= {rule["id"] for rule in seen.rules}


async def past_the_guards(pool, engine, *statements):
    """As somebody with full rights on the database, past the two people."""
    owner = await postgres.connect(pool_server(pool, engine), postgres.OWNER)
    try:
        for table in ("policy_set", "policy_force"):
            await owner.execute(f"alter table {table} disable trigger user")
        for sql, *values in statements:
            await owner.execute(sql, *values)
    finally:
        await owner.close()


async def test_a_set_that_breaks_a_law_does_not_rule_even_when_it_stands_in_the_record(pool, engine):
    await begin(pool)
    adopted = []
    watch = PolicyWatch(pool, SCHEMA, adopted.append)
    await watch.look()
    await proposed(pool)
    texts_ = {"extra.cedar": EXTRA, "schema.cedarschema": SCHEMA}
    digest = policy_hash(texts_, SCHEMA)
    await past_the_guards(
        pool,
        engine,
        (
            "update policy_set set texts = $1, hash = $2, standing = 'approved' where id = 'p1'",
            json.dumps(texts_),
            digest,
        ),
        ("update policy_force set id = 'p1', hash = $1", digest),
    )
    assert await changed_policies(pool) == []
    assert not await watch.look()
    assert len(adopted) == 1
    fresh = PolicyWatch(pool, SCHEMA, adopted.append)
    await fresh.begin()
    assert (len(adopted), fresh.id) == (1, None), "a process that starts now goes by the policies of its release"


EDITED = "update policy_set set texts = replace(texts::text, 'of their regions', 'of all regions')::json where id = $1"


async def test_texts_that_were_edited_under_an_approved_set_do_not_rule_and_nothing_starts_by_them(
    pool, engine, tmp_path
):
    await begin(pool)
    adopted = []
    watch = PolicyWatch(pool, SCHEMA, adopted.append)
    await watch.begin()
    before = await pool.fetchval("select texts::text from policy_set where id = 'set0'")
    await past_the_guards(pool, engine, (EDITED, "set0"))
    assert not await watch.look()
    assert watch.changed, "what runs goes on by the last good set, and tells it"
    fresh = PolicyWatch(pool, SCHEMA, adopted.append)
    assert await refused(fresh.begin()) == (Kind.CONFLICT, {"policies": "not_approved"})
    assert await refused(in_force(pool)) == (Kind.CONFLICT, {"policies": "not_approved"})
    assert await changed_policies(pool) == [("set0", policy_hash(TEXTS, SCHEMA))]
    said = []
    async with pool.acquire() as pg:
        findings = await verify(pg, tmp_path, tmp_path, said.append)
    assert "policies set0" in {one.where for one in findings}
    digest = policy_hash(TEXTS | {"extra.cedar": EXTRA}, SCHEMA)
    alike = json.dumps(TEXTS | {"extra.cedar": EXTRA, "schema.cedarschema": SCHEMA})
    await past_the_guards(
        pool,
        engine,
        ("update policy_set set texts = $1, hash = $2 where id = 'set0'", alike, digest),
        ("update policy_force set hash = $1", digest),
    )
    assert not await watch.look()
    assert watch.changed, "not even when the hashes were edited alike"
    digest = policy_hash(TEXTS, SCHEMA)
    await past_the_guards(
        pool,
        engine,
        ("update policy_set set texts = $1, hash = $2 where id = 'set0'", before, digest),
        ("update policy_force set hash = $1", digest),
    )
    assert not await watch.look()
    assert (watch.changed, len(adopted)) == (False, 1)
    await fresh.begin()
    assert len(adopted) == 2


async def test_a_hash_in_force_that_no_set_has_does_not_rule(pool, engine):
    await begin(pool)
    await past_the_guards(pool, engine, ("update policy_force set hash = $1", "0" * 64))
    assert (await refused(PolicyWatch(pool, SCHEMA, print).begin()))[0] is Kind.CONFLICT
    assert await changed_policies(pool) == [("set0", "0" * 64)]


async def test_a_proposal_that_was_edited_meanwhile_is_not_approved(pool, engine):
    await begin(pool)
    await proposed(pool)
    await past_the_guards(pool, engine, (EDITED, "p1"))
    told = await refused(approve(grant("p", Action.APPROVE_POLICY, "p1"), pool, "p1", SCHEMA, NOW))
    assert told == (Kind.CONFLICT, {"policies": "not_approved"})
    assert (await in_force(pool))[0] == "set0"


async def test_a_release_with_another_schema_still_knows_what_was_approved(pool):
    await begin(pool)
    adopted = []
    await PolicyWatch(pool, SCHEMA + "\n// a later release\n", adopted.append).begin()
    assert adopted[0].texts == dict(sorted(TEXTS.items()))


def pool_server(pool, engine):
    """The database this pool speaks to."""
    return engine.server.at(f"test_{engine.databases}")


def test_a_change_names_only_what_it_touches():
    assert changed({"a.cedar": "1", "b.cedar": "2"}, {"b.cedar": "3", "c.cedar": "4"}) == {
        "a.cedar": "1", "b.cedar": "3", "c.cedar": "4",
    }  # fmt: skip
    assert changed({"a.cedar": "1", "b.cedar": "2"}, {"b.cedar": None}) == {"a.cedar": "1"}
