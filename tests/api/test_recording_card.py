"""What was fetched from a camera's own memory: told apart from what was recorded wherever somebody meets it."""

import json
from contextlib import asynccontextmanager

import pytest
from tests.api.recordings import CASE, approved, recorded
from tests.api.test_recording_exports import findings, opened
from tests.recorded import units

from saqtau.bootstrap.web import watch_policies
from saqtau.engine.card_entering import enter, look_at
from saqtau.engine.verify_video import verify_video
from saqtau.kernel.clock import SECOND, Instant
from saqtau.video.card import chain_of
from saqtau.video.fragment import Fragmenter
from saqtau.video.segment_file import FromCard
from saqtau.video.segment_writer import SegmentWriter

pytestmark = pytest.mark.anyio


class One:
    """A pool of one connection."""

    def __init__(self, connection):
        self._connection = connection

    @asynccontextmanager
    async def acquire(self):
        yield self._connection


async def fetched(street, folder):
    """The seconds 30 to 40 of a camera were a gap, and its card had them."""
    house, code = street.house, street.camera
    began, ended = Instant(street.began + 30 * SECOND), Instant(street.began + 40 * SECOND)
    now = house.parts.clock()
    await house.owner.execute(
        "insert into video_gap (id, camera, began, ended, kind) values ($1, $2, $3, $4, 'reconnect')",
        f"{code}/7", code, began, ended,
    )  # fmt: skip
    await house.owner.execute(
        """insert into video_fetch (gap, camera, began, ended, state, asked, next, reached, changed)
           values ($1, $2, $3, $4, 'wanted', $5, $5, $3, $5)""",
        f"{code}/7", code, began, ended, now,
    )  # fmt: skip
    row = await house.owner.fetchrow("select * from video_camera where id = $1", code)
    camera = type("Camera", (), {"id": code, "site": row["site"], "region": row["region"]})()
    writer = SegmentWriter(folder, chain_of(code), row["place"], card=FromCard(now, 4_000, f"{code}/7"))
    cutter = Fragmenter(chain_of(code))
    files = []
    for unit in units(12, began=Instant(began - 2 * SECOND)):
        files += [writer.append(link).closed for link in cutter.take(unit)]
    files += [writer.append(link).closed for link in cutter.flush(ended)]
    files = [one for one in (*files, writer.close()) if one is not None]
    await enter(One(house.owner), house.parts.access.ledger, camera, look_at(files), [folder], now)
    return began, ended, files


@pytest.fixture
async def street(house, tmp_path):
    await watch_policies(house.parts.pg, house.parts.access)
    return await recorded(house, tmp_path / "volume")


async def test_a_package_carries_what_was_fetched_as_a_recording_of_its_own_and_its_program_says_since_when(
    street, tmp_path
):
    began, _, files = await fetched(street, tmp_path / "volume")
    inspector, name = await approved(street)
    answer = await inspector.get(f"/api/recording-exports/{name}/package")
    assert answer.status_code == 200, answer.text
    parts, said = opened(answer.content), []
    live, card = json.loads(parts["manifest.json"])["video"]
    assert (live["camera"], live["card"]) == (street.camera, None)
    assert (card["camera"], card["card"]["clock"]) == (chain_of(street.camera), 4_000)
    (part,) = card["parts"]
    assert part["name"].startswith(f"video/{street.camera}_card/")
    assert parts[part["name"]][part["head"]["bytes"] :] in files[0].path.read_bytes()
    assert card["began"] <= began
    assert findings(tmp_path, answer.content, said) == []
    (told,) = [line for line in said if "FETCHED AFTERWARDS" in line]
    assert "bound since then, not before" in told
    assert any("4,000 ms ahead" in line for line in said)
    heads = [line for line in said if "the one that entry" in line]
    assert len(heads) >= 2, "both chains end in a head that the log has"
    assert not any("bound by this package alone" in line for line in said)


async def test_a_changed_byte_of_what_was_fetched_is_found(street, tmp_path):
    *_, files = await fetched(street, tmp_path / "volume")
    data = bytearray(files[0].path.read_bytes())
    data[-2_000] ^= 1
    files[0].path.write_bytes(data)
    inspector, name = await approved(street)
    answer = await inspector.get(f"/api/recording-exports/{name}/package")
    found = findings(tmp_path, answer.content)
    assert found
    assert all(f"{street.camera}_card/" in one or f"{street.camera}_card-" in one for one in found), found
    told = [str(one) for one in await verify_video(street.house.owner, [].append)]
    assert any(chain_of(street.camera) in one for one in told), told


async def test_the_timeline_and_the_player_tell_it_apart_from_what_was_recorded(street, tmp_path):
    began, ended, files = await fetched(street, tmp_path / "volume")
    duty = await street.house.signed_in("duty")
    path = f"/api/cameras/{street.camera}"
    line = (await duty.get(f"{path}/timeline?from={began - 60_000}&to={ended + 60_000}")).json()
    (told,) = line["fetched"]
    assert (told["began"], told["ended"]) == (began, ended)
    assert told["fetched"] > ended
    (gap,) = [one for one in line["gaps"] if one["id"].endswith("/7")]
    assert gap["card"]["found_ms"] == 10_000
    assert not any(low < ended and began < high for low, high in line["recorded"]), "never among what was recorded"
    inspector = await street.house.signed_in("inspector")
    why = {"purpose": "case", "case": CASE}
    live = await inspector.get(f"{path}/recording", params={"from": began, "to": ended, **why})
    card = await inspector.get(f"{path}/recording", params={"from": began, "to": ended, "source": "card", **why})
    assert card.status_code == 200, card.text
    assert card.content != live.content
    assert card.content[-1_000:] in files[0].path.read_bytes()
    looks = await street.house.closed(2, action="recording.play", object=street.camera)
    assert sorted(look["delivered"] for look in looks) == sorted([len(live.content), len(card.content)])
    behind = {"from": ended + 5_000, "to": ended + 6_000, "source": "card", **why}
    assert (await inspector.get(f"{path}/recording", params=behind)).status_code == 409
