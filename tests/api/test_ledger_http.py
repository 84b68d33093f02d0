"""The log over HTTP, as an overseer and a witness of another office read it."""

import asyncio
import contextlib
import os
import random

import pytest
from tests.api.house import MIRROR_TOKEN, SIGNERS
from tests.witnessing import RunningWitness

from saqtau.bootstrap import witness as office
from saqtau.engine import postgres
from saqtau.engine.feeding import WitnessAt
from saqtau.engine.keys import Keys
from saqtau.engine.ledger import ACCESS, Draft, Ledger
from saqtau.engine.notary import Notary
from saqtau.kernel.ids import uuid7_source
from saqtau.ledger.checkpoint import parse
from saqtau.ledger.leaf import LeafClass
from saqtau.ledger.note import check_cosignature, parse_note
from saqtau.ledger.tiles import unpack_entries
from saqtau.ledger.tree import Edge, leaf_hashes
from saqtau.ledger.witness.loglist import parse_list
from saqtau.ledger.witness.mirror import Mirror

pytestmark = pytest.mark.anyio

BEARER = {"Authorization": f"Bearer {MIRROR_TOKEN}"}


def draft(region=11):
    return Draft(ACCESS, region, LeafClass.VIEW, "access_3y", {"object": "x"}, None)


@pytest.fixture
async def pool(database):
    async with postgres.pool(database, postgres.WORKER, 8) as made:
        yield made


@pytest.fixture
async def ledger(pool, house, tmp_path):
    made = Ledger(pool, SIGNERS, Keys(tmp_path / "keys"), house.parts.clock, os.urandom)
    yield made
    await made.close()


async def grown(ledger, count=300, region=11):
    placed = await ledger.append_all([draft(region)] * count)
    return placed[-1].origin, placed[-1].index + 1


async def test_the_list_of_logs_is_open_and_signed_by_its_authority(house, ledger):
    origin, size = await grown(ledger, 3)
    answer = await (await house.client()).get("/ledger/logs")
    told = answer.json()
    authority = SIGNERS.signer("saqtau.test")
    assert told["authority"] == authority.vkey()
    listed = parse_list(told["signed"].encode(), authority.verifier())
    assert {one.vkey for one in listed.logs} == {one["vkey"] for one in told["logs"]}
    (mine,) = [one for one in told["logs"] if one["origin"] == origin]
    assert (mine["vkey"], mine["size"]) == (SIGNERS.signer(origin).vkey(), size)


async def test_a_checkpoint_is_open_and_is_the_logs_last_word(house, ledger):
    origin, size = await grown(ledger, 3)
    answer = await (await house.client()).get(f"/ledger/{origin}/checkpoint")
    note = parse_note(answer.content)
    assert note.check(SIGNERS.signer(origin).verifier())
    assert parse(note).size == size
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["saqtau.test/98/access/2026/checkpoint", "x/y/z/0/checkpoint"])
async def test_a_log_that_is_not_there_is_not_found(house, path):
    answer = await (await house.client()).get(f"/ledger/{path}")
    assert (answer.status_code, answer.json()["fields"]) == (404, {"origin": "unknown"})


async def test_who_brings_the_mirrors_token_can_copy_the_whole_log_and_leaves_no_entry(house, ledger):
    origin, size = await grown(ledger)
    before = len(await house.entries())
    client = await house.client(headers=BEARER)
    entries = []
    for index in range(-(-size // 256)):
        width = min(256, size - index * 256)
        suffix = "" if width == 256 else f".p/{width}"
        answer = await client.get(f"/ledger/{origin}/tile/entries/{index:03d}{suffix}")
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert answer.headers["content-type"] == "application/octet-stream"
        found = unpack_entries(answer.content)
        tile = await client.get(f"/ledger/{origin}/tile/0/{index:03d}{suffix}")
        assert tile.content == b"".join(leaf_hashes(found))
        entries += found
    edge, _ = Edge().append(leaf_hashes(entries))
    assert edge.root() == parse(parse_note((await client.get(f"/ledger/{origin}/checkpoint")).content)).root
    assert len(await house.entries()) == before


@pytest.mark.parametrize("token", ["-", "wrong", MIRROR_TOKEN[:-1], MIRROR_TOKEN + "x", "ключ"])
async def test_another_token_copies_nothing(house, ledger, token):
    origin, _ = await grown(ledger, 1)
    headers = {"Authorization": f"Bearer {token}".encode()}
    answer = await (await house.client()).get(f"/ledger/{origin}/tile/entries/000.p/1", headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize("who", ["operator", "duty", "inspector", "patrol1", "administrator"])
async def test_whoever_oversees_nothing_sees_no_tile(house, ledger, who):
    origin, _ = await grown(ledger, 1)
    answer = await (await house.signed_in(who)).get(f"/ledger/{origin}/tile/0/000.p/1")
    assert (answer.status_code, answer.json()["kind"]) == (403, "denied")
    assert [one["decision"] for one in await house.entries(viewer=who, action="ledger.read")] == ["deny"]


async def test_an_overseer_reads_tiles_under_one_entry(house, ledger):
    origin, _ = await grown(ledger, 3)
    for who in ("prosecutor", "auditor"):
        client = await house.signed_in(who)
        for path in ("tile/0/000.p/3", "tile/entries/000.p/2", "tile/entries/000.p/1"):
            assert (await client.get(f"/ledger/{origin}/{path}")).status_code == 200
        assert len(await house.entries(viewer=who, action="ledger.read")) == 1


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("tile/0/999", 404, "path"),
        ("tile/0/000.p/0", 400, "path"),
        ("tile/0/000.p/256", 400, "path"),
        ("tile/64/000", 400, "path"),
        ("tile/0/0", 400, "path"),
        ("tile/entries/x1/000", 400, "path"),
        ("tile/..%2f..%2fsecrets/000", 400, "path"),
    ],
)
async def test_a_tile_that_is_none_is_refused_by_its_path(house, ledger, path, status, field):
    origin, _ = await grown(ledger, 1)
    answer = await (await house.client(headers=BEARER)).get(f"/ledger/{origin}/{path}")
    assert (answer.status_code, list(answer.json()["fields"])) == (status, [field])


async def until(ask, patience=90.0):
    async with asyncio.timeout(patience):
        while not (found := await asyncio.to_thread(ask)):
            await asyncio.sleep(0.1)
        return found


@contextlib.asynccontextmanager
async def notary(pool, ledger, witness, clock):
    working = Notary(
        pool, ledger, [WitnessAt(witness.verifier, witness.url)], clock, uuid7_source(clock, os.urandom), random.random
    )
    stop = asyncio.Event()
    task = asyncio.create_task(working.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def test_a_witness_finds_the_logs_by_their_list_cosigns_and_mirrors_them_and_takes_new_ones(
    house, pool, ledger, tmp_path
):
    origin, size = await grown(ledger, 300)
    witness = RunningWitness(tmp_path / "w")
    token = tmp_path / "token"
    token.write_text(MIRROR_TOKEN)
    token.chmod(0o600)
    offered = await asyncio.to_thread(office.look, house.url)
    assert office.watch_authority(witness.folder, offered, house.url, token) >= 1
    try:
        await asyncio.to_thread(witness.start)
        async with notary(pool, ledger, witness, house.parts.clock):
            await until(lambda: witness.log(origin).mirrored >= size)
            mirror = Mirror(witness.folder)
            note = parse_note((mirror.place(origin) / "checkpoint").read_bytes())
            stated = parse(note)
            assert stated.size >= size
            assert mirror.reader(origin, stated.size).root() == stated.root
            assert check_cosignature(witness.verifier, note) is not None

            newer, size = await grown(ledger, 5, region=12)  # a region that has had no log yet
            log = await until(
                lambda: next((one for one in office.watched(witness.folder)[0] if one.origin == newer), None)
            )
            assert log.authority == "saqtau.test"
            await until(lambda: witness.log(newer).mirrored == size)
    finally:
        witness.kill()
    assert witness.evidence() == []
