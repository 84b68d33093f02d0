"""Certificates of tablets: a week each, given by an authority whose key lies in this house's folder.

A certificate says in a form that any court's expert can read whose key signed a batch, and until when it might. The
intake believes a device only with a certificate that this authority signed: whoever writes into the database alone
makes no device that is heard.
"""

import datetime as dt
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from saqtau.devices.tablet.signature import load_key
from saqtau.kernel.clock import DAY, HOUR, SECOND, Instant
from saqtau.kernel.errors import Kind, Refused

LIFE: Final = 7 * DAY
RENEW: Final = 4 * DAY
"""A tablet asks for the next certificate when less than this is left."""
_AUTHORITY_LIFE: Final = 3650 * DAY


class Authority(msgspec.Struct, frozen=True):
    """The key that signs certificates, and its own certificate."""

    key: EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        """Its certificate, for whoever checks one."""
        return self.certificate.public_bytes(Encoding.PEM).decode()


class Certified(msgspec.Struct, frozen=True):
    """A certificate (DER) and when it ends."""

    certificate: bytes
    ends: Instant


def make_authority(now: Instant) -> bytes:
    """A fresh authority as PEM: private key, then certificate."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Saqtau devices")])
    builder = _dated(x509.CertificateBuilder(), now, Instant(now + _AUTHORITY_LIFE))
    certificate = (
        builder.subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)


def load_authority(pem: bytes) -> Authority:
    """The authority of such a file. Raises Refused(INVALID)."""
    try:
        key, certificate = load_pem_private_key(pem, None), x509.load_pem_x509_certificate(pem)
    except (ValueError, TypeError) as error:
        raise Refused(Kind.INVALID, f"the device authority's file: {error}", device_authority="invalid") from error
    if not isinstance(key, EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise Refused(Kind.INVALID, "the device authority's key is not its certificate's", device_authority="invalid")
    return Authority(key, certificate)


def issue(authority: Authority, device: str, unit: str, public_key: bytes, now: Instant) -> Certified:
    """A certificate for a device's key, from now for a week. Raises Refused(INVALID) for what is no P-256 key."""
    key, ends = load_key(public_key), Instant((now + LIFE) // SECOND * SECOND)
    about = authority.certificate
    certificate = (
        _dated(x509.CertificateBuilder(), Instant(now - HOUR), ends)  # a tablet's clock may be slow
        .subject_name(_subject(device, unit))
        .issuer_name(about.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
        .sign(authority.key, SHA256())
    )  # fmt: skip
    return Certified(certificate.public_bytes(Encoding.DER), ends)


def vouched_until(
    authority: x509.Certificate, certificate: bytes, device: str, unit: str, key: bytes
) -> Instant | None:
    """Until when the authority vouches for this key as this device's of this unit; None: it never did.

    authority: the certificate of it alone; its key is not needed.
    """
    signer = authority.public_key()
    try:
        found = x509.load_der_x509_certificate(certificate)
        algorithm = found.signature_hash_algorithm
        if not isinstance(signer, EllipticCurvePublicKey) or not isinstance(algorithm, SHA256):
            return None
        signer.verify(found.signature, found.tbs_certificate_bytes, ECDSA(algorithm))
        holds = found.public_key() == load_key(key) and found.subject == _subject(device, unit)
    except (ValueError, InvalidSignature, UnsupportedAlgorithm, x509.InvalidVersion, Refused):
        return None
    return Instant(round(found.not_valid_after_utc.timestamp()) * SECOND) if holds else None


def pem_of(certificate: bytes) -> str:
    """A certificate as people hand it on."""
    return x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM).decode()


def _subject(device: str, unit: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
            x509.NameAttribute(NameOID.COMMON_NAME, device),
        ]
    )


def _dated(builder: x509.CertificateBuilder, begins: Instant, ends: Instant) -> x509.CertificateBuilder:
    begin, end = (dt.datetime.fromtimestamp(at // SECOND, dt.UTC) for at in (begins, ends))
    return builder.not_valid_before(begin).not_valid_after(end)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
