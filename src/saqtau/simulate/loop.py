"""A looping RTSP server: cameras for the demonstration, for tests and for load, with faults on request.

`rtsp://host:port/<scene>/<anything>`: scenes of `clip.SCENES`; a path part `aac`, `pcma` or `pcmu` adds a sound.
`.../load/<n>` shares ten streams among all that ask, so that hundreds of clients cost one stream each ten.

    async with serving(clock=now) as server:
        stream = server.stream("street/1")      # the camera behind that path, for its faults
        await record(server.address("street/1"))
        stream.lose(3)
"""

import asyncio
import secrets
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from random import Random
from urllib.parse import urlsplit

from saqtau.devices.rtsp.auth import Login
from saqtau.devices.rtsp.messages import parse_head, request
from saqtau.kernel.clock import Clock, Instant
from saqtau.simulate.card import Card, CardService, Stored, card_service
from saqtau.simulate.clip import SCENES, Clip, Sound, scene, sender_report, sound
from saqtau.simulate.loop_session import Session
from saqtau.video.access_unit import VIDEO_CLOCK, AudioCodec

SHARED = 10  # streams behind all paths below load/
MOST_STREAMS = 5_000
REPORT_EACH = 2.0  # s between sender reports
BACKLOG = 1_000
DEFAULT_PORT = 554
REPLAY = "replay/"
"""Paths below which the card of a camera is played: `replay/<path of the camera>`."""
DIGESTS = ("SHA-256", "MD5")


class Stream:
    """A camera. Its faults are plain attributes and may be set at any time.

    silent: connected, and nothing comes. unplugged: no connection at all. described: DESCRIBE tells the parameter sets.
    skew: milliseconds the camera's clock is ahead. login: who may look. lost: packets that were not sent on purpose.
    """

    def __init__(self, clip: Clip, heard: Sound | None, clock: Clock, random: Random) -> None:
        self.clip, self.sound = clip, heard
        self.silent = self.unplugged = False
        self.described = True
        self.skew = 0
        self.login: Login | None = None
        self.lost = 0
        self.sent = 0  # pictures, this camera's life long
        self.card: Card | None = None
        self._clock, self._random = clock, random
        self._losing, self._share = 0, 0.0
        self._following: Clip | None = None
        self._sessions: set[Session] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.restart()

    def restart(self) -> None:
        """As after the camera's own restart: another source, other numbers and time stamps, from its first picture."""
        self.ssrc, self.sound_ssrc = self._random.getrandbits(32), self._random.getrandbits(32)
        self.number, self.sound_number = self._random.getrandbits(16), self._random.getrandbits(16)
        self._base, self._sound_base = self._random.getrandbits(32), self._random.getrandbits(32)
        self._picture = self._told = self._heard = self._clip_began = 0
        self._origin = 0.0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._begin()

    def lose(self, packets: int) -> None:
        """The next packets of pictures are not sent."""
        self._losing += packets

    def lose_share(self, share: float) -> None:
        """From now on each packet of pictures is lost with this probability."""
        self._share = share

    def change(self, clip: Clip) -> None:
        """From the next key picture on, show another clip: other parameter sets in the middle of the stream."""
        self._following = clip

    def unplug(self) -> None:
        """Every connection breaks, and no other is let in until `plug`."""
        self.unplugged = True
        for session in list(self._sessions):
            session.abort()

    def plug(self) -> None:
        """Connections are let in again."""
        self.unplugged = False

    def store(self) -> Card:
        """From now on a card in the camera stores every picture, also while nobody looks and no plug is in."""
        if self.card is None:
            self.card = Card()
            if self._timer is None:
                self._begin()
        return self.card

    @property
    def time(self) -> Instant:
        """What this camera's clock says."""
        return Instant(self._clock() + self.skew)

    def switch_off(self) -> None:
        """It stores no more: its power is gone."""
        self.unplug()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def viewers(self) -> int:
        """Connections that play this stream."""
        return len(self._sessions)

    @property
    def timestamp(self) -> int:
        """Time stamp of the next picture, 90 kHz, 32 bits."""
        return (self._base + int(self._picture * VIDEO_CLOCK / self.clip.fps)) & 0xFFFFFFFF

    def join(self, session: Session) -> None:
        """Begin to send; to the first one from a key picture at once, to later ones from the next key picture."""
        self._sessions.add(session)
        if self._timer is None:
            self._begin()

    def leave(self, session: Session) -> None:
        """Send no more."""
        self._sessions.discard(session)
        if not self._sessions and self._timer is not None and self.card is None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        keys = self.clip.keys
        while not keys[(self._picture - self._clip_began) % len(keys)]:
            self._picture += 1
        self._origin = loop.time() - float(self._picture / self.clip.fps)
        self._timer = loop.call_at(loop.time(), self._tick)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        clip = self.clip
        index = (self._picture - self._clip_began) % len(clip.pictures)
        if self._following is not None and clip.keys[index]:
            # time goes on; only the pictures are others from here
            at = self._picture / clip.fps
            clip = self.clip = self._following
            self._following = None
            self._picture = self._clip_began = round(at * clip.fps)
            index = 0
        if self.card is not None:
            self.card.pictures.append(Stored(self.time, clip, index))
        if not self.silent and self._sessions:
            self._send(clip, index)
        self._picture += 1
        self._timer = loop.call_at(self._origin + float(self._picture / clip.fps), self._tick)

    def _send(self, clip: Clip, index: int) -> None:
        ts, payloads = self.timestamp, clip.payloads[index]
        tail = ts.to_bytes(4, "big") + self.ssrc.to_bytes(4, "big")
        packets = []
        for place, payload in enumerate(payloads):
            marker = 0xE0 if place == len(payloads) - 1 else 0x60  # payload type 96
            if self._loses():
                self.lost += 1
            else:
                packets.append(bytes([0x80, marker]) + self.number.to_bytes(2, "big") + tail + payload)
            self.number = self.number + 1 & 0xFFFF
        seconds = float(self._picture / clip.fps)
        report = None
        if self._told <= seconds:
            self._told = int(seconds + REPORT_EACH)
            report = sender_report(self.ssrc, self._clock() + self.skew, ts)  # type: ignore[arg-type]
        sounds = self._sounds(seconds)
        wires: dict[tuple[int, int], bytes] = {}
        for session in list(self._sessions):
            if not session.playing:
                if not clip.keys[index]:
                    continue
                session.playing = True
            if (wire := wires.get(session.channels)) is None:
                wire = wires[session.channels] = _interleaved(session.channels, packets, report, sounds)
            session.send(wire)
        self.sent += 1

    def _loses(self) -> bool:
        if self._losing:
            self._losing -= 1
            return True
        return bool(self._share) and self._random.random() < self._share

    def _sounds(self, until: float) -> list[bytes]:
        packets: list[bytes] = []
        if (heard := self.sound) is None:
            return packets
        last = int(until * heard.audio.rate) // heard.samples
        self._heard = max(self._heard, last - heard.audio.rate // heard.samples)
        while self._heard < last:
            ts = self._sound_base + self._heard * heard.samples & 0xFFFFFFFF
            head = bytes([0x80, 0xE1]) + self.sound_number.to_bytes(2, "big")  # payload type 97
            payload = heard.payloads[self._heard % len(heard.payloads)]
            packets.append(head + ts.to_bytes(4, "big") + self.sound_ssrc.to_bytes(4, "big") + payload)
            self.sound_number = self.sound_number + 1 & 0xFFFF
            self._heard += 1
        return packets


def _interleaved(channels: tuple[int, int], packets: list[bytes], report: bytes | None, sounds: list[bytes]) -> bytes:
    parts: list[bytes] = []
    for channel, packet in (
        *((channels[0] + 1, one) for one in ([report] if report else [])),
        *((channels[0], one) for one in packets),
        *((channels[1], one) for one in sounds if channels[1] >= 0),
    ):
        parts += [bytes([0x24, channel]), len(packet).to_bytes(2, "big"), packet]
    return b"".join(parts)


class Loop:
    """The server. Streams appear when somebody asks for their path.

    clips: scene -> clip. login: asked of everyone, unless the stream has its own. basic: offers basic beside digest.
    patience: seconds after which a session that asks nothing is closed. commanded: SET_PARAMETER moves a plug.
    requests: how often each method was asked. connections: how many were made.
    """

    def __init__(
        self, clips: Mapping[str, Clip], *, clock: Clock, random: Random, login: Login | None = None,
        basic: bool = False, digests: tuple[str, ...] = DIGESTS, patience: float = 60.0, commanded: bool = False,
    ) -> None:  # fmt: skip
        self.clips, self.login, self.basic, self.digests, self.patience = clips, login, basic, digests, patience
        self.commanded = commanded
        self.requests: Counter[str] = Counter()
        self.connections = 0
        self.port, self.scheme, self.host = 0, "rtsp", "127.0.0.1"
        self.cards = CardService(
            self.card, lambda path: self.address(f"{REPLAY}{path}"), lambda path: self.stream(path).time
        )
        self.nonce = secrets.token_hex(16)
        self.numbers = count(1)
        self._clock, self._random = clock, random
        self._streams: dict[str, Stream] = {}

    def address(self, path: str) -> str:
        """Where this camera is."""
        return f"{self.scheme}://{self.host}:{self.port}/{path}"

    def service(self, path: str) -> str:
        """The ONVIF device service of a camera with a card."""
        return f"{self.cards.origin}/{path}"

    def stream(self, path: str) -> Stream:
        """The camera behind a path. Raises KeyError for an unknown scene, and when there are too many cameras."""
        parts = path.strip("/").split("/")
        if parts[0] == "load" and len(parts) > 1 and parts[-1].isdigit():
            parts = [*parts[:-1], str(int(parts[-1]) % SHARED)]
        key = "/".join(parts)
        if (found := self._streams.get(key)) is None:
            if len(self._streams) >= MOST_STREAMS:
                raise KeyError(path)
            name = next((one for one in parts if one in self.clips), "")
            codec = next((AudioCodec(one) for one in parts if one in set(AudioCodec)), None)
            found = Stream(self.clips[name], sound(codec) if codec else None, self._clock, self._random)
            self._streams[key] = found
        return found

    def card(self, path: str) -> Card | None:
        """The card of the camera behind a path; None without one, or while its plug is out."""
        found = self._streams.get(path)
        return None if found is None or found.unplugged else found.card

    def close(self) -> None:
        """Break every connection."""
        for stream in self._streams.values():
            stream.switch_off()


@asynccontextmanager
async def serving(
    clips: Mapping[str, Clip] | None = None, *, clock: Clock, random: Random | None = None, host: str = "127.0.0.1",
    port: int = 0, tls: ssl.SSLContext | None = None, login: Login | None = None, basic: bool = False,
    digests: tuple[str, ...] = DIGESTS, patience: float = 60.0, commanded: bool = False, cards: int = 0,
) -> AsyncIterator[Loop]:  # fmt: skip
    """A server on `host` until the block is left; `port` 0 takes a free one. cards: the port of their ONVIF services.

    Raises OSError when a port is taken.
    """
    server = Loop(
        clips or {name: scene(name) for name in SCENES}, clock=clock, random=random or Random(1),  # noqa: S311 - a simulation
        login=login, basic=basic, digests=digests, patience=patience, commanded=commanded,
    )  # fmt: skip
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Session(server), host, port, backlog=BACKLOG, ssl=tls)
    server.host, server.port = host, listening.sockets[0].getsockname()[1]
    server.scheme = "rtsps" if tls else "rtsp"
    try:
        async with card_service(server.cards, host, cards):
            yield server
    finally:
        listening.close()
        server.close()
        await asyncio.sleep(0)


async def move_plug(address: str, *, out: bool) -> None:
    """Pull the plug of a camera of a commanded server, or put it in again.

    address: as cameras are registered, `rtsp://host:port/path`. Raises OSError when nobody listens there, and
    ConnectionRefusedError when it is no server that takes commands.
    """
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or DEFAULT_PORT)
    try:
        headers = {"Content-Type": "text/parameters"}
        writer.write(request("SET_PARAMETER", address, 1, headers, f"plug: {'out' if out else 'in'}\r\n".encode()))
        head = parse_head((await reader.readuntil(b"\r\n\r\n"))[:-4])
    finally:
        writer.close()
    if head.status != 200:
        raise ConnectionRefusedError(f"{address}: takes no commands ({head.first[1]})")
