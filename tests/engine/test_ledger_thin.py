"""Cosigned checkpoints become fewer as they grow old; what they proved is proven by later ones, and gaps stay."""

import itertools
import secrets

import asyncpg
import pytest
from tests.engine.test_ledger import NOW, SEED, draft

from saqtau.engine import postgres
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.ledger import Ledger
from saqtau.engine.ledger_read import Proofs
from saqtau.engine.notary import WHOLE, thin, thin_cosigned
from saqtau.kernel.clock import HOUR, MINUTE, Instant
from saqtau.ledger.checkpoint import parse
from saqtau.ledger.leaf import parse_leaf
from saqtau.ledger.proof import parse_proof, verify_inclusion
from saqtau.ledger.tree import leaf_hash

pytestmark = pytest.mark.anyio

START = Instant(NOW - NOW % HOUR)
REGIONS = itertools.count(41)
GAPS = "select * from ledger_gap order by log, size"


@pytest.fixture
async def pool(database):
    async with postgres.pool(database, postgres.WORKER, 4) as made:
        yield made


@pytest.fixture
async def grown(pool, tmp_path):
    """A log that grows by an entry a minute for an hour, each cosigned by two witnesses; one had to wait."""
    at, region = START, next(REGIONS)
    origin = f"saqtau.test/{region}/access/2026"
    ledger = Ledger(
        pool, Signers("saqtau.test", SEED), Keys(tmp_path / "keys"), lambda: Instant(at), secrets.token_bytes
    )
    for minute in range(60):
        at = START + minute * MINUTE
        await ledger.append(draft(minute, region=region))
        late = 3 * MINUTE if minute == 33 else 0
        for witness in ("one.test", "two.test"):
            if witness == "one.test" or minute < 15:
                await pool.execute(
                    "select ledger_cosign(id, size, $2, $3, $4) from ledger_log where origin = $1",
                    origin, witness, f"— {witness} AAAAAAAA\n", at + late,
                )  # fmt: skip
    yield await pool.fetchval("select id from ledger_log where origin = $1", origin)
    await ledger.close()


async def test_of_old_cosigned_checkpoints_one_in_ten_minutes_of_each_witness_stays(pool, grown, pg_owner):
    before = await pool.fetch(GAPS)
    assert [row["size"] for row in before if row["log"] == grown] == [34]
    whole = Instant(START + WHOLE)
    assert await thin_cosigned(pool, whole) == 0
    later = Instant(whole + 55 * MINUTE)
    assert await thin_cosigned(pool, later) > 0
    assert await thin_cosigned(pool, later) == 0
    sizes = {
        witness: [
            row[0]
            for row in await pool.fetch(
                "select size from ledger_cosigned where log = $1 and witness = $2 order by size", grown, witness
            )
        ]
        for witness in ("one.test", "two.test")
    }
    # the last ten minutes are not over for a day yet
    assert sizes == {"one.test": [10, 20, 30, 34, 40, 50, *range(51, 61)], "two.test": [10, 15]}
    kept = [
        row[0] for row in await pool.fetch("select size from ledger_checkpoint where log = $1 order by size", grown)
    ]
    assert kept == [10, 15, 20, 30, 34, 40, 50, *range(51, 61)]
    await thin(pool, later)
    assert [
        row[0] for row in await pool.fetch("select size from ledger_checkpoint where log = $1 order by 1", grown)
    ] == kept
    assert await pool.fetch(GAPS) == before


async def test_an_old_entry_is_proven_under_a_later_cosigned_checkpoint(pool, grown):
    await thin_cosigned(pool, Instant(START + 2 * WHOLE))
    proofs = Proofs(pool)
    origin = await pool.fetchval("select origin from ledger_log where id = $1", grown)
    for index in (0, 11, 33, 41, 59):
        found = parse_proof((await proofs.proof_of(origin, index)).encode())
        stated = parse(found.note)
        assert "one.test" in found.note.text
        assert parse_leaf(found.extra).day
        assert verify_inclusion(leaf_hash(found.extra), index, stated.size, list(found.hashes), stated.root)


async def test_no_other_way_leads_to_a_cosignature_and_a_witnesss_last_word_stays(pool, grown, pg_owner):
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="nobody edits the past"):
        await pg_owner.execute("delete from ledger_cosigned where log = $1 and size = 1", grown)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="nobody edits the past"):
        await pg_owner.execute("update ledger_cosigned set line = 'x' where log = $1", grown)
    async with pg_owner.transaction():
        await pg_owner.execute("select set_config('app.ledger', 'thin', true)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="nobody edits the past"):
            async with pg_owner.transaction():
                await pg_owner.execute("delete from ledger_cosigned where log = $1 and witness = 'one.test'", grown)
