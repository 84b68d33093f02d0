"""Units by drive time, registers, and the history of a plate: each under its purpose."""

import asyncio

import msgspec
import numpy as np
import pytest
from tests.api import house as building
from tests.api.desks import furnish, open_hit
from tests.unit.roads.drawn import crossing, degrees

from saqtau.engine.atlas import Atlas, Fix
from saqtau.kernel.clock import DAY
from saqtau.roads.graph import place_xy
from saqtau.roads.snap import snapper
from saqtau.roads.tree import Trees
from saqtau.web.live import POSITIONS

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(engine, database, streams, tmp_path):
    drawing = crossing()
    atlas = Atlas(drawing.graph, snapper(drawing.graph), Trees(drawing.graph, 1 << 24))
    async with building.standing(engine, database, tmp_path, atlas=atlas) as standing:
        await building.move_in(standing.owner, standing.parts.clock())
        await furnish(standing.owner, standing.parts.clock())
        standing.drawing = drawing
        yield standing


def fix(house, unit, edge, fraction, letter="A", region=2):
    drawing = house.drawing
    lat, lon = map(float, drawing.graph.degrees(np.array(place_xy(drawing.graph, drawing.on(*edge, fraction)))))
    return Fix(unit, lon, lat, None, letter, 1, (), region, drawing.edge(*edge), fraction)


async def heard(house, *fixes):
    await house.parts.nc.publish(POSITIONS, msgspec.msgpack.encode(fixes))
    await house.parts.nc.flush()
    hub = house.app.state.hub
    while len(hub.whereabouts.now().ids) < len(fixes):
        await asyncio.sleep(0.01)


async def test_the_nearest_units_are_those_that_can_come_soonest(house):
    await heard(
        house, fix(house, "U1", (1, 0), 0.9), fix(house, "U2", (3, 0), 0.2), fix(house, "U7", (1, 0), 0.99, region=7)
    )
    lat, lon = degrees(250.0, 0.0)  # on the east arm
    client = await house.signed_in("operator")
    near = (await client.get("/api/units/nearest", params={"lat": lat, "lon": lon, "k": 5})).json()
    assert [one["unit"] for one in near] == ["U1", "U2"]
    assert near[0]["seconds"] == pytest.approx(30, abs=1)
    assert near[0]["metres"] == pytest.approx(300, abs=2)
    (entry,) = (await house.entries(viewer="operator", action="units.watch"))[-1:]
    assert (entry["delivered"], entry["purpose"]) == (2, "duty")


async def test_a_unit_at_work_is_not_near_unless_asked_for(house):
    await heard(house, fix(house, "U1", (1, 0), 0.9, letter="E"), fix(house, "U2", (3, 0), 0.2))
    lat, lon = degrees(250.0, 0.0)
    client = await house.signed_in("operator")
    free = (await client.get("/api/units/nearest", params={"lat": lat, "lon": lon})).json()
    assert [one["unit"] for one in free] == ["U2"]
    both = (await client.get("/api/units/nearest", params={"lat": lat, "lon": lon, "free": False})).json()
    assert [one["unit"] for one in both] == ["U1", "U2"]


async def test_a_place_on_no_street_and_figures_out_of_range_are_refused_by_their_field(house):
    client = await house.signed_in("operator")
    lat, lon = degrees(3_000.0, 3_000.0)
    off = await client.get("/api/units/nearest", params={"lat": lat, "lon": lon})
    assert (off.status_code, set(off.json()["fields"])) == (400, {"lat", "lon"})
    for wrong in ({"lat": 91}, {"lat": "x"}, {"lat": "nan"}, {"k": 0}, {"k": 10**6}):
        answer = await client.get("/api/units/nearest", params={"lat": lat, "lon": lon} | wrong)
        assert (answer.status_code, list(answer.json()["fields"])) == (400, list(wrong)), answer.text


async def test_registers_show_the_rows_of_ones_own_regions(house):
    client = await house.signed_in("operator")
    rows = {
        kind: (await client.get(f"/api/registers/{kind}")).json() for kind in ("cameras", "units", "officers", "sites")
    }
    assert [row["id"] for row in rows["cameras"]] == ["C1"]
    assert [row["id"] for row in rows["units"]] == ["U1", "U2"]
    assert [row["id"] for row in rows["officers"]] == ["O1"]
    assert "token" not in str(rows)
    assert "address" not in str(rows["cameras"])
    assert (await client.get("/api/registers/secrets")).status_code == 400
    everything = (await (await house.signed_in("prosecutor")).get("/api/registers/cameras")).json()
    assert [row["id"] for row in everything] == ["C1", "C7"]


async def test_the_list_of_vehicles_is_for_those_who_need_it(house):
    assert (await (await house.signed_in("operator")).get("/api/registers/vehicles")).status_code == 403
    rows = (await (await house.signed_in("duty")).get("/api/registers/vehicles")).json()
    assert [row["plate"] for row in rows] == ["777AAA02"]


def asks(house, purpose, **more):
    """A question about the last two days."""
    now = house.parts.clock()
    return {"from": now - 2 * DAY, "to": now, "purpose": purpose, **more}


async def passages(house, plate="777AAA02"):
    at = house.parts.clock() - DAY
    await house.owner.execute("select make_partition('read_history', 0, 4102444800000)")
    await house.owner.execute(
        """insert into read_history (received, at, plate, camera, region, lat, lon, speed, retention)
           values ($2, $2, $1, 'C1', 2, 43.2, 76.9, 80, 'hit_30d'),
                  ($2, $2, $1, 'C7', 7, 50.3, 57.2, 60, 'hit_30d')""",
        plate, at,
    )  # fmt: skip
    return at


async def test_a_plate_is_read_for_a_purpose_and_a_case_and_its_entry_names_no_plate(house):
    at = await passages(house)
    client = await house.signed_in("inspector")
    asked = asks(house, "case", case="УД-12/2026")
    seen = (await client.get("/api/plates/777 ааа 02/reads", params=asked)).json()  # typed in Cyrillic
    assert [(read["camera"], read["at"]) for read in seen["reads"]] == [("C1", at)]
    assert seen["plate"] == "777AAA02"
    (entry,) = (await house.entries(viewer="inspector", action="history.read"))[-1:]
    assert (entry["case"], entry["delivered"], entry["decision"]) == ("УД-12/2026", 1, "allow")
    assert "777" not in entry["object"]
    assert entry["object"] == house.parts.history.object_of("777AAA02")


async def test_a_plate_without_a_case_or_by_the_wrong_role_is_denied_and_leaves_an_entry(house):
    asked = asks(house, "case")
    inspector, operator = await house.signed_in("inspector"), await house.signed_in("operator")
    no_case = await inspector.get("/api/plates/777AAA02/reads", params=asked)
    assert (no_case.status_code, no_case.json()["fields"]) == (403, {"policy": "case-exists,purpose-names-its-case"})
    wrong = await operator.get("/api/plates/777AAA02/reads", params=asked | {"case": "УД-12/2026"})
    assert wrong.status_code == 403
    assert len(await house.entries(action="history.read", decision="deny")) >= 2


async def test_for_an_incident_a_plate_is_read_only_under_an_item_about_that_plate_in_ones_regions(house):
    await passages(house)
    item, _ = await open_hit(house)
    elsewhere, _ = await open_hit(house, region=7)
    client = await house.signed_in("duty")
    asked = asks(house, "incident")
    seen = await client.get("/api/plates/777AAA02/reads", params=asked | {"case": item.id})
    assert {read["camera"] for read in seen.json()["reads"]} == {"C1"}
    (entry,) = (await house.entries(viewer="duty", action="history.read"))[-1:]
    assert (entry["case"], entry["decision"]) == (item.id, "allow")
    for plate, case in (("123ABC02", item.id), ("777AAA02", elsewhere.id), ("777AAA02", "12/2026"), ("777AAA02", None)):
        before = len(await house.entries(viewer="duty", action="history.read", decision="deny"))
        answer = await client.get(f"/api/plates/{plate}/reads", params=asked | ({"case": case} if case else {}))
        assert answer.status_code == 403, (plate, case)
        assert "incident-exists" in answer.json()["fields"]["policy"]
        assert len(await house.entries(viewer="duty", action="history.read", decision="deny")) == before + 1


async def test_a_question_about_a_plate_names_what_is_wrong_with_it(house):
    client = await house.signed_in("inspector")
    good = asks(house, "case", case="УД-12/2026")
    for path, change, field in (
        ("777AAA02", {"to": 0}, "to"),
        ("777AAA02", {"to": 10**13}, "to"),
        ("777AAA02", {"from": "yesterday"}, "from"),
        ("777AAA02", {"purpose": "curiosity"}, "purpose"),
        ("777AAA02", {"case": "'; drop"}, "case"),
        ("A" * 13, {}, "plate"),
        ("%00", {}, "plate"),
    ):
        answer = await client.get(f"/api/plates/{path}/reads", params=good | change)
        assert (answer.status_code, list(answer.json()["fields"])) == (400, [field]), answer.text
