"""The running simulation: its town, its traffic at this moment, and who is who in it. The one thing that changes."""

import math
from random import Random

import numpy as np

from saqtau.kernel.clock import SECOND, Instant, after
from saqtau.roads.graph import METRES_PER_DEGREE, RoadGraph
from saqtau.simulate import traffic as moving
from saqtau.simulate.plates import random_plate
from saqtau.simulate.register import Registers
from saqtau.simulate.sightings import Sighting, see
from saqtau.simulate.town import make_town
from saqtau.simulate.traffic import hold, step, where

DRIVERS = 600
LISTED_DRIVING, RECKLESS = 5, 3
LONGEST_STEP = 0.25  # s
LONGEST_PAUSE = 5.0  # s; a machine that slept longer goes on from where it was


class Stage:
    """Vehicles by plate, patrols by unit, moved to a time that is handed in."""

    def __init__(self, graph: RoadGraph, registers: Registers, seed: int, now: Instant) -> None:
        dice = Random(seed)  # noqa: S311 - a simulation
        region = registers.units[0].region if registers.units else 1
        self.registers = registers
        self.random = np.random.default_rng(seed)
        self.town = make_town(graph, registers.cameras, self.random)
        self.now = now
        plates = [random_plate(dice, region) for _ in range(DRIVERS)]
        plates[1] = plates[0]  # a cloned plate: one vehicle in two places
        manners = (1.85, 1.0, 1.05, 1.75, 0.98)
        listed = [vehicle.plate for vehicle in registers.vehicles[:LISTED_DRIVING]]
        notable = list(zip(listed, manners, strict=False))
        notable += [(random_plate(dice, region), float(share)) for share in self.random.uniform(1.72, 1.95, RECKLESS)]
        cars = [unit.plate or random_plate(dice, region) for unit in registers.units]
        self.traffic = moving.start(self.town, plates, notable, cars, now, self.random)
        self.unit_at = {unit.id: self.traffic.patrols[k] for k, unit in enumerate(registers.units)}

    def move(self, now: Instant) -> list[Sighting]:
        """Go on to `now` in small steps; what the cameras report on the way."""
        if now - self.now > LONGEST_PAUSE * SECOND:
            self.now = after(now, -LONGEST_PAUSE)
        reports: list[Sighting] = []
        while self.now < now:
            seconds = min(LONGEST_STEP, (now - self.now) / SECOND)
            self.traffic, passages = step(self.town, self.traffic, self.now, seconds, self.random)
            self.now = Instant(min(now, self.now + round(seconds * SECOND)))
            seen = (see(passage, self.traffic.plates[passage.vehicle], self.random) for passage in passages)
            reports += [report for report in seen if report is not None]
        return reports

    def place(self, unit: str) -> tuple[float, float, float, float]:
        """Latitude, longitude, heading and km/h of a unit."""
        who = self.unit_at[unit]
        return *where(self.town, self.traffic, who), float(self.traffic.speed[who] * 3.6)

    def metres_to(self, unit: str, plate: str) -> float:
        """How far the nearest vehicle with this plate truly is from the unit; infinite when none drives here."""
        lat, lon, *_ = self.place(unit)
        wide = METRES_PER_DEGREE * math.cos(math.radians(lat))
        best = math.inf
        for who in self._with(plate):
            there, beside, _ = where(self.town, self.traffic, who)
            best = min(best, math.hypot((there - lat) * METRES_PER_DEGREE, (beside - lon) * wide))
        return best

    def stop_vehicle(self, plate: str, seconds: float) -> None:
        """The police stop it; it stands for so long."""
        for who in self._with(plate):
            self.traffic = hold(self.traffic, who, after(self.now, seconds))

    def keep_unit(self, unit: str, seconds: float) -> None:
        """The unit keeps its place for so long."""
        self.traffic = hold(self.traffic, self.unit_at[unit], after(self.now, seconds))

    def _with(self, plate: str) -> list[int]:
        return [who for who, own in enumerate(self.traffic.plates) if own == plate]
