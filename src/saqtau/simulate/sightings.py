"""What a camera makes of a passage: mostly the plate, sometimes nothing, now and then another plate."""

import msgspec
import numpy as np

from saqtau.kernel.clock import Instant
from saqtau.simulate.plates import misread
from saqtau.simulate.traffic import Passage

MISSED = 0.10
MISREAD = 0.02
UNSURE = 0.02
"""Share of right reads of which the camera itself is not sure."""


class Sighting(msgspec.Struct, frozen=True):
    """What the camera reports. believed: percent a character. truth: what it should have read."""

    camera: int
    at: Instant
    plate: str
    truth: str
    confidence: int
    believed: tuple[int, ...]
    speed: int


def see(passage: Passage, plate: str, random: np.random.Generator) -> Sighting | None:
    """The camera's report of a passage of this plate, None when it was missed. A misread is a plate again."""
    dice = random.random()
    if dice < MISSED:
        return None
    speed = max(1, round(passage.speed + random.normal(0.0, 0.8)))
    believed = [int(level) for level in random.integers(93, 100, len(plate))]
    read = plate
    if dice < MISSED + MISREAD:
        read, place = misread(plate, random)
        believed[place] = int(random.integers(38, 72))
    elif dice < MISSED + MISREAD + UNSURE:
        believed[int(random.integers(0, len(plate)))] = int(random.integers(60, 84))
    confidence = round(min(sum(believed) / len(believed), min(believed) + 25))
    return Sighting(passage.camera, passage.at, read, plate, confidence, tuple(believed), speed)
