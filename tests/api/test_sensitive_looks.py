"""What an item concerns is found before it is looked at: policies about minors and custody hold for looks too."""

import json

import pytest
from tests.api.desks import open_hit
from tests.api.house import LOOKER
from tests.api.test_break_glass import broken, ruled  # noqa: F401 - a fixture

from saqtau import policies
from saqtau.engine.ledger_read import read_entry
from saqtau.kernel.access import AccessRequest, Action, Purpose
from saqtau.kernel.clock import DAY, SECOND
from saqtau.kernel.policy_laws import lawful

pytestmark = pytest.mark.anyio

MINORS = """@id("minors-are-the-prosecutors")
@sentence("Nobody but an overseer reads what concerns minors.")
forbid (
  principal,
  action in [Action::"item.read", Action::"picture.read", Action::"history.read"],
  resource
)
when { resource.minors && context.purpose != "oversight" };
"""


@pytest.fixture
def strict(ruled):  # noqa: F811 - the fixture
    """A house with one policy more."""
    texts, schema = policies.texts()
    before = ruled.parts.access.policies
    ruled.parts.access.adopt(lawful(texts | {"minors.cedar": MINORS}, schema))
    yield ruled
    ruled.parts.access.adopt(before)


async def record_of(house, line):
    """What the entry of a line says, whole."""
    origin, index = line["entry"].rsplit("#", 1)
    wish = AccessRequest(action=Action.READ_ACCESS, purpose=Purpose.OVERSIGHT)
    grant = await house.parts.access.open(LOOKER, wish)
    found = await read_entry(grant, house.parts.pg, house.parts.keys, origin, int(index), house.parts.clock())
    return json.loads(found.record)


async def test_a_policy_about_minors_holds_for_the_item_its_pictures_its_plate_and_its_family(strict):
    item, offer = await open_hit(strict, data={"minors": 3})
    other, _ = await open_hit(strict)
    operator = await strict.signed_in("operator")
    assert (await operator.get(f"/api/items/{other.id}")).status_code == 200
    for name in [item.id] + ([offer.id] if offer else []):
        for path in (f"/api/items/{name}", f"/api/items/{name}/pictures/crop"):
            answer = await operator.get(path)
            assert (answer.status_code, answer.json()["fields"]) == (
                403, {"policy": "minors-are-the-prosecutors"},
            ), path  # fmt: skip
    found = [await record_of(strict, line) for line in await strict.entries(viewer="operator", object=item.id)]
    assert {(one["kind"], tuple(one["sensitive"])) for one in found} == {("deny", ("minors",))}
    overseer = await strict.signed_in("prosecutor")
    assert (await overseer.get(f"/api/items/{item.id}")).status_code == 200


async def test_the_past_of_a_plate_is_asked_for_with_what_its_incident_concerns(ruled):  # noqa: F811 - the fixture
    item, _ = await open_hit(ruled, data={"minors": 3})
    inspector = await ruled.signed_in("inspector")
    now = ruled.parts.clock()
    asked = {"from": now - DAY, "to": now + SECOND, "purpose": "incident", "case": item.id}
    answer = await inspector.get("/api/plates/777AAA02/reads", params=asked)
    assert answer.status_code == 200, answer.text
    (line,) = await ruled.entries(viewer="inspector", action="history.read")
    record = await record_of(ruled, line)
    assert (record["case"], record["sensitive"]) == (item.id, ["minors"])


async def test_a_glass_that_was_broken_shows_nothing_more_once_the_item_concerns_custody(ruled):  # noqa: F811
    item, _ = await open_hit(ruled, region=7)
    duty, _ = await broken(ruled, item.id)
    seen = f"/api/items/{item.id}?purpose=emergency"
    assert (await duty.get(seen)).status_code == 200
    await ruled.owner.execute(
        """update item set data = (data::jsonb || '{"detained": true}')::json where id = $1""", item.id
    )
    answer = await duty.get(seen)
    assert answer.status_code == 403, answer.text
    record = await record_of(ruled, (await ruled.entries(viewer="duty", action="item.read"))[-1])
    assert (record["decision"], record["sensitive"]) == ("deny", ["custody"])
