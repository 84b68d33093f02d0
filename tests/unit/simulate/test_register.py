"""Registers drawn over a road graph, written as the files that the imports take."""

import stat

import numpy as np
from tests.unit.simulate.conftest import NOW

from saqtau.engine.register_files import read_rows
from saqtau.kernel.clock import DAY
from saqtau.kernel.register import Camera
from saqtau.roads.snap import snap, snapper
from saqtau.simulate.files import REGISTERS, WATCHLIST, read_registers, write_registers
from saqtau.simulate.register import ARTERIAL, draw_registers


def test_the_same_seed_draws_the_same_registers(graph, registers):
    again = draw_registers(graph, 7, region=10, now=NOW, secret=lambda: "x")
    assert again.cameras == registers.cameras
    assert again.vehicles == registers.vehicles
    assert draw_registers(graph, 8, region=10, now=NOW, secret=lambda: "x").vehicles != registers.vehicles


def test_there_are_enough_of_everything_and_no_code_twice(registers):
    assert 50 <= len(registers.cameras) <= 61
    assert len(registers.units) == 24
    assert len(registers.vehicles) == 40
    for rows in (registers.sites, registers.cameras, registers.units, registers.officers):
        assert len({row.id for row in rows}) == len(rows)
    assert len(set(registers.tokens.values())) == len(registers.cameras)


def test_every_camera_snaps_back_to_a_big_street_in_its_own_direction(graph, registers):
    places = snap(
        snapper(graph),
        np.array([camera.lat for camera in registers.cameras]),
        np.array([camera.lon for camera in registers.cameras]),
        np.array([camera.heading for camera in registers.cameras]),
    )
    assert len(set(places.edge.tolist())) == len(registers.cameras)
    assert float(places.distance.max()) < 1
    for camera, edge in zip(registers.cameras, places.edge, strict=True):
        assert graph.kinds[graph.kind[edge]] in ARTERIAL
        assert camera.limit == graph.limit[edge]


def test_most_cameras_may_measure_today_and_some_may_not(registers):
    lawful = [camera for camera in registers.cameras if camera.certificate and camera.certificate.covers(NOW)]
    assert 0.8 * len(registers.cameras) <= len(lawful) < len(registers.cameras)


def test_every_entry_of_the_list_is_in_force_and_runs_out(registers):
    assert all(vehicle.in_force(NOW) for vehicle in registers.vehicles)
    assert any(not vehicle.in_force(NOW + 2 * DAY) for vehicle in registers.vehicles)


def test_one_account_a_role_is_for_people_and_the_first_patrol_is_one_of_them(registers):
    people = [account for account in registers.accounts if not account.simulated]
    assert {account.role for account in people} >= {"operator", "duty_officer", "patrol", "inspector", "administrator"}
    assert len({account.role for account in people}) == len(people)
    assert [account.unit for account in people if account.unit] == ["P-01"]
    units = {account.unit for account in registers.accounts if account.unit}
    assert units == {unit.id for unit in registers.units}


def test_the_import_takes_every_row_of_every_file(registers, tmp_path):
    write_registers(registers, tmp_path)
    expected = {
        "sites": registers.sites, "cameras": registers.cameras, "units": registers.units,
        "officers": registers.officers, "vehicles": registers.vehicles,
    }  # fmt: skip
    for name in (*REGISTERS, WATCHLIST):
        kind = name.partition(".")[0]
        rows, refusals, total = read_rows(kind, (tmp_path / name).read_bytes())
        assert refusals == []
        assert total == len(rows) == len(expected[kind])
        records = [row.record for row in rows]
        if kind == "cameras":
            assert all(row.token_hash for row in rows)
            assert [without_times(camera) for camera in records] == [without_times(c) for c in registers.cameras]
        else:
            assert records == list(expected[kind])


def without_times(camera: Camera):
    number = camera.certificate and camera.certificate.number
    return (camera.id, camera.site, camera.name, camera.lat, camera.lon, camera.heading, camera.limit, number)


def test_the_simulation_reads_back_what_it_wrote_and_only_its_owner_can(registers, tmp_path):
    write_registers(registers, tmp_path)
    assert read_registers(tmp_path) == registers
    for name in ("cameras.geojson", "cast.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
