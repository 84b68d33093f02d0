"""Registers: a file is taken whole or not at all, and each refused row says why."""

import hashlib
import json
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saqtau.engine.register_files import KINDS, read_rows, token_hash
from saqtau.engine.registers import import_register, read_revisions
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import Camera, Ground, Unit

NOW = Instant(1_790_000_000_000)
ANYIO = pytest.mark.anyio
SITES = b"id,name,region,lat,lon\ns1,Abay,2,43.24,76.90\n"
CAMERA = "c1,s1,Abay 1,2,43.24,76.90,90,60,N-1,2026-01-01,2026-12-31,10.0.0.7,secret-token-of-thirty-two-letters-0001"
CAMERAS = (
    "id,site,name,region,lat,lon,heading,limit,certificate_number,certificate_from,certificate_until,address,token\n"
)


def only(kind, data, **more):
    rows, refused, _ = read_rows(kind, data, **more)
    assert refused == []
    (row,) = rows
    return row


def told(kind, data):
    rows, refused, _ = read_rows(kind, data)
    assert rows == []
    return [(one.row, one.field) for one in refused]


def test_a_camera_with_all_its_columns():
    row = only("cameras", (CAMERAS + CAMERA).encode())
    camera = row.record
    assert isinstance(camera, Camera)
    assert (camera.id, camera.site, camera.heading, camera.limit, camera.address) == ("c1", "s1", 90, 60, "10.0.0.7")
    assert row.token_hash == hashlib.sha256(b"secret-token-of-thirty-two-letters-0001").digest()
    assert camera.certificate.covers(Instant(1_798_761_599_999))  # the last day is a day of force
    assert not camera.certificate.covers(Instant(1_798_761_600_000))


def test_a_table_saved_by_a_russian_spreadsheet_is_understood():
    text = '\ufeffid;call_sign;region;plate;skills\r\n007;Барс;2;123 abc-02;"dog;night"\r\n\r\n'
    unit = only("units", text.encode()).record
    assert unit == Unit("007", "Барс", 2, "123ABC02", ("dog", "night"))


def test_decimal_commas_under_semicolons():
    row = only("sites", b"id;name;region;lat;lon\ns1;A;2;43,25;76,9\n")
    assert (row.record.lat, row.record.lon) == (43.25, 76.9)


def test_a_vehicle_falls_off_the_list_at_the_start_of_its_last_day_in_its_zone():
    text = b"plate,ground,authority,basis,expires\n1A,stolen,DIA,12/3,2026-12-31\n"
    row = only("vehicles", text, zone=ZoneInfo("Asia/Almaty"))
    assert row.record.ground is Ground.STOLEN
    assert row.record.expires == 1_798_657_200_000
    assert row.record.region is None


def test_geojson_points_are_cameras_too():
    properties = {"id": "c1", "site": "s1", "name": "A", "region": 2, "heading": 10.5, "limit": 60, "address": None}
    feature = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [76.9, 43.2]},
        "properties": properties,
    }
    data = json.dumps({"type": "FeatureCollection", "features": [feature]}).encode()
    camera = only("cameras", data).record
    assert (camera.lat, camera.lon, camera.heading, camera.certificate) == (43.2, 76.9, 10.5, None)


@pytest.mark.parametrize(
    ("kind", "text", "told_"),
    [
        ("sites", "", [(0, "file")]),
        ("sites", "id,name,region,lat\n", [(0, "lon")]),
        ("sites", "id,name,region,lat,lon,colour\n", [(0, "colour")]),
        ("sites", "id,id,name,region,lat,lon\n", [(0, "id")]),
        ("sites", "id,name,region,lat,lon\ns 1,A,2,43,76\n", [(2, "id")]),
        ("sites", "id,name,region,lat,lon\ns1,A,2,143,76\n", [(2, "lat")]),
        ("sites", "id,name,region,lat,lon\ns1,A,2,nan,76\n", [(2, "lat")]),
        ("sites", "id,name,region,lat,lon\ns1,A,2.5,43,76\n", [(2, "region")]),
        ("sites", "id,name,region,lat,lon\ns1,,2,43,76\n", [(2, "name")]),
        ("sites", "id,name,region,lat,lon\ns1,A,2,43,76,x\n", [(2, "row")]),
        ("sites", 'id,name,region,lat,lon\ns1,"A,2,43,76\n', [(0, "file")]),
        ("sites", '{"type": "Feature"}', [(0, "file")]),
        ("sites", "[" * 100_000, [(0, "file")]),
        ("sites", '{"type": "FeatureCollection", "features": [3]}', [(1, "properties")]),
        ("cameras", CAMERAS + CAMERA.replace("10.0.0.7", "10.0.0.777"), [(2, "address")]),
        ("cameras", CAMERAS + CAMERA.replace("2026-12-31", ""), [(2, "certificate_until")]),
        ("cameras", CAMERAS + CAMERA.replace("2026-12-31", "2025-12-31"), [(2, "certificate_until")]),
        ("cameras", CAMERAS + CAMERA.replace("secret-token-of-thirty-two-letters-0001", "short"), [(2, "token")]),
        ("cameras", CAMERAS + CAMERA.replace(",90,", ",360,"), [(2, "heading")]),
        ("vehicles", "plate,ground,authority,basis,expires\n1A,ugly,D,1,2026-12-31\n", [(2, "ground")]),
        ("vehicles", "plate,ground,authority,basis,expires\n1A,stolen,D,1,31.12.2026\n", [(2, "expires")]),
        ("vehicles", "plate,ground,authority,basis,expires\nЖЖ,stolen,D,1,2026-12-31\n", [(2, "plate")]),
    ],
)
def test_what_is_wrong_is_named_with_its_row_and_field(kind, text, told_):
    assert told(kind, text.encode()) == told_


def test_other_encodings_are_named():
    assert "0xc0" in read_rows("sites", "id,name,region,lat,lon\ns1,А,2,1,1".encode("cp1251"))[1][0].reason
    assert "UTF-16" in read_rows("sites", "id".encode("utf-16"))[1][0].reason


def test_a_row_that_is_there_twice_is_refused_with_the_row_it_repeats():
    _, refused, total = read_rows("sites", SITES + b"s1,B,2,1,1\n")
    assert (total, [(one.row, one.reason) for one in refused]) == (2, [(3, "the same as row 2")])


_kinds = st.sampled_from(sorted(KINDS))


@given(_kinds, st.binary(max_size=400))
def test_any_bytes_give_rows_or_refusals(kind, data):
    rows, refused, total = read_rows(kind, data)
    assert len(rows) <= total
    assert rows or refused or total == 0


_cell = st.one_of(
    st.text(max_size=20), st.sampled_from(["s1", "2", "43.2", "2026-12-31", "stolen", "", "\0", "-0", "1e400"])
)


@given(_kinds, st.data())
def test_any_cells_under_a_right_header_give_rows_or_refusals(kind, data):
    names = sorted(KINDS[kind].all)
    cells = data.draw(st.lists(st.lists(_cell, min_size=len(names), max_size=len(names)), max_size=4))
    text = "\n".join(
        [",".join(names), *(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in cells)]
    )
    rows, refused, total = read_rows(kind, text.encode("utf-8", "surrogatepass"))
    assert len(rows) + len({one.row for one in refused if one.row}) <= max(total, len(cells))


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
)


@given(_kinds, _json, _json)
def test_any_geojson_gives_rows_or_refusals(kind, properties, geometry):
    feature = {"properties": properties, "geometry": geometry}
    read_rows(kind, json.dumps({"type": "FeatureCollection", "features": [feature, properties]}).encode())
    filled = dict.fromkeys(KINDS[kind].all, properties)
    place = {"type": "Point", "coordinates": [geometry, 1]}
    feature = {"properties": filled, "geometry": place}
    rows, refused, _ = read_rows(kind, json.dumps({"type": "FeatureCollection", "features": [feature]}).encode())
    assert len(rows) + len(refused) == 1


@pytest.fixture
async def empty(pg_owner, pg_worker):
    await pg_owner.execute("truncate camera, unit, officer, listed_vehicle, import_report cascade; delete from site")
    return pg_worker


async def taken(pg, kind, text, **more):
    return await import_register(
        pg, kind, f"{kind}.csv", text.encode() if isinstance(text, str) else text, "op", NOW, **more
    )


@ANYIO
async def test_a_good_file_is_imported_and_tells_the_workers(empty):
    before = await read_revisions(empty)
    report = await taken(empty, "sites", SITES)
    assert (report.total, report.imported, report.refusals) == (1, 1, [])
    await taken(empty, "cameras", CAMERAS + CAMERA)
    row = await empty.fetchrow("select site, speed_limit, certificate_until, token_hash from camera")
    assert tuple(row) == ("s1", 60, 1_798_761_599_999, token_hash("secret-token-of-thirty-two-letters-0001"))
    after = await read_revisions(empty)
    assert after["sites"] == before["sites"] + 1
    assert after["units"] == before["units"]


@ANYIO
async def test_a_file_with_one_bad_row_changes_nothing_unless_the_good_are_asked_for(empty):
    text = SITES + b"s2,,2,1,1\n"
    report = await taken(empty, "sites", text)
    assert (report.total, report.imported, [one.row for one in report.refusals]) == (2, 0, [3])
    assert await empty.fetchval("select count(*) from site") == 0
    report = await taken(empty, "sites", text, accept_good=True)
    assert report.imported == 1
    assert [row[0] for row in await empty.fetch("select id from site")] == ["s1"]
    kept = await empty.fetch("select accepted, refused, lines from import_report order by seq")
    assert [tuple(row)[:2] for row in kept] == [(0, 1), (1, 1)]
    assert json.loads(kept[1]["lines"])[0]["field"] == "name"


@ANYIO
async def test_importing_again_replaces_and_keeps_what_the_file_does_not_say(empty):
    await taken(
        empty, "units", "id,call_sign,region,skills,token\nu1,A,2,dog,unit-secret-token-of-thirty-two-letters\n"
    )
    await empty.execute("update unit set status = 'busy'")
    await taken(empty, "units", "id,call_sign,region\nu1,B,3\n")
    row = await empty.fetchrow("select call_sign, region, skills, status, token_hash from unit")
    assert tuple(row) == ("B", 3, [], "busy", token_hash("unit-secret-token-of-thirty-two-letters"))


@ANYIO
async def test_a_row_that_names_what_nobody_knows_is_refused(empty):
    report = await taken(empty, "cameras", CAMERAS + CAMERA)
    assert [(one.row, one.field) for one in report.refusals] == [(2, "site")]
    report = await taken(empty, "officers", "id,name,region,unit\no1,A,2,\no2,B,2,u9\n", accept_good=True)
    assert [(one.row, one.field) for one in report.refusals] == [(3, "unit")]
    assert report.imported == 1


@ANYIO
async def test_a_token_belongs_to_one_camera(empty):
    await taken(empty, "sites", SITES)
    await taken(empty, "cameras", CAMERAS + CAMERA)
    report = await taken(empty, "cameras", CAMERAS + CAMERA.replace("c1", "c2"))
    assert [(one.field, one.reason) for one in report.refusals] == [("token", "belongs to c1 already")]
    assert (await taken(empty, "cameras", CAMERAS + CAMERA)).imported == 1


@ANYIO
async def test_a_plate_may_be_listed_by_two_authorities(empty):
    head = "plate,ground,authority,basis,expires,region,note\n"
    await taken(empty, "vehicles", head + "1A,stolen,X,1,2026-12-31,,\n1A,stolen,Y,2,2026-12-31,5,careful\n")
    rows = await empty.fetch("select authority, region, note from listed_vehicle order by authority")
    assert [tuple(row) for row in rows] == [("X", None, ""), ("Y", 5, "careful")]


@ANYIO
async def test_there_is_no_other_register(empty):
    with pytest.raises(Refused) as refused:
        await taken(empty, "people", "")
    assert refused.value.kind is Kind.NOT_FOUND


@ANYIO
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=_kinds, data=st.binary(max_size=200))
async def test_any_bytes_lead_to_a_report(empty, kind, data):
    report = await taken(empty, kind, data)
    assert report.imported == 0 or not report.refusals
