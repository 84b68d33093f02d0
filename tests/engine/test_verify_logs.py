"""`saqtau verify` compares the logs in the tables with what they signed, and names what does not hold."""

import secrets
import time

import pytest

from saqtau.engine import postgres
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.ledger import ACCESS, EVIDENCE, Draft, Ledger
from saqtau.engine.verify_logs import verify_logs
from saqtau.kernel.clock import Instant
from saqtau.ledger.leaf import LeafClass

pytestmark = pytest.mark.anyio


@pytest.fixture
def server(engine):
    return engine.fresh_database()


@pytest.fixture
async def pg(server, tmp_path):
    """A connection of a worker; the access log has 600 entries, the evidence log one."""
    async with postgres.pool(server, postgres.WORKER, 3) as pool:
        signers, keys = Signers("saqtau.test", bytes(32)), Keys(tmp_path / "keys")
        ledger = Ledger(pool, signers, keys, lambda: Instant(time.time_ns() // 1_000_000), secrets.token_bytes)
        for count in (300, 300):
            await ledger.append_all([Draft(ACCESS, 2, LeafClass.VIEW, "access_3y", {"n": n}) for n in range(count)])
        await ledger.append(Draft(EVIDENCE, 2, LeafClass.PICTURE, "evidence_1y", {}))
        await ledger.close()
        async with pool.acquire() as connection:
            yield connection


async def behind_the_back(server, sql):
    admin = await postgres.connect(server, postgres.ADMIN)
    await admin.execute("set session_replication_role = replica")
    await admin.execute(sql.replace("THE LOG", "(select id from ledger_log where kind = 'access')"))
    await admin.close()


async def told(pg):
    said = []
    found = await verify_logs(pg, said.append)
    assert len(said) == 2
    return [f"{one.where.rpartition('/')[0].partition('/')[2]}: {one.what}" for one in found]


async def test_logs_that_only_grew_hold(pg):
    assert await told(pg) == []


@pytest.mark.parametrize(
    ("sql", "wrong"),
    [
        ("update ledger_pack set leaves = overlay(leaves placing '\\x00' from 40) where first = 0 and log = THE LOG",
         "tile/0/000 is not that of the entries below it"),
        ("update ledger_tile set hashes = overlay(hashes placing '\\x0000' from 40) where log = THE LOG and index = 1",
         "tile/0/001 is not that of the entries below it"),
        ("delete from ledger_tile where log = THE LOG and index = 1", "tile/0/001 is not that of the entries below it"),
        ("delete from ledger_pack where first = 256 and log = THE LOG", "entry 256 is missing"),
        ("delete from ledger_pack where first >= 512 and log = THE LOG", "entry 512 is missing"),
        ("update ledger_pack set leaves = substr(leaves, 1, 50) where first = 256 and log = THE LOG",
         "entries from 256 on cannot be read: entries: the last one is cut"),
        ("update ledger_log set root = sha256('') where id = THE LOG", "its entries do not lead to its root"),
        ("delete from ledger_checkpoint; update ledger_log set note = replace(note, '600', '601') where id = THE LOG",
         "its checkpoint is about another size or root"),
        ("delete from ledger_checkpoint; update ledger_log set note=overlay(note placing 'AAAAAA' from length(note)-9)",
         "its checkpoint does not bear the log's signature"),
        ("delete from ledger_checkpoint; update ledger_log set note = '' where id = THE LOG",
         "its checkpoint cannot be read: note: no empty line before the signatures"),
    ],
)  # fmt: skip
async def test_what_was_changed_is_named(server, pg, sql, wrong):
    for one in sql.split(";"):
        await behind_the_back(server, one)
    assert f"02/access: {wrong}" in await told(pg)
