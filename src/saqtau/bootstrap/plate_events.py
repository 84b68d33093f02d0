"""The MQTT input of the intake: where it listens, under which certificate, and that it never stands open."""

import asyncio
import ssl
from ipaddress import ip_address

from prometheus_client import REGISTRY

from saqtau.config import Intake
from saqtau.devices.onvif.server import Events, listening
from saqtau.devices.taking import Cameras, Taking
from saqtau.kernel.errors import Kind, Refused


def tls_of(settings: Intake) -> ssl.SSLContext | None:
    """What it listens under; None on loopback without a certificate.

    Raises Refused INVALID that names the key: tokens and plates never travel in the clear beyond this machine.
    """
    if settings.mqtt_certificate is None:
        if not _is_loopback(settings.mqtt_host):
            message = "[intake] mqtt_host: beyond loopback it needs mqtt_certificate"
            raise Refused(Kind.INVALID, message, **{"intake.mqtt_certificate": "missing"})
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.mqtt_certificate, settings.mqtt_key)
    except OSError as error:
        message = f"[intake] mqtt_certificate, mqtt_key: {error}"
        raise Refused(Kind.INVALID, message, **{"intake.mqtt_certificate": "not_readable"}) from error
    return context


async def take_events(settings: Intake, cameras: Cameras, taking: Taking, stop: asyncio.Event) -> None:
    """Listen until told to stop; nothing when no port is configured. Raises Refused, and OSError (port in use)."""
    if settings.mqtt_port is None:
        return
    events = Events(cameras=cameras, taking=taking, registry=REGISTRY)
    async with listening(events, settings.mqtt_host, settings.mqtt_port, tls_of(settings)):
        await stop.wait()


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
