"""What cameras lack over the API: no reference, a wrong clock, a short archive, no look; to whom it is told."""

import pytest
from tests.api.cameras import put_up, written

from saqtau.engine.video_lacks import UNLOOKED
from saqtau.kernel.clock import HOUR, MINUTE, SECOND

pytestmark = pytest.mark.anyio


@pytest.fixture
async def cameras(house):
    """The cameras, recorded for an hour, looked at, learned, with nothing lacking."""
    owner, now = house.owner, house.parts.clock()
    await put_up(owner, now)
    for table in (
        "video_segment",
        "video_gap",
        "video_disable",
        "video_health",
        "video_health_log",
        "video_told",
        "video_relearn",
    ):
        await owner.execute(f"alter table {table} disable trigger user")
        await owner.execute(f"delete from {table}")
        await owner.execute(f"alter table {table} enable trigger user")
    for name in ("STREET", "STREET7", "SCHOOL", "OFFICE", "COLONY"):
        await written(owner, name, now - HOUR, now, closed=False)
        await owner.execute(
            """insert into video_health (camera, at, verdict, since, measures, drift_ms)
               values ($1, $2, 'ok', $3, '{"short_days": 0}', 40)""",
            name, now - 10 * SECOND, now - HOUR,
        )  # fmt: skip
        await owner.execute(
            """insert into video_health_log (camera, at, verdict, before_, measures, entry)
               values ($1, $2, 'learned', 'ok', '{}', 'log#7')""",
            name, now - 50 * MINUTE,
        )  # fmt: skip
    return house


async def lacks(house, who):
    """What each camera lacks, as this person is told."""
    answer = await (await house.signed_in(who)).get("/api/camera-health")
    assert answer.status_code == 200, answer.text
    return {one["id"]: one["lacks"] for one in answer.json()["cameras"]}


async def test_cameras_that_lack_nothing_are_in_no_list(cameras):
    assert await lacks(cameras, "prosecutor") == {}


async def test_each_want_is_told_to_those_who_answer_for_the_place_and_to_no_other(cameras):
    owner, now = cameras.owner, cameras.parts.clock()
    await owner.execute("update video_health set drift_ms = -6000 where camera = 'STREET'")
    await owner.execute("""update video_health set measures = '{"short_days": 3}' where camera = 'OFFICE'""")
    await owner.execute("update video_health set at = $1 where camera = 'SCHOOL'", now - UNLOOKED - SECOND)
    await owner.execute(
        """insert into video_relearn (id, camera, at, by, role, why, entry)
           values ('w', 'COLONY', $1, 'administrator', 'administrator', 'turned to the gate', 'e')""",
        now - MINUTE,
    )
    every = {"STREET": ["clock"], "OFFICE": ["archive"], "SCHOOL": ["unlooked"], "COLONY": ["learning"]}
    for who in ("prosecutor", "administrator"):
        assert await lacks(cameras, who) == every
    assert await lacks(cameras, "supervisor") == {name: every[name] for name in ("OFFICE", "COLONY")}
    assert await lacks(cameras, "operator7") == {}
    assert (await (await cameras.signed_in("patrol1")).get("/api/camera-health")).status_code == 403


async def test_a_dark_camera_is_not_blamed_for_what_nobody_could_look_at(cameras):
    owner, now = cameras.owner, cameras.parts.clock()
    await owner.execute("update video_segment set ended = $1 where camera = 'STREET'", now - 10 * MINUTE)
    await owner.execute("update video_health set at = $1 where camera = 'STREET'", now - 10 * MINUTE)
    assert await lacks(cameras, "operator") == {}


async def test_a_cameras_health_tells_its_references_its_changes_and_what_it_told_itself(cameras):
    owner, now = cameras.owner, cameras.parts.clock()
    await owner.execute(
        """insert into video_told (id, camera, word, source, began, entry)
           values ('t', 'SCHOOL', 'told_tamper', 'lens', $1, 'log#9')""", now - MINUTE,
    )  # fmt: skip
    client = await cameras.signed_in("school")
    found = (await client.get("/api/cameras/SCHOOL/health")).json()
    health = found["health"]
    assert (health["verdict"], health["drift_ms"], health["lacks"], health["infra_red"]) == ("ok", 40, [], None)
    assert health["day"] < health["looked"]
    assert [(one["word"], one["before"], one["entry"]) for one in found["changes"]] == [("learned", "ok", "log#7")]
    assert [(one["word"], one["source"], one["ended"]) for one in found["told"]] == [("told_tamper", "lens", None)]
    assert (await client.get("/api/cameras/OFFICE/health")).status_code == 403
    assert (await client.get("/api/cameras/STREET7/health")).status_code == 403
