"""A log that was cut off: nothing that was cosigned over its former past makes it look witnessed."""

import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from saqtau.config import DEMONSTRATION_WITNESS
from saqtau.engine import custody, ledger_read, postgres
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.ledger import ACCESS, Draft, Ledger
from saqtau.engine.oversight import read_logs
from saqtau.kernel.access import AccessRequest, Action, Decision, Purpose, Viewer, granted
from saqtau.kernel.clock import Instant
from saqtau.ledger.leaf import LeafClass
from saqtau.ledger.note import COSIGNATURE, Signer, Verifier, check_cosignature, parse_note

pytestmark = pytest.mark.anyio

SEED = bytes(range(32))
NOW = Instant(1_795_000_000_000)
WITNESS = Signer("prosecutor.test/contradicted", Ed25519PrivateKey.from_private_bytes(b"c" * 32))
VERIFIER = Verifier.parse(WITNESS.vkey(COSIGNATURE))


@pytest.fixture
async def pool(database):
    async with postgres.pool(database, postgres.WORKER, 2) as made:
        yield made


async def grow(pool, folder, region, count):
    """Append as a process that has just begun: it knows of the log what the tables say. The log's origin."""
    ledger = Ledger(pool, Signers("saqtau.test", SEED), Keys(folder / "keys"), lambda: NOW, secrets.token_bytes)
    drafts = [Draft(ACCESS, region, LeafClass.VIEW, "access_3y", {"n": secrets.token_hex(8)}, None)] * count
    placed = await ledger.append_all(drafts)
    await ledger.close()
    return placed[0].origin


async def cosign(pool, origin, signer=WITNESS):
    row = await pool.fetchrow("select id, size, note from ledger_log where origin = $1", origin)
    body = row["note"].partition("\n\n")[0] + "\n"
    await pool.execute(
        "select ledger_cosign($1, $2, $3, $4, $5), ledger_witnessed($1, $3, $6, 'http://w', $2, null, $5)",
        row["id"], row["size"], signer.name, signer.cosign(body, NOW // 1000), NOW, signer.vkey(COSIGNATURE),
    )  # fmt: skip
    return row["size"]


async def put_back(database, origin, size):
    """What the database's administrator does; he forgets that the cosignatures are there. size: below 256."""
    pg = await postgres.connect(database, postgres.ADMIN)
    await pg.execute("set session_replication_role = replica")
    log = await pg.fetchval("select id from ledger_log where origin = $1", origin)
    for table, name in (("ledger_pack", "first"), ("ledger_records", "first"), ("ledger_checkpoint", "size - 1")):
        await pg.execute(f"delete from {table} where log = $1 and {name} >= $2", log, size)
    await pg.execute(
        "update ledger_log l set size = c.size, note = c.note, at = c.at, "
        "root = decode(split_part(c.note, E'\\n', 3), 'base64') "
        "from ledger_checkpoint c where l.id = $1 and c.log = l.id and c.size = $2", log, size,
    )  # fmt: skip
    await pg.close()


async def shown(pool, origin):
    wish = AccessRequest(action=Action.READ_ACCESS, purpose=Purpose.OVERSIGHT)
    grant = granted(Decision(allow=True), "entry", Viewer("auditor", "auditor", frozenset()), wish, NOW)
    return next(one for one in await read_logs(grant, pool, NOW) if one.origin == origin)


async def lines_of(pool, origin, size=None):
    """Cosignatures that are served; one over another note would spoil it for every verifier."""
    note = parse_note((await ledger_read.checkpoint(pool, origin, size)).encode())
    held = [one for one in note.signatures if one.name == WITNESS.name]
    assert all(check_cosignature(VERIFIER, note) is not None for _ in held)
    return len(held)


async def test_a_log_that_was_cut_off_is_contradicted_and_never_witnessed(database, pool, tmp_path):
    origin = await grow(pool, tmp_path, 21, 5)
    assert await cosign(pool, origin) == 5
    await grow(pool, tmp_path, 21, 5)
    assert await cosign(pool, origin) == 10
    well = await shown(pool, origin)
    assert (well.witnessed, well.since, well.contradicted) == (10, None, False)

    await put_back(database, origin, 5)
    cut = await shown(pool, origin)
    assert (cut.size, cut.witnessed, cut.contradicted) == (5, 5, True)

    await grow(pool, tmp_path, 21, 5)  # as long as before, with another past
    forked = await shown(pool, origin)
    assert (forked.size, forked.witnessed, forked.contradicted) == (10, 5, True)
    assert forked.since is not None
    assert await lines_of(pool, origin) == 0
    assert await lines_of(pool, origin, 5) == 1
    assert await ledger_read.witnessed(pool, origin, 5) is None
    policy = await custody.oversight_policy(pool, [origin])
    assert (await custody.newest_note(pool, origin, 7, policy))[1] is False
    proof = await ledger_read.Proofs(pool).proof_of(origin, 7)  # it can still be looked at, under what the log signed
    assert WITNESS.name not in proof
    await grow(pool, tmp_path, 21, 5)
    assert (await shown(pool, origin)).contradicted


async def test_what_a_witness_holds_against_a_log_stays_until_its_own_key_cosigns(pool, tmp_path):
    origin = await grow(pool, tmp_path, 22, 3)
    await cosign(pool, origin)
    log = await pool.fetchval("select id from ledger_log where origin = $1", origin)
    vkey = WITNESS.vkey(COSIGNATURE)

    async def heard(trouble, against, key=vkey, size=None):
        await pool.execute(
            "select ledger_witnessed($1, $2, $3, 'http://w', $4, $5, $6, $7)",
            log, WITNESS.name, key, size, trouble, NOW, against,
        )  # fmt: skip
        return (await shown(pool, origin)).contradicted

    assert not await heard("does not answer", None)
    assert await heard("has seen 9 entries", "seen_more")
    assert await heard("does not answer", None)
    assert (await shown(pool, origin)).witnesses[0].against == "seen_more"
    other = Signer(WITNESS.name, Ed25519PrivateKey.from_private_bytes(b"d" * 32)).vkey(COSIGNATURE)
    assert await heard(None, None, other, 3)
    assert await heard(None, None, other, 3)
    assert not await heard(None, None, vkey, 3)


async def test_the_witness_of_a_demonstration_is_called_so(pool, tmp_path):
    origin = await grow(pool, tmp_path, 23, 1)
    await cosign(pool, origin, Signer(DEMONSTRATION_WITNESS, Ed25519PrivateKey.from_private_bytes(b"e" * 32)))
    assert [one.demonstration for one in (await shown(pool, origin)).witnesses] == [True]
