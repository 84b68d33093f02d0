"""An entry is acknowledged when it is on disk under a signed checkpoint, and then for good."""

import asyncio
import secrets

import pytest

from saqtau.engine import postgres
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.ledger import ACCESS, Count, Draft, Ledger
from saqtau.engine.sequencer import read_head
from saqtau.kernel.clock import Instant
from saqtau.ledger.checkpoint import parse
from saqtau.ledger.leaf import LeafClass, parse_leaf
from saqtau.ledger.note import parse_note
from saqtau.ledger.tiles import unpack_entries
from saqtau.ledger.tree import Edge, leaf_hashes

pytestmark = pytest.mark.anyio

NOW = Instant(1_790_000_000_000)  # 2026-09-21
SEED = bytes(range(32))


def draft(number=0, *, region=2, kind=ACCESS, klass=LeafClass.VIEW, retention="access_3y", count=None):
    return Draft(kind, region, klass, retention, {"viewer": "a.b", "object": f"item {number}"}, count)


def keeper(pool, folder, **given):
    return Ledger(pool, Signers("saqtau.test", SEED), Keys(folder / "keys"), lambda: NOW, secrets.token_bytes, **given)


@pytest.fixture(params=[postgres.APP, postgres.WORKER])
async def pool(database, request):
    async with postgres.pool(database, request.param, 4) as made:
        yield made


async def leaves(pool, origin):
    rows = await pool.fetch(
        "select p.leaves from ledger_pack p join ledger_log l on l.id = p.log where l.origin = $1 order by p.first",
        origin,
    )
    return [leaf for row in rows for leaf in unpack_entries(row[0])]


async def test_an_entry_stands_under_a_checkpoint_that_the_log_signed(pool, tmp_path):
    ledger = keeper(pool, tmp_path)
    placed = await ledger.append(draft(count=Count(action="item.read", decision="allow")))
    row = await pool.fetchrow("select * from ledger_log where origin = $1", placed.origin)
    note = parse_note(row["note"].encode())
    stated = parse(note)
    found = await leaves(pool, placed.origin)
    edge, _ = Edge().append(leaf_hashes(found))
    assert placed.entry == f"saqtau.test/02/access/2026#{placed.index}"
    assert note.check(Signers("saqtau.test", SEED).signer(placed.origin).verifier())
    assert (stated.origin, stated.size, stated.root) == (placed.origin, len(found), edge.root())
    leaf = parse_leaf(found[placed.index])
    assert (leaf.klass, leaf.day, leaf.retention) == (LeafClass.VIEW, "2026-09-21", "access_3y")
    await ledger.close()


async def test_several_processes_share_a_log_and_every_entry_has_one_place(database, tmp_path):
    async with (
        postgres.pool(database, postgres.APP, 4) as web,
        postgres.pool(database, postgres.WORKER, 4) as worker,
    ):
        ledgers = [keeper(one, tmp_path) for one in (web, web, worker)]
        placed = await asyncio.gather(
            *(ledger.append(draft(n, region=7)) for n in range(300) for ledger in ledgers),
            *(ledger.append_all([draft(n, region=7) for n in range(700)]) for ledger in ledgers),
        )
        indices = [one.index for part in placed for one in (part if isinstance(part, list) else [part])]
        assert sorted(indices) == list(range(3000))
        head = read_head(await web.fetchrow("select * from ledger_head_of($1)", "saqtau.test/07/access/2026"))
        edge, full = Edge().append(leaf_hashes(await leaves(web, "saqtau.test/07/access/2026")))
        assert head.edge == edge
        stored = await web.fetch("select level, index, hashes from ledger_tile where log = $1", head.log)
        assert {tuple(row) for row in stored} == {(tile.level, tile.index, tile.hashes) for tile in full}
        for ledger in ledgers:
            await ledger.close()
