"""An authenticator in software, to do what no honest one does: lie about the user, the origin, its count."""

import base64
import hashlib
import json
import os
import struct

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def spelled(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Authenticator:
    """One discoverable credential: its key, its count, and whom it is of."""

    def __init__(self, *, origin="http://localhost:8470", rp="localhost"):
        self.origin, self.rp = origin, rp
        self.id, self.key = os.urandom(32), ec.generate_private_key(ec.SECP256R1())
        self.count, self.handle = 0, b""

    def _client_data(self, kind, challenge):
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def _data(self, flags, more=b""):
        return hashlib.sha256(self.rp.encode()).digest() + struct.pack(">BI", flags, self.count) + more

    def make(self, options, *, flags=PRESENT | VERIFIED):
        """What the browser hands on after `create`."""
        self.handle = base64.urlsafe_b64decode(options["user"]["id"] + "==")
        point = self.key.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        attested = bytes(16) + struct.pack(">H", len(self.id)) + self.id + cbor2.dumps(key)
        data = self._data(flags | ATTESTED, attested)
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return {
            "id": spelled(self.id),
            "client_data": spelled(self._client_data("webauthn.create", options["challenge"])),
            "attestation": spelled(attestation),
            "transports": ["internal"],
        }

    def show(self, options, *, flags=PRESENT | VERIFIED, counts=1):
        """What the browser hands on after `get`."""
        self.count += counts
        data, client_data = self._data(flags), self._client_data("webauthn.get", options["challenge"])
        signature = self.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        return {
            "id": spelled(self.id),
            "client_data": spelled(client_data),
            "authenticator_data": spelled(data),
            "signature": spelled(signature),
            "user_handle": spelled(self.handle),
        }
