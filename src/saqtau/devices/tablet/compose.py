"""A batch exactly as the tablet page sends it: for the simulator, the benches and the tests."""

from collections.abc import Sequence

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from saqtau.devices.tablet.parse import Batch, Fix, signed_text
from saqtau.devices.tablet.renewal import Renewal, renewal_text
from saqtau.devices.tablet.signature import sign


def new_key() -> tuple[EllipticCurvePrivateKey, bytes]:
    """A device's key and its public part in SPKI, as it is enrolled."""
    key = generate_private_key(SECP256R1())
    return key, key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def compose(key: EllipticCurvePrivateKey, device: str, fixes: Sequence[Fix]) -> bytes:
    """The signed JSON body of 1..600 fixes."""
    taken = tuple(fixes)
    return msgspec.json.encode(Batch(device, taken, sign(key, signed_text(device, taken))))


def compose_renewal(key: EllipticCurvePrivateKey, device: str, at: int) -> Renewal:
    """The signed request for the next certificate."""
    return Renewal(device, at, sign(key, renewal_text(device, at)))
