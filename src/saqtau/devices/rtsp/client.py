"""Playing one camera: set up, keep alive, notice silence, say goodbye. The bytes are read in `connection`."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Never
from urllib.parse import SplitResult, urlsplit

from saqtau.devices.reach import addresses, is_number
from saqtau.devices.rtsp.assemble import VideoTrack
from saqtau.devices.rtsp.assemble_sound import SoundTrack
from saqtau.devices.rtsp.auth import Login, parse_login
from saqtau.devices.rtsp.connection import PATIENCE, Connection, Reply
from saqtau.devices.rtsp.sdp import Description, control_address, parse_description
from saqtau.kernel.clock import Clock
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.access_unit import Unit

PORTS = {"rtsp": 554, "rtsps": 322}
SESSION = 60.0  # s a session lives when the camera does not say
REDIRECTS = 3
LOOKS = 4  # in the time of a silence
REPORT_EACH = 5.0  # s between receiver reports


async def play(
    address: str, *, credentials: str | None, audio: bool, clock: Clock, on_units: Callable[[list[Unit]], None],
    trust: ssl.SSLContext | None = None, silence: float = 10.0,
) -> Never:  # fmt: skip
    """As `source.play`."""
    login = parse_login(credentials) if credentials is not None else None
    for _ in range(REDIRECTS + 1):
        place = place_of(address)
        connection = await connect(place, login, clock, on_units, trust)
        try:
            base, description = await describe(connection, address)
            if isinstance(description, str):
                address = _redirected(place, description)
                continue
            await _play(connection, base, description, audio=audio, silence=silence)
        except TimeoutError as error:
            raise Refused(Kind.UNAVAILABLE, f"{place.hostname}: no answer in {PATIENCE:g} s", stream="lost") from error
        finally:
            connection.close()
    raise Refused(Kind.INVALID, f"{place.hostname}: sends from place to place", stream="not_found")


def place_of(address: str) -> SplitResult:
    """Where a camera is. Raises Refused(stream="address")."""
    try:
        place = urlsplit(address)
        port = place.port
    except ValueError:
        place, port = SplitResult("", "", "", "", ""), 0
    if place.scheme not in PORTS or not place.hostname or port == 0 or place.username is not None:
        raise Refused(Kind.INVALID, "an address like rtsp://camera:554/path, without a password", stream="address")
    return place


def _redirected(place: SplitResult, target: str) -> str:
    """Where a camera sends us. Only to another path of itself: a camera must not choose whom we talk to.

    Behind another port is another program, or, where one address stands for many, another camera.
    """
    other = place_of(target)
    if _origin(other) != _origin(place):
        raise Refused(Kind.DENIED, f"{place.hostname} sends to another machine: not followed", stream="denied")
    return target


def _origin(place: SplitResult) -> tuple[str, str | None, int]:
    return place.scheme, place.hostname, place.port or PORTS[place.scheme]


async def connect(
    place: SplitResult, login: Login | None, clock: Clock, on_units: Callable[[list[Unit]], None],
    trust: ssl.SSLContext | None,
) -> Connection:  # fmt: skip
    """A connection. Raises Refused(stream="unreachable"|"denied"|"address")."""
    loop, host, port = asyncio.get_running_loop(), place.hostname or "", place.port or PORTS[place.scheme]
    secure = (trust or ssl.create_default_context()) if place.scheme == "rtsps" else None
    connection, failed = None, OSError("no address")
    try:
        async with asyncio.timeout(PATIENCE):
            for where in [host] if is_number(host) else await asyncio.to_thread(addresses, host, port):
                try:
                    _, connection = await loop.create_connection(
                        lambda: Connection(login, clock, on_units), where, port, ssl=secure,
                        server_hostname=host if secure is not None else None,
                    )  # fmt: skip
                    break
                except ssl.SSLCertVerificationError:
                    raise
                except OSError as error:
                    failed = error
            if connection is None:
                raise failed
    except ssl.SSLCertVerificationError as error:
        message = f"{place.hostname}: its certificate is not trusted: {error.verify_message}"
        raise Refused(Kind.UNAVAILABLE, message, stream="denied") from error
    except (OSError, TimeoutError) as error:
        message = f"{host}: {str(error) or 'no answer'}"
        raise Refused(Kind.UNAVAILABLE, message, stream="unreachable") from error
    return connection


async def describe(
    connection: Connection, address: str, headers: Mapping[str, str] = MappingProxyType({})
) -> tuple[str, Description | str]:
    """The base of the controls and what is offered, or where the camera sends us instead."""
    options = await connection.ask("OPTIONS", address, {})
    connection.methods = {one.strip().upper() for one in options.head.get("public").split(",")}
    reply = await connection.ask("DESCRIBE", address, {"Accept": "application/sdp", **headers})
    if reply.status in {301, 302, 303, 305} and (target := reply.head.get("location")):
        return address, target
    accepted(reply, "DESCRIBE")
    base = reply.head.get("content-base") or reply.head.get("content-location") or address
    return base, parse_description(reply.body.decode("utf-8", "replace"))


async def _play(connection: Connection, base: str, offered: Description, *, audio: bool, silence: float) -> Never:
    heard, video = offered.heard if audio else None, offered.video
    reply = await connection.ask("SETUP", control_address(base, video.control), {"Transport": transport_of(0)})
    accepted(reply, "SETUP")
    session, lives = session_of(reply)
    channel = channel_of(reply, 0)
    if heard is not None:
        headers = {"Transport": transport_of(2), "Session": session}
        reply = await connection.ask("SETUP", control_address(base, heard.control), headers)
        if reply.status != 200:
            heard = None  # pictures without sound are better than none
    track = VideoTrack(video.codec, video.sets, heard.audio if heard else None)
    sound = SoundTrack(heard) if heard else None
    connection.tracks(channel, track, channel_of(reply, 2) if heard else None, sound)
    headers = {"Session": session, "Range": "npt=0.000-"}
    whole = control_address(base, offered.control)
    accepted(await connection.ask("PLAY", whole, headers), "PLAY")
    connection.leaving = ("TEARDOWN", whole, {"Session": session})
    method = "GET_PARAMETER" if "GET_PARAMETER" in connection.methods else "OPTIONS"
    await _stay(connection, track, (method, whole, {"Session": session}), lives, silence)


async def _stay(
    connection: Connection, track: VideoTrack, alive: tuple[str, str, Mapping[str, str]], lives: float, silence: float
) -> Never:
    """Look on while the connection plays by itself. Raises what ended it."""
    loop = asyncio.get_running_loop()
    asked = reported = seen_at = loop.time()
    seen = track.pictures
    while True:
        await connection.broken(min(silence / LOOKS, lives / 3))
        now = loop.time()
        if track.pictures != seen:
            seen, seen_at = track.pictures, now
        elif now - seen_at >= silence:
            raise Refused(Kind.UNAVAILABLE, f"connected, and no picture for {silence:g} s", stream="silent")
        if now - asked >= lives / 3:
            asked = now
            # what is answered does not matter, that it is does: 454 and the like say that the session is gone
            reply = await connection.ask(*alive)
            if reply.status in {401, 403, 404, 454}:
                raise Refused(Kind.UNAVAILABLE, f"the camera ended the session ({reply.status})", stream="lost")
        if now - reported >= REPORT_EACH:
            reported = now
            connection.report()


def accepted(reply: Reply, method: str) -> None:
    """Raises Refused unless the camera said yes."""
    if reply.status == 200:
        return
    kind, word = {
        401: (Kind.DENIED, "denied"),
        403: (Kind.DENIED, "denied"),
        404: (Kind.NOT_FOUND, "not_found"),
        453: (Kind.UNAVAILABLE, "lost"),
        503: (Kind.UNAVAILABLE, "lost"),
    }.get(reply.status, (Kind.INVALID, "broken"))
    raise Refused(kind, f"{method}: {reply.status} {reply.head.first[2][:80]}", stream=word)


def transport_of(channel: int) -> str:
    """What is asked for: packets between the messages, on this channel and the next."""
    return f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"


def channel_of(reply: Reply, asked: int) -> int:
    """The channel the camera chose; `asked` where it does not say."""
    for part in reply.head.get("transport").split(";"):
        name, _, value = part.partition("=")
        number = value.partition("-")[0].strip()
        if name.strip().lower() == "interleaved" and number.isascii() and number.isdigit() and int(number) < 255:
            return int(number)
    return asked


def session_of(reply: Reply) -> tuple[str, float]:
    """The session and how many seconds it lives without a request of ours."""
    name, *parameters = reply.head.get("session").split(";")
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "timeout" and value.strip().isascii() and value.strip().isdigit():
            return name.strip(), float(min(max(int(value), 3), 3600))
    return name.strip(), SESSION
