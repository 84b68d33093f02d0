"""A month is counted in the record, and again out of the log: what somebody changed in between is told."""

import json
import secrets

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.engine.commanded import Home
from tests.running import short_folder

from saqtau import policies
from saqtau.bootstrap import report
from saqtau.bootstrap.engine import engine_up
from saqtau.bootstrap.ground import stand
from saqtau.config import Config, Engine
from saqtau.engine import postgres
from saqtau.engine.access import Access
from saqtau.engine.entries import opened
from saqtau.engine.figures import covered, month, read_figures
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.ledger import ACCESS, Count, Draft, Ledger
from saqtau.engine.recount import read_recount
from saqtau.kernel.access import AccessRequest, Action, Decision, Purpose, Viewer
from saqtau.kernel.clock import DAY, MINUTE, SECOND, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.leaf import LeafClass
from saqtau.ledger.note import COSIGNATURE, Signer
from saqtau.report.figures import Cell

pytestmark = pytest.mark.anyio

MONTH = "2031-03"  # other tests of this database are of other years
FIRST = month(MONTH).since
AFTER = Instant(month(MONTH).until + DAY)
WITNESS = Signer("prosecutor.test/report", Ed25519PrivateKey.from_private_bytes(b"r" * 32))
TERMS = {"access_3y": ("P1095D", 1095 * DAY)}
OVERSEER = Viewer("auditor.a", "auditor", frozenset())


class Office:
    """A ledger and a door to it, at a time that the test sets."""

    def __init__(self, pool, ledger_pool, owner, folder):
        self.now = FIRST
        self.pool, self.owner = pool, owner
        self.keys = Keys(folder / "keys")
        self.ledger = Ledger(
            ledger_pool, Signers("saqtau.report", bytes(32)), self.keys, self.clock, secrets.token_bytes
        )
        self.access = Access(self.ledger, policies.load(), self.clock, self.name, pg=pool)

    def clock(self):
        return Instant(self.now)

    def name(self):
        return secrets.token_hex(8)

    async def look(self, action, purpose, role, count=1, *, allow=True):
        """So many entries of this kind, as the door writes them."""
        viewer = Viewer(f"{role}.x", role, frozenset({2}))
        wish = AccessRequest(action=action, purpose=purpose, object="o", region=2)
        decision = Decision(allow, ("some-policy",), "ab" * 32)
        drafts = [opened(self.name(), self.clock(), viewer, wish, decision, {}) for _ in range(count)]
        await self.ledger.append_all(drafts)

    async def cosign(self):
        """A witness signs the newest checkpoint of every log of ours."""
        for row in await self.owner.fetch("select * from ledger_log where origin like 'saqtau.report/%' and size > 0"):
            body = row["note"].partition("\n\n")[0] + "\n"
            line = WITNESS.cosign(body, self.now // SECOND)
            await self.owner.execute(
                "select ledger_cosign($1, $2, $3, $4, $5), ledger_witnessed($1, $3, $6, 'http://w', $2, null, $5)",
                row["id"], row["size"], WITNESS.name, line, self.now, WITNESS.vkey(COSIGNATURE),
            )  # fmt: skip

    async def figures(self):
        """As they are counted after the month."""
        self.now = AFTER
        grant = await self.access.open(OVERSEER, AccessRequest(action=Action.MAKE_REPORT, purpose=Purpose.OVERSIGHT))
        return await read_figures(grant, self.pool, MONTH, "saqtau.report", TERMS, self.now)

    async def recount(self, figures):
        grant = await self.access.open(OVERSEER, AccessRequest(action=Action.READ_ACCESS, purpose=Purpose.OVERSIGHT))
        return await read_recount(grant, self.pool, self.keys, figures, self.now)


@pytest.fixture
async def office(database, tmp_path):
    async with (
        postgres.pool(database, postgres.APP, 4) as pool,
        postgres.pool(database, postgres.APP, 2) as ledger_pool,
    ):
        owner = await postgres.connect(database, postgres.OWNER)
        made = Office(pool, ledger_pool, owner, tmp_path)
        await forget(owner)
        yield made
        await made.access.stop()
        await made.ledger.close()
        await forget(owner)
        await owner.close()


async def forget(owner):
    """As if our logs had never been: what only the owner of the database can do, and a test may."""
    for table, where in (
        *((name, "log") for name in ("pack", "records", "tile", "checkpoint", "cosigned", "gap", "witness", "count")),
        ("log", "id"),
    ):
        name = f"ledger_{table}"
        await owner.execute(
            f"alter table {name} disable trigger user; delete from {name} where {where} in "
            f"(select id from ledger_log where origin like 'saqtau.report/%'); alter table {name} enable trigger user"
        )


async def a_month(office):
    await office.look(Action.READ_PICTURE, Purpose.INCIDENT, "operator", 7)
    await office.look(Action.READ_ITEM, Purpose.INCIDENT, "operator", 2)
    await office.look(Action.WATCH_QUEUE, Purpose.DUTY, "operator", 5)
    await office.look(Action.READ_HISTORY, Purpose.CASE, "inspector", 3)
    await office.look(Action.READ_HISTORY, Purpose.CASE, "operator", 2, allow=False)
    await office.look(Action.RECEIVE_EXPORT, Purpose.CASE, "inspector")
    await office.look(Action.REQUEST_EXPORT, Purpose.CASE, "inspector", 4)
    record = {"v": 1, "what": "records", "at": FIRST, "count": 40}
    count = Count(action="records", policy="access_3y", delivered=40)
    await office.ledger.append(Draft(ACCESS, 2, LeafClass.ERASE, "oversight_10y", record, count))
    office.now = FIRST + 20 * MINUTE
    await office.cosign()
    office.now = FIRST + 40 * DAY  # the next month: none of it counts
    await office.look(Action.READ_PICTURE, Purpose.INCIDENT, "operator", 9)
    await office.cosign()


async def test_a_month_is_counted_by_kind_purpose_and_role_and_the_log_says_the_same(office):
    await a_month(office)
    figures = await office.figures()
    assert figures.looks == (
        Cell(("denied", "case", "operator"), 2),
        Cell(("export", "case", "inspector"), 1),
        Cell(("live", "duty", "operator"), 5),
        Cell(("search", "case", "inspector"), 3),
        Cell(("view", "incident", "operator"), 9),
    )
    assert figures.erasures == (Cell(("records",), 40),)
    assert figures.finished
    counted = await office.recount(figures)
    assert counted.differences == ()
    assert (counted.entries, counted.opened, counted.unreadable) == (25, 25, 0)


async def test_the_end_of_each_log_stands_in_the_report_with_its_witness(office):
    await a_month(office)
    figures = await office.figures()
    (log,) = figures.logs
    assert (log.origin, log.size) == ("saqtau.report/02/access/2031", 25)
    assert [one.witness for one in log.witnesses] == [WITNESS.name]
    assert WITNESS.name in log.note
    assert figures.witnessing.unwitnessed == 20


async def test_a_raised_counter_is_found(office):
    await a_month(office)
    await office.owner.execute(
        "update ledger_count set entries = entries + 3 where class = 'search' and log in "
        "(select id from ledger_log where origin like 'saqtau.report/%')"
    )
    (found,) = (await office.recount(await office.figures())).differences
    assert (found.what, found.reported, found.counted) == ("looks: search case inspector", "6", "3")


async def test_a_changed_leaf_and_a_changed_checkpoint_are_found(office):
    await a_month(office)
    figures = await office.figures()
    await office.owner.execute("alter table ledger_pack disable trigger user")
    await office.owner.execute(
        "update ledger_pack set leaves = set_byte(leaves, 12, get_byte(leaves, 12) # 1) where first = 0 and log in "
        "(select id from ledger_log where origin like 'saqtau.report/%')"
    )
    await office.owner.execute("alter table ledger_pack enable trigger user")
    told = {one.what for one in (await office.recount(figures)).differences}
    assert "log saqtau.report/02/access/2031" in told
    (log,) = figures.logs
    forged = msgspec.structs.replace(log, note=log.note.replace(log.root, log.root[::-1][1:] + "="))
    more = {one.what for one in (await office.recount(msgspec.structs.replace(figures, logs=(forged,)))).differences}
    assert any(what.startswith("checkpoint of") for what in more)


async def test_alerts_are_told_by_what_became_of_them_and_reads_that_nobody_confirmed_are_none(office):
    states = {"stopped": 2, "wrong_vehicle": 1, "rejected": 1, "lapsed": 1, "seeking": 3, "to_confirm": 4, "erased": 5}
    for state, count in states.items():
        for _ in range(count):
            await office.owner.execute(
                "insert into item (id, desk, spec, state, rev, region, priority, opened, changed, opened_by, "
                "retention, ended, data) values "
                "($1, 'dangerous_drivers', 'x', $2, 1, 2, 1, $3, $3, 'rule', 'hit_30d', $4, '{}')",
                office.name(), state, FIRST + DAY, None if state in {"seeking", "to_confirm"} else FIRST + 2 * DAY,
            )  # fmt: skip
    try:
        figures = await office.figures()
    finally:
        await office.owner.execute("delete from item where opened = $1", FIRST + DAY)
    found = {one.key[0]: one.count for one in figures.alerts}
    assert found == {"stopped": 2, "wrong": 2, "lapsed": 1, "open": 3}


async def test_a_report_needs_its_own_grant(office):
    office.now = AFTER
    grant = await office.access.open(OVERSEER, AccessRequest(action=Action.READ_ACCESS, purpose=Purpose.OVERSIGHT))
    with pytest.raises(Refused) as refused:
        await read_figures(grant, office.pool, MONTH, "x", TERMS, office.now)
    assert refused.value.kind is Kind.DENIED


async def test_a_month_that_has_not_begun_is_refused(office):
    office.now = AFTER
    grant = await office.access.open(OVERSEER, AccessRequest(action=Action.MAKE_REPORT, purpose=Purpose.OVERSIGHT))
    for named in ("2031-05", "2031-13", "2031-3", "x", "2019-12", "2031-03\n"):
        with pytest.raises(Refused) as refused:
            await read_figures(grant, office.pool, named, "x", TERMS, office.now)
        assert refused.value.fields.keys() == {"month"}


def test_spans_that_overlap_count_once():
    assert covered([]) == 0
    assert covered([(10, 20), (15, 30), (0, 5), (29, 30)]) == 25


def test_december_ends_with_the_year():
    assert str(month("2031-12").end) == "2032-01-01"


async def test_the_report_is_the_same_bytes_again_and_changed_figures_are_noticed():
    with short_folder() as folder:
        ground = stand(Config(engine=Engine(folder=folder / "s")))
        said = []

        async def make(out, named="2025-01", *, again=False):
            files = await report.make(ground, named, folder / out, "the tests", said.append, again=again)
            return {file.name: file.read_bytes() for file in files}

        async with engine_up(ground):
            first = await make("first")
            pages = {f"2025-01.{one}.{kind}" for one in ("kk", "ru", "en") for kind in ("html", "pdf")}
            assert first.keys() == {"2025-01.json"} | pages
            assert "entered in the ledger: " in said[-1]
            assert await make("second") == first
            assert "as entered in the ledger: " in said[-1]
            assert (await report.recompute(ground, "2025-01", "the tests", said.append)).differences == ()
            kept = ground.place.folder / "reports/2025-01.json"
            assert kept.stat().st_mode & 0o077 == 0
            changed = json.loads(kept.read_bytes())
            changed["figures"]["authority"] = "somebody else"
            kept.write_text(json.dumps(changed))
            with pytest.raises(Refused) as refused:
                await make("third")
            assert refused.value.fields == {"report": "differs"}
            assert not (folder / "third").exists()
            kept.unlink()
            assert await make("without the copy") == first
            assert "as entered in the ledger: " in said[-1]
            before = json.loads(kept.read_bytes())
            assert await make("fourth", again=True) == first
            assert json.loads(kept.read_bytes())["entry"] != before["entry"]
            kept.write_text(json.dumps(before))  # the older edition
            with pytest.raises(Refused) as refused:
                await make("older")
            assert refused.value.fields == {"report": "differs"}
            with pytest.raises(Refused) as refused:
                await make("fifth", "2999-01")
            assert refused.value.fields == {"month": "too_early"}


def test_the_command_refuses_what_is_no_month_before_it_starts_anything():
    with short_folder() as folder:
        home = Home(folder)
        _, error = home.do("report", "--month", "november", code=1)
        assert "'november' is no month" in error
        assert not (home.folder / "postgres/PG_VERSION").exists()
