"""Whatever is lost on the way: what was acknowledged stands once, in the place that was told; no checkpoint forks."""

import asyncio
import secrets

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tests.engine.faulty import FAULTS, FaultyPool
from tests.engine.test_ledger import NOW, SEED, draft, keeper, leaves

from saqtau.engine import postgres
from saqtau.engine.keys import Signers
from saqtau.engine.lane import ROOM, Lane
from saqtau.engine.sequencer import Entry, read_head
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import uuid7_source
from saqtau.ledger.checkpoint import parse
from saqtau.ledger.leaf import Leaf, LeafClass, encode_leaf
from saqtau.ledger.note import parse_note
from saqtau.ledger.tree import Edge, leaf_hashes

SIGNERS = Signers("saqtau.test", SEED)
ids = uuid7_source(lambda: NOW, secrets.token_bytes)


def entry():
    """A leaf like no other."""
    leaf = encode_leaf(Leaf(secrets.token_bytes(32), LeafClass.VIEW, "2026-09-21", "access_3y"))
    return Entry(leaf, LeafClass.VIEW, "2026-09-21", "access_3y")


class Life(RuleBasedStateMachine):
    """Three processes append to one log while connections, answers, commits and processes are lost."""

    made = 0
    server = None

    @initialize()
    def begin(self):
        Life.made += 1
        self.origin = f"saqtau.test/{Life.made % 100:02d}/access/{2020 + Life.made // 100}"
        self.acked, self.seen = {}, []
        self.runner = asyncio.Runner()
        self.runner.run(self.open())

    async def open(self):
        self.pool = await postgres.pool(self.server, postgres.APP, 6)
        self.pools = [FaultyPool(self.pool) for _ in range(3)]
        self.lanes = [self.lane(pool) for pool in self.pools]

    def lane(self, pool):
        return Lane(pool, SIGNERS.signer(self.origin), lambda: NOW, ids, patience=2.0)

    def teardown(self):
        if hasattr(self, "runner"):
            try:
                self.runner.run(self.check())
            finally:
                self.runner.run(self.shut())
                self.runner.close()

    async def shut(self):
        for lane in self.lanes:
            await lane.drain()
        self.pool.terminate()

    @rule(
        process=st.integers(0, 2),
        sizes=st.lists(st.integers(1, 300), min_size=1, max_size=4),
        fault=st.sampled_from((None, *FAULTS)),
    )
    def append(self, process, sizes, fault):
        self.pools[process].faults.append(fault)
        parcels = [[entry() for _ in range(size)] for size in sizes]
        self.runner.run(self.put([(process, parcel) for parcel in parcels]))

    @rule(sizes=st.lists(st.integers(1, 40), min_size=3, max_size=3))
    def append_at_once(self, sizes):
        self.runner.run(self.put([(n, [entry() for _ in range(size)]) for n, size in enumerate(sizes)]))

    async def put(self, wishes):
        futures = [(parcel, self.lanes[process].put(parcel)) for process, parcel in wishes]
        answers = await asyncio.gather(*(future for _, future in futures), return_exceptions=True)
        for (parcel, _), answer in zip(futures, answers, strict=True):
            if isinstance(answer, Refused):
                assert answer.kind is Kind.UNAVAILABLE
                continue
            for index, one in enumerate(parcel, answer):
                assert self.acked.setdefault(index, one.leaf) == one.leaf, "two entries in one place"

    @rule(process=st.integers(0, 2), faults=st.lists(st.sampled_from((None, *FAULTS)), min_size=1, max_size=4))
    def lose(self, process, faults):
        self.pools[process].faults.extend(faults)

    @rule(process=st.integers(0, 2))
    def arrive(self, process):
        self.runner.run(self.pools[process].deliver())

    @rule(process=st.integers(0, 2), size=st.integers(1, 20), answered=st.booleans())
    def crash(self, process, size, answered):
        """The process dies with a batch on its way: before it was sent, or after it was written."""
        pool = self.pools[process]
        pool.faults.clear()
        pool.faults.append("lost answer" if answered else "lost before")

        async def die():
            lane = self.lanes[process]
            future = lane.put([entry() for _ in range(size)])
            while pool.faults:
                await asyncio.sleep(0)
            work = lane._work
            if work is not None:
                work.cancel()
                await asyncio.wait({work})
            assert future.done()
            self.lanes[process] = self.lane(pool)

        self.runner.run(die())

    @rule(size=st.integers(1, 300), commit=st.booleans())
    def within(self, size, commit):
        """Somebody appends in a transaction of his own, which may come to nothing."""
        from saqtau.engine.lane import open_log
        from saqtau.engine.sequencer import APPEND, LOCK, plan

        parcel = [entry() for _ in range(size)]

        async def go():
            signer = SIGNERS.signer(self.origin)
            async with self.pool.acquire() as pg:
                transaction = pg.transaction()
                await transaction.start()
                await open_log(pg, signer, NOW)
                made = plan(read_head(await pg.fetchrow(LOCK, self.origin)), parcel, signer, ids(), NOW)
                first = (await pg.fetchrow(APPEND, *made.arguments))["placed"]
                await (transaction.commit() if commit else transaction.rollback())
            if commit:
                self.acked |= {index: one.leaf for index, one in enumerate(parcel, first)}

        self.runner.run(go())

    @invariant()
    def look(self):
        """An outsider keeps every checkpoint he sees."""
        if hasattr(self, "runner"):
            note = self.runner.run(self.pool.fetchval("select note from ledger_log where origin = $1", self.origin))
            if note is not None and (not self.seen or self.seen[-1] != note):
                self.seen.append(note)

    async def check(self):
        for pool in self.pools:
            await pool.deliver()
        found = await leaves(self.pool, self.origin)
        assert len(set(found)) == len(found), "an entry was written twice"
        for index, leaf in self.acked.items():
            assert found[index] == leaf, "an acknowledged entry is lost"
        hashes = leaf_hashes(found)
        notes = await self.pool.fetch(
            "select c.note from ledger_checkpoint c join ledger_log l on l.id = c.log where l.origin = $1", self.origin
        )
        for text in {*self.seen, *(row[0] for row in notes)}:
            note = parse_note(text.encode())
            stated = parse(note)
            assert note.check(SIGNERS.signer(self.origin).verifier())
            assert stated.root == Edge().append(hashes[: stated.size])[0].root(), "a checkpoint is no prefix of the log"
        if found:
            head = read_head(await self.pool.fetchrow("select * from ledger_head_of($1)", self.origin))
            edge, full = Edge().append(hashes)
            stored = await self.pool.fetch("select level, index, hashes from ledger_tile where log = $1", head.log)
            assert head.edge == edge
            assert {tuple(row) for row in stored} == {(tile.level, tile.index, tile.hashes) for tile in full}


def test_nothing_acknowledged_is_lost_whatever_is_lost_on_the_way(database):
    Life.server = database
    examples = 40 if settings.default.max_examples <= 100 else 1_000  # each is a life in a real PostgreSQL
    run_state_machine_as_test(Life, settings=settings(stateful_step_count=15, max_examples=examples))


@pytest.fixture
async def pool(database):
    async with postgres.pool(database, postgres.APP, 4) as made:
        yield made


@pytest.mark.anyio
async def test_while_the_database_is_away_every_waiter_is_refused_and_then_served_again(pool, tmp_path):
    faulty = FaultyPool(pool)
    ledger = keeper(faulty, tmp_path, patience=0.1)
    await ledger.append(draft(region=91))
    faulty.faults.extend(["lost before"] * 10_000)
    answers = await asyncio.gather(*(ledger.append(draft(n, region=91)) for n in range(50)), return_exceptions=True)
    assert {(one.kind, one.fields["ledger"]) for one in answers} == {(Kind.UNAVAILABLE, "unavailable")}
    with pytest.raises(Refused) as refused:
        await ledger.append_all([draft(n, region=91) for n in range(5_000)])
    assert refused.value.kind is Kind.UNAVAILABLE
    with pytest.raises(Refused) as refused:
        await ledger.append_all([draft(region=91), draft(region=100)])
    assert "region" in refused.value.fields
    faulty.faults.clear()
    placed = await ledger.append(draft(region=91))
    assert placed.index == len(await leaves(pool, placed.origin)) - 1 == 1
    await ledger.close()


@pytest.mark.anyio
async def test_when_too_many_wait_the_next_is_refused_at_once_and_the_others_are_served(pool):
    lane = Lane(pool, SIGNERS.signer("saqtau.test/92/access/2026"), lambda: NOW, ids)
    parcels = [[entry() for _ in range(512)] for _ in range(ROOM // 512)]
    futures = [lane.put(parcel) for parcel in parcels]
    with pytest.raises(Refused) as refused:
        lane.put([entry()])
    assert (refused.value.kind, refused.value.fields["ledger"]) == (Kind.UNAVAILABLE, "full")
    assert await asyncio.gather(*futures) == list(range(0, ROOM, 512))


@pytest.mark.anyio
async def test_who_goes_away_before_his_turn_is_not_entered_and_harms_nobody(pool, tmp_path):
    ledger = keeper(pool, tmp_path)
    await ledger.append(draft(region=93))
    waiting = [asyncio.create_task(ledger.append(draft(n, region=93))) for n in range(9)]
    await asyncio.sleep(0)
    for task in waiting[::2]:
        task.cancel()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    placed = [one.index for one in answers if not isinstance(one, asyncio.CancelledError)]
    assert len(set(placed)) == 4
    await ledger.close()
    assert max(placed) < len(await leaves(pool, "saqtau.test/93/access/2026")) <= 10


@pytest.mark.anyio
async def test_closing_serves_who_waits_and_refuses_who_comes(pool, tmp_path):
    ledger = keeper(pool, tmp_path)
    waiting = [asyncio.create_task(ledger.append(draft(n, region=94))) for n in range(20)]
    while not ledger._lanes:
        await asyncio.sleep(0)
    running = asyncio.create_task(ledger.run())
    await ledger.close()
    await running
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    refused = [one for one in answers if isinstance(one, Refused)]
    assert {one.fields["ledger"] for one in refused} <= {"closed"}
    assert len(answers) - len(refused) == len(await leaves(pool, "saqtau.test/94/access/2026"))
    with pytest.raises(Refused):
        await ledger.append(draft(region=94))


@pytest.mark.anyio
async def test_a_log_begun_under_another_key_is_not_continued(pool, tmp_path):
    await keeper(pool, tmp_path).append(draft(region=95))
    other = Lane(pool, Signers("saqtau.test", bytes(32)).signer("saqtau.test/95/access/2026"), lambda: NOW, ids)
    with pytest.raises(Refused) as refused:
        await other.put([entry()])
    assert refused.value.__cause__.fields["ledger"] == "other_key"


@pytest.mark.anyio
async def test_a_head_that_does_not_follow_from_its_leaves_is_not_continued(database, pool, tmp_path):
    await keeper(pool, tmp_path).append(draft(region=96))
    owner = await postgres.connect(database, postgres.OWNER)
    await owner.execute("alter table ledger_log disable trigger user")
    await owner.execute("update ledger_log set root = sha256('x') where origin = 'saqtau.test/96/access/2026'")
    await owner.execute("alter table ledger_log enable trigger user")
    await owner.close()
    with pytest.raises(Refused) as refused:
        await keeper(pool, tmp_path).append(draft(region=96))
    assert isinstance(refused.value.__cause__, ValueError)


@pytest.mark.anyio
async def test_entries_within_a_transaction_are_there_when_it_commits_and_not_before(pool, tmp_path):
    ledger = keeper(pool, tmp_path)
    async with pool.acquire() as pg:
        with pytest.raises(RuntimeError):
            await ledger.within(pg, [draft(region=97)])
        undone = pg.transaction()
        await undone.start()
        await ledger.within(pg, [draft(region=97), draft(region=98)])
        await undone.rollback()
        assert await leaves(pool, "saqtau.test/97/access/2026") == []
        async with pg.transaction():
            placed = await ledger.within(pg, [draft(n, region=97 + n % 2) for n in range(5)])
            assert await leaves(pool, "saqtau.test/97/access/2026") == []
    assert [(one.origin[12:14], one.index) for one in placed] == [("97", 0), ("98", 0), ("97", 1), ("98", 1), ("97", 2)]
    after = await ledger.append(draft(region=97))
    assert after.index == 3
    await ledger.close()


@pytest.mark.anyio
async def test_a_draft_beyond_the_limits_is_refused_by_name_and_takes_nobody_with_it(pool, tmp_path):
    from saqtau.engine.ledger import Count, Draft

    ledger = keeper(pool, tmp_path)
    good = asyncio.create_task(ledger.append(draft(region=90)))
    wrong = [
        (draft(region=100), "region"), (draft(region=-1), "region"), (draft(kind="other"), "log"),
        (draft(retention="../x"), "retention"), (draft(retention="hold"), "retention"),
        (draft(count=Count(action="a b")), "count"), (draft(count=Count(role="a\0")), "count"),
        (draft(count=Count(policy="x" * 129)), "count"), (draft(count=Count(delivered=-1)), "count"),
        (draft(count=Count(entries=2)), "count"),
        (Draft("access", 1, LeafClass.VIEW, "access_3y", {"a": object()}), "record"),
        (Draft("access", 1, LeafClass.VIEW, "access_3y", {"a": "x" * 300_000}), "record"),
    ]  # fmt: skip
    for one, field in wrong:
        with pytest.raises(Refused) as refused:
            await ledger.append(one)
        assert (refused.value.kind, field in refused.value.fields) == (Kind.INVALID, True)
    assert (await good).index >= 0
    await ledger.close()
