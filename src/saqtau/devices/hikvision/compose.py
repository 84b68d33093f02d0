"""A push exactly as a camera writes it: for the simulator, the benches and the tests, through the public input.

Modelled on a DS-TCG406-E (ISAPI ver20): boundary `boundary`, CRLF, Content-Length in every part. Pure.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from xml.sax.saxutils import escape

import msgspec

from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.signal import Picture

_BOUNDARY = "boundary"
_FILES = {"crop": "licensePlatePicture.jpg", "scene": "detectionPicture.jpg"}


class Capture(msgspec.Struct, frozen=True):
    """What the camera saw. `plate` is written as given; `speed` in km/h, 0 = no radar."""

    at: Instant
    plate: str
    uuid: str
    original: str | None = None  # before the camera's own list changed it; None: the same
    confidence: int = 97  # percent
    believed: tuple[int, ...] = ()  # percent, one a character; empty: as `confidence`
    direction: str = "forward"  # forward | reverse
    speed: int = 0
    vehicle: str = "vehicle"
    line: int = 1
    channel: int = 1
    address: str = "192.0.2.1"
    mac: str = "44:a6:42:00:00:01"
    offset: int = 5 * 60  # minutes east of UTC of the camera's own clock
    late: bool = False  # re-uploaded after an outage


def compose(capture: Capture, pictures: Sequence[Picture] = ()) -> tuple[dict[str, str], bytes]:
    """Headers and body of the camera's POST. pictures: "crop" and "scene", JPEG."""
    parts = [_part("anpr.xml", "application/xml", event(capture, pictures).encode())]
    parts += [_part(_FILES[picture.name], picture.media, picture.data) for picture in pictures]
    body = b"".join([*parts, f"--{_BOUNDARY}--\r\n".encode()])
    return {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}, body


def event(capture: Capture, pictures: Sequence[Picture] = ()) -> str:
    """The event's XML."""
    plate, original = escape(capture.plate), escape(capture.plate if capture.original is None else capture.original)
    levels = capture.believed or (min(capture.confidence, 99),) * len(capture.plate)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<EventNotificationAlert version="2.0" xmlns="http://www.isapi.org/ver20/XMLSchema">',
        f"<ipAddress>{capture.address}</ipAddress>",
        "<portNo>80</portNo>",
        "<protocol>HTTP</protocol>",
        f"<macAddress>{capture.mac}</macAddress>",
        f"<channelID>{capture.channel}</channelID>",
        f"<dateTime>{_written_time(capture.at, capture.offset)}</dateTime>",
        "<activePostCount>1</activePostCount>",
        "<eventType>ANPR</eventType>",
        "<eventState>active</eventState>",
        "<eventDescription>ANPR</eventDescription>",
        "<channelName>IP CAPTURE CAMERA</channelName>",
        "<ANPR>",
        "<country>30</country>",
        f"<licensePlate>{plate}</licensePlate>",
        f"<line>{capture.line}</line>",
        f"<direction>{capture.direction}</direction>",
        f"<confidenceLevel>{capture.confidence}</confidenceLevel>",
        "<plateType>unknown</plateType>",
        "<plateColor>white</plateColor>",
        f"<plateCharBelieve>{','.join(map(str, levels))}</plateCharBelieve>",
        "<speedLimit>0</speedLimit>",
        f"<vehicleType>{escape(capture.vehicle)}</vehicleType>",
        "<detectDir>8</detectDir>",
        f"<alarmDataType>{int(capture.late)}</alarmDataType>",
        "<vehicleInfo>",
        "<index>0</index>",
        "<color>unknown</color>",
        f"<speed>{capture.speed}</speed>",
        "</vehicleInfo>",
        "<pictureInfoList>",
        *(f"<pictureInfo><fileName>{_FILES[picture.name]}</fileName></pictureInfo>" for picture in pictures),
        "</pictureInfoList>",
        f"<originalLicensePlate>{original}</originalLicensePlate>",
        "</ANPR>",
        f"<UUID>{escape(capture.uuid)}</UUID>",
        f"<picNum>{len(pictures)}</picNum>",
        "</EventNotificationAlert>",
        "",
    ]
    return "\r\n".join(lines)


def heartbeat(at: Instant, offset: int = 5 * 60) -> tuple[dict[str, str], bytes]:
    """The push of a camera that saw nothing: "videoloss inactive"."""
    body = "\r\n".join(
        [
            '<EventNotificationAlert version="1.0" xmlns="http://www.hikvision.com/ver20/XMLSchema">',
            "<channelID>0</channelID>",
            f"<dateTime>{_written_time(at, offset)}</dateTime>",
            "<activePostCount>0</activePostCount>",
            "<eventType>videoloss</eventType>",
            "<eventState>inactive</eventState>",
            "<eventDescription>videoloss alarm</eventDescription>",
            "</EventNotificationAlert>",
            "",
        ]
    )
    return {"Content-Type": 'application/xml; charset="UTF-8"'}, body.encode()


def _written_time(at: Instant, offset: int) -> str:
    zone = timezone(timedelta(minutes=offset))
    moment = datetime.fromtimestamp(at // SECOND, UTC) + timedelta(milliseconds=at % SECOND)
    return moment.astimezone(zone).isoformat(timespec="milliseconds")


def _part(name: str, media: str, data: bytes) -> bytes:
    head = (
        f"--{_BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        f"Content-Type: {media}\r\n"
        f"Content-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data + b"\r\n"
