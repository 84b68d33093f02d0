"""The memory card of a camera of the looping server: it goes on storing when the plug is pulled, and plays it again.

A device of ONVIF Profile G of our own making, after the specifications (Recording Search, Replay Control, Streaming):
none that somebody else made can be installed here. One recording, one track.
"""

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from saqtau.kernel.clock import SECOND, Instant
from saqtau.video.access_unit import VIDEO_CLOCK

if TYPE_CHECKING:
    from saqtau.simulate.clip import Clip

MOST: Final = 400_000
"""Pictures of a card; then the oldest go."""
LARGEST: Final = 64 << 10
"""Bytes of a question."""
_RANGE: Final = re.compile(r"clock=(\d{8}T\d{6})(\.\d{1,6})?Z-(?:(\d{8}T\d{6})(\.\d{1,6})?Z)?")
_ENVELOPE: Final = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:tds="http://www.onvif.org/ver10/device/wsdl"'
    ' xmlns:tse="http://www.onvif.org/ver10/search/wsdl" xmlns:trp="http://www.onvif.org/ver10/replay/wsdl"'
    ' xmlns:tt="http://www.onvif.org/ver10/schema"><s:Body>{}</s:Body></s:Envelope>'
)
_FAULT: Final = (
    "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text>{}</s:Text></s:Reason></s:Fault>"
)


class Stored(NamedTuple):
    """A picture on the card: when it was taken by the camera's clock, and which of which clip it is."""

    at: Instant
    clip: "Clip"
    place: int


class Card:
    """What a camera stored. Its faults are plain attributes.

    lie: milliseconds that are added to the times it tells. endless: it goes on behind what it was asked for, in a
    circle. breaks_after: pictures after which it breaks the connection off, once. sources: how many it has.
    """

    def __init__(self) -> None:
        self.pictures: deque[Stored] = deque(maxlen=MOST)
        self.lie = 0
        self.endless = False
        self.breaks_after: int | None = None
        self.sources = 1
        self.slow = 0.0  # s a picture
        self.asked: list[str] = []

    def within(self, began: Instant, ended: Instant) -> list[Stored]:
        """What it has of a time: from the key picture at or before its begin on."""
        pictures = list(self.pictures)
        first = next((place for place, one in enumerate(pictures) if one.at >= began), len(pictures))
        while 0 < first < len(pictures) and not pictures[first].clip.keys[pictures[first].place]:
            first -= 1
        return [one for one in pictures[first:] if one.at < ended]


def asked_range(header: str) -> tuple[Instant, Instant] | None:
    """The time of a header `Range: clock=…`; None when it is another."""
    found = _RANGE.fullmatch(header.strip())
    if found is None:
        return None

    def at(whole: str, part: str | None) -> Instant:
        seconds = datetime.strptime(whole, "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()
        return Instant(round(seconds * SECOND + float(part or 0) * SECOND))

    ended = at(found[3], found[4]) if found[3] else Instant(1 << 53)
    return at(found[1], found[2]), ended


def packets_of(one: Stored, number: int, ssrc: int, card: Card, *, last: bool, channel: int) -> bytes:
    """The interleaved packets of a stored picture; the first says when it was taken."""
    told = one.at + card.lie
    seconds, rest = divmod(told, SECOND)
    ntp = (seconds + 2_208_988_800) << 32 | (rest << 32) // SECOND
    flags = (0x80 if one.clip.keys[one.place] else 0) | (0x30 if last else 0)
    extension = b"\xab\xac\0\3" + (ntp & (1 << 64) - 1).to_bytes(8, "big") + bytes([flags, 0, 0, 0])
    ts = told * (VIDEO_CLOCK // SECOND) & 0xFFFFFFFF
    payloads, out = one.clip.payloads[one.place], []
    for place, payload in enumerate(payloads):
        marker = 0xE0 if place == len(payloads) - 1 else 0x60
        head = bytes([0x80 if place else 0x90, marker]) + (number + place & 0xFFFF).to_bytes(2, "big")
        packet = head + ts.to_bytes(4, "big") + ssrc.to_bytes(4, "big") + (b"" if place else extension) + payload
        out.append(bytes([0x24, channel]) + len(packet).to_bytes(2, "big") + packet)
    return b"".join(out)


async def play_card(
    card: Card, began: Instant, ended: Instant, channel: int, send: Callable[[bytes], Awaitable[bool]],
    leave: Callable[[], None],
) -> None:  # fmt: skip
    """Send what the card has of a time. send: False once nobody reads. leave: breaks the connection off."""
    number, ssrc = 0, 0x0CA2D
    chosen = card.within(began, ended)
    step = Instant(chosen[-1].at - chosen[0].at + 40) if chosen else Instant(0)
    turn = 0
    while chosen:
        for place, picture in enumerate(chosen):
            if card.breaks_after is not None and turn * len(chosen) + place >= card.breaks_after:
                card.breaks_after = None
                leave()
                return
            last = place == len(chosen) - 1 and not card.endless
            # an endless card gives the same time again and again
            one = picture._replace(at=Instant(min(picture.at + turn * step, ended - 1 if turn else picture.at)))
            if not await send(packets_of(one, number, ssrc, card, last=last, channel=channel)):
                return
            number = number + len(one.clip.payloads[one.place]) & 0xFFFF
            await asyncio.sleep(card.slow)
        if not card.endless:
            return
        turn += 1


def _moment(at: Instant) -> str:
    return datetime.fromtimestamp(at / SECOND, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class CardService:
    """The ONVIF services of the cameras with a card: `http://host:port/<path of the stream>`.

    find: the card behind a path. address: where a recording of it is played. clock: of that camera.
    """

    def __init__(
        self, find: Callable[[str], Card | None], address: Callable[[str], str], clock: Callable[[str], Instant]
    ) -> None:
        self._find, self._address, self._clock = find, address, clock
        self.origin = ""

    def answer(self, path: str, body: bytes) -> str:
        """The content of the answer to a question."""
        found = re.search(rb"Body[^>]*>\s*<(?:\w+:)?(\w+)", body)
        asked, card = found[1].decode() if found else "", self._find(path)
        if card is None:
            return _FAULT.format("no such camera")
        card.asked.append(asked)
        match asked:
            case "GetSystemDateAndTime":
                at = datetime.fromtimestamp(self._clock(path) / SECOND, UTC)
                return (
                    "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>NTP</tt:DateTimeType>"
                    "<tt:DaylightSavings>false</tt:DaylightSavings><tt:UTCDateTime>"
                    f"<tt:Time><tt:Hour>{at.hour}</tt:Hour><tt:Minute>{at.minute}</tt:Minute>"
                    f"<tt:Second>{at.second}</tt:Second></tt:Time><tt:Date><tt:Year>{at.year}</tt:Year>"
                    f"<tt:Month>{at.month}</tt:Month><tt:Day>{at.day}</tt:Day></tt:Date></tt:UTCDateTime>"
                    "</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
                )
            case "GetServices":
                services = "".join(
                    f"<tds:Service><tds:Namespace>http://www.onvif.org/ver10/{name}/wsdl</tds:Namespace>"
                    f"<tds:XAddr>{self.origin}/{path}</tds:XAddr>"
                    "<tds:Version><tt:Major>21</tt:Major><tt:Minor>6</tt:Minor></tds:Version></tds:Service>"
                    for name in ("device", "recording", "search", "replay")
                )
                return f"<tds:GetServicesResponse>{services}</tds:GetServicesResponse>"
            case "FindRecordings":
                return "<tse:FindRecordingsResponse><tse:SearchToken>s1</tse:SearchToken></tse:FindRecordingsResponse>"
            case "GetRecordingSearchResults":
                return (
                    "<tse:GetRecordingSearchResultsResponse><tse:ResultList><tt:SearchState>Completed</tt:SearchState>"
                    f"{''.join(self._recording(card, number) for number in range(card.sources))}"
                    "</tse:ResultList></tse:GetRecordingSearchResultsResponse>"
                )
            case "EndSearch":
                return (
                    "<tse:EndSearchResponse><tse:Endpoint>2026-01-01T00:00:00Z</tse:Endpoint></tse:EndSearchResponse>"
                )
            case "GetReplayUri":
                return f"<trp:GetReplayUriResponse><trp:Uri>{self._address(path)}</trp:Uri></trp:GetReplayUriResponse>"
            case _:
                return _FAULT.format("Not supported")

    def _recording(self, card: Card, number: int) -> str:
        if not card.pictures:
            return ""
        low, high = _moment(card.pictures[0].at), _moment(card.pictures[-1].at)
        return (
            f"<tt:RecordingInformation><tt:RecordingToken>R{number}</tt:RecordingToken><tt:Source>"
            f"<tt:SourceId>video_{number}</tt:SourceId><tt:Name>camera</tt:Name><tt:Location/><tt:Description/>"
            f"<tt:Address/></tt:Source><tt:EarliestRecording>{low}</tt:EarliestRecording>"
            f"<tt:LatestRecording>{high}</tt:LatestRecording><tt:Content>card</tt:Content><tt:Track>"
            "<tt:TrackToken>V</tt:TrackToken><tt:TrackType>Video</tt:TrackType><tt:Description/>"
            f"<tt:DataFrom>{low}</tt:DataFrom><tt:DataTo>{high}</tt:DataTo></tt:Track>"
            "<tt:RecordingStatus>Recording</tt:RecordingStatus></tt:RecordingInformation>"
        )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                target = head.split(" ", 2)[1]
                size = int((re.search(r"content-length: *(\d{1,6})", head, re.IGNORECASE) or ["", "0"])[1])
                if size > LARGEST:
                    break
                said = self.answer(urlsplit(target).path.strip("/"), await reader.readexactly(size))
                told = _ENVELOPE.format(said).encode()
                status = "400 Bad Request" if "<s:Fault>" in said else "200 OK"
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Type: application/soap+xml; charset=utf-8\r\n"
                    f"Content-Length: {len(told)}\r\n\r\n".encode()
                    + told
                )
                await writer.drain()
        writer.close()


@asynccontextmanager
async def card_service(service: CardService, host: str, port: int = 0) -> AsyncIterator[CardService]:
    """The service on `host` until the block is left. Raises OSError when the port is taken."""
    server = await asyncio.start_server(service.serve, host, port, limit=LARGEST)
    service.origin = f"http://{host}:{server.sockets[0].getsockname()[1]}"
    try:
        yield service
    finally:
        server.close()
