"""The register of recorded cameras: imported whole or not at all, changed with a trace, switched off with a reason."""

import json

import asyncpg
import msgspec
import pytest

from saqtau import jurisdiction
from saqtau.engine.register_files import read_rows
from saqtau.engine.registers import import_register, read_revisions
from saqtau.engine.video_camera import (
    add_camera,
    find_camera,
    read_cameras,
    read_off,
    retire,
    switch_off,
    switch_on,
    write_cameras,
)
from saqtau.jurisdiction.rooms import lawful_camera
from saqtau.kernel.clock import HOUR, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import Box, PlaceKind, Room

ANYIO = pytest.mark.anyio
NOW = Instant(1_790_000_000_000)
LAW = jurisdiction.load("kz")
HEADER = "id,site,name,region,lat,lon,place,room,address,keep_days,heading,audio,credentials,mask\n"
ROW = (
    "v1,s1,Corridor 1,3,51.1,71.4,penal_colony,corridor,rtsp://10.0.0.9/one,90,45,yes,colony-7,"
    "0 0 0.5 0.25; 0.9 0.9 1 1"
)
SITES = b"id,name,region,lat,lon\ns1,Colony 7,3,51.1,71.4\n"


def lawful(record):
    lawful_camera(LAW, record)


def only(text):
    rows, refused, _ = read_rows("video_cameras", text.encode(), check=lawful)
    assert refused == []
    return rows[0].record


def told(text):
    rows, refused, _ = read_rows("video_cameras", text.encode(), check=lawful)
    assert rows == []
    return [one.field for one in refused]


def test_a_row_with_everything():
    camera = only(HEADER + ROW)
    assert (camera.place, camera.room, camera.audio, camera.keep_days) == (PlaceKind.COLONY, Room.CORRIDOR, True, 90)
    assert camera.mask == (Box(0, 0, 0.5, 0.25), Box(0.9, 0.9, 1, 1))
    assert (camera.reach, camera.field_of_view) == (40.0, 70.0)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("corridor", "lawyer", "room"),
        ("corridor", "toilet", "room"),
        ("corridor", "attic", "room"),
        (",90,", ",89,", "keep_days"),
        (",90,", ",400,", "keep_days"),
        (",90,", ",2000,", "keep_days"),
        ("rtsp://10", "rtsp://me:secret@10", "address"),
        ("penal_colony", "moon", "place"),
        ("yes", "maybe", "audio"),
        ("0.25;", "1.25;", "mask"),
        ("0 0 0.5 0.25", "0 0 0.5", "mask"),
        ("0 0 0.5 0.25", "0.6 0 0.5 0.25", "mask"),
        ("51.1", "151.1", "lat"),
    ],
)
def test_a_row_that_is_wrong_names_its_column(old, new, field):
    assert told(HEADER + ROW.replace(old, new))[0] == field  # a closed room says the law's reason besides


def test_geojson_is_understood_too():
    properties = {
        "id": "v1", "site": "s1", "name": "Yard", "region": 3, "place": "penal_colony", "room": "yard", "audio": False,
        "address": "rtsp://10.0.0.9/one", "keep_days": 90, "mask": [[0, 0, 1, 0.2]],
    }  # fmt: skip
    feature = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [71.4, 51.1]}, "properties": properties}
    camera = only(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert (camera.lat, camera.lon, camera.mask) == (51.1, 71.4, (Box(0, 0, 1, 0.2),))


@pytest.fixture
async def site(pg_worker):
    """The site of the cameras here."""
    await import_register(pg_worker, "sites", "sites.csv", SITES, "test", NOW)
    return pg_worker


async def read_in(pg, text):
    return await import_register(pg, "video_cameras", "c.csv", text.encode(), "test", NOW, check=lawful)


@ANYIO
async def test_an_import_is_read_back_as_it_was_and_moves_the_register(site):
    before = (await read_revisions(site))["video_cameras"]
    report = await read_in(site, HEADER + ROW)
    assert (report.imported, report.refusals) == (1, [])
    assert await find_camera(site, "v1") == only(HEADER + ROW)
    assert (await read_revisions(site))["video_cameras"] > before


@ANYIO
async def test_a_mask_that_changes_leaves_the_one_before_in_its_place(site):
    await read_in(site, HEADER + ROW.replace("v1", "v2"))
    await read_in(site, HEADER + ROW.replace("v1", "v2"))  # again the same: no new version
    await read_in(site, HEADER + ROW.replace("v1", "v2").replace("0.25", "0.3"))
    versions = await site.fetch("select version, boxes::text from video_mask where camera = 'v2' order by version")
    assert [row["version"] for row in versions] == [1, 2]
    assert (await find_camera(site, "v2")).mask[0].bottom == 0.3
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await site.execute("delete from video_mask where camera = 'v2'")


@ANYIO
async def test_a_camera_of_an_unknown_site_is_refused_by_its_row(site):
    report = await read_in(site, HEADER + ROW.replace("s1", "s9"))
    assert [(one.row, one.field) for one in report.refusals] == [(2, "site")]


@ANYIO
async def test_a_camera_cannot_be_hidden_in_another_region_than_its_sites(site):
    report = await read_in(site, HEADER + ROW.replace(",3,51.1", ",4,51.1"))
    assert [(one.row, one.field) for one in report.refusals] == [(2, "region")]
    with pytest.raises(Refused) as refused:
        await add_camera(site, only(HEADER + ROW.replace(",3,51.1", ",4,51.1").replace("v1", "v9")), "anna", NOW)
    assert refused.value.fields == {"region": "other_than_site"}


@ANYIO
async def test_what_was_recorded_stays_under_the_law_of_its_place(site):
    cell = only(HEADER + ROW.replace("v1", "v10"))
    as_street = msgspec.structs.replace(cell, place=PlaceKind.STREET, room=None, keep_days=30)
    act = site.transaction()
    await act.start()
    try:
        await write_cameras(site, [as_street], "anna", NOW)
        await write_cameras(site, [cell], "anna", NOW)  # nothing is recorded yet: a mistake may be mended
        await site.execute("insert into video_volume values ('v', 'v', 0, null, null, null, null, 0)")
        await site.execute(
            """insert into video_segment (camera, first, last, began, ended, volume, path, bytes, frames, recorded_ms,
                   previous, chain, closed) values ('v10', 1, 2, 1, 2, 'v', '/v10', 1, 1, 1, $1, $1, true)""",
            bytes(32),
        )
        await write_cameras(site, [cell], "anna", NOW)
        with pytest.raises(Refused) as refused:
            await write_cameras(site, [as_street], "anna", NOW)
        assert refused.value.fields == {"place": "recorded"}
    finally:
        await act.rollback()


@ANYIO
async def test_a_code_is_taken_once(site):
    camera = only(HEADER + ROW.replace("v1", "v3"))
    await add_camera(site, camera, "anna", NOW)
    with pytest.raises(Refused) as refused:
        await add_camera(site, camera, "anna", NOW)
    assert (refused.value.kind, refused.value.fields) == (Kind.CONFLICT, {"id": "taken"})


@ANYIO
async def test_a_camera_is_switched_off_with_a_reason_and_on_again(site):
    await add_camera(site, only(HEADER + ROW.replace("v1", "v4")), "anna", NOW)
    with pytest.raises(Refused, match="reason"):
        await switch_off(site, "d1", "v4", "short", "anna", "custody_supervisor", "x#1", NOW)
    off = await switch_off(site, "d1", "v4", "the wall is painted", "anna", "custody_supervisor", "x#1", NOW)
    assert await read_off(site, NOW) == {"v4": off}
    with pytest.raises(Refused) as refused:
        await switch_off(site, "d2", "v4", "the wall is painted", "anna", "custody_supervisor", "x#1", NOW)
    assert refused.value.kind is Kind.CONFLICT
    later = Instant(NOW + HOUR)
    assert (await switch_on(site, "v4", "boris", "x#2", later)).ended == later
    assert await read_off(site, later) == {}
    with pytest.raises(Refused):
        await switch_on(site, "v4", "boris", "x#3", later)


@ANYIO
async def test_work_that_has_an_end_ends_by_itself(site):
    await add_camera(site, only(HEADER + ROW.replace("v1", "v5")), "anna", NOW)
    until = Instant(NOW + HOUR)
    await switch_off(
        site,
        "d5",
        "v5",
        "a new lens is put in",
        "anna",
        "custody_supervisor",
        "x#1",
        NOW,
        kind="maintenance",
        until=until,
    )
    assert "v5" in await read_off(site, Instant(until - 1))
    assert "v5" not in await read_off(site, until)


@ANYIO
async def test_a_retired_camera_is_in_no_register_but_its_row_stays(site):
    await add_camera(site, only(HEADER + ROW.replace("v1", "v6")), "anna", NOW)
    await retire(site, "v6", NOW)
    assert "v6" not in await read_cameras(site)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):  # the worker has no right; the owner meets the trigger
        await site.execute("delete from video_camera where id = 'v6'")
