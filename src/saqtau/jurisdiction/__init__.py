"""The law of a country as data: each table with its article or source and its dates of force.

Code never holds a figure of law; it asks the jurisdiction for the table in force on a day. Another country is
another TOML file of the same shape. The shape here grows with the desks; unknown keys are refused, so that a
misspelt table of law is found at start-up and not in court.
"""

from datetime import date
from importlib.resources import files

import msgspec

from saqtau.kernel.errors import Kind, Refused


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"since": "from"}):
    """What every table of law has: where it comes from and when it holds. `until` None: still in force."""

    source: str
    since: date
    until: date | None = None

    def in_force(self, on: date) -> bool:
        """Whether the table holds on a day; both ends are included."""
        return self.since <= on and (self.until is None or on <= self.until)


class Bounds(Table, frozen=True, kw_only=True):
    """Where the country lies, degrees; an extract outside of it is foreign."""

    south: float
    north: float
    west: float
    east: float


class Speeds(Table, frozen=True, kw_only=True):
    """km/h by OpenStreetMap highway class: what vehicles really drive there, for travel times. Never a limit."""

    kmh: dict[str, float]


class Limits(Table, frozen=True, kw_only=True):
    """Legal limit in km/h by zone (urban, rural, motorway, living_street), for map tags that name a zone."""

    kmh: dict[str, float]


class Excess(Table, frozen=True, kw_only=True):
    """km/h above the limit at the place."""

    kmh: float


class PersistentViolator(Table, frozen=True, kw_only=True):
    """So many final decisions on these articles within the term. Counted on request, never a score."""

    decisions: int
    within: str
    articles: tuple[str, ...]


class Reads(Table, frozen=True, kw_only=True):
    """How long a plate read that hits nothing may be remembered (ISO 8601 duration)."""

    window: str


class Retention(Table, frozen=True, kw_only=True):
    """How long what has ended is kept, by class of retention (ISO 8601 durations)."""

    classes: dict[str, str]


class Days(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days: at least, at most, and what is taken where nobody says."""

    least: int
    most: int
    usual: int


class Recording(Table, frozen=True, kw_only=True):
    """How long pictures of cameras are kept, by the kind of place."""

    days: dict[str, Days]


class Custody(Table, frozen=True, kw_only=True):
    """Rooms in police offices and penal colonies that no camera records, each with the reason of the law."""

    not_recorded: "dict[str, Named]"


class Named(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A name in the three languages."""

    kk: str
    ru: str
    en: str


class Holiday(Named, frozen=True, kw_only=True):
    """A day off."""

    date: date


class Holidays(Table, frozen=True, kw_only=True):
    """Days off of a year; `worked` are weekend days worked by decree."""

    days: tuple[Holiday, ...]
    worked: tuple[date, ...] = ()


class RegionName(Named, frozen=True, kw_only=True):
    """A region and its code on the plates."""

    code: int


class Regions(Table, frozen=True, kw_only=True):
    """The regions of the country by plate code."""

    list: tuple[RegionName, ...]


class Jurisdiction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One country's law."""

    name: str
    zone: str
    bounds: Bounds
    speeds: Speeds
    limits: Limits
    tolerance: Excess
    dangerous_speed: Excess
    persistent_violator: PersistentViolator
    reads: Reads
    retention: Retention
    recording: Recording
    custody: Custody
    holidays: Holidays
    regions: Regions


def read_jurisdiction(text: bytes | str) -> Jurisdiction:
    """A jurisdiction from TOML. Raises Refused(INVALID) that names the key which is wrong."""
    try:
        return msgspec.toml.decode(text, type=Jurisdiction)
    except msgspec.DecodeError as error:
        raise Refused(Kind.INVALID, f"jurisdiction: {error}", jurisdiction="malformed") from error


def load(name: str = "kz") -> Jurisdiction:
    """A jurisdiction that comes with Saqtau. Raises Refused(NOT_FOUND) for a name it does not have."""
    found = files(__name__) / f"{name}.toml"
    if not name.isidentifier() or not found.is_file():
        raise Refused(Kind.NOT_FOUND, f"no jurisdiction named {name!r}", jurisdiction="unknown")
    return read_jurisdiction(found.read_bytes())
