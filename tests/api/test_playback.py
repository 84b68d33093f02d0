"""What was recorded, over the API: the bytes of the files, gaps said, key pictures, and what the log says left."""

import asyncio
import io
import shutil
import subprocess

import cv2
import numpy as np
import pytest
from tests.api import house as building
from tests.api.cameras import put_up
from tests.api.desks import DESKS, furnish, open_hit
from tests.recorded import record

from saqtau.engine.video_decoding import Decoders
from saqtau.kernel.clock import DAY, HOUR, MINUTE, SECOND, Instant
from saqtau.video.segment import scan
from saqtau.web.glances import LASTS
from saqtau.web.sessions import COOKIE, digest_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def decoders():
    some = Decoders(1)
    yield some
    await some.close()


@pytest.fixture
async def archive(engine, database, streams, tmp_path, decoders):
    """A house, and a street camera that recorded two times ten seconds with ten minutes of darkness between them."""
    async with building.standing(engine, database, tmp_path, desks=DESKS, decoders=decoders) as house:
        now = house.parts.clock()
        await building.move_in(house.owner, now)
        await furnish(house.owner, now)
        await put_up(house.owner, now)
        began = Instant(now - HOUR - now % SECOND)
        segments = [
            *record(tmp_path / "volume", "STREET", 10, began=began),
        ]
        await index(house.owner, *segments)
        yield Archive(house, began, segments)
        await house.owner.execute("alter table video_watch disable trigger user")
        await house.owner.execute("delete from video_watch")
        await house.owner.execute("alter table video_watch enable trigger user")
        await house.owner.execute("alter table video_segment disable trigger user")
        await house.owner.execute("delete from video_segment")
        await house.owner.execute("alter table video_segment enable trigger user")


class Archive:
    def __init__(self, house, began, segments):
        self.house, self.began, self.segments = house, began, segments

    async def ask(self, client, what="recording", *, since=0, until=10 * SECOND, name="STREET", headers=None, **query):
        asked = {"from": self.began + since, "to": self.began + until, "purpose": "case", "case": "УД-12/2026", **query}
        return await client.get(f"/api/cameras/{name}/{what}", params=asked, headers=headers)


async def index(owner, *segments):
    """Rows of files, as a recorder tells them."""
    await owner.execute(
        "insert into video_volume values ('volume', 'volume', 0, null, null, null, null, 0) on conflict do nothing"
    )
    for one in segments:
        await owner.execute(
            """insert into video_segment (camera, first, last, began, ended, volume, path, bytes, frames, recorded_ms,
                   previous, chain, closed)
               values ($1, $2, $3, $4, $5, 'volume', $6, $7, $8, $9, $10, $11, $12)""",
            one.camera, one.first, one.last, one.began, one.ended, str(one.path), one.size, one.frames,
            one.recorded_ms, one.previous, one.chain, one.closed,
        )  # fmt: skip


def links(segment):
    return scan(segment.path, followed=False)


async def test_an_inspector_plays_a_recording_byte_for_byte_and_the_log_says_what_left(archive):
    client = await archive.house.signed_in("inspector")
    answer = await archive.ask(client)
    (segment,) = archive.segments
    found = links(segment)
    whole = segment.path.read_bytes()
    ours = [one for one in found.links if one.gap is None]
    expected = whole[: found.init] + whole[ours[0].offset : ours[-1].offset + ours[-1].size]
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    assert answer.content == expected
    (entry,) = await archive.house.closed(1, viewer="inspector", action="recording.play")
    assert (entry["purpose"], entry["case"], entry["object"]) == ("case", "УД-12/2026", "STREET")
    assert entry["delivered"] == len(expected)
    watched = await archive.house.owner.fetchrow("select kind, until from video_watch where entry = $1", entry["entry"])
    assert watched["kind"] == "recording"
    assert watched["until"] is not None


async def test_it_begins_at_the_key_picture_before_and_ends_where_it_was_asked_to(archive):
    client = await archive.house.signed_in("inspector")
    answer = await archive.ask(client, since=3_500, until=5_000)
    (segment,) = archive.segments
    whole, found = segment.path.read_bytes(), links(segment)
    taken = [one for one in found.links if whole[one.offset : one.offset + one.size] in answer.content]
    assert taken[0].key
    assert taken[0].at <= archive.began + 3_500
    assert not any(one.key and taken[0].at < one.at <= archive.began + 3_500 for one in found.links)
    assert archive.began + 4_700 <= taken[-1].at < archive.began + 5_000


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
async def test_ffprobe_reads_what_is_played(archive, tmp_path):
    answer = await archive.ask(await archive.house.signed_in("inspector"))
    film = tmp_path / "film.mp4"
    film.write_bytes(answer.content)
    told = subprocess.run(
        ["ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=codec_name,nb_read_packets", "-of",
         "csv=p=0", str(film)], capture_output=True, text=True, check=True,
    )  # fmt: skip
    codec, packets = told.stdout.strip().split(",")[:2]
    assert told.stderr == ""
    assert codec == "h264"
    assert int(packets) == archive.segments[0].frames


@pytest.mark.parametrize(
    ("who", "query"),
    [
        ("operator", {"purpose": "duty", "case": ""}),  # live only
        ("operator", {}),  # a case is an inspector's
        ("operator", {"purpose": "incident", "case": "invented"}),
        ("administrator", {"purpose": "maintenance", "case": ""}),
        ("inspector", {"case": "УД-1/2025"}),  # closed
        ("inspector", {"case": "УД-7/2026"}),  # of another region
        ("supervisor", {"purpose": "duty", "case": ""}),  # a street is no custody
    ],
)
async def test_who_may_not_play_is_refused_and_it_is_entered(archive, who, query):
    client = await archive.house.signed_in(who)
    for what in ("recording", "recording.m3u8", "thumbnail", f"files/{archive.segments[0].first}.mp4"):
        more = {"at": archive.began} if what == "thumbnail" else {}
        answer = await archive.ask(client, what, **query, **more)
        assert answer.status_code == 403, (what, answer.text)
    denied = await archive.house.entries(viewer=who, action="recording.play", decision="deny")
    assert len(denied) >= 4


async def test_where_nothing_was_recorded_it_says_when_there_are_pictures_again(archive):
    client = await archive.house.signed_in("inspector")
    before = await archive.ask(client, since=-5 * MINUTE, until=-MINUTE)
    assert before.status_code == 409
    assert before.json()["fields"] == {"recording": "nothing", "next": str(archive.segments[0].began)}
    after = await archive.ask(client, since=5 * MINUTE, until=6 * MINUTE)
    assert (after.status_code, after.json()["fields"]) == (409, {"recording": "nothing"})
    entries = await archive.house.closed(2, viewer="inspector", action="recording.play")
    assert {entry["delivered"] for entry in entries[-2:]} == {0}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"until": -1}, "to"),
        ({"until": HOUR + 1}, "to"),
        ({"from": -5}, "from"),
        ({"from": "x"}, "from"),
        ({"purpose": "fun"}, "purpose"),
        ({"case": "x" * 41}, "case"),
    ],
)
async def test_what_is_no_time_or_purpose_is_refused_by_name(archive, query, field):
    client = await archive.house.signed_in("inspector")
    answer = await archive.ask(client, **query)
    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == [field]


async def test_what_an_incident_opens_is_31_days_old_at_most(archive):
    client = await archive.house.signed_in("duty")
    item, _ = await open_hit(archive.house)
    recent = await archive.ask(client, purpose="incident", case=item.id)
    assert recent.status_code == 200
    old = await archive.ask(client, purpose="incident", case=item.id, since=-32 * DAY, until=-32 * DAY + HOUR)
    assert old.status_code == 403


async def test_a_key_picture_says_when_it_was_taken(archive):
    client = await archive.house.signed_in("inspector")
    answer = await archive.ask(client, "thumbnail", at=archive.began + 6_000, width=200)
    assert answer.status_code == 200
    keys = [one.at for one in links(archive.segments[0]).links if one.key and one.at <= archive.began + 6_000]
    assert int(answer.headers["x-at"]) == keys[-1]
    picture = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[1] == 200
    nothing = await archive.ask(client, "thumbnail", at=archive.began - 1)
    assert (nothing.status_code, nothing.json()["fields"]) == (404, {"at": "nothing_recorded"})


async def test_a_key_picture_is_no_older_than_what_the_incident_opens(archive, tmp_path):
    client, now = await archive.house.signed_in("duty"), archive.house.parts.clock()
    item, _ = await open_hit(archive.house)
    old = record(tmp_path / "old", "STREET7", 2, began=Instant(now - 40 * DAY - now % SECOND))
    await archive.house.owner.execute("update video_camera set region = 2 where id = 'STREET7'")
    await index(archive.house.owner, *old)
    asked = {"name": "STREET7", "purpose": "incident", "case": item.id}
    answer = await archive.ask(client, "thumbnail", at=old[-1].ended, **asked)
    assert answer.status_code == 403
    answer = await archive.ask(client, "thumbnail", at=now, **asked)
    assert (answer.status_code, answer.json()["fields"]) == (404, {"at": "nothing_recorded"})
    inspector = await archive.house.signed_in("inspector")
    answer = await archive.ask(inspector, "thumbnail", at=old[-1].ended, name="STREET7")
    assert answer.status_code == 200


async def test_many_key_pictures_are_one_entry_that_counts_their_bytes(archive):
    client = await archive.house.signed_in("inspector")
    answers = [await archive.ask(client, "thumbnail", at=archive.began + second * SECOND) for second in range(1, 6)]
    assert {one.status_code for one in answers} == {200}
    await archive.house.app.state.standing.end()
    entries = await archive.house.closed(1, viewer="inspector", action="recording.play")
    assert entries[-1]["delivered"] == sum(len(one.content) for one in answers)


@pytest.mark.parametrize("way", ["thumbnail", "files"])
async def test_who_looks_piece_by_piece_is_seen_from_the_first_until_a_while_after_the_last(archive, way):
    house, first = archive.house, archive.segments[0].first
    client, duty = await house.signed_in("inspector"), await house.signed_in("duty")

    async def piece():
        if way == "thumbnail":
            answer = await archive.ask(client, "thumbnail", at=archive.began + 3 * SECOND)
        else:
            answer = await archive.ask(client, f"files/{first}.mp4", headers={"Range": "bytes=0-99"})
        assert answer.status_code in {200, 206}

    async def watchers():
        return (await duty.get("/api/cameras/STREET/watchers")).json()

    assert await watchers() == []
    await asyncio.gather(*(piece() for _ in range(3)))
    (line,) = await watchers()
    assert [line[key] for key in ("viewer", "role", "purpose", "kind")] == [
        "inspector", "inspector", "case", "recording",
    ]  # fmt: skip
    glances = house.app.state.glances
    for _ in range(4):  # longer than anybody is believed without a word
        house.parts.clock.ahead += LASTS - SECOND
        await piece()
        await glances.sweep()
    assert len(await watchers()) == 1
    last = house.parts.clock()
    house.parts.clock.ahead += LASTS + SECOND
    await glances.sweep()
    assert await watchers() == []
    (row,) = await house.owner.fetch("select since, until from video_watch where camera = 'STREET' and entry <> 'e'")
    assert row["since"] + 3 * LASTS < row["until"] <= last, "it ended with the last piece"


async def test_who_cannot_be_told_of_is_shown_no_piece(archive):
    client = await archive.house.signed_in("inspector")
    await archive.house.owner.execute("revoke insert on video_watch from saqtau_app")
    try:
        answer = await archive.ask(client, "thumbnail", at=archive.began + 3 * SECOND)
    finally:
        await archive.house.owner.execute("grant insert on video_watch to saqtau_app")
    assert answer.status_code >= 500
    assert (await archive.ask(client, "thumbnail", at=archive.began + 3 * SECOND)).status_code == 200


async def test_a_playlist_names_byte_ranges_that_are_the_film(archive):
    client = await archive.house.signed_in("inspector")
    answer = await archive.ask(client, "recording.m3u8")
    assert answer.status_code == 200
    lines = answer.text.splitlines()
    assert lines[0] == "#EXTM3U"
    assert lines[-1] == "#EXT-X-ENDLIST"
    (mapped,) = [line for line in lines if line.startswith("#EXT-X-MAP")]
    film = io.BytesIO()
    ranges = [mapped.split("BYTERANGE=")[1].strip('"')]
    ranges += [line.split(":")[1] for line in lines if line.startswith("#EXT-X-BYTERANGE")]
    name = mapped.split('URI="')[1].split('"')[0]
    for one in ranges:
        size, start = map(int, one.split("@"))
        part = await client.get(f"/api/cameras/STREET/{name}", headers={"Range": f"bytes={start}-{start + size - 1}"})
        assert (part.status_code, len(part.content)) == (206, size)
        film.write(part.content)
    assert film.getvalue() == (await archive.ask(client)).content
    lasts = sum(float(line.split(":")[1].rstrip(",")) for line in lines if line.startswith("#EXTINF"))
    assert lasts == pytest.approx(10, abs=0.3)


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
async def test_ffprobe_plays_the_playlist(archive):
    client = await archive.house.signed_in("inspector")
    asked = f"from={archive.began}&to={archive.began + 10 * SECOND}&purpose=case&case=%D0%A3%D0%94-12/2026"
    probe = await asyncio.create_subprocess_exec(
        "ffprobe", "-v", "error", "-headers", f"Cookie: {COOKIE}={client.cookies[COOKIE]}\r\n", "-count_packets",
        "-allowed_extensions", "ALL", "-show_entries", "stream=codec_name,nb_read_packets", "-of", "csv=p=0",
        f"{archive.house.url}/api/cameras/STREET/recording.m3u8?{asked}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told, trouble = await probe.communicate()
    assert trouble == b""
    codec, packets = told.decode().split()[0].split(",")[:2]
    assert (codec, int(packets)) == ("h264", archive.segments[0].frames)


async def test_a_file_is_given_out_by_ranges_only(archive):
    client = await archive.house.signed_in("inspector")
    first = archive.segments[0].first
    assert (await archive.ask(client, f"files/{first}.mp4")).json()["fields"] == {"Range": "invalid"}
    assert (await archive.ask(client, "files/999999.mp4")).status_code == 404


async def test_a_file_that_has_gone_is_passed_over(archive):
    client = await archive.house.signed_in("inspector")
    archive.segments[0].path.unlink()
    assert (await archive.ask(client)).status_code == 409
    assert (await archive.ask(client, "thumbnail", at=archive.began + 6_000)).status_code == 404


async def test_one_session_plays_only_so_many_at_once_and_a_session_that_ends_ends_them(archive):
    client = await archive.house.signed_in("inspector")
    views = archive.house.app.state.views
    for number in range(archive.house.parts.limits.playbacks_per_session):
        views.join(f"other{number}", (await session_digest(archive, client)), "recording")
    answer = await archive.ask(client)
    assert (answer.status_code, answer.json()["fields"]["recording"]) == (429, "too_many_views")


async def session_digest(archive, client):
    return digest_of(client.cookies[COOKIE])
