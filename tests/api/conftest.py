"""The web over the real engine, a house a test."""

import pytest
from tests.api import house as building
from tests.api.desks import DESKS, furnish

from saqtau.engine import broker, journal


@pytest.fixture
async def streams(nc, engine):
    """The journal's streams; what earlier tests left in the feed is before us."""
    await journal.ensure_streams(broker.context(nc), engine.broker.replicas)


@pytest.fixture
async def house(engine, database, streams, tmp_path):
    """A house with one person of each role, two units that are free, and nothing in the queue."""
    async with building.standing(engine, database, tmp_path, desks=DESKS) as standing:
        now = standing.parts.clock()
        await building.move_in(standing.owner, now)
        await furnish(standing.owner, now)
        yield standing
