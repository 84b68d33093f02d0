"""Signed notes (C2SP signed-note v1.0.0) and Ed25519 cosignatures (C2SP tlog-cosignature v1.0.1).

A note is a text that ends with a newline, an empty line, and signature lines
`— <key name> base64(key id || signature)`. Signatures of keys one does not know are ignored, never an error.
"""

import hashlib
import re
from collections.abc import Iterable

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from saqtau.ledger.spelling import encode_base64, parse_base64, refuse

ED25519 = 1
"""Signature type of a log's own signature."""
COSIGNATURE = 4
"""Signature type of a witness's timestamped cosignature."""
MAX_NOTE = 256 * 1024
"""Bytes of a note; the specification wants room for 16 signatures of nearly 5 kB each."""
MAX_SIGNATURES = 64
MAX_NAME = 255
"""Characters of a key name."""
MAX_VKEY = 4096
"""Characters of a verifier key; one of ML-DSA-44, which we cannot check, is told from nonsense."""
_DASH = "— "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_FIELD = 2**255 - 19
_EIGHTH = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
_SMALL_ORDER = frozenset({0, 1, _FIELD - 1, _EIGHTH, _FIELD - _EIGHTH})  # the y of all eight such points
_TIME = 8
_SIGNATURE = 64
_LATEST = 2**37 - 1  # Unix seconds, the year 6325: who reads a cosignature may refuse the future, and calendars end


class Signature(msgspec.Struct, frozen=True):
    """One signature line: who says to have signed, and the bytes after the key id. Nothing is verified yet."""

    name: str
    key_id: bytes  # 4
    data: bytes  # 64 for type 1; 8 (time) + 64 for type 4

    @property
    def line(self) -> str:
        """The line as it stands in a note, newline included."""
        return f"{_DASH}{self.name} {encode_base64(self.key_id + self.data)}\n"


class Verifier(msgspec.Struct, frozen=True):
    """A public key with its name and signature type: what a vkey says."""

    name: str
    kind: int  # ED25519 | COSIGNATURE
    public: bytes  # 32

    @classmethod
    def parse(cls, vkey: str) -> "Verifier":
        """Read `name+hex(key id)+base64(type || key)`. Refused(INVALID) names `vkey`."""
        if len(vkey) > MAX_VKEY:
            refuse("vkey", "verifier key: too long", "too_large")
        parts = vkey.split("+", 2)
        if len(parts) != 3 or not valid_name(parts[0]):
            refuse("vkey", "verifier key: not name+id+key")
        name, stated, key = parts
        data = parse_base64(key, "vkey")
        if data[:1] not in (bytes([ED25519]), bytes([COSIGNATURE])) or len(data) != 33:
            refuse("vkey", f"verifier key {name}: neither an Ed25519 key nor an Ed25519 cosigner", "unknown_kind")
        if is_weak(data[1:]):
            refuse("vkey", f"verifier key {name}: of small order, so anybody can sign for it", "weak")
        found = cls(name, data[0], data[1:])
        if stated != found.key_id.hex():
            refuse("vkey", f"verifier key {name}: its id does not belong to its key")
        return found

    @property
    def key_id(self) -> bytes:
        """The four bytes by which a signature line names this key."""
        return key_id(self.name, self.kind, self.public)

    @property
    def vkey(self) -> str:
        """`name+hex(key id)+base64(type || key)`."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.kind]) + self.public)}"

    def signed(self, message: bytes, signature: bytes) -> bool:
        """Whether this key made this Ed25519 signature over these bytes."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class Note(msgspec.Struct, frozen=True):
    """A text and the signature lines below it."""

    body: str  # with its last newline
    signatures: tuple[Signature, ...]

    @property
    def text(self) -> str:
        """The whole note, as it is stored and sent."""
        return compose_note(self.body, (signature.line for signature in self.signatures))

    def of(self, verifier: Verifier) -> list[Signature]:
        """The lines that say to be of this key: name and key id are both the key's."""
        return [one for one in self.signatures if one.name == verifier.name and one.key_id == verifier.key_id]

    def check(self, verifier: Verifier) -> bool:
        """Whether this key (type 1 or 4) signed the body. One wrong signature under its name and id spoils the note."""
        match verifier.kind:
            case 1:
                found = self.of(verifier)
                return bool(found) and all(verifier.signed(self.body.encode(), one.data) for one in found)
            case _:
                return check_cosignature(verifier, self) is not None


class Signer:
    """A name and its private key."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        if not valid_name(name):
            refuse("name", "key name: empty, too long, or with a space, a plus or a control character")
        self.name = name
        self._private = private
        self.public = private.public_key().public_bytes_raw()
        self._key_id = key_id(name, ED25519, self.public)

    def verifier(self, kind: int = ED25519) -> Verifier:
        """The public half, as a log (1) or as a witness (4)."""
        return Verifier(self.name, kind, self.public)

    def vkey(self, kind: int = ED25519) -> str:
        """The verifier key that others are told."""
        return self.verifier(kind).vkey

    def sign(self, body: str) -> str:
        """A type-1 signature line over a note's body; newline included. Refused(INVALID): no `body` of a note."""
        _check_body(body)
        return Signature(self.name, self._key_id, self._private.sign(body.encode())).line

    def cosign(self, body: str, seconds: int) -> str:
        """A type-4 signature line over a checkpoint's body, with the time (Unix seconds); newline included.

        Refused(INVALID) names `body` or `time`.
        """
        _check_body(body)
        if not 0 <= seconds <= _LATEST:
            refuse("time", "cosignature: a time that a cosignature cannot carry")
        data = seconds.to_bytes(_TIME, "big") + self._private.sign(_cosigned(body, seconds))
        return Signature(self.name, key_id(self.name, COSIGNATURE, self.public), data).line


def key_id(name: str, kind: int, public: bytes) -> bytes:
    """SHA-256(name || newline || type || key), its first four bytes."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def is_weak(public: bytes) -> bool:
    """Whether an Ed25519 public key is a point of order 1, 2, 4 or 8.

    Anybody makes signatures that verify under such a key: who publishes one can deny whatever was signed with it.
    """
    return (int.from_bytes(public, "little") & (2**255 - 1)) % _FIELD in _SMALL_ORDER


def valid_name(name: str) -> bool:
    """Whether a key may be called so: not empty, no space of Unicode, no plus, no control character."""
    return 0 < len(name) <= MAX_NAME and not any(
        letter < " " or letter == "+" or letter.isspace() or "\ud800" <= letter <= "\udfff" for letter in name
    )


def has_control(text: str) -> bool:
    """Whether an ASCII control character other than a newline is in it, which no note may have."""
    return _CONTROL.search(text) is not None


def compose_note(body: str, lines: Iterable[str]) -> str:
    """A note from its body and whole signature lines."""
    return f"{body}\n{''.join(lines)}"


def cosign(signer: Signer, body: str, seconds: int) -> str:
    """The witness's line: `signer` has seen this checkpoint body at this time (Unix seconds); newline included."""
    return signer.cosign(body, seconds)


def check_cosignature(verifier: Verifier, note: Note) -> int | None:
    """The latest time (Unix seconds) at which this witness cosigned the note; None when it did not.

    One wrong cosignature under its name and id spoils the note, as with `Note.check`.
    """
    latest: int | None = None
    for one in note.of(verifier):
        if verifier.kind != COSIGNATURE or len(one.data) != _TIME + _SIGNATURE:
            return None
        seconds = int.from_bytes(one.data[:_TIME], "big")
        if seconds > _LATEST or not verifier.signed(_cosigned(note.body, seconds), one.data[_TIME:]):
            return None
        latest = seconds if latest is None else max(latest, seconds)
    return latest


def parse_note(data: bytes) -> Note:
    """Read a signed note; its signatures are not verified. Refused(INVALID) names `note` or `signature`."""
    if len(data) > MAX_NOTE:
        refuse("note", "note: too large", "too_large")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        refuse("note", "note: not UTF-8")
    if has_control(text):
        refuse("note", "note: has a control character")
    before, gap, lines = text.rpartition("\n\n")
    if not gap:
        refuse("note", "note: no empty line before the signatures")
    return Note(f"{before}\n", parse_signatures(lines))


def parse_signatures(text: str) -> tuple[Signature, ...]:
    """Read whole signature lines, at least one. Refused(INVALID) names `signature`."""
    if not text.endswith("\n"):
        refuse("signature", "note: no signature line, or the last one is cut")
    lines = text[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        refuse("signature", "note: too many signatures", "too_many")
    return tuple(_signature(line) for line in lines)


def _signature(line: str) -> Signature:
    name, gap, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not gap or not valid_name(name):
        refuse("signature", "note: a signature line is not '— name base64'")
    data = parse_base64(encoded, "signature")
    if len(data) < 5:
        refuse("signature", "note: a signature without bytes")
    return Signature(name, data[:4], data[4:])


def _check_body(body: str) -> None:
    if not body.endswith("\n") or has_control(body):
        refuse("body", "note: a body ends with a newline and has no other control character")


def _cosigned(body: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{body}".encode()
