"""An ONVIF event with JSON payload (`onvif-ej`) -> the plates it tells of.

Pure. Source: ONVIF Core 22.12, "Event broker" (topics, JSON payload); Analytics, "License Plate Recognition"
(`tns1:RuleEngine/Recognition/LicensePlate`). Whatever the bytes are: a list, or `Refused` INVALID.
"""

import binascii
from base64 import b64decode
from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any, Final

import msgspec

from saqtau.devices.plate import LONGEST, spell
from saqtau.devices.seen import CONFIDENT, FASTEST, Seen, picture_media, read_time
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.signal import Picture, Trust

PAYLOAD: Final = "onvif-ej"
MOST_MEMBERS: Final = 20_000  # of objects and arrays together; a picture has none
DEEPEST: Final = 12
MOST_PLATES: Final = 16

_DIRECTIONS = {"approaching": "approaching", "entering": "approaching", "departing": "leaving", "exiting": "leaving"}
_decoder = msgspec.json.Decoder(dict[str, Any])

Node = Mapping[str, Any]


class Event(msgspec.Struct, frozen=True):
    """What one message said. Neither plates nor unread: an event that is not about plates."""

    seen: tuple[Seen, ...] = ()
    unread: int = 0  # a plate was seen and not read


def local_topic(topic: str, camera: str) -> str | None:
    """The ONVIF topic behind `<camera>/onvif-ej/`; None for a topic that is not this camera's own."""
    prefix = f"{camera}/{PAYLOAD}/"
    return topic[len(prefix) :] if topic.startswith(prefix) and len(topic) > len(prefix) else None


def parse(topic: str, payload: bytes, *, again: bool) -> Event:
    """The plates of an event. topic: as `local_topic` gives it. again: the client repeats what it could not deliver.

    Raises Refused INVALID (`body`, `plate`). An empty payload is a property that is gone: nothing was seen.
    """
    about_plates = "licenseplate" in topic.lower()
    if not payload.strip():
        return Event()
    root = _decode(payload)
    data = _items(root.get("Data"))
    plates = list(_plates(data, 0))[: MOST_PLATES + 1]
    if len(plates) > MOST_PLATES:
        raise Refused(Kind.INVALID, f"more than {MOST_PLATES} plates in an event", plate="too_many")
    if not plates:
        if about_plates:
            raise Refused(Kind.INVALID, "a plate event without a plate", plate="missing")
        return Event()
    told = [_seen(root, data, around, plate, again=again) for around, plate in plates]
    seen = tuple(one for one in told if one is not None)
    return Event(seen, len(told) - len(seen))


def _decode(payload: bytes) -> Node:
    if payload.count(b",") + payload.count(b"[") + payload.count(b"{") > MOST_MEMBERS:
        raise Refused(Kind.INVALID, f"more than {MOST_MEMBERS} members", body="too_many")
    try:
        return _local(_decoder.decode(payload))
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise Refused(Kind.INVALID, "an event that is not a JSON object", body="not_json") from error


def _local(node: Node) -> Node:
    """The members by their names without a namespace."""
    return {name if name.startswith("@") else name.rpartition(":")[2]: value for name, value in node.items()}


def _items(node: object) -> Node:
    """Source or Data. Some cameras keep the lists of the XML: `{"SimpleItem": [{"Name": .., "Value": ..}]}`."""
    if not isinstance(node, dict):
        return {}
    found = dict(_local(node))
    for name in ("SimpleItem", "ElementItem"):
        listed = found.pop(name, ())
        for item in [listed] if isinstance(listed, dict) else listed if isinstance(listed, list) else ():
            if isinstance(item, dict) and isinstance(said := item.get("@Name", item.get("Name")), str):
                bare = {key: value for key, value in _local(item).items() if key not in {"Name", "@Name"}}
                found.setdefault(said, bare.get("Value", bare.get("@Value", bare)))
    return found


def _plates(node: object, depth: int, object_id: object = "") -> Iterator[tuple[Node, Node]]:
    """(what stands around it, LicensePlateInfo), wherever it stands. object_id: of the object that it is in."""
    if depth > DEEPEST:
        return
    if isinstance(node, list):
        for one in node:
            yield from _plates(one, depth + 1, object_id)
    elif isinstance(node, dict):
        around = {"@ObjectId": object_id, **_local(node)}
        object_id = around.get("ObjectId", around["@ObjectId"])
        info = around.get("LicensePlateInfo", around if "PlateNumber" in around else None)
        for one in info if isinstance(info, list) else [info]:
            if isinstance(one, dict):
                # an element item may hold the element by its own name once more
                inner = _local(one)
                inside = inner.get("LicensePlateInfo")
                yield around, _local(inside) if isinstance(inside, dict) else inner
        for name, value in around.items():
            if name not in {"LicensePlateInfo", "PlateNumber"}:
                yield from _plates(value, depth + 1, object_id)


def _seen(root: Node, data: Node, around: Node, plate: Node, *, again: bool) -> Seen | None:
    raw, likely = _text(plate.get("PlateNumber"))
    spelling = spell(raw)
    if spelling is None:
        return None
    if len(spelling.plate) > LONGEST:
        raise Refused(Kind.INVALID, f"a plate of {len(spelling.plate)} characters", plate="too_long")
    told = [one for one in (likely, _likelihood(data.get("Likelihood"))) if one is not None]
    confidence = min(told, default=None)
    source = _items(root.get("Source"))
    event = around.get("ObjectId", around["@ObjectId"]) or data.get("ObjectId", data.get("ObjectID"))
    vehicle = around.get("VehicleInfo", data.get("VehicleInfo"))
    kind = _text(_local(vehicle).get("Type"))[0] if isinstance(vehicle, dict) else ""
    return Seen(
        event=_text(event)[0][:64],
        at=read_time(_text(root.get("UtcTime"))[0], UTC),
        channel="/".join(_text(value)[0] for value in source.values())[:32],
        plate=spelling.plate,
        raw="".join(letter for letter in raw if letter.isprintable())[:32],
        # the standard makes the likelihood mandatory: who does not tell it is not believed without a person
        trust=Trust.SURE if confidence is not None and confidence >= CONFIDENT and not spelling.doubts
        else Trust.DOUBTFUL,
        confidence=confidence,
        doubts=spelling.doubts,
        speed=_speed(around.get("Speed", data.get("Speed"))),
        direction=_DIRECTIONS.get(_text(data.get("Direction"))[0].lower()),
        vehicle=None if kind.lower() in {"", "unknown"} else kind[:32],
        late=again,
        pictures=_pictures(data),
    )  # fmt: skip


def _text(value: object) -> tuple[str, float | None]:
    """A simple value, or an element `{"@Likelihood": 0.9, "#text": ".."}`, and its likelihood (0..1)."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        inner = _local(value)
        text = next((inner[name] for name in ("#text", "Value", "value") if name in inner), None)
        return _text(text)[0] if not isinstance(text, dict | list) else "", _likelihood(
            inner.get("@Likelihood", inner.get("Likelihood"))
        )
    if isinstance(value, str):
        return value.strip(), None
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else "", None


def _likelihood(value: object) -> float | None:
    """0..1; a camera that writes more than 1 means percent."""
    number = _number(value)
    if number is None or not 0 <= number <= 100:
        return None
    return number if number <= 1 else number / 100


def _speed(value: object) -> float | None:
    """km/h from metres a second; zero is not measured."""
    number = _number(value)
    return None if number is None or not 0 < number * 3.6 <= FASTEST else round(number * 3.6, 1)


def _number(value: object) -> float | None:
    text = _text(value)[0]
    try:
        return float(text) if len(text) <= 24 and "_" not in text else None
    except ValueError:
        return None


def _pictures(data: Node) -> tuple[Picture, ...]:
    """`Image` is the plate, `VehicleImage` the vehicle; one that cannot be read is left out, the read stands."""
    found = []
    for name, field in (("crop", "Image"), ("scene", "VehicleImage")):
        try:
            image = b64decode(_text(data.get(field))[0], validate=True)
        except (binascii.Error, ValueError):
            continue
        if media := picture_media(image):
            found.append(Picture(name, media, image))
    return tuple(found)
