"""Traffic keeps to the road, passes cameras as it drives, and brings dangerous drivers before patrols."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.simulate.conftest import NOW

from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.simulate import traffic as moving
from saqtau.simulate.stage import Stage
from saqtau.simulate.town import make_town
from saqtau.simulate.traffic import PATROL, step, where


@pytest.fixture(scope="module")
def town(graph, registers):
    return make_town(graph, registers.cameras, np.random.default_rng(1))


def driven(town, seconds, seed=1, tick=0.2):
    """Every moment of a while of traffic, and all passages."""
    random = np.random.default_rng(seed)
    notable = [("777AAA10", 1.85), ("888BBB10", 1.0)]
    plates = [f"{number:03}ORD10" for number in range(60)]
    traffic = moving.start(town, plates, notable, ["001PAT10", "002PAT10", "003PAT10"], NOW, random)
    now, moments, passages = NOW, [traffic], []
    for _ in range(int(seconds / tick)):
        traffic, passed = step(town, traffic, now, tick, random)
        now = Instant(now + round(tick * SECOND))
        moments.append(traffic)
        passages += passed
    return moments, passages


def test_every_edge_of_a_way_follows_from_the_last_by_a_permitted_turn(town):
    graph = town.graph
    moments, _ = driven(town, 120)
    changed = 0
    for before, after in itertools.pairwise(moments):
        for who in np.flatnonzero(before.edge != after.edge):
            edge, reached = int(before.edge[who]), int(after.edge[who])
            onward = {edge}
            for _ in range(4):  # several short edges may lie in one step
                onward |= {
                    int(other)
                    for one in onward
                    for other in graph.arc_to[graph.arc_start[one] : graph.arc_start[one + 1]]
                }
            assert reached in onward
            changed += 1
    assert changed > 200


def test_all_ways_to_all_goals_are_arcs_of_the_graph(town):
    graph = town.graph
    for row, goal in enumerate(town.goals):
        for edge in range(0, graph.edges, 7):
            if edge != goal:
                assert town.hop[row, edge] in graph.arc_to[graph.arc_start[edge] : graph.arc_start[edge + 1]]


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**31), tick=st.sampled_from([0.05, 0.2, 0.25, 1.0]))
def test_nobody_teleports_and_nobody_leaves_the_edge(town, seed, tick):
    moments, _ = driven(town, 100 * tick, seed, tick)
    lengths = town.graph.length
    for before, after in itertools.pairwise(moments):
        assert (after.along <= lengths[after.edge] + 1e-3).all()
        assert (after.along >= 0).all()
        for who in range(0, len(after.edge), 5):
            lat, lon, _ = where(town, before, who)
            there, beside, _ = where(town, after, who)
            metres = np.hypot((there - lat) * 111_195, (beside - lon) * 111_195 * np.cos(np.radians(lat)))
            assert metres <= after.speed[who] * tick + 0.5


def test_the_same_seed_drives_the_same_way(town):
    (_, one), (_, two), (_, other) = driven(town, 30), driven(town, 30), driven(town, 30, seed=2)
    assert one == two
    assert one != other


def test_a_passage_is_told_once_between_the_two_moments_with_the_true_speed(town):
    moments, passages = driven(town, 120)
    assert len({(p.vehicle, p.camera, p.at) for p in passages}) == len(passages) > 10
    for passage in passages:
        moment = (passage.at - NOW) / 200
        before, after = moments[int(np.floor(moment))], moments[int(np.ceil(moment))]
        assert town.camera_edge[passage.camera] in {int(before.edge[passage.vehicle]), int(after.edge[passage.vehicle])}
        assert passage.speed == pytest.approx(after.speed[passage.vehicle] * 3.6, abs=5)


def test_patrols_stand_at_their_spot_and_later_drive_to_another(town):
    moments, _ = driven(town, 300)
    who = moments[0].patrols[1]
    assert moments[0].speed[who] == 0
    assert len({int(moment.edge[who]) for moment in moments}) > 3
    assert (moments[-1].role == PATROL).sum() == 3


def test_a_dangerous_driver_passes_a_camera_with_a_patrol_ahead_within_forty_seconds(graph, registers):
    stage = Stage(graph, registers, 7, NOW)
    first = registers.vehicles[0].plate
    reports = [report for second in range(1, 41) for report in stage.move(Instant(NOW + second * SECOND))]
    dangerous = [report for report in reports if report.truth == first]
    assert dangerous
    spots = {watch.camera: watch for watch in stage.town.watches}
    assert any(report.camera in spots for report in dangerous)
    assert any(report.speed > stage.town.cameras[report.camera].limit + 40 for report in dangerous)


def test_a_stopped_vehicle_comes_to_a_stand_and_goes_on_later(graph, registers):
    stage = Stage(graph, registers, 7, NOW)
    plate = registers.vehicles[0].plate
    (who,) = [k for k, own in enumerate(stage.traffic.plates) if own == plate]
    stage.move(Instant(NOW + 5 * SECOND))
    assert stage.traffic.speed[who] > 5
    stage.stop_vehicle(plate, 30)
    for second in range(6, 22):
        stage.move(Instant(NOW + second * SECOND))
    assert stage.traffic.speed[who] == 0
    for second in range(22, 50):
        stage.move(Instant(NOW + second * SECOND))
    assert stage.traffic.speed[who] > 5


def test_after_a_long_pause_of_the_machine_the_traffic_goes_on_without_a_leap(graph, registers):
    stage = Stage(graph, registers, 7, NOW)
    before = stage.place("P-02")
    stage.move(Instant(NOW + 3_600 * SECOND))
    assert stage.now == NOW + 3_600 * SECOND
    after = stage.place("P-02")
    assert abs(after[0] - before[0]) * 111_195 < 200


def test_cameras_of_another_town_are_refused(graph, registers):
    import msgspec

    elsewhere = [msgspec.structs.replace(registers.cameras[0], lat=43.2)]
    with pytest.raises(Refused) as refused:
        make_town(graph, elsewhere, np.random.default_rng(1))
    assert refused.value.kind is Kind.INVALID
