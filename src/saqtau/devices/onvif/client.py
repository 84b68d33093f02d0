"""Asking one ONVIF device. A password goes as a digest; in the clear it never leaves this process."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import msgspec
from onveef import (
    AsyncOnvifClient,
    OnvifAuthError,
    OnvifCapabilityMissingError,
    OnvifError,
    OnvifFaultError,
    OnvifNotConfiguredError,
    OnvifOperationNotSupportedError,
)
from onveef.wsdiscovery import discover_async

from saqtau.devices.rtsp.auth import parse_login
from saqtau.kernel.clock import Clock, Instant
from saqtau.kernel.errors import Kind, Refused

PATIENCE = 20.0  # s for all that is asked at once
MOST_PROFILES = 32
LARGEST_PICTURE = 8 << 20  # bytes
LONGEST = 200  # characters of a name that a device tells
JPEG = b"\xff\xd8\xff"


class Profile(msgspec.Struct, frozen=True):
    """A stream a camera offers. address: where `devices.source` plays it, without a password; None: it told none."""

    token: str
    name: str
    codec: str
    width: int | None
    height: int | None
    fps: float | None
    address: str | None


class Described(msgspec.Struct, frozen=True):
    """A device. drift: milliseconds its clock is ahead of ours, to the second; None: it tells no time.

    tells, stores: it has events (Profile S/T), recordings of its own (Profile G).
    """

    maker: str
    model: str
    firmware: str
    serial: str
    profiles: tuple[Profile, ...]
    drift: int | None
    tells: bool
    stores: bool


class Found(msgspec.Struct, frozen=True):
    """A device that answered a call into the network. service: what the other functions are asked with."""

    service: str
    name: str
    hardware: str


async def discover(seconds: float = 3.0, interface: str | None = None) -> list[Found]:
    """Devices that answer on the networks of this machine, or only on that of `interface` (an address of ours).

    What a device tells of itself is believed as little as any word from a network: it is shown to a person.
    """
    answered = await discover_async(timeout_s=seconds, interface_ip=interface)
    found = [
        Found(address, _told(one.name), _told(one.hardware))
        for one in answered
        for address in one.xaddrs[:1]
        if urlsplit(address).scheme in {"http", "https"}
    ]
    return sorted(found, key=lambda one: one.service)


async def describe(service: str, credentials: str | None, clock: Clock) -> Described:
    """What a device is and offers.

    service: its device service, `http://host[:port]/onvif/device_service`. credentials: "user:password".
    Raises `Refused`: `device="address"`, `"unreachable"` (also: no ONVIF there), `"denied"` or `"broken"`.
    """
    async with asking(service, credentials) as device:
        drift = await drift_of(device, clock)
        # before the map of services: a device that denies us tells so here
        told = await device.get_device_information()
        services = await device.get_services()
        offered = (await device.get_profiles())[:MOST_PROFILES]
        profiles = [await _profile(device, one, service) for one in offered]
        return Described(
            _told(told.get("Manufacturer")),
            _told(told.get("Model")),
            _told(told.get("FirmwareVersion")),
            _told(told.get("SerialNumber")),
            tuple(profiles),
            drift,
            tells="events" in services,
            stores="recording" in services and "replay" in services,
        )


async def clock_drift(service: str, credentials: str | None, clock: Clock) -> int | None:
    """Milliseconds the device's clock is ahead of ours, to the second. Raises as `describe`."""
    async with asking(service, credentials) as device:
        return await drift_of(device, clock)


async def snapshot(service: str, credentials: str | None, token: str) -> bytes:
    """A JPEG picture of the profile `token`, at most LARGEST_PICTURE. Raises as `describe`."""
    async with asking(service, credentials) as device:
        address = str(await device.get_snapshot_uri(profile_token=token))
        if urlsplit(address).hostname != urlsplit(service).hostname or urlsplit(address).scheme not in {
            "http",
            "https",
        }:
            raise Refused(Kind.DENIED, "a picture on another machine: not fetched", device="denied")
        login = parse_login(credentials) if credentials is not None else None
        proof = httpx.DigestAuth(login.user, login.password) if login is not None else None
        async with (
            httpx.AsyncClient(auth=proof, follow_redirects=False, timeout=PATIENCE) as http,
            http.stream("GET", address) as reply,
        ):
            if reply.status_code != 200:
                word = "denied" if reply.status_code in {401, 403} else "broken"
                raise Refused(Kind.UNAVAILABLE, f"a picture was answered with {reply.status_code}", device=word)
            picture = b""
            async for part in reply.aiter_bytes():
                picture += part
                if len(picture) > LARGEST_PICTURE:
                    raise Refused(Kind.TOO_LARGE, f"a picture of more than {LARGEST_PICTURE} bytes", device="broken")
    if not picture.startswith(JPEG):
        raise Refused(Kind.INVALID, "what came is no JPEG", device="broken")
    return picture


@asynccontextmanager
async def asking(
    service: str,
    credentials: str | None,
    patience: float | None = PATIENCE,
    answer: float = PATIENCE / 2,
    trust: ssl.SSLContext | None = None,
) -> AsyncIterator[AsyncOnvifClient]:
    """A device to be asked for at most `patience` seconds (None: for as long as it answers). Raises as `describe`.

    answer: seconds that one answer may take. trust: whom to believe over TLS; None: what httpx believes.
    """
    parts = urlsplit(service)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise Refused(Kind.INVALID, "http://camera/onvif/device_service, without a password", device="address")
    login = parse_login(credentials) if credentials is not None else None
    device = AsyncOnvifClient(
        service,
        username=login.user if login is not None else "",
        password=login.password if login is not None else "",
        http_auth="digest",
        rewrite_host=True,
        retries=1,
        timeout_s=PATIENCE / 2,
        read_timeout_s=answer,
        verify_tls=trust if trust is not None else True,
    )
    try:
        async with asyncio.timeout(patience), device:
            yield device
    except (OnvifAuthError, OnvifNotConfiguredError) as error:
        raise Refused(Kind.DENIED, f"{parts.hostname}: it denies us: {error}", device="denied") from error
    except (OnvifFaultError, OnvifCapabilityMissingError, OnvifOperationNotSupportedError) as error:
        raise Refused(Kind.INVALID, f"{parts.hostname}: {error}", device="broken") from error
    except (OnvifError, httpx.HTTPError, TimeoutError, OSError) as error:
        raise Refused(
            Kind.UNAVAILABLE, f"{parts.hostname}: {str(error) or 'no answer'}", device="unreachable"
        ) from error


async def drift_of(device: AsyncOnvifClient, clock: Clock) -> int | None:
    """Milliseconds its clock is ahead of ours, to the second; None: it tells no time."""
    asked = clock()
    told = (await device.get_system_date_time()).get("UTCDateTime")
    answered = clock()
    if not isinstance(told, Mapping):
        return None
    try:
        year, month, day = (int(told[name]) for name in ("year", "month", "day"))
        hour, minute, second = (int(told[name]) for name in ("hour", "minute", "second"))
        at = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except (KeyError, ValueError, TypeError) as error:
        raise Refused(Kind.INVALID, f"a time that is none: {told!r:.100}", device="broken") from error
    # it tells whole seconds: on average it is half a second later than it says
    return round(at.timestamp() * 1000) + 500 - _middle(asked, answered)


def _middle(one: Instant, other: Instant) -> int:
    return (one + other) // 2


async def _profile(device: AsyncOnvifClient, told: Mapping[str, Any], service: str) -> Profile:
    token = _told(told.get("token"))
    coder = told.get("video_encoder")
    coder = coder if isinstance(coder, Mapping) else {}
    try:
        address = own_address(str(await device.get_stream_uri(profile_token=token)), service)
    except (OnvifFaultError, OnvifOperationNotSupportedError):
        address = None  # a profile without pictures
    return Profile(
        token,
        _told(told.get("name")),
        _told(coder.get("encoding")),
        _number(coder.get("width")),
        _number(coder.get("height")),
        float(fps) if isinstance(fps := coder.get("fps_limit"), int | float) else None,
        address,
    )


def own_address(address: str, service: str) -> str | None:
    """The address on the device itself, without a password; None when it is none."""
    try:
        parts, host = urlsplit(address), urlsplit(service).hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    if parts.scheme not in {"rtsp", "rtsps"} or not address.isprintable() or len(address) > 700:
        return None
    return urlunsplit(parts._replace(netloc=f"[{host}]{port}" if ":" in host else host + port))


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and 0 < value <= 1 << 16 else None


def _told(text: object) -> str:
    """A word of a device, shortened, without what does not print."""
    return "".join(letter for letter in str(text or "") if letter.isprintable())[:LONGEST]
