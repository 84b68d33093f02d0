"""Every compiled search run once on a street of two edges."""

import numpy as np

from saqtau.kernel.clock import Seconds
from saqtau.roads.ahead import units_ahead
from saqtau.roads.build import Street, build_graph
from saqtau.roads.graph import Place
from saqtau.roads.nearest import nearest, unit_field
from saqtau.roads.section import section
from saqtau.roads.snap import snap, snapper
from saqtau.roads.tree import path_tree


def warm_up() -> None:
    """Call each compiled function with the types it meets in use."""
    graph = build_graph([Street(1, (1, 2), "road", 50.0)], {1: (43.2, 76.9), 2: (43.21, 76.9)})
    snapped = snap(snapper(graph), np.array([43.205]), np.array([76.9]), np.array([0.0]))
    field = unit_field(graph, snapped.edge, snapped.fraction)
    nearest(graph, field, Place(0, 0.5))
    tree = path_tree(graph, Place(0, 0.1))
    before = path_tree(graph, Place(1, 0.5))
    units_ahead(graph, tree, field, earliest=Seconds(5.0), latest=Seconds(180.0), earlier=before)
    section(graph, Place(0, 0.2), Place(1, 0.5))
