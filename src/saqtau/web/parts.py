"""What the web is made of, handed in by `bootstrap`: it opens nothing itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request

from saqtau.kernel.clock import Clock
from saqtau.kernel.desk import Desks
from saqtau.kernel.ids import Ids
from saqtau.kernel.terms import Calendar
from saqtau.web.limits import Limits


class Near(msgspec.Struct, frozen=True):
    """A unit and how far it has to drive."""

    unit: str
    seconds: float
    metres: float


class Spot(msgspec.Struct, frozen=True):
    """Where a unit stands, for the search by drive time."""

    unit: str
    lat: float
    lon: float
    heading: float | None


Nearest = Callable[[float, float, list[Spot], int], list[Near]]
"""(lat, lon, units, k) -> the k nearest by drive time; pure and quick, run in a thread."""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the web needs. Functions that are None answer 503 `unavailable`, never something made up."""

    pg: Any  # asyncpg pool, as saqtau_app
    nc: Any  # NATS client
    js: Any  # its JetStream context
    desks: Desks
    clock: Clock
    ids: Ids
    calendar: Calendar = Calendar()
    limits: Limits = Limits()
    blobs: Path  # folder of pictures
    history: Path | None = None  # folder of sealed history
    map: Path | None = None  # folder of city.pmtiles and bounds.json
    dist: Path | None = None  # the built console
    nearest: Nearest | None = None
    tablet_intake: Any = None  # ASGI app that takes signed positions
    secure: bool = False  # cookies only over TLS; set whenever the bind is not loopback


def parts_of(request: Request[Any, Any, Any]) -> Parts:
    """The parts of the application that answers."""
    parts: Parts = request.app.state.parts
    return parts
