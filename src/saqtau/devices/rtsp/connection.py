"""The connection to one camera: many packets a read, taken apart where they lie; requests and replies between them."""

import asyncio
import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from saqtau.devices.rtsp.assemble import VideoTrack
from saqtau.devices.rtsp.assemble_sound import SoundTrack
from saqtau.devices.rtsp.auth import Challenge, Login, answer, choose
from saqtau.devices.rtsp.messages import LARGEST_BODY, LARGEST_HEAD, Head, parse_head, reply, request
from saqtau.devices.rtsp.rtcp import parse_reports, receiver_report
from saqtau.kernel.clock import Clock
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.access_unit import Unit

PATIENCE = 10.0  # s for a connection, and for a reply
ROOM = 128 << 10  # bytes: the largest packet or message and what came with it
MOST_UNREAD = 64 << 10  # bytes we said that a camera may leave unread
_PACKET = 0x24  # "$"
_LINE_END = b"\r\n"


class _Room(threading.local):
    """Where a loop's connections read into, one after the other: a read is taken apart before the next one begins.

    A buffer each would be touched as far as its largest key picture reaches, and kept by nobody's cache.
    """

    def __init__(self) -> None:
        self.data = bytearray(ROOM)
        self.view = memoryview(self.data)


_ROOM = _Room()


class Reply(msgspec.Struct, frozen=True):
    """An answer to a request."""

    head: Head
    body: bytes

    @property
    def status(self) -> int:
        """Its status."""
        return self.head.status or 0


class Connection(asyncio.BufferedProtocol):
    """A camera's connection. Raises only from `ask` and `broken`; `on_units` is called from the reading itself.

    methods: what the camera says it can. leaving: the request that says goodbye, once there is something to leave.
    held: nothing is read for the moment.
    """

    def __init__(self, login: Login | None, clock: Clock, on_units: Callable[[list[Unit]], None]) -> None:
        self.methods: set[str] = set()
        self.leaving: tuple[str, str, Mapping[str, str]] | None = None
        self._login, self._clock, self._on_units = login, clock, on_units
        self._buffer, self._room = _ROOM.data, _ROOM.view
        self._rest = b""  # of the read before: what was not whole yet
        self._transport: asyncio.Transport | None = None
        self._secure = False
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._challenge: Challenge | None = None
        self._answers = 0
        self._video: VideoTrack | None = None
        self._sound: SoundTrack | None = None
        self._video_channel = self._sound_channel = -1
        self._ssrc = secrets.randbits(32)
        self.held = False

    def tracks(self, channel: int, video: VideoTrack, sound_channel: int | None, sound: SoundTrack | None) -> None:
        """From now on packets of these channels belong to these tracks."""
        self._video_channel, self._video = channel, video
        self._sound_channel, self._sound = -1 if sound_channel is None else sound_channel, sound

    async def ask(self, method: str, address: str, headers: Mapping[str, str]) -> Reply:
        """Ask, prove the password where it is asked for, and give the answer.

        Raises TimeoutError without one in PATIENCE, `Refused(stream="lost"|"broken")` when the connection ends.
        """
        answered = await self._exchange(method, address, headers)
        # once, and once more when the proof was right but its nonce too old
        for _ in range(2):
            if answered.status != 401 or self._login is None:
                break
            fresh = choose(answered.head.all("www-authenticate"))
            if fresh is None or (self._challenge is not None and self._answers == 1 and not fresh.stale):
                break  # nothing we can prove, or the password is wrong: trying on would lock us out
            if fresh.weak and not (self._login.basic or self._secure):
                message = "the camera wants the password in the clear: use rtsps, or allow it beside the password"
                raise Refused(Kind.DENIED, message, stream="denied")
            self._challenge, self._answers = fresh, 0
            answered = await self._exchange(method, address, headers)
        return answered

    async def _exchange(self, method: str, address: str, headers: Mapping[str, str]) -> Reply:
        if self._ended.done():
            self._ended.result()
        self._number += 1
        number = self._number
        sent = {"User-Agent": "saqtau", **headers}
        if self._login is not None and self._challenge is not None:
            self._answers += 1
            sent["Authorization"] = answer(
                self._challenge, self._login, method, address, count=self._answers, cnonce=secrets.token_hex(8)
            )
        waiting: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        self._write(request(method, address, number, sent))
        try:
            async with asyncio.timeout(PATIENCE):
                ends: set[asyncio.Future[Any]] = {waiting, self._ended}
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting.pop(number, None)
        if not waiting.done():
            self._ended.result()
        return waiting.result()

    async def broken(self, within: float) -> None:
        """Wait `within` seconds. Raises `Refused` at once when the connection ended or cannot be read."""
        await asyncio.wait({self._ended}, timeout=within)
        if self._ended.done():
            self._ended.result()

    def hold(self, seconds: float) -> None:
        """Read nothing for so long; what comes waits at the camera's."""
        if self._transport is None or self._transport.is_closing() or self.held:
            return
        self.held = True
        self._transport.pause_reading()
        asyncio.get_running_loop().call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self.held = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def report(self) -> None:
        """Tell the camera that we are there and what we miss."""
        if self._video is not None and self._video.ssrc is not None:
            data = receiver_report(self._ssrc, self._video.ssrc, self._video.highest, self._video.lost)
            self._write(bytes([_PACKET, self._video_channel + 1]) + len(data).to_bytes(2, "big") + data)

    def close(self) -> None:
        """Say goodbye and close. Nothing is called any more."""
        self._on_units = _nobody
        if not self._ended.done():
            if self.leaving is not None:
                method, address, headers = self.leaving
                sent = dict(headers)
                if self._login is not None and self._challenge is not None:
                    self._answers += 1
                    sent["Authorization"] = answer(
                        self._challenge, self._login, method, address, count=self._answers, cnonce=secrets.token_hex(8)
                    )
                self._write(request(method, address, self._number + 1, sent))
            self._end_with(None)
        if self._transport is not None:
            self._transport.close()
            asyncio.get_running_loop().call_later(PATIENCE, self._transport.abort)  # from who does not read our goodbye
        if not self._ended.cancelled():
            self._ended.exception()  # seen

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self._transport = transport  # type: ignore[assignment]  # a TCP or TLS transport, which is both ways
        self._secure = transport.get_extra_info("ssl_object") is not None

    def connection_lost(self, exc: Exception | None) -> None:
        """Not connected any more."""
        self._end_with(
            Refused(Kind.UNAVAILABLE, f"the connection ended: {exc or 'closed by the camera'}", stream="lost")
        )

    def eof_received(self) -> None:
        """The camera says no more."""
        self._end_with(Refused(Kind.UNAVAILABLE, "the camera closed the connection", stream="lost"))

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the protocol's own
        """Where the next bytes go: after what is left of those before. The loop reads into it at once."""
        size = len(self._rest)
        if not size:
            return self._room
        self._room[:size] = self._rest
        return self._room[size:]

    def buffer_updated(self, nbytes: int) -> None:
        """Take what came; the beginning of what is not whole yet stays."""
        units: list[Unit] = []
        end, self._rest = len(self._rest) + nbytes, b""
        if self._ended.done():
            return
        ending: Refused | None = None
        try:
            self._read(end, units)
        except Refused as refused:
            ending = Refused(refused.kind, refused.message, stream=refused.fields.get("stream", "broken"))
        try:
            if units:
                self._on_units(units)  # what came before the end too
        except Exception as error:  # noqa: BLE001 - it ends this camera's play, and is raised there
            self._end_with(error)
        if ending is not None:
            self._end_with(ending)

    def _read(self, end: int, units: list[Unit]) -> None:
        data, at, now = self._buffer, 0, self._clock()
        video, channel = self._video, self._video_channel
        if video is not None:
            at = video.run(data, 0, end, channel, now, units)  # mostly there is nothing else
        while at < end:
            if data[at] == _PACKET:
                if end - at < 4:
                    break
                start = at + 4
                at_next = start + (data[at + 2] << 8 | data[at + 3])
                if at_next > end:
                    break
                if data[at + 1] == channel and video is not None:
                    ahead = video.run(data, at, end, channel, now, units)
                    if ahead > at:
                        at = ahead
                        continue
                    video.take(data, start, at_next, now, units)  # too short to be told apart
                elif data[at + 1] == self._sound_channel and self._sound is not None:
                    # before the first picture there is nothing to hear
                    if video is not None and video.pictures:
                        self._sound.take(data, start, at_next, now, units)
                elif data[at + 1] == channel + 1:
                    self._told(bytes(data[start:at_next]))
                at = at_next
            elif data[at] in _LINE_END:  # between messages, from careless cameras
                at += 1
            else:
                size = self._message(at, end)
                if not size:
                    break
                at += size
                video, channel = self._video, self._video_channel
        if at < end:
            self._rest = bytes(self._room[at:end])

    def _told(self, data: bytes) -> None:
        told = parse_reports(data)
        if self._video is not None and told.report is not None:
            self._video.reported(told.report)
        if told.ended:
            raise Refused(Kind.UNAVAILABLE, "the camera ended the stream", stream="lost")

    def _message(self, at: int, end: int) -> int:
        """Take a message that begins at `at`; its size, nought when it is not whole yet."""
        stop = self._buffer.find(b"\r\n\r\n", at, end)
        if stop < 0:
            if end - at > LARGEST_HEAD or not self._buffer[at : at + 1].isalpha():
                raise Refused(Kind.INVALID, "neither a packet nor a message", stream="broken")
            return 0
        head = parse_head(bytes(self._buffer[at:stop]))
        size = stop + 4 - at + head.length
        if at + size > end:
            return 0
        body = bytes(self._buffer[stop + 4 : stop + 4 + head.length])
        number = head.number
        if head.status is None:
            # a camera asks too, mostly whether we are still there
            known = head.first[0] in {"OPTIONS", "GET_PARAMETER", "SET_PARAMETER"}
            self._write(reply(*((200, "OK") if known else (501, "Not Implemented")), number or 0, {}))
        elif number is not None and (waiting := self._waiting.get(number)) and not waiting.done():
            waiting.set_result(Reply(head, body))
        return size

    def _write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > MOST_UNREAD:  # asks and asks, and reads no answer: our memory
            self._end_with(Refused(Kind.INVALID, "the camera reads none of what it is told", stream="broken"))
            self._transport.abort()  # what it does not read would keep the socket open for good
            return
        self._transport.write(data)

    def _end_with(self, error: Exception | None) -> None:
        if self._ended.done():
            return
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)
        if self._transport is not None and error is not None:
            self._transport.close()


def _nobody(units: list[Unit]) -> None:
    """Whom units go to after the end."""


assert ROOM >= LARGEST_HEAD + LARGEST_BODY + 4  # noqa: S101 - a message always fits
