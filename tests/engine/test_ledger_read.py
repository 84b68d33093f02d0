"""What the tables serve is what the tree would serve, at every size; a record opens to what its leaf committed to."""

import secrets

import pytest
from tests.engine.test_ledger import NOW, SEED, draft, keeper

from saqtau.engine import ledger_read, postgres
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.lane import Lane
from saqtau.engine.ledger_read import Proofs, read_records
from saqtau.engine.sequencer import BATCH, Entry
from saqtau.kernel.access import AccessRequest, Action, Decision, Purpose, Viewer, granted
from saqtau.kernel.clock import MINUTE, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import uuid7_source
from saqtau.ledger.checkpoint import parse
from saqtau.ledger.leaf import Leaf, LeafClass, encode_leaf
from saqtau.ledger.note import parse_note
from saqtau.ledger.proof import parse_proof, verify_consistency, verify_inclusion
from saqtau.ledger.tiles import ENTRIES, TilePath, unpack_entries
from saqtau.ledger.tree import Edge, leaf_hash, leaf_hashes

pytestmark = pytest.mark.anyio

BIG = "saqtau.test/09/access/2026"
SIZE = 66_200  # three levels: two full tiles of level 1 are not there yet, one is


def entry(number):
    commitment = number.to_bytes(32, "big")
    leaf = encode_leaf(Leaf(commitment, LeafClass.VIEW, "2026-09-21", "access_3y"))
    return Entry(leaf, LeafClass.VIEW, "2026-09-21", "access_3y")


@pytest.fixture
async def pool(database):
    async with postgres.pool(database, postgres.APP, 4) as made:
        yield made


@pytest.fixture
async def big(pool):
    """A log of SIZE leaves and its leaves; grown once, in batches of odd lengths."""
    lane = Lane(
        pool, Signers("saqtau.test", SEED).signer(BIG), lambda: NOW, uuid7_source(lambda: NOW, secrets.token_bytes)
    )
    entries = [entry(number) for number in range(SIZE)]
    there = await pool.fetchval("select size from ledger_log where origin = $1", BIG) or 0
    at, width = there, 1
    while at < SIZE:
        await lane.put(entries[at : min(at + width, SIZE)])
        at, width = at + width, min(width * 3 + 1, BATCH)
    return [one.leaf for one in entries]


def grant(action=Action.READ_ACCESS):
    viewer = Viewer(id="p.rosecutor", role="prosecutor", regions=frozenset())
    request = AccessRequest(action=action, purpose=Purpose.OVERSIGHT)
    return granted(Decision(allow=True), "entry", viewer, request, NOW)


async def test_tiles_and_bundles_are_those_of_the_tree(pool, big):
    hashes = leaf_hashes(big)
    edge, full = Edge().append(hashes)
    for tile in [*full[::17], full[-1], *edge.partial()]:
        assert await ledger_read.tile(pool, BIG, TilePath(tile.level, tile.index, tile.width)) == tile.hashes
    for level, index, width in [(0, 0, 3), (1, 0, 255), (1, 1, 1), (2, 0, 1), (0, SIZE // 256, 5)]:
        whole = await ledger_read.tile(pool, BIG, TilePath(level, index, width))
        assert len(whole) == 32 * width
    assert await ledger_read.tile(pool, BIG, TilePath(2, 0, 1)) == Edge().append(hashes[:65536])[0].root()
    last = SIZE // 256
    for index, width in [(0, 256), (7, 256), (7, 9), (last, SIZE % 256), (last, 1)]:
        bundle = unpack_entries(await ledger_read.tile(pool, BIG, TilePath(ENTRIES, index, width)), width)
        assert bundle == big[256 * index : 256 * index + width]


@pytest.mark.parametrize(
    "path",
    [TilePath(0, SIZE // 256, SIZE % 256 + 1), TilePath(0, SIZE // 256 + 1, 1), TilePath(1, 1, 256), TilePath(3, 0, 1),
     TilePath(ENTRIES, SIZE // 256), TilePath(63, 0, 1), TilePath(0, 10**19, 1)],
)  # fmt: skip
async def test_a_tile_beyond_the_log_is_not_found(pool, big, path):
    with pytest.raises(Refused) as refused:
        await ledger_read.tile(pool, BIG, path)
    assert refused.value.kind is Kind.NOT_FOUND


async def test_proofs_hold_against_the_signed_roots(pool, big):
    proofs = Proofs(pool)
    stated = parse(parse_note((await ledger_read.checkpoint(pool, BIG)).encode()))
    hashes = leaf_hashes(big)
    for index in (0, 255, 256, 40_000, 65_535, 65_536, SIZE - 1):
        proof = await proofs.inclusion(BIG, index, SIZE)
        assert verify_inclusion(hashes[index], index, SIZE, proof, stated.root)
    for old in (1, 5, 256, 4_000, 65_536, SIZE - 1, SIZE):
        proof = await proofs.consistency(BIG, old, SIZE)
        assert verify_consistency(old, SIZE, Edge().append(hashes[:old])[0].root(), stated.root, proof)


async def test_a_proof_file_stands_under_the_last_witnessed_checkpoint_that_covers_the_entry(database, pool, big):
    proofs = Proofs(pool)
    sizes = [row[0] for row in await pool.fetch("select size from ledger_checkpoint order by size")]
    witnessed = next(size for size in sizes if size > 300)
    worker = await postgres.connect(database, postgres.WORKER)
    line = "— witness.test AAAAAAAA\n"
    await worker.execute(
        "select ledger_cosign(id, $2, 'witness.test', $3, 1) from ledger_log where origin = $1", BIG, witnessed, line
    )
    await worker.close()
    for index, size in ((300, witnessed), (SIZE - 1, SIZE)):
        found = parse_proof((await proofs.proof_of(BIG, index)).encode())
        stated = parse(found.note)
        assert (stated.size, line in found.note.text) == (size, size == witnessed)
        assert verify_inclusion(leaf_hash(big[index]), index, size, list(found.hashes), stated.root)
    with pytest.raises(Refused) as refused:
        await proofs.proof_of(BIG, SIZE)
    assert refused.value.kind is Kind.NOT_FOUND


async def test_records_open_in_order_and_only_for_who_may_read_them(pool, tmp_path):
    ledger = keeper(pool, tmp_path)
    placed = await ledger.append_all([draft(n, region=4) for n in range(600)])
    keys = Keys(tmp_path / "keys")
    origin = placed[0].origin
    read = [one async for one in read_records(grant(), pool, keys, origin, 250, 300, NOW)]
    assert [(one.index, one.record["object"], one.why) for one in read] == [
        (index, f"item {index}", "") for index in range(250, 550)
    ]
    for wrong in (grant(Action.READ_ITEM), grant()):
        late = Instant(NOW + 60 * MINUTE) if wrong.request.action is Action.READ_ACCESS else NOW
        with pytest.raises(Refused) as refused:
            [one async for one in read_records(wrong, pool, keys, origin, 0, 1, late)]
        assert refused.value.kind is Kind.DENIED
    with pytest.raises(Refused) as refused:
        [one async for one in read_records(grant(), pool, keys, origin, 0, 10_001, NOW)]
    assert "count" in refused.value.fields


async def test_a_record_without_its_key_says_why(pool, tmp_path):
    ledger = keeper(pool, tmp_path)
    placed = await ledger.append(draft(region=5))
    lost = Keys(tmp_path / "elsewhere")
    (one,) = [one async for one in read_records(grant(), pool, lost, placed.origin, 0, 1, NOW)]
    assert (one.record, one.why) == (None, "key_missing")
