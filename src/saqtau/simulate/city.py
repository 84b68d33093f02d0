"""A whole city from a seed: streets to drive on, and what the map shows between them."""

from saqtau.simulate.scenery import with_scenery
from saqtau.simulate.streets import City, draw_streets


def make_city(seed: int) -> City:
    """The city of this seed, about 6 x 6 km and 2,500 directed edges. The same seed, the same city."""
    return with_scenery(draw_streets(seed), seed)
