"""Rows and items for the tests of the API, put there as the engine puts them."""

import os

import msgspec

from saqtau.desks.dangerous_drivers.desk import DESK as DRIVERS
from saqtau.desks.dispatch.desk import DESK as DISPATCH
from saqtau.desks.oversight.desk import DESK as OVERSIGHT
from saqtau.engine import store
from saqtau.engine.blobs import keep_pictures
from saqtau.kernel.desk import gather
from saqtau.kernel.item import Open
from saqtau.kernel.signal import Candidate, Picture, Recommendation

DESKS = gather(DISPATCH, DRIVERS, OVERSIGHT)
CROP = os.urandom(150_000)


async def furnish(owner, now):
    """Nothing open, every unit free; a site, two cameras, units of regions 2 and 7, an officer, a listed vehicle."""
    await owner.execute("insert into site values ('S1', 'Абай / Достык', 2, 43.24, 76.95) on conflict do nothing")
    await owner.execute(
        """insert into camera (id, site, name, region, lat, lon, heading, speed_limit) values
           ('C1', 'S1', 'Абай 1', 2, 43.24, 76.95, 90, 60), ('C7', 'S1', 'Ақтөбе 1', 7, 50.3, 57.2, 0, 60)
           on conflict do nothing"""
    )
    await owner.execute(
        """insert into unit (id, call_sign, region) values
           ('U1', 'Экипаж 1', 2), ('U2', 'Экипаж 2', 2), ('U7', 'Ж 7', 7)
           on conflict do nothing"""
    )
    # what is told of a unit is named after its revision: the broker of all these tests must not take one for another's
    await owner.execute("update unit set status = 'available', status_item = null, status_rev = $1", now)
    await owner.execute("update item set ended = 1, owner = null, due = null where ended is null")
    await owner.execute("insert into officer values ('O1', 'Серік', 2, 'U1') on conflict do nothing")
    await owner.execute(
        "insert into listed_vehicle values ('777AAA02', 'stolen', 'ДП Алматы', '12/34', $1, null, '') "
        "on conflict do nothing",
        now + 10**9,
    )


def hit(region=2, **more):
    """What the rules of dangerous drivers open an item with."""
    recommendation = Recommendation(
        at=more.get("at", 1), camera="C1", candidates=(Candidate("U1", 0.8, 60.0), Candidate("U2", 0.4, 90.0))
    )
    at = more.get("at", 1)
    read = {"id": "r1", "camera": "C1", "at": at, "speed": 92.0, "trust": "sure"}
    data = {
        "plate": "777AAA02", "read_as": "777AAA02", "ground": "stolen",
        "causes": [{"ground": "stolen", "authority": "ДП", "basis": "12/34"}], "doubts": [], "camera": "C1",
        "camera_name": "Абай 1", "at": at, "speed": 92.0, "limit": 60.0, "reads": [read], "late": False,
        "recommendation": msgspec.to_builtins(recommendation), "overrides": [],
    }  # fmt: skip
    return Open(
        desk="dangerous_drivers", data=data | more.get("data", {}), region=region, priority=1,
        state=more.get("state", "seeking"), lat=43.24, lon=76.95,
    )  # fmt: skip


async def open_hit(house, region=2, *, picture=True, **more):
    """An item of dangerous drivers, with a crop; and the offer that follows from it, if a unit is ahead."""
    now = house.parts.clock()
    async with house.owner.transaction():
        outcome = await store.act(house.owner, DESKS, [hit(region, at=now, **more)], now, house.parts.ids)
        item = next(one for one in outcome.items if one.parent is None)
        if picture:
            crop = [Picture("crop", "image/jpeg", CROP)]
            await keep_pictures(house.owner, house.parts.blobs, item.id, region, crop, now)
    offer = next((one for one in outcome.items if one.parent == item.id), None)
    return item, offer
