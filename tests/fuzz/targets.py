"""What the fuzzer calls: a name, a function of bytes, the bytes to begin with. A target may raise nothing."""

from pathlib import Path

from tests.fuzz.camera import CAMERA
from tests.fuzz.ledger import LEDGER
from tests.fuzz.recordings import RECORDINGS
from tests.fuzz.verifying import VERIFYING
from tests.fuzz.video import VIDEO
from tests.publishing import connect, publish, subscribe

from saqtau.devices.hikvision.multipart import split
from saqtau.devices.hikvision.parse import parse as parse_push
from saqtau.devices.hikvision.tree import read_event
from saqtau.devices.onvif import mqtt
from saqtau.devices.onvif.parse import parse as parse_event
from saqtau.devices.owntracks.parse import parse as parse_location
from saqtau.devices.owntracks.parse import position_of
from saqtau.devices.plate import spell
from saqtau.devices.seen import read_of
from saqtau.devices.tablet.compose import compose, new_key
from saqtau.devices.tablet.parse import Fix, positions_of, signed_text
from saqtau.devices.tablet.parse import parse as parse_batch
from saqtau.devices.tablet.signature import load_key, verify
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused

DATA = Path(__file__).parents[1] / "data"
NOW = Instant(1_795_165_387_000)
KEY, PUBLIC = new_key()


def may_refuse(function):
    """`function`, with the one error it is allowed."""

    def target(data: bytes) -> None:
        try:
            function(data)
        except Refused as refusal:
            if refusal.kind is not Kind.INVALID or not refusal.fields:
                raise AssertionError(refusal) from refusal

    return target


def push(data: bytes) -> None:
    content_type, _, body = data.partition(b"\n")
    for seen in parse_push(content_type.decode("latin-1"), body).seen:
        read_of(seen, "kam-1", NOW, b"k" * 32)


def parts(data: bytes) -> None:
    split("multipart/form-data; boundary=boundary", data)


def batch(data: bytes) -> None:
    taken = parse_batch(data)
    verify(PUBLIC, signed_text(taken.device, taken.fixes), taken.signature)
    positions_of(taken, "unit-1", NOW)


def location(data: bytes) -> None:
    if (read := parse_location(data)) is not None:
        position_of(read, "unit-1", "phone-1", 1, NOW)


def published(data: bytes) -> None:
    for seen in parse_event("RuleEngine/Recognition/LicensePlate", data, again=False).seen:
        read_of(seen, "kam-1", NOW, b"k" * 32)


def packet(data: bytes) -> None:
    told = mqtt.length(data[:5]) if data else None
    if told is None:
        return
    body = data[told[0] :]
    match data[0] >> 4:
        case mqtt.Type.CONNECT:
            mqtt.read_connect(body)
        case mqtt.Type.PUBLISH:
            mqtt.read_publish(data[0] & 15, body)
        case mqtt.Type.SUBSCRIBE:
            mqtt.suback(mqtt.read_identifier(body), mqtt.count_filters(body))


def plate(data: bytes) -> None:
    spelling = spell(data.decode("utf-8", "replace"))
    assert spelling is None or (spelling.plate.isascii() and spelling.plate.isalnum())


def recorded() -> list[bytes]:
    pushes = [path.read_bytes().partition(b"\r\n\r\n") for path in sorted((DATA / "hikvision").glob("*.http"))]
    return [b"multipart/form-data; boundary=boundary\n" + body for _, _, body in pushes]


TARGETS = {
    "push": (may_refuse(push), recorded()),
    "parts": (may_refuse(parts), [body.partition(b"\n")[2] for body in recorded()]),
    "event": (may_refuse(read_event), [b"<a><b>c</b></a>", b'{"eventType":"ANPR","ANPR":{"licensePlate":"123ABC02"}}']),
    "batch": (may_refuse(batch), [compose(KEY, "tab-1", [Fix(1, NOW, 43.25, 76.9, 4.5, 0.0, None, 0.5)])]),
    "location": (may_refuse(location), [path.read_bytes() for path in sorted((DATA / "owntracks").glob("*.json"))]),
    "plate_event": (may_refuse(published), [path.read_bytes() for path in sorted((DATA / "onvif").glob("*.json"))]),
    "mqtt": (
        may_refuse(packet),
        [connect("kam-1", "t" * 32), publish("kam-1/onvif-ej/a", b"{}", 7), subscribe("#", 8)],
    ),
    "plate": (may_refuse(plate), [b"123 ABC 02", "123А?С02".encode()]),
    "key": (may_refuse(load_key), [PUBLIC]),
    **{
        name: (may_refuse(function), seeds)
        for name, (function, seeds) in {**LEDGER, **VERIFYING, **RECORDINGS, **VIDEO, **CAMERA}.items()
    },
}
