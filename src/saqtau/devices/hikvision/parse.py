"""A push of a plate camera -> what was read, what else it said, what could not be understood.

Pure: no clock, no I/O. Whatever the bytes are, `parse` returns a `Push` or raises `Refused`; nothing else.
Source of the fields: the vendor's ISAPI guide (`XML_EventNotificationAlert_ANPR`) and pushes published by users.
"""

import msgspec

from saqtau.devices.hikvision.multipart import Part, split
from saqtau.devices.hikvision.tree import Table, read_event
from saqtau.devices.plate import LONGEST, Spelling, spell
from saqtau.devices.seen import CONFIDENT, FASTEST, Malformed, Seen, picture_media, read_time
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.signal import Picture, Trust

_DIRECTIONS = {
    "forward": "approaching", "approach": "approaching", "approaching": "approaching", "enter": "approaching",
    "reverse": "leaving", "backward": "leaving", "away": "leaving", "leaving": "leaving", "exit": "leaving",
}  # fmt: skip


class Push(msgspec.Struct, frozen=True):
    """What one request of a camera said."""

    seen: tuple[Seen, ...] = ()
    heartbeats: int = 0  # "videoloss inactive" and its like: the camera is there
    others: int = 0  # other events of the camera, not ours to judge
    unread: int = 0  # a vehicle was seen, its plate was not
    malformed: tuple[Malformed, ...] = ()


def parse(content_type: str, body: bytes) -> Push:
    """Everything a push says. content_type: the header as it came, "" when missing.

    Raises Refused INVALID when not even its parts can be told apart; a part that cannot be read is in `malformed`.
    """
    tables: list[tuple[Table, bytes]] = []
    pictures: list[tuple[int, Picture]] = []
    malformed: list[Malformed] = []
    for part in split(content_type, body):
        if not part.data.strip():
            continue
        if media := picture_media(part.data):
            pictures.append((max(len(tables) - 1, 0), Picture(_picture_name(part.name), media, part.data)))
            continue
        try:
            tables.append((read_event(part.data), part.data))
        except Refused as refusal:
            malformed.append(Malformed(_reason(part, refusal), part.data))
    seen: list[Seen] = []
    heartbeats = others = unread = 0
    for place, (table, data) in enumerate(tables):
        if not _is_plate_event(table):
            beat = _is_heartbeat(table)
            heartbeats, others = heartbeats + beat, others + (not beat)
            continue
        try:
            event = _seen(table)
        except Refused as refusal:
            malformed.append(Malformed(next(iter(refusal.fields)), data))
            continue
        if event is None:
            unread += 1
            continue
        seen.append(msgspec.structs.replace(event, pictures=_choose([p for at, p in pictures if at == place])))
    return Push(tuple(seen), heartbeats, others, unread, tuple(malformed))


def _is_plate_event(table: Table) -> bool:
    return table.get("eventType", "").upper() == "ANPR" or not {
        "ANPR/licensePlate",
        "ANPR/originalLicensePlate",
    }.isdisjoint(table)


def _is_heartbeat(table: Table) -> bool:
    return table.get("eventState", "").lower() == "inactive" or table.get("eventType", "").lower() == "heartbeat"


def _seen(table: Table) -> Seen | None:
    """The plate event of a table, None when the camera read no plate. Raises Refused INVALID (`plate`)."""
    anpr = "ANPR/" if any(path.startswith("ANPR/") for path in table) else ""
    written = _written(table, anpr)
    if written is None:
        return None
    raw, spelling = written
    if len(spelling.plate) > LONGEST:
        raise Refused(Kind.INVALID, f"a plate of {len(spelling.plate)} characters", plate="too_long")
    confidence = _confidence(table.get(f"{anpr}confidenceLevel", ""))
    doubts = {*spelling.doubts, *_doubts(table.get(f"{anpr}plateCharBelieve", ""), raw, spelling.plate)}
    doubts |= _corrected(table.get(f"{anpr}originalLicensePlate", ""), spelling.plate)
    sure = not doubts and (confidence is None or confidence >= CONFIDENT)
    return Seen(
        event=(table.get("UUID") or table.get("uuid") or table.get("eventId") or table.get("eventID") or "")[:64],
        at=read_time(table.get("dateTime", "")),
        channel="/".join((table.get("channelID", ""), table.get(f"{anpr}line", "")))[:32],
        plate=spelling.plate,
        raw=raw,
        trust=Trust.SURE if sure else Trust.DOUBTFUL,
        confidence=confidence,
        doubts=tuple(sorted(doubts)),
        speed=_speed(
            table.get(f"{anpr}vehicleInfo/speed")
            or table.get("vehicleInfo/speed")
            or table.get(f"{anpr}speed")
            or table.get(f"{anpr}vehicleSpeed")
            or ""
        ),
        direction=_DIRECTIONS.get(table.get(f"{anpr}direction", "").lower()),
        vehicle=_vehicle(table.get(f"{anpr}vehicleType") or table.get("vehicleInfo/vehicleType") or ""),
        late=table.get(f"{anpr}alarmDataType") == "1",
    )


def _written(table: Table, anpr: str) -> tuple[str, Spelling] | None:
    """The plate as the device wrote it and as we spell it, from the first field that has one."""
    for name in ("licensePlate", "originalLicensePlate", "plateNumber", "plate"):
        raw = table.get(anpr + name, "")
        if spelling := spell(raw):
            return "".join(letter for letter in raw if letter.isprintable())[:32], spelling
    return None


def _confidence(text: str) -> float | None:
    """0..1 from "92", "92.5" or "0.92"; a whole number is always a percentage."""
    value = _number(text)
    if value is None or not 0 <= value <= 100:
        return None
    return value if "." in text and value <= 1 else value / 100


def _doubts(believed: str, raw: str, plate: str) -> set[int]:
    """Positions in the plate whose own confidence is low. The list counts the plate's characters or the raw text's."""
    levels = [_number(level) for level in believed.split(",")] if believed else []
    if not any(levels):
        return set()  # firmware that does not measure it writes a single zero, or zeros
    low = {place for place, level in enumerate(levels) if level is not None and level < CONFIDENT * 100}
    if len(levels) == len(plate):
        return low
    kept = [place for place, letter in enumerate(raw) if spell(f"A{letter}") != Spelling("A")]
    if len(levels) == len(raw) and len(kept) == len(plate):
        return {kept.index(place) for place in low if place in kept}
    return set()


def _corrected(original: str, plate: str) -> set[int]:
    """Where the camera replaced what it had read by an entry of its own list. Every position if the length changed."""
    read = spell(original)
    if read is None or read.plate == plate:
        return set()
    if len(read.plate) != len(plate):
        return set(range(len(plate)))
    return {place for place, (left, right) in enumerate(zip(read.plate, plate, strict=True)) if left != right}


def _speed(text: str) -> float | None:
    """km/h. Zero is what a camera without a radar sends: not measured."""
    value = _number(text)
    return value if value is not None and 0 < value <= FASTEST else None


def _vehicle(text: str) -> str | None:
    return None if text.lower() in {"", "unknown", "0"} else text[:32]


def _number(text: str) -> float | None:
    try:
        value = float(text) if len(text) <= 16 and "_" not in text else None
    except ValueError:
        return None
    return value if value is not None and abs(value) < 1e9 else None


def _picture_name(name: str) -> str:
    lowered = name.lower()
    if "plate" in lowered and "feature" not in lowered:
        return "crop"
    return "scene" if "detection" in lowered or "background" in lowered else "other"


def _choose(pictures: list[Picture]) -> tuple[Picture, ...]:
    """One crop and one scene; a picture under another name is the scene when there is no better one."""
    chosen = []
    if crop := next((p for p in pictures if p.name == "crop"), None):
        chosen.append(crop)
    if scene := next((p for name in ("scene", "other") for p in pictures if p.name == name), None):
        chosen.append(msgspec.structs.replace(scene, name="scene"))
    return tuple(chosen)


def _reason(part: Part, refusal: Refused) -> str:
    if part.media.startswith("image/") or part.name.lower().endswith((".jpg", ".jpeg", ".png")):
        return "picture"
    return next(iter(refusal.fields.values()), "event")
