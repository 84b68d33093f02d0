"""Signals: what happened, as frozen structs. Devices make them, desks read them, nobody changes them.

Structs that travel in packs are `array_like`: field order is their wire format, so fields are only ever appended.
"""

from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec

from saqtau.kernel.clock import Instant
from saqtau.kernel.register import Code, Latitude, Longitude, Plate


class Trust(StrEnum):
    """How far a read can be trusted. Only `SURE` opens a case by itself."""

    SURE = "sure"
    DOUBTFUL = "doubtful"


class Picture(msgspec.Struct, frozen=True, array_like=True):
    """A picture that came with a read. `name`: "crop" (plate) or "scene"."""

    name: str
    media: str
    data: bytes


class PlateRead(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """One plate read by one camera."""

    id: str  # the device's own event id, made unique with the camera; the same push twice has the same id
    camera: Code
    at: Instant  # the camera's clock
    received: Instant  # ours
    plate: Plate  # normalised
    raw: str  # as the device wrote it, at most 32 characters
    trust: Trust = Trust.SURE
    confidence: float | None = None  # 0..1
    doubts: tuple[int, ...] = ()  # positions in `plate` that the reader itself marked uncertain
    speed: float | None = None  # km/h, as measured
    direction: str | None = None  # approaching | leaving
    vehicle: str | None = None  # class as the device names it
    pictures: tuple[Picture, ...] = ()


class Flag(StrEnum):
    """What is implausible about a position. Nothing is dropped: it is flagged."""

    MOCK = "mock"  # the device says the position is simulated
    JUMP = "jump"  # faster than 70 m/s from the last fix
    OFF_ROAD = "off_road"  # more than 60 m from any road
    CLOCK = "clock"  # device clock more than 30 s from ours
    COARSE = "coarse"  # accuracy worse than 100 m
    REPLAYED = "replayed"  # older than what we have: stored and forwarded
    GAP = "gap"  # sequence numbers are missing before it


class Position(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Where a unit was. `seq` counts up by one on the device; a hole is a gap that is seen."""

    unit: Code
    device: str
    seq: int
    at: Instant  # the device's clock
    received: Instant
    lat: Latitude
    lon: Longitude
    accuracy: float | None = None  # metres
    speed: float | None = None  # km/h
    heading: float | None = None  # degrees
    battery: float | None = None  # 0..1
    flags: tuple[Flag, ...] = ()


class Candidate(msgspec.Struct, frozen=True):
    """A unit that help can be offered to, with the reason in figures."""

    unit: Code
    probability: float  # that the vehicle passes within reach of it
    seconds: float  # until the vehicle is expected there
    stale: float = 0.0  # age of its position, s


class Shortfall(StrEnum):
    """Why a unit was not recommended, or what the recommendation lacks."""

    STALE_POSITION = "stale_position"
    OFF_DUTY = "off_duty"
    BUSY = "busy"
    NO_UNIT_AHEAD = "no_unit_ahead"
    NO_MAP = "no_map"


class Recommendation(msgspec.Struct, frozen=True):
    """The machine's proposal, kept with its inputs, reasons and shortfalls, so that it can be questioned later."""

    at: Instant
    camera: Code
    candidates: tuple[Candidate, ...]  # best first
    passed_over: dict[str, Shortfall] = {}  # unit -> why not
    shortfalls: tuple[Shortfall, ...] = ()
    earliest: float = 20.0  # s
    latest: float = 180.0  # s


class OfferWanted(msgspec.Struct, frozen=True, tag=True):
    """A desk asks dispatch to find a unit for its item."""

    item: str
    region: int
    recommendation: Recommendation
    title: dict[str, str | float | int | None]
    lat: float
    lon: float
    priority: int
    override: str = ""  # a person named the one candidate himself, with this reason
    urgent: ClassVar[bool] = True


class OfferUpdated(msgspec.Struct, frozen=True, tag=True):
    """A further read moved the vehicle: the recommendation of an open offer changed."""

    item: str
    recommendation: Recommendation
    title: dict[str, str | float | int | None]
    lat: float
    lon: float


class OfferWithdrawn(msgspec.Struct, frozen=True, tag=True):
    """The item does not need help any more, or nobody lies ahead any more."""

    item: str
    reason: Annotated[str, msgspec.Meta(max_length=64)]


class Answer(StrEnum):
    """How an offer ended."""

    ACCEPTED = "accepted"
    EXHAUSTED = "exhausted"  # nobody accepted: the operator has it
    WITHDRAWN = "withdrawn"
    RELEASED = "released"  # accepted, then given back


class OfferAnswered(msgspec.Struct, frozen=True, tag=True):
    """Dispatch tells the desk that asked."""

    item: str
    answer: Answer
    unit: Code | None = None


class Status(StrEnum):
    """State of a unit. The letter on the map is the first of its English name, except `reserved` = R, off duty = O."""

    OFF_DUTY = "off_duty"
    AVAILABLE = "available"
    RESERVED = "reserved"  # an offer is on its tablet
    EN_ROUTE = "en_route"
    AT_SCENE = "at_scene"
    BUSY = "busy"


class UnitStatus(msgspec.Struct, frozen=True, tag=True):
    """A unit's state changed."""

    unit: Code
    status: Status
    item: str | None = None  # the item that holds it
    override: bool = False  # a person named this unit: it is taken even from other work, or off duty


class UnitHeld(msgspec.Struct, frozen=True, tag=True):
    """The engine tells that a wish about a unit was not carried out: another item, `by`, holds the unit."""

    unit: Code
    item: str  # the item that wished for it
    by: str


class UnitSilent(msgspec.Struct, frozen=True, tag=True):
    """A unit on duty has sent no position for longer than its promise."""

    unit: Code
    region: int
    last: Instant | None
    lat: float | None = None
    lon: float | None = None


class UnitHeard(msgspec.Struct, frozen=True, tag=True):
    """A silent unit is heard again."""

    unit: Code
    item: str  # the open item about its silence


class CameraCondition(StrEnum):
    """How a recorded camera stands, as far as its owner and its overseer are concerned."""

    WELL = "well"
    DARK = "dark"  # no picture is recorded
    TAMPERED = "tampered"  # a picture is recorded, and it shows nothing or something else
    DISABLED = "disabled"  # switched off, or in maintenance, by a person who said why


class CameraState(msgspec.Struct, frozen=True, tag=True):
    """A recorded camera went dark, was tampered with, was switched off, or is well again."""

    camera: Code
    site: Code
    region: int
    place: str  # register.PlaceKind
    state: CameraCondition
    since: Instant
    kind: str = ""  # of the gap, or the verdict about the picture
    item: str | None = None  # the open item about it, of a camera that is well again
    name: str = ""
    room: str | None = None
    until: Instant | None = None  # when it was over, of a camera that is well again
    by: str | None = None  # who switched it off
    why: str | None = None
    lat: float | None = None
    lon: float | None = None
    urgent: ClassVar[bool] = True


class OffenceMarked(msgspec.Struct, frozen=True, tag=True):
    """An operator marked an offence on a camera's picture."""

    camera: Code
    began: Instant
    ended: Instant
    by: str
    item: str


class FootageWanted(msgspec.Struct, frozen=True, tag=True):
    """A desk wants what was recorded kept for its item. The engine places holds, in the same transaction.

    camera None: every camera of the site. The recorder acknowledges each hold before it would overwrite anything.
    """

    item: str
    site: Code
    camera: Code | None
    began: Instant
    ended: Instant
    by: str
    why: Annotated[str, msgspec.Meta(max_length=200)]


class FootageHeld(msgspec.Struct, frozen=True, tag=True):
    """The recorder has acknowledged all holds of an item: nothing of it will be overwritten."""

    item: str
    cameras: int
    recorded: int  # ms of picture kept
    missing: int  # ms of the wanted time without picture
    wanted: int = 0  # ms that were asked for


Signal = (
    PlateRead
    | Position
    | OfferWanted
    | OfferUpdated
    | OfferWithdrawn
    | OfferAnswered
    | UnitStatus
    | UnitHeld
    | UnitSilent
    | UnitHeard
    | CameraState
    | OffenceMarked
    | FootageWanted
    | FootageHeld
)
