"""The log of the real house as outsiders get it: grown in PostgreSQL, fed to two witnesses, served over HTTP, mirrored.

One witness is ours, as the prosecutor's office runs it; the other is aics-witness. Others' programs check the mirror.
"""

import asyncio
import contextlib
import json
import random
import secrets
import time

import pytest
from tests.api import house as building
from tests.api.desks import DESKS
from tests.foreign.given import SCALES, ForeignWitness, Given
from tests.witnessing import RunningWitness
from typer.testing import CliRunner

from saqtau import cli
from saqtau.bootstrap import witness as office
from saqtau.engine import broker, journal, ledger_read, postgres
from saqtau.engine.feeding import WitnessAt
from saqtau.engine.keys import Signers
from saqtau.engine.ledger import ACCESS, Draft, Ledger
from saqtau.engine.notary import Notary
from saqtau.kernel.clock import Instant
from saqtau.kernel.ids import uuid7_source
from saqtau.ledger.leaf import LeafClass
from saqtau.ledger.note import Verifier
from saqtau.ledger.policy import of_keys
from saqtau.ledger.proof import parse_proof
from saqtau.ledger.verify.entry import EntryFile, encode_entry
from saqtau.ledger.witness.request import compose_request

pytestmark = pytest.mark.anyio

SIGNERS = Signers("saqtau.test", bytes(range(32)))
ORIGIN = f"saqtau.test/02/access/{time.gmtime().tm_year}"
VKEY = SIGNERS.signer(ORIGIN).vkey()
TOKEN = "the token of who may mirror"


def now():
    return Instant(time.time_ns() // 1_000_000)


def drafts(count):
    return [Draft(ACCESS, 2, LeafClass.VIEW, "access_3y", {"object": f"item {n}"}, None) for n in range(count)]


async def until(ask, patience=120.0):
    async with asyncio.timeout(patience):
        while not (found := await ask()):
            await asyncio.sleep(0.05)
        return found


@contextlib.asynccontextmanager
async def at_work(server, keys, *witnesses):
    """A ledger, and the notary that feeds these witnesses."""
    async with postgres.pool(server, postgres.WORKER, 8) as pool:
        ledger, stop = Ledger(pool, SIGNERS, keys, now, secrets.token_bytes), asyncio.Event()
        ids = uuid7_source(now, secrets.token_bytes)
        notary = Notary(pool, ledger, witnesses, now, ids, random.random)
        task = asyncio.create_task(notary.run(stop))
        try:
            yield pool, ledger
        finally:
            stop.set()
            await task
            await ledger.close()


async def all_witnessed(pool):
    sql = """
        select l.size, bool_and(w.size = l.size) from ledger_log l join ledger_witness w on w.log = l.id
        where l.origin = $1 group by l.size
    """
    row = await pool.fetchrow(sql, ORIGIN)
    return row[0] if row is not None and row[1] else None


class Handed:
    """What an outsider holds in the end."""

    def __init__(self, folder, own, foreign):
        self.folder, self.own, self.foreign = folder, own, foreign
        self.policy = folder / "oversight.policy"
        self.policy.write_bytes(of_keys({VKEY: None}, {own.vkey: None, foreign.vkey: None}, 2).text())


@pytest.fixture(scope="module")
async def handed(engine, module, ask, tmp_path_factory):
    folder = tmp_path_factory.mktemp("house")
    database = await asyncio.to_thread(engine.fresh_database)
    nc = await broker.connect(engine.broker, "foreign")
    await journal.ensure_streams(broker.context(nc), engine.broker.replicas)
    own = RunningWitness(folder / "prosecutor")
    foreign = ForeignWitness(module, ask, folder, "ombudsman.example/foreign")
    foreign.trust(ORIGIN, VKEY)
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    made = Handed(folder, own, foreign)
    try:
        async with building.standing(
            engine, database, folder / "data", desks=DESKS, signers=SIGNERS, mirror_token=TOKEN
        ) as house:
            made.url = f"{house.url}/ledger/{ORIGIN}"
            own.watch(VKEY, house.url, folder / "token")
            own.start()
            foreign.start()
            witnesses = [WitnessAt(own.verifier, own.url), WitnessAt(Verifier.parse(foreign.vkey), foreign.url)]
            async with at_work(database, house.parts.keys, *witnesses) as (pool, ledger):
                await ledger.append_all(drafts(300))
                await until(lambda: all_witnessed(pool))
                (folder / "older").write_text(await ledger_read.checkpoint(pool, ORIGIN))
                placed = await ledger.append_all(drafts(450))
                size = await until(lambda: all_witnessed(pool))
                made.entry, made.index = placed[100].entry, placed[100].index
                made.proof = await ledger_read.Proofs(pool).proof_of(ORIGIN, made.index)
            made.served = folder / "served"
            made.served.write_text(await ledger_read.checkpoint(house.parts.pg, ORIGIN))
            made.told = await asyncio.to_thread(verified, made)

            async def mirrored():
                found = await asyncio.to_thread(own.log, ORIGIN)
                return found.mirrored == size

            await until(mirrored)
        made.mirror = office.watched(own.folder)[2](ORIGIN)
        yield made
    finally:
        own.kill()
        foreign.stop()
        await nc.close()


def verified(made):
    """What `saqtau verify log` says of the address, with the mirror's token."""
    words = ["verify", "log", made.url, "--policy", made.policy, "--token-file", made.folder / "token"]
    done = CliRunner().invoke(cli.app, [*map(str, words), "--against", str(made.folder / "older")])
    return done.exit_code, done.stdout.splitlines()


def checked(made):
    """The mirror, as others' programs are given it."""
    older, entry = made.folder / "older", made.folder / "entry.json"
    entry.write_bytes(encode_entry(EntryFile(v=1, entry=made.entry, proof=made.proof)))
    leaf = parse_proof(made.proof.encode()).extra
    return Given(made.mirror, VKEY, made.own.vkey, older, made.index, leaf, entry)


async def test_our_command_accepts_it_over_http_with_both_witnesses(handed):
    code, said = handed.told
    assert code == 0, said
    assert sum("cosigned by the witness" in line for line in said) == 4  # of the older checkpoint, and of this one
    assert said[-1] == "everything holds"


async def test_go_accepts_the_mirror_and_both_witnesses_cosignatures(go, handed):
    log = checked(handed)
    both = ("-witness", handed.own.vkey, "-witness", handed.foreign.vkey)
    for words in (
        (*both, "checkpoint", VKEY, handed.served),
        ("-witness", handed.own.vkey, "audit", VKEY, handed.mirror),
        ("consistency", VKEY, handed.mirror, log.older),
        ("entry", VKEY, handed.mirror, log.index),
        ("-witness", handed.own.vkey, "entry", VKEY, log.entry),
    ):
        code, said = go(*words)
        assert code == 0, said


async def test_aics_tlog_accepts_the_mirror(ask, handed, tmp_path):
    log = checked(handed)
    (tmp_path / "keys").write_text(f"log {VKEY}\n")
    (tmp_path / "policy.json").write_text(json.dumps({"quorum": 1, "witnesses": [handed.own.vkey]}))
    (tmp_path / "leaf").write_bytes(log.leaf)
    for verb, *words in (
        ("verify-checkpoint",),
        ("verify-inclusion", "--index", log.index, "--leaf", tmp_path / "leaf"),
        ("verify-consistency", "--old-checkpoint", log.older),
    ):
        command = ("-m", "aics_tlog", verb, "--tiles", handed.mirror, "--vkey-file", tmp_path / "keys", *words)
        code, said = ask(*command, "--policy-file", tmp_path / "policy.json")
        assert (code, json.loads(said)["ok"]) == (0, True), said


async def test_tlog_scales_accepts_the_mirror_and_makes_the_same_proofs(ask, handed):
    log = checked(handed)
    asked = {
        "index": log.index,
        "leaf": log.leaf.hex(),
        "inclusion": [one.hex() for one in log.reader.inclusion(log.index)],
        "older": log.older.read_text(),
        "consistency": [one.hex() for one in log.reader.consistency(log.before.size)],
    }
    code, said = ask(SCALES, handed.mirror, VKEY, handed.own.vkey, entered=json.dumps(asked))
    assert code == 0, said


async def test_the_foreign_witness_refuses_the_house_a_rollback(handed):
    older = (handed.folder / "older").read_bytes()
    assert handed.foreign.post(compose_request(0, [], older))[0] == 409
    assert handed.foreign.latest(ORIGIN)[2].splitlines()[1] == str(checked(handed).head.size)
