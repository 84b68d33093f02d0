"""The fan-out: who hears what of one batch."""

import msgspec
import pytest

from saqtau.engine.lines import ITEMS, ItemLine
from saqtau.web.frames import Audience
from saqtau.web.limits import Limits
from saqtau.web.live import Hub

pytestmark = pytest.mark.anyio
EVERYBODY = Audience(frozenset({2}))


def line(name, desk, **title):
    return ItemLine(
        id=name, desk=desk, state="broken", rev=0, region=2, priority=3, opened=1, due=None, owner="prosecutor",
        unit=None, title=title, lon=None, lat=None, parent=None,
    )  # fmt: skip


async def test_who_broke_the_glass_hears_nothing_of_its_review_and_everything_else():
    hub = Hub(lambda: 0, Limits())
    duty = hub.join(EVERYBODY, b"1", None, "duty")
    inspector = hub.join(EVERYBODY, b"2", None, "inspector")
    for client in (duty, inspector):
        await client.next()
    lines = [line("review-1", "oversight", officer="duty"), line("alarm-1", "dispatch", officer="duty")]
    hub.hear(1, ITEMS, msgspec.json.encode(lines))
    hub.beat()
    told = {client.person: (await client.next()).data for client in (duty, inspector)}
    assert b"alarm-1" in told["duty"]
    assert b"review-1" not in told["duty"]
    assert b"review-1" in told["inspector"]
    late = hub.join(EVERYBODY, b"3", 0, "duty")
    assert b"review-1" not in (await late.next()).data, "nor when he comes back"
    assert b"id: 1" in told["duty"], "he stands where the others stand"
