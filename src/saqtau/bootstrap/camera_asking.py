"""Asking cameras themselves from the command line: which are there, what one offers and where its streams are."""

import asyncio
from pathlib import Path

from saqtau.bootstrap.ground import now
from saqtau.devices.onvif import client as onvif
from saqtau.engine.place import read_secret


def find_devices(seconds: float, interface: str | None) -> list[onvif.Found]:
    """ONVIF devices that answer on the networks of this machine within `seconds`."""
    return asyncio.run(onvif.discover(seconds, interface))


def ask_device(service: str, credentials: Path | None) -> onvif.Described:
    """What a device says of itself. credentials: a file with user:password. Raises `Refused` as `onvif.describe`."""
    secret = read_secret(credentials) if credentials is not None else None
    return asyncio.run(onvif.describe(service, secret, now))
