"""A signed copy of a cut: the film of it with a C2PA manifest, for programs that read that.

The links lie in its `mdat` byte for byte; what signs it is the authority's own certificate, not a camera's. It proves
less than the package it lies in: not that nothing was left out, nor that anybody outside the house knew of it.
"""

import json
import os
from typing import Any, BinaryIO, Final

import c2pa
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from saqtau.kernel.errors import Kind, Refused
from saqtau.video.export import Cut, write_mp4

MEDIA: Final = "video/mp4"
ABOUT: Final = "org.saqtau.recording"
"""Label of the assertion that says which links of which camera these are."""
_CAPTURED: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
_ALGORITHMS: Final = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


class CopySigner(msgspec.Struct, frozen=True):
    """Who signs copies: certificate chain and key, PEM, and the algorithm (es256, es384, es512, ed25519)."""

    certificate: bytes
    key: bytes
    algorithm: str


def load_signer(certificate: bytes, key: bytes) -> CopySigner:
    """Raises Refused(INVALID) naming `certificate` or `key`: no PEM, not of one another, or of a kind C2PA has not."""
    try:
        first = x509.load_pem_x509_certificates(certificate)[0]
    except ValueError as error:
        raise Refused(Kind.INVALID, f"the certificate of copies: {error}", certificate="invalid") from error
    try:
        private = load_pem_private_key(key, None)
    except (TypeError, ValueError) as error:
        raise Refused(Kind.INVALID, f"the key of copies: {error}", key="invalid") from error
    match private:
        case ed25519.Ed25519PrivateKey():
            algorithm = "ed25519"
        case ec.EllipticCurvePrivateKey() if private.curve.name in _ALGORITHMS:
            algorithm = _ALGORITHMS[private.curve.name]
        case _:
            raise Refused(Kind.INVALID, "copies are signed with P-256, P-384, P-521 or Ed25519", key="kind")
    if first.public_key() != private.public_key():
        raise Refused(Kind.INVALID, "the key of copies does not belong to their certificate", key="other")
    return CopySigner(certificate, key, algorithm)


def write_signed(cut: Cut, signer: CopySigner, about: dict[str, Any], title: str, film: BinaryIO, out: BinaryIO) -> int:
    """Write the film of a cut, then its signed copy to `out`; bytes of that. `film` is for use in between.

    Both are empty files, open for reading and writing.
    about: what the copy says of itself, JSON. Raises Refused as `write_mp4`, UNAVAILABLE (`copy`: not signed), OSError.
    """
    write_mp4(cut, film)
    film.seek(0)
    manifest = {
        "title": title,
        "format": MEDIA,
        "claim_generator_info": [{"name": "Saqtau"}],
        "assertions": [
            {
                "label": "c2pa.actions",
                "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": _CAPTURED}]},
            },
            {"label": ABOUT, "data": about},
        ],
    }
    try:
        info = c2pa.C2paSignerInfo(signer.algorithm.encode(), signer.certificate, signer.key, None)
        with c2pa.Signer.from_info(info) as by, c2pa.Builder(json.dumps(manifest)) as builder:
            builder.sign(by, MEDIA, film, out)
    except c2pa.C2paError as error:
        raise Refused(Kind.UNAVAILABLE, f"the copy cannot be signed: {error}", copy="not_signed") from error
    return out.seek(0, os.SEEK_END)
