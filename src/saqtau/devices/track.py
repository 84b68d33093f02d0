"""What is implausible about a position. Nothing is dropped: a position that cannot be true is flagged, kept and shown.

Pure but for `Tracks`, which only remembers. A `Track` is what must be known of a device between two positions.
Source of the limits: notes on fleet tracking; filters that drop lose alarms and leave a unit stuck on the map.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from math import cos, hypot, radians

import msgspec

from saqtau.kernel.clock import MINUTE, SECOND, Instant
from saqtau.kernel.signal import Flag, Position

FASTEST = 70.0  # m/s between two fixes
OFF_ROAD = 60.0  # m from the nearest road
OFF_ROAD_FOR = MINUTE
CLOCK_TOLERANCE = 30 * SECOND
CATCHING_UP = 5 * SECOND  # by which a device that sends what it stored comes nearer with every batch
COARSE = 100.0  # m of accuracy
MOVING = 5.0  # km/h
MOST_TRACKS = 100_000
_METRES_A_DEGREE = 111_195.0


OffRoad = Callable[[Sequence[Position]], Sequence[float | None]]
"""Metres from each position to the nearest road; None without a map there."""


def no_map(positions: Sequence[Position]) -> Sequence[float | None]:
    """The `OffRoad` of an authority that has imported no map."""
    return [None] * len(positions)


class Track(msgspec.Struct, frozen=True):
    """Where a device was last. `numbered`: the device itself counts, so that a hole is a gap."""

    last: Position | None = None
    off_road_since: Instant | None = None
    numbered: bool = True
    lag: int | None = None  # ms between the newest fix of its last batch and our receipt of it


class Tracks:
    """Where each device was last. Bounded; a device that falls off starts afresh, without a gap or a jump."""

    def __init__(self, most: int = MOST_TRACKS) -> None:
        self._most = most
        self._tracks: OrderedDict[str, Track] = OrderedDict()

    def of(self, device: str) -> Track:
        """The track of a device, empty when it is new here."""
        return self._tracks.get(device, Track())

    def put(self, device: str, track: Track) -> None:
        """Remember a track, unless a later one was put meanwhile."""
        known = self._tracks.get(device)
        if known is not None and known.last is not None and track.last is not None and known.last.at > track.last.at:
            return
        self._tracks[device] = track
        self._tracks.move_to_end(device)
        if len(self._tracks) > self._most:
            self._tracks.popitem(last=False)


def clock_is_off(track: Track, newest: Instant, now: Instant) -> bool:
    """Whether a batch received now, whose newest fix says `newest`, shows a wrong clock.

    A clock ahead of ours is wrong at once. One behind may be a device that sends what it stored: such a device
    comes nearer with every batch, a slow clock stays as far away as it is. So the second batch tells.
    """
    lag = now - newest
    if lag < -CLOCK_TOLERANCE:
        return True
    before = track.lag
    return lag > CLOCK_TOLERANCE and before is not None and CLOCK_TOLERANCE < before < lag + CATCHING_UP


def flag(position: Position, track: Track, off_road: float | None, *, clock_off: bool = False) -> tuple[Flag, ...]:
    """The flags of a position, in the order of `Flag`.

    off_road: metres to the nearest road, None without a map. clock_off: `clock_is_off` of its batch.
    The device's own `mock` flag is carried on.
    """
    last = track.last
    since = _off_road_since(position, track, off_road)
    older = _is_older(position, track)
    found = {
        Flag.MOCK: Flag.MOCK in position.flags,
        Flag.JUMP: last is not None and not older and _jumped(last, position),
        Flag.OFF_ROAD: since is not None and position.at - since > OFF_ROAD_FOR,
        Flag.CLOCK: clock_off,
        Flag.COARSE: position.accuracy is not None and position.accuracy > COARSE,
        Flag.REPLAYED: older or (not clock_off and position.received - position.at > CLOCK_TOLERANCE),
        Flag.GAP: track.numbered and last is not None and not older and position.seq != last.seq + 1,
    }
    return tuple(name for name in Flag if found[name])


def follow(
    track: Track, position: Position, off_road: float | None, *, clock_off: bool = False
) -> tuple[Track, Position]:
    """The track with this position at its end, and the position with its flags. An older position moves nothing."""
    flagged = msgspec.structs.replace(position, flags=flag(position, track, off_road, clock_off=clock_off))
    if _is_older(position, track):
        return track, flagged
    since = _off_road_since(position, track, off_road)
    return msgspec.structs.replace(track, last=flagged, off_road_since=since), flagged


def metres_between(left: Position, right: Position) -> float:
    """Metres on the ground; good to 0.5 % within a city, which is all a jump needs."""
    north = (right.lat - left.lat) * _METRES_A_DEGREE
    east = ((right.lon - left.lon + 180) % 360 - 180) * _METRES_A_DEGREE * cos(radians((left.lat + right.lat) / 2))
    return hypot(north, east)


def _is_older(position: Position, track: Track) -> bool:
    return track.last is not None and position.at <= track.last.at


def _jumped(last: Position, position: Position) -> bool:
    # two fixes within one second are a receiver settling; below that no speed can be told
    return metres_between(last, position) > FASTEST * max((position.at - last.at) / SECOND, 1.0)


def _off_road_since(position: Position, track: Track, off_road: float | None) -> Instant | None:
    """Since when the device has been moving away from every road; standing in a yard is no sign of anything."""
    if off_road is None or off_road <= OFF_ROAD:
        return None
    speed = position.speed
    if speed is None and track.last is not None and position.at > track.last.at:
        speed = metres_between(track.last, position) / ((position.at - track.last.at) / SECOND) * 3.6
    if speed is None or speed <= MOVING:
        return None
    return position.at if track.off_road_since is None else min(track.off_road_since, position.at)
