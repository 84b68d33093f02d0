"""An overseer's own copy of what cameras recorded: over HTTP, by a real witness, counted again without the police."""

import asyncio
import datetime as dt
import os

import msgspec
import pytest
from tests.api.house import MIRROR_TOKEN, SIGNERS
from tests.api.test_ledger_http import BEARER, notary, until
from tests.witnessing import RunningWitness
from typer.testing import CliRunner

from saqtau import cli
from saqtau.bootstrap import witness as office
from saqtau.engine import postgres
from saqtau.engine.ledger import ACCESS, EVIDENCE, Draft, Ledger
from saqtau.engine.recording_minutes import Minutes
from saqtau.kernel.clock import MINUTE, Instant
from saqtau.kernel.register import PlaceKind, VideoCamera
from saqtau.ledger.leaf import LeafClass
from saqtau.ledger.open_records import parse_lines
from saqtau.ledger.witness import opened
from saqtau.ledger.witness.mirror import Mirror
from saqtau.video.fragment import Fragment

pytestmark = pytest.mark.anyio

CAMERA = VideoCamera(
    id="c1", site="colony", name="Corridor", region=17, lat=43.2, lon=76.9, place=PlaceKind.COLONY,
    address="rtsp://camera.example/1", keep_days=90,
)  # fmt: skip


@pytest.fixture
async def pool(database):
    async with postgres.pool(database, postgres.WORKER, 8) as made:
        yield made


@pytest.fixture
async def ledger(pool, house):
    made = Ledger(pool, SIGNERS, house.parts.keys, house.parts.clock, os.urandom)
    yield made
    await made.close()


def minutes(now, plan, region=17):
    """The recorder's own leaves: of each minute, what share of it was recorded."""
    began = Instant(now - now % MINUTE - len(plan) * MINUTE)
    counted = Minutes(began)
    camera = msgspec.structs.replace(CAMERA, region=region)
    counted.enter(camera, -1, b"")
    drafts, seq = [], 0
    for number, share in enumerate(plan):
        at = Instant(began + number * MINUTE)
        for part in range(int(share * 300)):
            fragment = Fragment(seq, Instant(at + part * 200), 0, 200, key=False, frames=5, data=b"x" * 100)
            counted.add("c1", fragment, 100, bytes([seq % 256]) * 32)
            seq += 1
        drafts += counted.cut(Instant(at + MINUTE))
    return drafts


async def test_the_mirrors_token_opens_what_cameras_recorded_and_nothing_about_a_person(house, ledger):
    person = Draft(EVIDENCE, 17, LeafClass.PICTURE, "evidence_1y", {"item": "somebody's"}, None)
    placed = await ledger.append_all([*minutes(house.parts.clock(), [1, 1]), person])
    origin = placed[0].origin
    client = await house.client(headers=BEARER)
    answer = await client.get(f"/ledger/{origin}/open/{placed[0].index}")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    found = parse_lines(answer.content)
    assert [one.index for one in found] == [placed[0].index, placed[1].index]
    record = msgspec.json.decode(found[0].record)
    assert (record["kind"], record["site"], record["cameras"][0]["recorded_ms"]) == ("minute", "colony", MINUTE)
    assert b"somebody" not in answer.content


async def test_no_record_of_the_access_log_is_ever_open(house, ledger):
    placed = await ledger.append(Draft(ACCESS, 17, LeafClass.VIEW, "access_3y", {"viewer": "a.b"}, None))
    answer = await (await house.client(headers=BEARER)).get(f"/ledger/{placed.origin}/open/{placed.index}")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_who_has_neither_token_nor_the_role_copies_nothing(house, ledger):
    placed = (await ledger.append_all(minutes(house.parts.clock(), [1])))[0]
    where = f"/ledger/{placed.origin}/open/{placed.index}"
    assert (await (await house.client()).get(where)).status_code == 401
    wrong = await (await house.client(headers={"Authorization": "Bearer wrong"})).get(where)
    assert (wrong.status_code, wrong.json()["fields"]) == (401, {"token": "wrong"})
    assert (await (await house.signed_in("operator")).get(where)).status_code == 403
    assert (await (await house.signed_in("prosecutor")).get(where)).status_code == 200


@pytest.mark.parametrize(("first", "status"), [("999999", 404), ("-1", 404), ("x", 404), ("9" * 30, 404)])
async def test_an_entry_that_is_none_is_refused(house, ledger, first, status):
    placed = (await ledger.append_all(minutes(house.parts.clock(), [1])))[0]
    answer = await (await house.client(headers=BEARER)).get(f"/ledger/{placed.origin}/open/{first}")
    assert answer.status_code in {status, 400}


async def test_a_witness_copies_the_minutes_and_counts_the_dark_ones_with_the_police_switched_off(
    house, pool, ledger, tmp_path
):
    now = house.parts.clock()
    placed = await ledger.append_all(minutes(now, [1, 1, 0.5, 0, 1], region=14))
    origin = placed[0].origin
    witness = RunningWitness(tmp_path / "w")
    token = tmp_path / "token"
    token.write_text(MIRROR_TOKEN)
    token.chmod(0o600)
    office.watch_authority(witness.folder, await asyncio.to_thread(office.look, house.url), house.url, token)
    place = Mirror(witness.folder).place(origin)
    try:
        await asyncio.to_thread(witness.start)
        async with notary(pool, ledger, witness, house.parts.clock):
            await until(lambda: opened.next_of(place) == placed[-1].index + 1)
        assert office.watched(witness.folder)[1] == []
    finally:
        witness.kill()
    policy = tmp_path / "oversight.policy"
    policy.write_bytes(office.policy(witness.folder))
    since = Instant(now - now % MINUTE - 5 * MINUTE) // 1000
    words = ["verify", "dark", str(place), "--policy", str(policy), "--since", _spelled(since)]
    done = await asyncio.to_thread(CliRunner().invoke, cli.app, words)
    assert done.exit_code == 0, done.output
    assert "cosigned by the witness witness.test/1" in done.output
    assert "c1: 5 minutes, 3 recorded, 0 partly, 2 DARK, 0 WITHOUT A WORD" in done.output


def _spelled(seconds):
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M")
