"""One connection to the looping server: its requests, its login, its way to a stream."""

import asyncio
import hashlib
import re
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from saqtau.devices.rtsp.auth import Challenge, Login, answer
from saqtau.devices.rtsp.messages import LARGEST_HEAD, Head, parse_head, reply
from saqtau.kernel.errors import Refused
from saqtau.simulate.card import asked_range, play_card
from saqtau.video.access_unit import AudioCodec, Codec
from saqtau.video.nal import nal_type

if TYPE_CHECKING:
    from saqtau.simulate.loop import Loop, Stream

MOST_WAITING = 8 << 20  # bytes a client may leave unread before it is dropped, as cameras do
_COMMAND = re.compile(r"plug: (in|out)\r?\n?")


class Session(asyncio.Protocol):
    """A client. `channels`: interleaved channels of pictures and of sound, -1 without."""

    def __init__(self, server: "Loop") -> None:
        self.playing = False
        self.channels = (0, -1)
        self._server = server
        self._buffer = bytearray()
        self._number = str(next(server.numbers))
        self._stream: Stream | None = None
        self._transport: asyncio.Transport
        self._expiry: asyncio.TimerHandle | None = None
        self._replaying: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without being of its class
        self._transport.set_write_buffer_limits(high=MOST_WAITING)
        self._server.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's own
        """The client is gone."""
        self.leave()

    def leave(self) -> None:
        """Play no more."""
        if self._stream is not None:
            self._stream.leave(self)
        if self._expiry is not None:
            self._expiry.cancel()
        if self._replaying is not None:
            self._replaying.cancel()
        self._stream, self.playing = None, False

    def abort(self) -> None:
        """Break the connection as a pulled plug does."""
        self.leave()
        self._transport.abort()

    def send(self, wire: bytes) -> None:
        """Hand over packets; a client that does not read is dropped."""
        if self._transport.get_write_buffer_size() > MOST_WAITING:
            self.abort()
        else:
            self._transport.write(wire)

    def data_received(self, data: bytes) -> None:
        """Requests, and receiver reports between them."""
        self._buffer += data
        while self._buffer:
            if self._buffer[0] == 0x24:  # a receiver report
                size = 4 + int.from_bytes(self._buffer[2:4], "big")
                if len(self._buffer) < max(4, size):
                    return
                self._server.requests["RTCP"] += 1
                del self._buffer[:size]
                continue
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > LARGEST_HEAD:
                    self.abort()
                return
            try:
                head = parse_head(bytes(self._buffer[:end]))
            except Refused:
                self.abort()
                return
            if len(self._buffer) < end + 4 + head.length:
                return
            body = bytes(self._buffer[end + 4 : end + 4 + head.length])
            del self._buffer[: end + 4 + head.length]
            if head.status is None:
                self._answer(head, body)

    def _say(
        self, head: Head, status: int, reason: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> None:
        self._transport.write(reply(status, reason, head.number or 0, headers or {}, body))

    def _answer(self, head: Head, body: bytes) -> None:
        method, address, _ = head.first
        self._server.requests[method] += 1
        session = {"Session": f"{self._number};timeout={self._server.patience:g}"}
        if method == "OPTIONS":
            methods = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER, SET_PARAMETER"
            self._say(head, 200, "OK", {"Public": methods})
            self._stay()
            return
        path = urlsplit(address).path.strip("/").partition("/track=")[0]
        stored = path.startswith("replay/")
        path = path.removeprefix("replay/")
        try:
            stream = self._server.stream(path)
        except KeyError:
            self._say(head, 404, "Not Found")
            return
        if method == "SET_PARAMETER" and self._server.commanded:
            self._command(head, body, stream)
            return
        if stream.unplugged:
            self.abort()
            return
        if (login := stream.login or self._server.login) and not self._proven(head, login):
            self._challenge(head)
            return
        match method:
            case "DESCRIBE":
                headers = {"Content-Base": address.rstrip("/") + "/", "Content-Type": "application/sdp"}
                self._say(head, 200, "OK", headers, describe(stream, sound=not stored).encode())
            case "SETUP":
                self._set_up(head, address, session)
            case "PLAY" if stored:
                self._replay(head, session, stream)
            case "PLAY":
                headers = {**session, "Range": "npt=0.000-"}
                headers["RTP-Info"] = f"url={address};seq={stream.number};rtptime={stream.timestamp}"
                self._say(head, 200, "OK", headers)
                self._stream = stream
                self._stay()
                stream.join(self)
            case "GET_PARAMETER":
                self._say(head, 200, "OK", session)
                self._stay()
            case "TEARDOWN":
                self._say(head, 200, "OK", session)
                self.leave()
                self._transport.close()
            case _:
                self._say(head, 501, "Not Implemented")

    def _set_up(self, head: Head, address: str, session: dict[str, str]) -> None:
        asked = re.search(r"RTP/AVP/TCP;.*interleaved=(\d{1,3})-(\d{1,3})", head.get("transport"))
        if asked is None or int(asked[2]) > 255:
            self._say(head, 461, "Unsupported Transport")
            return
        channel = int(asked[1])
        self.channels = (self.channels[0], channel) if address.endswith("track=1") else (channel, self.channels[1])
        transport = f"RTP/AVP/TCP;unicast;interleaved={asked[1]}-{asked[2]}"
        self._say(head, 200, "OK", {**session, "Transport": transport})

    def _replay(self, head: Head, session: dict[str, str], stream: "Stream") -> None:
        """ONVIF Streaming 6: only with its feature named, and for a time that the card has something of."""
        asked, card = asked_range(head.get("range")), stream.card
        if "onvif-replay" not in head.get("require"):
            self._say(head, 551, "Option not supported")
        elif card is None or asked is None or not card.within(*asked):
            self._say(head, 457, "Invalid Range")
        else:
            self._say(head, 200, "OK", session)
            self._stay()
            self._replaying = asyncio.create_task(
                play_card(card, *asked, self.channels[0], self._pour, self.abort), name="replay"
            )

    async def _drained(self) -> None:
        """Wait until the client has read most of it."""
        most = MOST_WAITING // 4
        while self._transport.get_write_buffer_size() > most and not self._transport.is_closing():  # noqa: ASYNC110 - a simulation
            await asyncio.sleep(0.01)

    async def _pour(self, wire: bytes) -> bool:
        await self._drained()
        if self._transport.is_closing():
            return False
        self._transport.write(wire)
        return True

    def _command(self, head: Head, body: bytes, stream: "Stream") -> None:
        command = _COMMAND.fullmatch(body.decode("latin-1"))
        if command is None:
            self._say(head, 451, "Parameter Not Understood")
            return
        self._say(head, 200, "OK")
        if command[1] == "out":
            stream.unplug()
        else:
            stream.plug()

    def _stay(self) -> None:
        """The session is alive: its time begins anew."""
        if self._expiry is not None:
            self._expiry.cancel()
        self._expiry = asyncio.get_running_loop().call_later(self._server.patience * 1.5, self.abort)

    def _challenge(self, head: Head) -> None:
        offers = [
            f'Digest realm="loop", nonce="{self._server.nonce}", algorithm={name}, qop="auth"'
            for name in self._server.digests
        ]
        if self._server.basic:
            offers.append('Basic realm="loop"')
        lines = "".join(f"WWW-Authenticate: {offer}\r\n" for offer in offers)
        self._transport.write(f"RTSP/1.0 401 Unauthorized\r\nCSeq: {head.number or 0}\r\n{lines}\r\n".encode())

    def _proven(self, head: Head, login: Login) -> bool:
        scheme, _, rest = head.get("authorization").partition(" ")
        if scheme == "Basic" and self._server.basic:
            wanted = f"{login.user}:{login.password}".encode()
            return hashlib.sha256(b64decode(rest)).digest() == hashlib.sha256(wanted).digest()
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', rest))
        if scheme != "Digest" or given.get("nonce") != self._server.nonce or given.get("uri") != head.first[1]:
            return False
        challenge = Challenge("digest", "loop", self._server.nonce, given.get("algorithm", "MD5"), qop=True)
        if challenge.algorithm not in self._server.digests:
            return False
        count = int(given.get("nc", "0"), 16)
        mine = answer(challenge, login, *head.first[:2], count=count, cnonce=given.get("cnonce", ""))
        told: dict[str, str] = dict(re.findall(r'(\w+)="?([^",]*)"?', mine))
        return told["response"] == given.get("response")


def describe(stream: "Stream", *, sound: bool = True) -> str:
    """The session description of a stream."""
    parameters = stream.clip.parameters
    sets = [b64encode(one).decode() for one in parameters.sets]
    if parameters.codec is Codec.H264:
        formats = ["packetization-mode=1", f"profile-level-id={parameters.sets[0][1:4].hex()}"]
        formats += [f"sprop-parameter-sets={','.join(sets)}"] if stream.described else []
        name = "H264"
    else:
        names = {32: "vps", 33: "sps", 34: "pps"}
        kinds = [names[nal_type(parameters.codec, one)] for one in parameters.sets]
        formats = [f"sprop-{kind}={one}" for kind, one in zip(kinds, sets, strict=True)] if stream.described else []
        name = "H265"
    lines = [
        "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=loop", "t=0 0", "a=control:*", "m=video 0 RTP/AVP 96", "c=IN IP4 0.0.0.0",
        f"a=rtpmap:96 {name}/90000", f"a=framerate:{float(stream.clip.fps):g}", "a=control:track=0",
    ]  # fmt: skip
    if formats:
        lines.append(f"a=fmtp:96 {';'.join(formats)}")
    if sound and stream.sound is not None:
        audio = stream.sound.audio
        lines += ["m=audio 0 RTP/AVP 97", "a=control:track=1"]
        if audio.codec is AudioCodec.AAC:
            lines.append(f"a=rtpmap:97 MPEG4-GENERIC/{audio.rate}/{audio.channels}")
            lines.append(
                "a=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;"
                f"config={audio.config.hex()}"
            )
        else:
            lines.append(f"a=rtpmap:97 {audio.codec.upper()}/{audio.rate}/{audio.channels}")
    return "\r\n".join(lines) + "\r\n"
