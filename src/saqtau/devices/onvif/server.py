"""The MQTT input of plate cameras: they publish, nobody reads. PUBACK only when what the camera said is on disk.

One packet of a camera after the other: acknowledgements keep their order, and a camera that is too fast is read more
slowly instead of being refused. A disk that refuses ends the connection without an acknowledgement: at QoS 1 and 2 the
camera keeps the event and sends it again.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from prometheus_client import CollectorRegistry, Counter

from saqtau.devices.http import SHORTEST_TOKEN, same_address, token_digest
from saqtau.devices.limits import Buckets, Rate
from saqtau.devices.onvif import mqtt
from saqtau.devices.onvif.device import DEVICE
from saqtau.devices.onvif.mqtt import Connect, Publish, Type, Verdict
from saqtau.devices.onvif.parse import Event, local_topic, parse
from saqtau.devices.seen import Malformed
from saqtau.devices.taking import Cameras, Taking
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import Camera

LARGEST_BEFORE_KNOWN = 4096
"""Bytes of the first packet: who is not known yet may not make us remember more."""

FIRST_PACKET = 10.0  # s until a connection has said who it is
SLOWEST_PACKET = 30.0  # s from a packet's first byte to its last
LONGEST_QUIET = 3600.0  # s; for cameras that promise no keep-alive
MOST_CONNECTIONS = 4096
MOST_UNKNOWN = 256
_TOO_FAST = 0.1  # s until it is asked again whether a camera may go on

_log = logging.getLogger("saqtau.devices.onvif")


class _Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.quiet = FIRST_PACKET

    @property
    def address(self) -> str:
        peer = self.writer.get_extra_info("peername")
        return str(peer[0]) if peer else ""

    async def packet(self, largest: int, *, first: bool = False) -> tuple[int, int, bytes] | None:
        """(type, flags, body), None when the camera is gone or silent. Raises Refused for what is no packet."""
        try:
            async with asyncio.timeout(self.quiet):
                head = await self.reader.readexactly(1)
            if first and head[0] != Type.CONNECT << 4:
                raise Refused(Kind.INVALID, "the first packet is no CONNECT", packet="no_connect")
            async with asyncio.timeout(FIRST_PACKET if first else SLOWEST_PACKET):
                while (told := mqtt.length(head)) is None:
                    head += await self.reader.readexactly(1)
                if told[1] > largest:
                    raise Refused(Kind.TOO_LARGE, f"a packet of {told[1]} bytes", packet="too_large")
                return head[0] >> 4, head[0] & 0x0F, await self.reader.readexactly(told[1])
        except (asyncio.IncompleteReadError, TimeoutError):
            return None

    async def say(self, answer: bytes) -> None:
        self.writer.write(answer)
        await self.writer.drain()


class Events:
    """The input, and who is connected. Serve it with `listening`."""

    def __init__(
        self, *, cameras: Cameras, taking: Taking, registry: CollectorRegistry, rate: Rate = DEVICE.rate
    ) -> None:
        self._cameras = cameras
        self._taking = taking
        self._rates = Buckets(rate)
        self._lines: dict[str, _Line] = {}
        self._open = 0
        self._unknown = 0
        self.refused = Counter("saqtau_mqtt_refused", "Connections refused or ended", ["reason"], registry=registry)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from its first byte to its last. Raises nothing."""
        line = _Line(reader, writer)
        self._open += 1
        try:
            await self._serve(line)
        except Refused as refusal:
            self.refused.labels(next(iter(refusal.fields.values()), str(refusal.kind))).inc()
        except OSError:
            self.refused.labels("lost").inc()
        except Exception:  # noqa: BLE001 - the camera keeps what was not acknowledged and comes again
            _log.exception("a connection of a camera failed")
            self.refused.labels("trouble").inc()
        finally:
            self._open -= 1
            writer.close()

    async def _serve(self, line: _Line) -> None:
        known = await self._connected(line)
        if known is None:
            return
        camera, token = known
        # the newer connection is the camera, as the standard has it for clients
        if former := self._lines.get(camera.id):
            former.writer.close()
        self._lines[camera.id] = line
        try:
            while (packet := await line.packet(DEVICE.largest)) is not None:
                # who has left the register is not heard any more, on no connection
                current = self._cameras(token_digest(token))
                if current is None or current.id != camera.id:
                    raise Refused(Kind.UNAUTHENTICATED, "no camera has this token", token="unknown")  # noqa: S106 - a word
                if not await self._answered(line, camera, token, packet):
                    return
        finally:
            if self._lines.get(camera.id) is line:
                del self._lines[camera.id]

    async def _connected(self, line: _Line) -> tuple[Camera, str] | None:
        """Who it is, and its token; None when it was told to go."""
        if self._open > MOST_CONNECTIONS or self._unknown >= MOST_UNKNOWN:
            raise Refused(Kind.TOO_MANY, "too many connections", connections="too_many")
        self._unknown += 1
        try:
            packet = await line.packet(LARGEST_BEFORE_KNOWN, first=True)
        finally:
            self._unknown -= 1
        if packet is None:
            return None
        asked = mqtt.read_connect(packet[2])
        verdict, camera = self._verdict(asked, line.address)
        await line.say(mqtt.connack(verdict))
        if camera is None:
            self.refused.labels(verdict.name.lower()).inc()
            return None
        line.quiet = min(asked.keep_alive * 1.5, LONGEST_QUIET) or LONGEST_QUIET
        return camera, asked.password

    def _verdict(self, asked: Connect, address: str) -> tuple[Verdict, Camera | None]:
        if asked.version != 4:
            return Verdict.VERSION, None
        try:
            camera = self._cameras(token_digest(asked.password)) if len(asked.password) >= SHORTEST_TOKEN else None
        except Refused:
            return Verdict.UNAVAILABLE, None
        # one answer for all of it: which part was wrong is nobody's business
        if camera is None or camera.id != asked.user:
            return Verdict.UNAUTHORISED, None
        if camera.address is not None and not same_address(camera.address, address):
            return Verdict.UNAUTHORISED, None
        return Verdict.ACCEPTED, camera

    async def _answered(self, line: _Line, camera: Camera, token: str, packet: tuple[int, int, bytes]) -> bool:
        """Whether it goes on. Raises Refused: then the connection ends, and nothing more is acknowledged."""
        kind, flags, body = packet
        match kind:
            case Type.PUBLISH:
                published = mqtt.read_publish(flags, body)
                await self._slow_down(camera)
                await self._take(camera, token, published)
                if published.qos:
                    await line.say((mqtt.puback if published.qos == 1 else mqtt.pubrec)(published.packet))
            case Type.PUBREL:
                await line.say(mqtt.pubcomp(mqtt.read_identifier(body)))
            case Type.SUBSCRIBE:
                await line.say(mqtt.suback(mqtt.read_identifier(body), mqtt.count_filters(body)))
            case Type.UNSUBSCRIBE:
                await line.say(mqtt.unsuback(mqtt.read_identifier(body)))
            case Type.PINGREQ:
                await line.say(mqtt.PINGRESP)
            case Type.DISCONNECT:
                return False
            case _:
                raise Refused(Kind.INVALID, f"a packet of type {kind}", packet="unexpected")
        return True

    async def _slow_down(self, camera: Camera) -> None:
        while not self._rates.spend(camera.id, self._taking.clock()):  # noqa: ASYNC110 - time alone refills a bucket
            await asyncio.sleep(_TOO_FAST)

    async def _take(self, camera: Camera, token: str, published: Publish) -> None:
        """Returns when all of it is durable. Raises Refused UNAVAILABLE."""
        event, bad = _understood(camera, published)
        self._taking.counts.said.labels("unread").inc(event.unread)
        if not event.seen and not event.unread and bad is None:
            self._taking.counts.said.labels("other").inc()
        for seen in event.seen:
            await self._taking.take(seen, camera, token, published.payload)
        if bad is not None:
            # more of it than the quarantine takes is counted, and acknowledged: plates that follow must not wait
            await self._taking.keep(camera, bad)


def _understood(camera: Camera, published: Publish) -> tuple[Event, Malformed | None]:
    topic = local_topic(published.topic, camera.id)
    if topic is None:
        return Event(), Malformed("topic", published.topic.encode() + b"\n" + published.payload)
    try:
        return parse(topic, published.payload, again=published.again), None
    except Refused as refusal:
        return Event(), Malformed(next(iter(refusal.fields), "body"), published.payload)
    except Exception:  # noqa: BLE001 - fuzzing found none; if there is one, the camera's event must outlive it
        _log.exception("camera %s: an event broke the parser and was kept raw", camera.id)
        return Event(), Malformed("trouble", published.payload)


@asynccontextmanager
async def listening(events: Events, host: str, port: int, tls: ssl.SSLContext | None) -> AsyncIterator[int]:
    """The port it listens on, until the block ends; then every connection is closed. port 0: a free one."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await events.handle(reader, writer)

    server = await asyncio.start_server(
        handle, host, port, ssl=tls, limit=1 << 16, backlog=1024, ssl_handshake_timeout=10.0 if tls else None
    )
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
