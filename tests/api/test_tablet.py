"""A tablet: enrolled once with a code, then its signed positions count, and nobody else's."""

import base64

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from tests.api import house as building
from tests.api.desks import open_hit
from tests.api.test_live import opened

from saqtau.devices.http import serve
from saqtau.devices.tablet.compose import compose, compose_renewal, new_key
from saqtau.devices.tablet.parse import Fix
from saqtau.devices.tablet.server import positions
from saqtau.kernel.clock import DAY
from saqtau.web.devices import CODE_LIFE, Vouched, read_devices, revoke_device

pytestmark = pytest.mark.anyio


async def code_for(house, unit="U1", officer="patrol1", by="duty"):
    answer = await (await house.signed_in(by)).post("/api/tablet/codes", json={"unit": unit, "officer": officer})
    assert answer.status_code == 201, answer.text
    return answer.json()["code"]


async def enrolled(house, client, code):
    key, public = new_key()
    body = {"code": code, "public_key": base64.b64encode(public).decode()}
    return key, await client.post("/api/tablet/enrol", json=body)


async def live_devices(house):
    """What the intake would take positions of now."""
    now = house.parts.clock()
    known = await read_devices(house.owner, Vouched(house.parts.authority.certificate), now)
    return {device: found for device, found in known.items() if not found.revoked and now < found.ends}


async def test_a_code_enrols_one_tablet_once(house):
    client = await house.signed_in("patrol1")
    code = await code_for(house)
    _, first = await enrolled(house, client, code.lower())  # as thumbs type it
    assert first.status_code == 201
    known = await live_devices(house)
    assert known[first.json()["device"]].unit == "U1"
    _, second = await enrolled(house, client, code)
    assert (second.status_code, second.json()["fields"]) == (403, {"code": "wrong"})


async def test_a_code_dies_after_ten_minutes(house):
    client = await house.signed_in("patrol1")
    code = await code_for(house)
    house.parts.clock.ahead += CODE_LIFE + 1
    _, late = await enrolled(house, client, code)
    assert late.status_code == 403


async def test_a_code_is_its_officers_alone(house):
    _, stolen = await enrolled(house, await house.signed_in("patrol2"), await code_for(house))
    assert stolen.status_code == 403
    _, operator = await enrolled(house, await house.signed_in("operator"), await code_for(house))
    assert operator.status_code == 403


async def test_codes_are_made_by_the_duty_officer_of_the_region_or_the_administrator(house):
    wish = {"unit": "U1", "officer": "patrol1"}
    for who in ("operator", "patrol1", "prosecutor"):
        assert (await (await house.signed_in(who)).post("/api/tablet/codes", json=wish)).status_code == 403, who
    duty = await house.signed_in("duty")
    assert (await duty.post("/api/tablet/codes", json={"unit": "U7", "officer": "patrol1"})).status_code == 403
    assert (await duty.post("/api/tablet/codes", json={"unit": "U2", "officer": "patrol1"})).status_code == 404
    assert await code_for(house, by="administrator")


async def test_a_guesser_of_codes_waits(house):
    house.parts.clock.ahead += 3_600_000  # what other tests guessed is past
    client = await house.signed_in("patrol2")
    statuses = [(await enrolled(house, client, f"GUESS{n}"))[1].status_code for n in range(7)]
    assert statuses == [403] * 5 + [429] * 2


async def test_what_is_no_key_is_refused_by_its_field(house):
    client = await house.signed_in("patrol1")
    code = await code_for(house)
    for key in ("x" * 50, base64.b64encode(b"k" * 91).decode()):
        answer = await client.post("/api/tablet/enrol", json={"code": code, "public_key": key})
        assert (answer.status_code, list(answer.json()["fields"])) == (400, ["public_key"])
    assert (await enrolled(house, client, code))[1].status_code == 201  # the code was not spent by that


async def test_a_new_tablet_of_an_officer_replaces_the_old_one_and_a_revoked_one_is_gone(house):
    client = await house.signed_in("patrol1")
    _, old = await enrolled(house, client, await code_for(house))
    _, new = await enrolled(house, client, await code_for(house))
    known = await live_devices(house)
    assert old.json()["device"] not in known
    assert new.json()["device"] in known
    await revoke_device(house.owner, new.json()["device"], house.parts.clock())
    assert new.json()["device"] not in await live_devices(house)


async def test_a_lost_tablet_is_revoked_by_the_duty_officer_of_its_region(house):
    _, made = await enrolled(house, await house.signed_in("patrol1"), await code_for(house))
    lost = {"device": made.json()["device"]}
    assert (await (await house.signed_in("operator")).post("/api/tablet/revoke", json=lost)).status_code == 403
    duty = await house.signed_in("duty")
    assert (await duty.post("/api/tablet/revoke", json=lost)).status_code == 200
    assert lost["device"] not in await live_devices(house)
    unknown = {"device": "01900000-0000-7000-8000-000000000000"}
    assert (await duty.post("/api/tablet/revoke", json=unknown)).status_code == 404


async def test_a_lost_tablet_shows_nothing_once_it_is_revoked_and_its_stream_ends(house):
    tablet, partner = await house.signed_in("patrol1"), await house.signed_in("patrol2")
    _, made = await enrolled(house, tablet, await code_for(house))
    _, offer = await open_hit(house)
    assert (await tablet.get(f"/api/items/{offer.id}/pictures/crop")).status_code == 200
    stream = await opened(house, tablet)
    duty = await house.signed_in("duty")
    assert (await duty.post("/api/tablet/revoke", json={"device": made.json()["device"]})).status_code == 200
    for path in ("/api/tablet", f"/api/items/{offer.id}/pictures/crop", "/api/me", "/api/live"):
        assert (await tablet.get(path)).status_code == 401, path
    assert await stream.next("reload") is None
    assert (await partner.get("/api/tablet")).status_code == 200, "the crew of another unit goes on"
    assert (await (await house.signed_in("patrol1")).get("/api/tablet")).status_code == 200, "with another tablet"


async def test_a_tablet_that_was_replaced_shows_nothing_and_the_new_one_goes_on(house):
    old, new = await house.signed_in("patrol1"), await house.signed_in("patrol1")
    assert (await enrolled(house, old, await code_for(house)))[1].status_code == 201
    assert (await new.get("/api/tablet")).status_code == 200, "the first tablet replaces nothing"
    stream = await opened(house, old)
    assert (await enrolled(house, new, await code_for(house)))[1].status_code == 201
    assert (await old.get("/api/tablet")).status_code == 401
    assert await stream.next("reload") is None
    assert (await new.get("/api/tablet")).status_code == 200


async def test_the_web_takes_signed_positions_of_an_enrolled_tablet_and_no_others(engine, database, streams, tmp_path):
    known, taken = {}, []

    async def take(found):
        taken.extend(found)

    clock = building.Time()
    handler = positions(devices=known.get, take_positions=take, clock=clock, registry=CollectorRegistry())
    intake = serve({"/tablet/positions": handler})
    async with building.standing(engine, database, tmp_path, clock=clock, tablet_intake=intake) as house:
        await building.move_in(house.owner, clock())
        client = await house.signed_in("patrol1")
        key, answer = await enrolled(house, client, await code_for_unit(house))
        device = answer.json()["device"]
        known.update(await live_devices(house))
        fix = Fix(seq=1, at=clock(), lat=43.24, lon=76.95)
        accepted = await client.post("/tablet/positions", content=compose(key, device, [fix]))
        assert (accepted.status_code, accepted.json()) == (200, {"accepted_to": 1})
        assert [(one.unit, one.seq) for one in taken] == [("U1", 1)]
        other, _ = new_key()
        forged = await client.post("/tablet/positions", content=compose(other, device, [fix]))
        assert forged.status_code == 401
        assert len(taken) == 1


async def code_for_unit(house):
    await building.move_in(house.owner, house.parts.clock())
    await house.owner.execute("insert into unit (id, call_sign, region) values ('U1', 'x', 2) on conflict do nothing")
    return await code_for(house)


async def test_the_tablet_shows_where_its_unit_was_heard_last(house):
    await house.owner.execute(
        """insert into unit_position (unit, region, at, received, device, seq, lat, lon)
           values ('U1', 2, 5, 6, 'd', 1, 43.25, 76.91) on conflict (unit) do update set at = 5"""
    )
    seen = (await (await house.signed_in("patrol1")).get("/api/tablet")).json()
    assert seen["position"] == {"at": 5, "lat": 43.25, "lon": 76.91}
    assert (await (await house.signed_in("operator")).get("/api/tablet")).status_code == 403


async def test_a_session_of_a_tablet_lasts_the_shift(house):
    client = await house.signed_in("patrol1")
    house.parts.clock.ahead += 3 * 3_600_000
    assert (await client.get("/api/me")).status_code == 200


async def renewed(house, client, key, device, *, at=None, signer=None):
    wish = compose_renewal(signer or key, device, at or house.parts.clock())
    return await client.post("/api/tablet/certificate", content=msgspec.json.encode(wish))


async def test_a_tablet_gets_a_certificate_of_a_week_and_renews_it_by_itself(house):
    key, made = await enrolled(house, await house.signed_in("patrol1"), await code_for(house))
    first = made.json()
    assert first["ends"] - house.parts.clock() > 6 * DAY
    assert first["certificate"].startswith("-----BEGIN CERTIFICATE-----")
    nobody = await house.client()  # renewing needs no log-in: the device signs
    assert (await renewed(house, nobody, key, first["device"])).json() == first  # one that is fresh stays
    house.parts.clock.ahead += 5 * DAY
    second = (await renewed(house, nobody, key, first["device"])).json()
    assert second["ends"] == pytest.approx(first["ends"] + 5 * DAY, abs=60_000)
    house.parts.clock.ahead += 5 * DAY
    assert first["device"] in await live_devices(house)


async def test_a_certificate_that_ended_or_was_revoked_is_not_renewed(house):
    key, made = await enrolled(house, await house.signed_in("patrol1"), await code_for(house))
    device, nobody = made.json()["device"], await house.client()
    house.parts.clock.ahead += 8 * DAY
    assert device not in await live_devices(house)
    late = await renewed(house, nobody, key, device)
    assert (late.status_code, late.json()["fields"]) == (401, {"certificate": "expired"})
    key, made = await enrolled(house, await house.signed_in("patrol1"), await code_for(house))
    await revoke_device(house.owner, made.json()["device"], house.parts.clock())
    gone = await renewed(house, nobody, key, made.json()["device"])
    assert (gone.status_code, gone.json()["fields"]) == (401, {"certificate": "revoked"})


async def test_only_the_device_itself_renews_and_only_now(house):
    key, made = await enrolled(house, await house.signed_in("patrol1"), await code_for(house))
    device, nobody = made.json()["device"], await house.client()
    house.parts.clock.ahead += 5 * DAY
    forged = await renewed(house, nobody, key, device, signer=new_key()[0])
    unknown = await renewed(house, nobody, key, "no-such-device")
    assert forged.status_code == unknown.status_code == 401
    assert forged.json() == unknown.json()
    old = await renewed(house, nobody, key, device, at=house.parts.clock() - 2 * DAY)
    assert (old.status_code, old.json()["fields"]) == (400, {"at": "not_now"})


async def test_a_device_that_somebody_wrote_into_the_database_is_not_heard_and_gets_no_certificate(house):
    _, made = await enrolled(house, await house.signed_in("patrol1"), await code_for(house))
    key, public = new_key()
    insert = """insert into devices (id, unit, officer, public_key, enrolled, certificate, ends)
                select $1, unit, officer, $2, enrolled, $3, ends + 1000000000 from devices where id = $4"""
    stolen = await house.owner.fetchval("select certificate from devices where id = $1", made.json()["device"])
    for device, certificate in (("planted-1", None), ("planted-2", stolen), ("planted-3", b"x")):
        await house.owner.execute(insert, device, public, certificate, made.json()["device"])
        assert device not in await live_devices(house)
        assert (await renewed(house, await house.client(), key, device)).status_code == 401
        await house.owner.execute("delete from devices where id = $1", device)


async def test_a_longer_end_written_into_the_database_lengthens_nothing(house):
    _, made = await enrolled(house, await house.signed_in("patrol1"), await code_for(house))
    device = made.json()["device"]
    await house.owner.execute("update devices set ends = ends + 1000000000 where id = $1", device)
    house.parts.clock.ahead += 8 * DAY
    assert device not in await live_devices(house)
