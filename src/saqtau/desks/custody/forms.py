"""What the edges and the ways in of custody require. The desk fails closed: what lacks its reason is no answer."""

from enum import StrEnum
from typing import Annotated

import msgspec

from saqtau.kernel.clock import Instant
from saqtau.kernel.register import Code

Note = Annotated[str, msgspec.Meta(min_length=10, max_length=200)]
Moment = Annotated[Instant, msgspec.Meta(ge=0, le=1 << 48, extra_json_schema={"format": "unix-ms"})]
Reference = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
"""A number of a letter, a terminal's ticket, a pseudonym: never a name."""


class Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A form that takes its fields and no others."""


class DarkReason(StrEnum):
    """Why a camera was dark or showed nothing, as the institution says."""

    POWER = "power"
    NETWORK = "network"
    FAULT = "fault"
    DAMAGED = "damaged"  # broken or covered by a prisoner
    BY_STAFF = "by_staff"  # covered, turned or unplugged by staff
    WORK = "work"  # repair or building that nobody had announced
    UNKNOWN = "unknown"


class Explain(Closed, frozen=True):
    """Why there was no picture, what was done about it, and who was in the room meanwhile."""

    reason: DarkReason
    note: Note


class Finding(Closed, frozen=True):
    """What the prosecutor found."""

    finding: Note


class Seen(Closed, frozen=True):
    """What the prosecutor saw, and where he was not satisfied."""

    note: Note


class Referred(Closed, frozen=True):
    """What was found, and the case that follows from it."""

    finding: Note
    case_number: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9А-Яа-я/._-]{3,40}\Z", min_length=3, max_length=40)]


class Asker(StrEnum):
    """Who wants the footage kept."""

    PERSON = "person"  # whom it shows
    LAWYER = "lawyer"
    PROSECUTOR = "prosecutor"
    OMBUDSMAN = "ombudsman"  # or the national preventive mechanism
    COURT = "court"


class Preserve(Closed, frozen=True):
    """Keep what these cameras recorded: of one camera, or of the whole place."""

    site: Code
    began: Moment
    ended: Moment
    asker: Asker
    why: Note
    camera: Code | None = None
    reference: Reference | None = None


class RefusalGround(StrEnum):
    """Why footage that is kept is not handed out."""

    OTHER_PERSON = "other_person"  # it shows others, and cannot be redacted
    INVESTIGATION = "investigation"
    NO_STANDING = "no_standing"
    SECURITY = "security"


class RefuseFootage(Closed, frozen=True):
    """Refused, on this ground of law; the letter names court and term of appeal."""

    ground: RefusalGround
    basis: Note


class HandOut(Closed, frozen=True):
    """To whom, and under which number of export."""

    recipient: Reference
    note: Note


class Happened(StrEnum):
    """What the register of incidents holds."""

    FORCE = "force"  # use of force by staff
    RESTRAINT = "restraint"  # special means: handcuffs, gas, a baton
    INJURY = "injury"
    SELF_HARM = "self_harm"
    DEATH = "death"
    VIOLENCE = "violence"  # among prisoners
    ESCAPE = "escape"
    OTHER = "other"


class Incident(Closed, frozen=True):
    """What happened where and when; everything recorded near it is kept by itself."""

    site: Code
    happened: Happened
    began: Moment
    ended: Moment
    note: Note
    camera: Code | None = None
    reference: Reference | None = None


class Tie(Closed, frozen=True):
    """This camera shows it, from when to when."""

    camera: Code
    began: Moment
    ended: Moment


class NoneBecause(StrEnum):
    """Why no picture shows it."""

    BLIND_SPOT = "blind_spot"
    NOT_RECORDED_ROOM = "not_recorded_room"  # lawyer, medical, toilet: by law
    DARK = "dark"  # the camera was dark, which has an item of its own
    OVERWRITTEN = "overwritten"
    OUTSIDE = "outside"  # in transport, outside the institution


class WhyNone(Closed, frozen=True):
    """There is no footage, and this is why."""

    none_because: NoneBecause
    note: Note


class Channel(StrEnum):
    """How the complaint came."""

    TERMINAL = "terminal"
    LETTER = "letter"
    LAWYER = "lawyer"
    RELATIVE = "relative"
    VISIT = "visit"  # of a prosecutor or the preventive mechanism


class About(StrEnum):
    """What a complaint is about."""

    ILL_TREATMENT = "ill_treatment"
    FORCE = "force"
    CONDITIONS = "conditions"
    MEDICAL = "medical"
    PROPERTY = "property"
    OTHER = "other"


class Complaint(Closed, frozen=True):
    """What somebody complains about. The time it is about is kept by itself."""

    site: Code
    about: About
    channel: Channel
    began: Moment
    ended: Moment
    note: Note
    camera: Code | None = None
    reference: Reference | None = None


class Footage(StrEnum):
    """What pictures said about a complaint: the statistics of complaints with and without footage."""

    SHOWS_IT = "shows_it"
    SHOWS_OTHERWISE = "shows_otherwise"
    SHOWS_NOTHING = "shows_nothing"  # there is footage, and it does not answer
    NONE = "none"  # there is no footage


class Answered(Closed, frozen=True):
    """What was found, and whether pictures helped."""

    footage: Footage
    finding: Note


class Glimpse(StrEnum):
    """What a drawn quarter of an hour showed."""

    NOTHING = "nothing"
    BAD_PICTURE = "bad_picture"
    CONDITIONS = "conditions"
    VIOLATION = "violation"


class Viewed(Closed, frozen=True):
    """The drawn time was looked at from beginning to end."""

    glimpse: Glimpse
    note: Annotated[str, msgspec.Meta(max_length=200)] = ""


class BlindReason(StrEnum):
    """Why no camera looks there."""

    NOT_RECORDED_ROOM = "not_recorded_room"
    BUILDING = "building"  # walls, a corner
    NO_CAMERA = "no_camera"
    OTHER = "other"


class BlindSpot(Closed, frozen=True):
    """A place that no camera sees, declared by whoever answers for it."""

    site: Code
    what: Reference  # as people call it: "stairs between floors 1 and 2"
    reason: BlindReason
    note: Note
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None


class NowSeen(Closed, frozen=True):
    """A camera looks there now."""

    camera: Code
