"""A tablet's request for its next certificate: its limits, and the text that the device signs. Pure."""

from typing import Annotated

import msgspec

from saqtau.devices.tablet.parse import Device

VERSION = "saqtau-renewal-v1"


class Renewal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Device, moment (Unix ms) and the signature over both: base64 of r || s."""

    device: Device
    at: Annotated[int, msgspec.Meta(ge=1_000_000_000_000, le=9_999_999_999_999)]
    signature: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9+/]{86}==\Z", max_length=88)]


def renewal_text(device: str, at: int) -> bytes:
    """What the device signs."""
    return f"{VERSION}\n{device}\n{at}".encode()
