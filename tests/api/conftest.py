"""The web over the real engine, one house a module."""

import pytest
from tests.api import house as building


@pytest.fixture
async def house(engine, database, js, tmp_path):
    """A house with one person of each role and nothing in it."""
    async with building.standing(engine, database, tmp_path) as standing:
        await building.move_in(standing.owner, standing.parts.clock())
        yield standing
