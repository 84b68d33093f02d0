"""ECDSA P-256 with SHA-256 as browsers write it: r || s, 64 bytes. One way, no choice of algorithm for the sender."""

from base64 import b64decode, b64encode
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from saqtau.kernel.errors import Kind, Refused

_HALF = 32


@lru_cache(maxsize=20_000)
def load_key(key: bytes) -> EllipticCurvePublicKey:
    """A device's public key: SPKI (DER, what WebCrypto exports) or an uncompressed point (65 bytes).

    Raises Refused INVALID (`public_key`) for anything else, and for another curve.
    """
    try:
        if len(key) == 2 * _HALF + 1:
            return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), key)
        loaded = load_der_public_key(key)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refused(Kind.INVALID, "not a public key", public_key="invalid") from error
    if not isinstance(loaded, EllipticCurvePublicKey) or not isinstance(loaded.curve, SECP256R1):
        raise Refused(Kind.INVALID, "a key of another kind than P-256", public_key="other_curve")
    return loaded


def verify(key: bytes, text: bytes, signature: str) -> bool:
    """Whether `signature` (base64 of r || s) is the key's over `text`. Raises only what `load_key` raises."""
    try:
        raw = b64decode(signature, validate=True)
    except ValueError:
        return False
    if len(raw) != 2 * _HALF:
        return False
    der = encode_dss_signature(int.from_bytes(raw[:_HALF], "big"), int.from_bytes(raw[_HALF:], "big"))
    try:
        load_key(key).verify(der, text, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def sign(key: EllipticCurvePrivateKey, text: bytes) -> str:
    """The signature a device makes: base64 of r || s."""
    r, s = decode_dss_signature(key.sign(text, ECDSA(SHA256())))
    return b64encode(r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")).decode()
