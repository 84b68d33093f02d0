"""Check an export package, offline. This file is also the `verify.py` inside the package: it needs nothing of Saqtau.

    python3 verify.py [PACKAGE.zip | FOLDER] [--policy FILE] [--tsa FILE]

Needs Python 3.11 and the package `cryptography`. Says what it checked and what does not hold; exit code 1 then.
Without --policy the keys come out of the package itself, and prove only that it fits together: compare the fingerprints
it prints with those that the prosecutor's office publishes, or hand in that office's own policy file.
A package is: manifest.json with the SHA-256 of each file; ledger/export.json, the log's entry about this export, whose
record holds the SHA-256 of manifest.json; ledger/entries/, the chain of custody; each entry with its tlog-proof (C2SP).
A recording besides has video/, the camera's own bytes, link by link in a chain of hashes whose heads stand in the log
each minute; it is read in pieces, however long it is. ledger/timestamp.tsr is an RFC 3161 token over manifest.json.
"""

import argparse
import base64
import functools
import hashlib
import hmac
import json
import struct
import sys
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MANIFEST: Final = "manifest.json"
PROGRAM: Final = "verify.py"
EXPORT: Final = "ledger/export.json"
CHECKPOINT: Final = "ledger/checkpoint"
POLICY: Final = "ledger/oversight.policy"
ENTRIES: Final = "ledger/entries/"
LEDGER: Final = "ledger/"
TIMESTAMP: Final = "ledger/timestamp.tsr"
VIDEO: Final = "video/"
LINKS: Final = "video_links/"
"""What lets a change be told to the link: each link's time, length and SHA-256, which must give the chain again."""
COPY: Final = "video_signed/"
"""The same pictures once more, signed for programs that read C2PA; the originals are those under video/."""
DOES_NOT_HOLD: Final = "DOES NOT HOLD"
WITNESSED: Final = "witnessed"
MOST_PARTS: Final = 10_000
LARGEST: Final = 1 << 40
"""Bytes of a package. It is checked in pieces, so this is a bound of time, not of memory."""
PIECE: Final = 1 << 20
LATEST: Final = 1 << 37
"""Unix seconds beyond which no time is told (the year 6325): a signature over such a time does not fit."""
FIELD: Final = 2**255 - 19
EIGHTH: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
SMALL_ORDER: Final = frozenset({0, 1, FIELD - 1, EIGHTH, FIELD - EIGHTH})
"""The y of the eight points of Ed25519 for which anybody makes signatures that verify."""
LARGEST_TEXT: Final = 4 << 20
"""Bytes of a file that is read as text: manifest, entries, policy."""
LINE: Final = 104
"""Bytes of a line of a list of links."""
MOST_LINKS: Final = 1 << 16
"""Links of one part that are told one by one when something is wrong with it."""
MOST_TOLD: Final = 20
"""Findings about the links of one part."""
LARGEST_BOX: Final = 1 << 20
"""Bytes of a box that is read whole: all but the coded pictures and sound."""
ABOUT: Final = {
    "case": "case",
    "recipient": "for",
    "reason": "because",
    "asked": "asked for",
    "agreed": "agreed to",
    "concerns": "had to be agreed to by the prosecutor because of",
    "issued_at": "issued",
    "item": "item",
    "camera": "camera",
    "place": "where it hangs",
    "began": "from",
    "ended": "until",
    "parent": "made from",
    "checked": "looked through before it left",
    "revision": "revision of the item",
    "desk": "desk",
    "region": "region",
    "purpose": "purpose",
    "custody_whole": "the chain of custody goes back to the item's beginning",
    "policies": "rules in force",
    "software": "made by",
}
"""What is told of an export, in this order, and how it is called."""
FIRST: Final = ("at", "viewer", "by", "role", "action", "decision", "purpose", "case", "object", "reason")
LEFT_OUT: Final = frozenset({"v", "id", "kind", "session", "policy_set"})
"""Of a record, what tells a person nothing; each entry's file has it whole."""

Say = Callable[[str], None]


class Wrong(ValueError):  # noqa: N818 - a finding, told to a person
    """Something that does not hold, where: what."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.where, self.what = where, what


class Unknown(Wrong):
    """Something of a log whose key is not among those given: no accusation, and no assurance."""

    def __init__(self, where: str, origin: str) -> None:
        super().__init__(where, f"the key of the log {origin} is not in the policy")
        self.origin = origin


@dataclass(frozen=True)
class Part:
    """A file of a package. pieces: its bytes, at most PIECE at a time; raises Wrong where they do not fit its zip."""

    name: str
    size: int
    pieces: Callable[[], Iterator[bytes]]

    def read(self) -> bytes:
        """All of it, for what is read as text; raises Wrong when it is longer than that can be."""
        if self.size > LARGEST_TEXT:
            raise Wrong(self.name, f"longer than {LARGEST_TEXT} bytes")
        return b"".join(self.pieces())


Parts = Mapping[str, Part]


@dataclass(frozen=True)
class Key:
    """What a vkey says: type 1 is a log's, type 4 a witness's."""

    name: str
    kind: int
    id: bytes
    public: bytes

    @property
    def fingerprint(self) -> str:
        """Name and key id, as they are published."""
        return f"{self.name}+{self.id.hex()}"


@dataclass
class Policy:
    """A tlog-policy: whose signatures count, and how many witnesses are enough."""

    logs: list[Key] = field(default_factory=list)
    witnesses: dict[str, Key] = field(default_factory=dict)
    groups: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    quorum: str = ""

    def enough(self, witnessed: Mapping[str, int]) -> bool:
        """Whether these witnesses are the quorum."""
        counting = set(witnessed)
        for name, (threshold, members) in self.groups.items():
            if sum(member in counting for member in members) >= threshold:
                counting.add(name)
        return self.quorum == "none" or self.quorum in counting


@dataclass(frozen=True)
class Opened:
    """A checkpoint that a known log signed. witnessed: name of the witness -> Unix seconds."""

    origin: str
    size: int
    root: bytes
    witnessed: Mapping[str, int]


# signed notes, checkpoints, policies (C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-policy)


def parse_key(vkey: str, where: str) -> Key:
    """`name+hex(id)+base64(type || key)`; raises Wrong."""
    name, _, rest = vkey.partition("+")
    stated, _, encoded = rest.partition("+")
    data = _bytes(encoded, where)
    if not name or len(data) != 33 or data[0] not in {1, 4}:
        raise Wrong(where, f"no key of a log or a witness: {vkey[:80]}")
    found = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
    if found.hex() != stated:
        raise Wrong(where, f"the key of {name} does not belong to its id")
    if (int.from_bytes(data[1:], "little") & (2**255 - 1)) % FIELD in SMALL_ORDER:
        raise Wrong(where, f"the key of {name} is one for which anybody can sign")
    return Key(name, data[0], found, data[1:])


def parse_policy(text: str, where: str) -> Policy:
    """Read a tlog-policy; raises Wrong."""
    policy = Policy()
    if not text.endswith("\n") or any((letter < " " and letter not in "\n\t") or letter == "\x7f" for letter in text):
        raise Wrong(where, "cannot be read as a policy: it is cut, or has a control character")
    for line in text.split("\n"):  # nothing else ends a line or parts words: a comment must not hide a key
        words = [word for word in line.replace("\t", " ").split(" ") if word]
        if not words or words[0].startswith("#"):
            continue
        match words:
            case ["log", vkey] | ["log", vkey, _]:
                policy.logs.append(_new_key(policy, vkey, 1, where))
            case ["witness", name, vkey] | ["witness", name, vkey, _]:
                _new_name(policy, name, where)
                policy.witnesses[name] = _new_key(policy, vkey, 4, where)
            case ["group", name, many, *members] if members:
                _new_name(policy, name, where)
                policy.groups[name] = (_threshold(policy, many, members, where), members)
            case ["quorum", name] if not policy.quorum and (
                name == "none" or name in policy.witnesses or name in policy.groups
            ):
                policy.quorum = name
            case _:
                raise Wrong(where, f"cannot be read as a policy: {line[:80]}")
    if not policy.logs or not policy.quorum:
        raise Wrong(where, "names no log, or no quorum")
    return policy


def _new_name(policy: Policy, name: str, where: str) -> None:
    if name == "none" or name in policy.witnesses or name in policy.groups:
        raise Wrong(where, f"gives the name {name} twice")


def _new_key(policy: Policy, vkey: str, kind: int, where: str) -> Key:
    key = parse_key(vkey, where)
    if key.kind != kind or key.public in {one.public for one in [*policy.logs, *policy.witnesses.values()]}:
        raise Wrong(where, f"the key of {key.name} is of another kind, or is given twice: nobody counts as two")
    return key


def _threshold(policy: Policy, many: str, members: list[str], where: str) -> int:
    known = policy.witnesses.keys() | policy.groups.keys()
    used = {member for _, others in policy.groups.values() for member in others}
    count = {"all": len(members), "any": 1}.get(many) or (int(many) if many.isascii() and many.isdigit() else 0)
    if not set(members) <= known - used or len(set(members)) != len(members) or not 1 <= count <= len(members):
        raise Wrong(where, "a group whose members or number do not fit")
    return count


def open_checkpoint(text: str, policy: Policy, where: str) -> Opened:
    """Check the signatures of a checkpoint; raises Wrong where its log did not sign it, or a known signature fails.

    Unknown is raised where the policy has no key of its log.
    """
    before, gap, lines = text.rpartition("\n\n")
    body = f"{before}\n"
    parts = before.split("\n")
    if (
        not gap
        or not lines.endswith("\n")
        or len(parts) < 3
        or not (parts[1].isascii() and parts[1].isdigit() and len(parts[1]) < 20)
    ):
        raise Wrong(where, "no checkpoint")
    origin, size, root = parts[0], int(parts[1]), _bytes(parts[2], where)
    if all(key.name != origin for key in policy.logs):
        raise Unknown(where, origin)
    keys = {(key.name, key.id): key for key in [*policy.logs, *policy.witnesses.values()]}
    names = {(key.name, key.id): name for name, key in policy.witnesses.items()}
    by_log, witnessed = False, dict[str, int]()
    for line in lines[:-1].split("\n"):
        name, _, encoded = line.removeprefix("— ").partition(" ")
        if not line.startswith("— "):
            raise Wrong(where, "has a line among its signatures that is none")
        data = _bytes(encoded, where)
        key = keys.get((name, data[:4]))
        if key is None or (key.kind == 1 and name != origin):
            continue
        at = _signed(key, body, data[4:])
        if at is None:
            raise Wrong(where, f"the signature of {key.fingerprint} does not fit: the checkpoint was changed")
        if key.kind == 1:
            by_log = True
        else:
            witnessed[names[name, data[:4]]] = at
    if not by_log:
        raise Wrong(where, f"no known key of its log ({origin}) signed it")
    return Opened(origin, size, root, witnessed)


def _signed(key: Key, body: str, data: bytes) -> int | None:
    """The time of a valid signature (0 for a log's own, which has none); None when it does not fit."""
    message, at = body.encode(), 0
    if key.kind == 4:
        at, data = int.from_bytes(data[:8], "big"), data[8:]
        if at >= LATEST:
            return None
        message = f"cosignature/v1\ntime {at}\n{body}".encode()
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(data, message)
    except (InvalidSignature, ValueError):
        return None
    return at


# one entry: place in the log, and the record it commits to (C2SP tlog-proof, RFC 6962)


@dataclass(frozen=True)
class Entry:
    """An entry that holds. record: None where it may not, or can no longer, be opened."""

    index: int
    leaf: Mapping[str, Any]
    record: Mapping[str, Any] | None
    opened: Opened


def check_entry(data: bytes, policy: Policy, where: str) -> Entry:
    """The entry in a file of this package; raises Wrong."""
    file = _json(data, where)
    proof = file.get("proof")
    if file.get("v") != 1 or not isinstance(proof, str):
        raise Wrong(where, "no file of an entry")
    head, gap, note = proof.partition("\n\n")
    lines = head.split("\n")
    if not gap or len(lines) < 3 or lines[0] != "c2sp.org/tlog-proof@v1":
        raise Wrong(where, "no proof")
    leaf = _bytes(_after("extra ", lines[1], where), where)
    index = int(_after("index ", lines[2], where))
    opened = open_checkpoint(note, policy, where)
    hashes = [_bytes(line, where) for line in lines[3:]]
    if not _included(hashlib.sha256(b"\0" + leaf).digest(), index, opened, hashes):
        raise Wrong(where, f"is not entry {index} of the log: entry, number or proof was changed")
    if file.get("entry") != f"{opened.origin}#{index}":
        raise Wrong(where, f"is entry {index} of {opened.origin}, not what it is called")
    said = _json(leaf, where)
    if json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() != leaf:
        raise Wrong(where, "its leaf is not in its one spelling: it could be read in two ways")
    return Entry(index, said, _record(file, said, where), opened)


def _record(file: Mapping[str, Any], leaf: Mapping[str, Any], where: str) -> Mapping[str, Any] | None:
    record, dek = file.get("record"), file.get("dek")
    if record is None and dek is None:
        return None
    if not isinstance(record, str) or not isinstance(dek, str):
        raise Wrong(where, "has a record without its key, or a key without its record")
    try:
        key = bytes.fromhex(dek)
    except ValueError as error:
        raise Wrong(where, "the record's key is not in hexadecimal digits") from error
    found = hmac.digest(hashlib.sha256(b"commit" + key).digest(), record.encode(), "sha256").hex()
    if len(key) != 32 or found != leaf.get("c"):
        raise Wrong(where, "the record is not the one that the log committed to: record or key was changed")
    return _json(record.encode(), where)


def _included(leaf: bytes, index: int, opened: Opened, proof: list[bytes]) -> bool:
    """RFC 9162, 2.1.3.2."""
    node, last, found = index, opened.size - 1, leaf
    if not 0 <= index < opened.size:
        return False
    for step in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            found = hashlib.sha256(b"\1" + step + found).digest()
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\1" + found + step).digest()
        node, last = node >> 1, last >> 1
    return last == 0 and found == opened.root


# the package


def check(place: Path, policy: bytes | None, say: Say, tsa: bytes | None = None) -> list[Wrong]:
    """Check a package (a zip, or the folder it was unpacked into). Empty when everything holds; never raises for it.

    policy: the verifier's own tlog-policy; None takes the one in the package, and says so.
    tsa: certificates (PEM) of the time-stamping authority that the verifier trusts.
    """
    findings: list[Wrong] = []
    try:
        parts = _folder(place) if place.is_dir() else _zip(place, findings)
        return [*findings, *_check(parts, policy, say, tsa)]
    except Wrong as wrong:
        return [*findings, wrong]
    except OSError as error:
        return [*findings, Wrong(str(place), str(error.strerror))]


def _check(parts: Parts, policy: bytes | None, say: Say, tsa: bytes | None) -> list[Wrong]:
    findings: list[Wrong] = []
    missing = [Wrong(name, "is not there") for name in (MANIFEST, EXPORT, CHECKPOINT, POLICY) if name not in parts]
    if missing:
        return missing
    try:
        manifest = _manifest(parts, say, findings)
        keys = _keys(parts, policy, say)
    except Wrong as wrong:
        return [*findings, wrong]
    entries = list(_entries(parts, manifest, keys, say, findings))
    opened = [entry.opened for entry in entries]
    try:
        opened.append(open_checkpoint(_text(parts[CHECKPOINT].read(), CHECKPOINT), keys, CHECKPOINT))
        say(f"{CHECKPOINT}: {opened[-1].origin}, {opened[-1].size:,} entries, root {opened[-1].root.hex()}")
        _say_witnesses(opened[-1], say)
    except Wrong as wrong:
        findings.append(wrong)
    findings += _forks(opened)
    findings += _recordings(parts, manifest, entries, say)
    if TIMESTAMP in parts:
        try:
            _timestamp(parts[TIMESTAMP].read(), parts[MANIFEST].read(), tsa, say)
        except Wrong as wrong:
            findings.append(wrong)
    elif isinstance(manifest.get("about"), dict) and manifest["about"].get("timestamp"):
        say(f"no time-stamp is in it: {manifest['about']['timestamp']} was to be asked, and did not answer")
    findings += _standing(manifest, opened, keys, say, any(isinstance(one, Unknown) for one in findings))
    return findings


def _manifest(parts: Parts, say: Say, findings: list[Wrong]) -> Mapping[str, Any]:
    data = parts[MANIFEST].read()
    manifest = _json(data, MANIFEST)
    files = manifest.get("files")
    if manifest.get("v") not in {1, 2} or not isinstance(files, dict):
        raise Wrong(MANIFEST, "no manifest of an export")
    if json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() != bytes(data):
        findings.append(Wrong(MANIFEST, "is not in its one spelling"))
    for name, told in sorted(files.items()):
        if name not in parts:
            findings.append(Wrong(name, "is in the manifest and not in the package"))
            continue
        try:
            if told != {"bytes": parts[name].size, "sha256": _digest(parts[name])}:
                findings.append(Wrong(name, "is not what was exported: its SHA-256 or length is another"))
        except Wrong as wrong:
            findings.append(wrong)
    known = {MANIFEST, PROGRAM, EXPORT, CHECKPOINT, POLICY, TIMESTAMP, *files, *_named_parts(manifest)}
    compared = (ENTRIES, *(_copies_of(str(told.get("camera"))) for told in _list(manifest.get("video"))))
    added = sorted(name for name in parts if name not in known and not name.startswith(compared))
    findings += [Wrong(name, "was added: the manifest does not know it") for name in added]
    say(f"{MANIFEST}: export {manifest.get('export')}, {len(files)} files compared with their SHA-256")
    about = manifest.get("about")
    for name, value in _ordered(about, ABOUT) if isinstance(about, dict) else ():
        say(f"  {ABOUT.get(name, name)}: {_spelled(value)}")
    return manifest


def _digest(part: Part) -> str:
    found = hashlib.sha256()
    for piece in part.pieces():
        found.update(piece)
    return found.hexdigest()


def _keys(parts: Parts, policy: bytes | None, say: Say) -> Policy:
    within = parts[POLICY].read()  # also where another counts: what is in the package is whole, or that is said
    found = parse_policy(_text(within if policy is None else policy, POLICY), POLICY)
    told = [key.fingerprint for key in [*found.logs, *found.witnesses.values()]]
    if policy is not None:
        say(f"keys: from the policy you handed in: {', '.join(told)}")
        return found
    say("keys: from the package itself. They prove only that it fits together: compare them with the published ones,")
    for one in told:
        say(f"  {one}")
    say("or hand in your own copy of the policy with --policy.")
    return found


def _entries(
    parts: Parts, manifest: Mapping[str, Any], keys: Policy, say: Say, findings: list[Wrong]
) -> Iterator[Entry]:
    """The entry of the export, and the chain of custody: all of it, in its order, and nothing else."""
    digest = hashlib.sha256(parts[MANIFEST].read()).hexdigest()
    named = manifest.get("entries")
    if not isinstance(named, list):
        findings.append(Wrong(MANIFEST, "does not say which entries are its chain of custody"))
        named = []
    custody = {f"{ENTRIES}{number:05}.json": entry for number, entry in enumerate(named)}
    findings += [Wrong(name, f"is taken away: it was {custody[name]}") for name in custody if name not in parts]
    added = sorted(name for name in parts if name.startswith(ENTRIES) and name not in custody)
    findings += [Wrong(name, "was added: the manifest does not know it") for name in added]
    for name in [EXPORT, *(name for name in custody if name in parts)]:
        try:
            entry = check_entry(parts[name].read(), keys, name)
            if name == EXPORT:
                _bound(entry, digest)
            else:
                _in_its_place(entry, custody[name], name)
        except Wrong as wrong:
            findings.append(wrong)
            if isinstance(wrong, Unknown) and name in custody and not custody[name].startswith(f"{wrong.origin}#"):
                findings.append(Wrong(name, f"stands in the place of {custody[name]}"))
            continue
        what = f"{entry.leaf.get('class')} of {entry.leaf.get('day')}"
        say(f"{name}: entry {entry.index} of {entry.opened.origin}: {what}")
        say(f"  {_told(entry.record)}")
        yield entry


def _bound(entry: Entry, digest: str) -> None:
    """What the log says of this export is about this manifest."""
    if entry.record is None:
        raise Wrong(EXPORT, "without its record nothing binds this package to the log")
    if entry.leaf.get("class") != "export" or entry.record.get("manifest") != digest:
        raise Wrong(EXPORT, f"is not about this package: the log's entry names another {MANIFEST}")


def _in_its_place(entry: Entry, wanted: str, where: str) -> None:
    """The chain of custody is in its order."""
    if f"{entry.opened.origin}#{entry.index}" != wanted:
        raise Wrong(where, f"stands in the place of {wanted}")


def _told(record: Mapping[str, Any] | None) -> str:
    if record is None:
        return "(its record may not be opened here)"
    return ", ".join(f"{name} {_spelled(value)}" for name, value in _ordered(record, FIRST) if name not in LEFT_OUT)


def _ordered(fields: Mapping[str, Any], first: Iterable[str]) -> list[tuple[str, Any]]:
    """Those first, in their order; then whatever else there is, by name."""
    order = {name: place for place, name in enumerate(first)}
    return sorted(fields.items(), key=lambda one: (order.get(one[0], len(order)), one[0]))


def _spelled(value: Any) -> str:
    """A value of a record for a person to read; Unix milliseconds of the years 2001 to 2286 are told as instants."""
    match value:
        case True | False:
            return "yes" if value else "no"
        case int() if 10**12 <= value < 10**13:
            return _moment(value / 1000)
        case {}:
            return ", ".join(f"{name} {_spelled(one)}" for name, one in _ordered(value, FIRST)) or "nothing"
        case []:
            return "nothing"
        case list():
            return "; ".join(_spelled(one) for one in value)
        case None:
            return "nothing"
        case _:
            return str(value)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _forks(opened: list[Opened]) -> Iterator[Wrong]:
    roots: dict[tuple[str, int], bytes] = {}
    for one in opened:
        if roots.setdefault((one.origin, one.size), one.root) != one.root:
            what = f"{one.origin} signed two roots over {one.size:,} entries: keep this package, it proves a fork"
            yield Wrong(LEDGER, what)


def _standing(
    manifest: Mapping[str, Any], opened: list[Opened], keys: Policy, say: Say, some_unknown: bool
) -> Iterator[Wrong]:
    bare = [one for one in opened if not keys.enough(one.witnessed)]
    if manifest.get("standing") != WITNESSED:
        say("PROVISIONAL: no witness has cosigned it; ask for the witnessed package. If there is none within a day,")
        say("ask the prosecutor's office whether the witness contradicts the log")
    elif bare:
        yield Wrong(
            MANIFEST, f"says witnessed; {len(bare)} of {len(opened)} checkpoints lack the cosignatures asked for"
        )
    elif keys.quorum == "none":
        say("no witness was asked for: only the log itself vouches for its entries")
    elif opened:
        say(f"every checkpoint {'that could be checked ' if some_unknown else ''}is cosigned as the policy asks")


def _say_witnesses(opened: Opened, say: Say) -> None:
    for name, at in opened.witnessed.items():
        say(f"  cosigned by {name} at {_moment(at)}")


# recordings: the camera's own bytes, link by link. docs/reference/video-format.md of Saqtau gives the boxes.
#   head = SHA-256(head before || len16(camera) camera || u64(sequence) || u64(utc ms) || kind || SHA-256(its boxes))

_GAP: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://saqtau.example/gap").bytes
_FROM_1900: Final = 2_208_988_800
_SOUND: Final = 2
"""Number of the track of sound."""


@dataclass(frozen=True)
class Link:
    """A link as it was read. kind: 0 a fragment, 1 a gap. digest: SHA-256 of its boxes, which begin at byte `start`."""

    seq: int
    at: int
    kind: int
    digest: bytes
    start: int = field(default=0, compare=False)
    size: int = 0


class Stream:
    """Boxes out of pieces; never more than one small box, or one piece, is kept."""

    def __init__(self, part: Part) -> None:
        self._pieces, self._kept, self.name, self.place = part.pieces(), memoryview(b""), part.name, 0
        self._heard: list[Any] = []
        self.torn: Wrong | None = None

    def hear(self, *hashes_: Any) -> None:
        """Give these hashes all that is read from now on, and no others."""
        self._heard = [*hashes_]

    def through(self, many: int) -> Iterator[memoryview]:
        """The next bytes, in pieces. Raises Wrong when there are fewer."""
        while many > 0:
            if self.ended():
                raise Wrong(self.name, f"is cut: it ends at byte {self.place:,}, in the middle of something")
            piece, self._kept = self._kept[:many], self._kept[many:]
            many -= len(piece)
            self.place += len(piece)
            for one in self._heard:
                one.update(piece)
            yield piece

    def ended(self) -> bool:
        """Whether nothing is left. That its bytes do not fit its zip is kept as `torn`: what they say may tell more."""
        if not self._kept:
            try:
                self._kept = memoryview(next(self._pieces, b""))
            except Wrong as wrong:
                self.torn = wrong
        return not self._kept

    def head(self, *, wide: bool = False) -> tuple[bytes, int]:
        """The head of the next box, and how many bytes follow it. wide: it may have a size of 64 bits."""
        start, head = self.place, b"".join(self.through(8))
        size = int.from_bytes(head[:4], "big")
        if wide and size == 1:
            return head + (more := b"".join(self.through(8))), max(int.from_bytes(more, "big") - 16, 0)
        if size < 8:
            raise Wrong(self.name, f"has something at byte {start:,} that is no box")
        return head, size - 8

    def box(self) -> bytes:
        """The next box, whole."""
        head, left = self.head()
        if left > LARGEST_BOX:
            raise Wrong(self.name, f"has a box of {left:,} bytes before byte {self.place:,}: too large")
        return head + b"".join(self.through(left))


def links(stream: Stream, first: int, every: Any) -> Iterator[Link]:
    """The links that follow the head of a part; the first has the sequence `first`. Raises Wrong at what is none.

    every: a hash of all their bytes.
    """
    seq = first
    while not stream.ended():
        link = next_link(stream, seq, every)
        if link.seq != seq:
            what = "is there twice or in another order" if link.seq < seq else "was taken out"
            raise Wrong(stream.name, f"link {seq} {what}: at byte {link.start:,} stands link {link.seq}")
        yield link
        seq += 1


def next_link(stream: Stream, seq: int, *every: Any) -> Link:
    """The link that stands here, whatever its sequence. seq: the one that is due. Raises Wrong where none stands."""
    start, digest = stream.place, hashlib.sha256()
    stream.hear(digest, *every)
    box = stream.box()
    match box[4:8]:
        case b"prft" if len(box) == 32:
            found, at, kind = _fragment(stream, box, seq)
        case b"uuid" if box[8:24] == _GAP:
            found, at, kind = _gap(box, seq, stream.name)
        case _:
            raise Wrong(stream.name, f"has a box at byte {start:,} that is no link")
    return Link(found, at, kind, digest.digest(), start, stream.place - start)


def _fragment(stream: Stream, prft: bytes, seq: int) -> tuple[int, int, int]:
    """Sequence, time and kind of a fragment, of which only the first box has been read."""
    ntp = int.from_bytes(prft[16:24], "big")
    seconds = ntp >> 32
    seconds += (1 << 32) - _FROM_1900 if seconds < _FROM_1900 else -_FROM_1900
    found, track = -1, _SOUND
    while track == _SOUND:  # sound has a moof and an mdat of its own, before those of the pictures
        moof = stream.box()
        head, left = stream.head()
        if moof[4:8] + moof[12:16] + moof[36:40] + head[4:] != b"moofmfhdtfhdmdat":
            raise Wrong(stream.name, f"has something before byte {stream.place:,} that is no fragment")
        found, track = int.from_bytes(moof[20:24], "big"), int.from_bytes(moof[44:48], "big")
        for _ in stream.through(left):
            pass
    found += seq - seq % (1 << 32)  # the box has the lower half of the sequence
    return found, seconds * 1000 + ((ntp & 0xFFFFFFFF) * 1000 >> 32), 0


def _gap(box: bytes, seq: int, where: str) -> tuple[int, int, int]:
    told = _json(box[24:], where)
    found, at = told.get("seq"), told.get("at")
    if not isinstance(found, int) or not isinstance(at, int) or not 0 <= at < 1 << 63:
        raise Wrong(where, f"has a gap in the place of link {seq} that does not say which or when")
    return found, at, 1


def chained(before: bytes, camera: str, link: Link) -> bytes:
    """The head of the chain after a link."""
    name = camera.encode()
    place = struct.pack(">QQB", link.seq, link.at, link.kind)
    return hashlib.sha256(b"".join((before, len(name).to_bytes(2, "big"), name, place, link.digest))).digest()


def _named_parts(manifest: Mapping[str, Any]) -> Iterator[str]:
    for told in _list(manifest.get("video")):
        yield from (str(part.get("name")) for part in _list(told.get("parts")))
        yield str(told.get("links"))


def _list(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _recordings(parts: Parts, manifest: Mapping[str, Any], entries: list[Entry], say: Say) -> Iterator[Wrong]:
    for told in _list(manifest.get("video")):
        try:
            camera = str(told.get("camera"))
            yield from _recording(parts, told, _published(entries, camera), _afterwards(entries, camera), say)
        except Wrong as wrong:
            yield wrong
        except (KeyError, TypeError, ValueError, OverflowError, struct.error) as error:
            yield Wrong(MANIFEST, f"does not say of a recording what it must: {error}")


def _published(entries: list[Entry], camera: str) -> dict[int, tuple[bytes, str]]:
    """Heads of a camera's chain that stand in the log: sequence -> head, name of the entry."""
    return {
        line["last"]: (bytes.fromhex(str(line.get("chain"))), f"entry {entry.index} of {entry.opened.origin}")
        for entry, line in _lines_about(entries, camera)
    }


def _afterwards(entries: list[Entry], camera: str) -> dict[int, Any]:
    """When what was fetched from a camera's own memory was fetched, as the log says: last sequence -> Unix ms."""
    return {line["last"]: line["fetched"] for _, line in _lines_about(entries, camera) if "fetched" in line}


def _lines_about(entries: list[Entry], camera: str) -> Iterator[tuple[Entry, dict[str, Any]]]:
    for entry in entries:
        if entry.leaf.get("class") == "segment" and entry.record is not None:
            for line in _list(entry.record.get("cameras")):
                if line.get("camera") == camera and isinstance(line.get("last"), int):
                    yield entry, line


def _recording(
    parts: Parts, told: Mapping[str, Any], known: Mapping[int, tuple[bytes, str]], fetched: Mapping[int, Any], say: Say
) -> Iterator[Wrong]:
    """Follow the chain of a camera through its parts, and on to the next head that the log has."""
    camera = str(told["camera"])
    listed = str(told["links"])
    if listed not in parts:
        yield Wrong(listed, "is taken away: the list of the links, without which a change cannot be told to the link")
    lines = Lines(parts.get(listed), int(told["first"]))
    follow = Follow(camera, bytes.fromhex(told["previous"]), int(told["first"]), known)
    every, sound = hashlib.sha256(), True
    for part in _list(told["parts"]):
        name = str(part["name"])
        if (int(part["first"]), bytes.fromhex(part["previous"])) != (follow.seq, follow.head):
            yield Wrong(MANIFEST, f"{name} does not follow the part before it")
        follow.begin(name, int(part["first"]), bytes.fromhex(part["previous"]), int(part["began"]))
        if name not in parts:
            sound = False
            yield Wrong(name, f"is taken away: {_spanned(part)}")
        else:
            found = list(_part(parts[name], part, follow, lines, every))
            sound = sound and not found
            yield from found
        follow.skip(int(part["last"]) + 1, bytes.fromhex(part["chain"]))
    last = follow.seq - 1
    if str(told["chain"]) != follow.head.hex() or int(told["last"]) != last:
        yield Wrong(MANIFEST, f"the parts of camera {camera} do not end where it says")
    if sound:
        yield from lines.ending(last)
    follow.begin(MANIFEST, follow.seq, follow.head, int(told["ended"]))
    for seq, at, kind, digest in told.get("tail", ()):
        yield from follow.take(Link(int(seq), int(at), int(kind), bytes.fromhex(digest)))
    say(f"{VIDEO}{camera}: links {told['first']} to {last}, {_spelled(told['began'])} to {_spelled(told['ended'])}")
    card = told.get("card")
    if isinstance(card, dict):
        at = _spelled(card["fetched"])
        say(f"  FETCHED AFTERWARDS from the camera's own memory at {at}: bound since then, not before")
        say(f"  its times are the camera's own, whose clock was {_ahead(int(card['clock']))} when it was asked")
    bound = card.get("fetched") if isinstance(card, dict) else None
    for seq in (seq for seq, _ in follow.met if fetched.get(seq, bound) != bound):
        at = _spelled(fetched[seq])
        yield Wrong(MANIFEST, f"does not say that link {seq} of {camera} was fetched afterwards, at {at}")
    for signer in told.get("signers", ()):
        say(f"  the camera signed its own stream ({signer}): its maker's program verifies that, this one does not")
    for began, ended, kind, *why in told.get("gaps", ()):
        until = "on" if ended is None else f"to {_spelled(ended)}"
        say(f"  no picture from {_spelled(began)} {until}: {kind} {' '.join(map(str, filter(None, why)))}")
    for seq, what in follow.met:
        say(f"  its chain at link {seq} is the one that {what} holds")
    if sound and follow.sound and (not follow.met or follow.met[-1][0] < last):
        say("  its last links are bound by this package alone: no minute of the log had them yet")
    yield from _copies(parts, camera, every.digest() if sound else None, say)


def _ahead(clock: int) -> str:
    """How far a camera's clock was off, and that this was taken from its times."""
    if not clock:
        return "right to two seconds"
    return f"{abs(clock):,} ms {'ahead' if clock > 0 else 'behind'} (they are told less that)"


def _spanned(part: Mapping[str, Any]) -> str:
    return f"links {part['first']} to {part['last']}, {_exact(int(part['began']))} to {_exact(int(part['ended']))}"


def _part(part: Part, told: Mapping[str, Any], follow: "Follow", lines: "Lines", every: Any) -> Iterator[Wrong]:
    """Follow the chain through one part. Where it does not fit, the list of links tells which link it is."""
    first, last, head = int(told["first"]), int(told["last"]), int(told["head"]["bytes"])
    stream, found, differs = Stream(part), list[Wrong](), False
    try:
        if hashlib.sha256(b"".join(stream.through(head))).hexdigest() != told["head"]["sha256"]:
            yield Wrong(part.name, "has another head than the one that was exported: how its pictures are decoded")
        for link in links(stream, first, every):
            found += follow.take(link)
            differs = differs or bool(lines.name and not found and lines.at(link.seq) != link)
        found += follow.end(last, bytes.fromhex(told["chain"]), int(told["ended"]))
    except Wrong as wrong:
        found.append(wrong)
    if found:
        rows = lines.rows(first, last, follow.camera, bytes.fromhex(told["previous"]), bytes.fromhex(told["chain"]))
        yield from (list(_located(part, head, rows)) if rows else ()) or found
    elif part.size != told["bytes"]:
        yield Wrong(part.name, f"has {part.size:,} bytes in the place of {int(told['bytes']):,}")
    elif stream.torn is not None:
        yield stream.torn
    elif differs:
        yield Wrong(lines.name, f"says another thing than {part.name} about its links; the recording itself holds")


class Lines:
    """The list of a recording's links: one line each, of one length, in their order. Nobody need believe it.

    It is right where the hashes that it names give the chain which manifest and log have.
    """

    def __init__(self, part: Part | None, first: int) -> None:
        self.name, self._part, self._first = part.name if part is not None else "", part, first
        self._again()

    def _again(self) -> None:
        self._stream = None if self._part is None else Stream(self._part)
        self._seq = self._first

    def at(self, seq: int) -> Link | None:
        """What it says of this link: with the place of 0, for it names none. None: nothing that can be read."""
        if seq < self._seq:
            self._again()
        if self._stream is None:
            return None
        try:
            for _ in self._stream.through((seq - self._seq) * LINE):
                pass
            line = b"".join(self._stream.through(LINE))
            self._seq = seq + 1
            return row_of(line)
        except Wrong:
            self._stream = None
            return None

    def rows(self, first: int, last: int, camera: str, previous: bytes, chain: bytes) -> list[Link]:
        """Its lines about these links, where their hashes lead from the one head of the chain to the other."""
        if not 0 <= last - first < MOST_LINKS:
            return []
        self._again()
        found, head = list[Link](), previous
        for seq in range(first, last + 1):
            if (row := self.at(seq)) is None or row.seq != seq:
                return []
            head = chained(head, camera, row)
            found.append(row)
        return found if head == chain else []

    def ending(self, last: int) -> Iterator[Wrong]:
        """After a recording that holds: the list is over too, and fits its zip."""
        if self._part is not None and self._stream is not None:
            if not self._stream.ended():
                yield Wrong(self.name, f"goes on behind link {last}")
            elif self._stream.torn is not None:
                yield self._stream.torn


def row_line(link: Link) -> bytes:
    """A line of a list of links: sequence, UTC in Unix ms, kind, bytes, SHA-256."""
    return f"{link.seq:012} {link.at:013} {link.kind} {link.size:09} {link.digest.hex()}\n".encode()


def row_of(line: bytes) -> Link | None:
    """What such a line says; None when it is none in its one spelling."""
    try:
        seq, at, kind, size, digest = line.decode("ascii").split(" ")
        found = Link(int(seq), int(at), int(kind), bytes.fromhex(digest), 0, int(size))
    except ValueError:
        return None
    return found if row_line(found) == line and min(found.seq, found.at, found.kind, found.size) >= 0 else None


def _located(part: Part, head: int, rows: list[Link]) -> Iterator[Wrong]:
    """What became of each link of a part: changed, taken out, put in, doubled, moved, cut off. rows: as they were."""
    search = Search(part, rows)
    stream: Stream | None = _opened(part, head)
    while stream is not None and not stream.ended():
        place = stream.place
        try:
            link = next_link(stream, rows[0].seq + search.due)
        except Wrong:
            stream = search.behind(place)
        else:
            stream = search.take(link) or stream
    yield from search.told()


class Search:
    """What is known of the links of a part whose chain does not fit. due: which of `rows` should come next."""

    def __init__(self, part: Part, rows: list[Link]) -> None:
        self.due = 0
        self._part, self._rows, self._known = part, rows, {row.digest: row for row in rows}
        self._changed, self._missing, self._findings = list[tuple[Link, int]](), list[Link](), list[str]()
        self._seen, self._tries = set[int](), 0

    def _row(self) -> Link | None:
        return self._rows[self.due] if self.due < len(self._rows) else None

    def behind(self, place: int) -> Stream | None:
        """Nothing that is a link stands at this byte: where to go on. None: nowhere."""
        row = self._row()
        if row is None:
            self._findings.append(f"bytes {place:,} to {self._part.size:,}, behind its last link, were put in")
            return None
        if self._part.size - place < row.size:
            self._findings.append(f"its end from byte {place:,} on was cut off: {_many(self._rows[self.due :])}")
            self.due = len(self._rows)
            return None
        if not self._goes_on(row, place):
            if self._changed and self._changed[-1][0].seq == row.seq - 1:
                row, place = self._changed.pop()
            first = f"link {row.seq} ({_exact(row.at)}, byte {place:,})"
            self._findings.append(f"from {first} on, bytes were put in, taken out or changed")
            self.due = len(self._rows)
            return None
        self._is_changed(row, place)
        return _opened(self._part, place + row.size)

    def _goes_on(self, row: Link, place: int) -> bool:
        """Whether this link stands, changed, at this byte: then the next stands where it ended."""
        self._tries += 1
        return self._tries <= MOST_TOLD and _stands(_opened(self._part, place + row.size), row.seq + 1)

    def take(self, link: Link) -> Stream | None:
        """A link that can be read. The stream to go on with; None: the same."""
        row, own, first = self._row(), self._known.get(link.digest), self._rows[0].seq
        if own is not None and own.seq in self._seen:
            self._findings.append(f"{_many([own])} is there twice: again at byte {link.start:,}")
        elif own is not None and own.seq < first + self.due:
            self._missing = [one for one in self._missing if one.seq != own.seq]
            self._findings.append(f"{_many([own])} stands in another order: at byte {link.start:,}")
            self._seen.add(own.seq)
        elif own is not None:
            self._missing += self._rows[self.due : own.seq - first]
            self._seen.add(own.seq)
            self.due = own.seq - first + 1
        elif row is not None and row.size != link.size and self._goes_on(row, link.start):
            self._is_changed(row, link.start)  # also one of its lengths
            return _opened(self._part, link.start + row.size)
        elif row is not None and row.size != link.size and row.seq < link.seq <= self._rows[-1].seq:
            self._missing += self._rows[self.due : link.seq - first]
            self._is_changed(self._rows[link.seq - first], link.start)
        elif row is not None and (row.size == link.size or link.seq == row.seq):
            self._is_changed(row, link.start)
        else:
            until = link.start + link.size
            self._findings.append(f"bytes {link.start:,} to {until:,} were put in: they are none of its links")
        return None

    def _is_changed(self, row: Link, place: int) -> None:
        self._changed.append((row, place))
        self.due = row.seq - self._rows[0].seq + 1

    def told(self) -> Iterator[Wrong]:
        """One sentence for each thing, not too many."""
        if self.due < len(self._rows):
            self._findings.append(f"its end was cut off: {_many(self._rows[self.due :])}")
        told = []
        for run in _running(self._changed, lambda one: one[0].seq):
            span = f"bytes {run[0][1]:,} to {run[-1][1] + run[-1][0].size:,}"
            told.append(f"{_many([row for row, _ in run])}, {span}, {_was(run)} changed")
        told += [f"{_many(run)} {_was(run)} taken out" for run in _running(self._missing, lambda one: one.seq)]
        told += self._findings
        yield from (Wrong(self._part.name, one) for one in told[:MOST_TOLD])
        if len(told) > MOST_TOLD:
            yield Wrong(self._part.name, f"and {len(told) - MOST_TOLD} things more of this kind")


def _running(many: list[Any], number: Callable[[Any], int]) -> Iterator[list[Any]]:
    """In runs of those that follow each other."""
    run = list[Any]()
    for one in many:
        if run and number(one) != number(run[-1]) + 1:
            yield run
            run = []
        run.append(one)
    if run:
        yield run


def _was(run: list[Any]) -> str:
    return "was" if len(run) == 1 else "were"


def _many(rows: list[Link]) -> str:
    """Links by number and time."""
    what = "the gap" if all(row.kind for row in rows) else "the pictures"
    if len(rows) == 1:
        return f"link {rows[0].seq} ({what} of {_exact(rows[0].at)})"
    return f"links {rows[0].seq} to {rows[-1].seq} ({_exact(rows[0].at)} to {_exact(rows[-1].at)})"


def _opened(part: Part, place: int) -> Stream:
    """A part, from this byte on."""
    stream = Stream(part)
    for _ in stream.through(min(place, part.size)):
        pass
    return stream


def _stands(stream: Stream, seq: int) -> bool:
    """Whether a link stands here, or the end."""
    try:
        if not stream.ended():
            next_link(stream, seq)
    except Wrong:
        return False
    return True


def _exact(at: int) -> str:
    """An instant in Unix ms, to the millisecond."""
    if not 0 <= at < LATEST * 1000:
        return str(at)
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%d %H:%M:%S}.{at % 1000:03} UTC"


class Follow:
    """A chain that is followed link by link, and compared with the heads that stand in the log."""

    def __init__(self, camera: str, head: bytes, seq: int, known: Mapping[int, tuple[bytes, str]]) -> None:
        self.camera, self.head, self.seq, self.sound, self.met = camera, head, seq, True, list[tuple[int, str]]()
        self._known, self._where, self._since = known, "", (seq, 0)

    def begin(self, where: str, seq: int, head: bytes, at: int) -> None:
        """Go on in another part, which begins at this instant."""
        self._where, self.seq, self.head, self.sound, self._since = where, seq, head, True, (seq, at)

    def take(self, link: Link) -> Iterator[Wrong]:
        """One link more."""
        self.head, self.seq = chained(self.head, self.camera, link), link.seq + 1
        if link.seq in self._known and self.sound:
            head, what = self._known[link.seq]
            if head == self.head:
                self.met.append((link.seq, what))
                self._since = self.seq, link.at
            else:
                self.sound = False
                yield self._changed(link.seq, link.at, what)

    def _changed(self, last: int, at: int, what: str) -> Wrong:
        first, since = self._since
        told = f"something was changed in links {first} to {last}, between {_exact(since)} and {_exact(at)}: {what}"
        return Wrong(self._where, f"{told} has another chain")

    def end(self, last: int, head: bytes, at: int) -> Iterator[Wrong]:
        """The part is over: it must be where the manifest says."""
        if self.seq - 1 != last:
            yield Wrong(self._where, f"ends at link {self.seq - 1} in the place of {last}: it was cut or made longer")
        elif self.head != head and self.sound:
            yield self._changed(last, at, MANIFEST)

    def skip(self, seq: int, head: bytes) -> None:
        """Go on behind a part, whatever was wrong with it, as the manifest has it: so each part is told by itself."""
        self.seq, self.head = seq, head


def _copies_of(camera: str) -> str:
    """Where signed copies of a camera's recording lie. Elsewhere under COPY nothing is compared with any original."""
    return f"{COPY}{camera if camera[:1].isalnum() else f'_{camera}'}/"


def _copies(parts: Parts, camera: str, wanted: bytes | None, say: Say) -> Iterator[Wrong]:
    """The signed copies are films whose `mdat` holds the links of the originals, no more, no fewer, in their order.

    wanted: SHA-256 of all links; None where the originals do not hold, and so cannot be compared with.
    """
    folder = _copies_of(camera)
    found, names, torn = hashlib.sha256(), [name for name in sorted(parts) if name.startswith(folder)], False
    for name in names:
        stream = Stream(parts[name])
        try:
            for piece in _inside(stream):
                found.update(piece)
        except Wrong as wrong:
            stream.torn = stream.torn or wrong
        if stream.torn is not None:
            torn = True
            yield stream.torn
    if names and wanted is None:
        say(f"{COPY}{camera}: is not compared, for the originals do not hold")
    elif names and not torn and found.digest() != wanted:
        yield Wrong(names[0], f"does not carry the links of the originals under {VIDEO}{camera}")
    elif names and not torn:
        say(f"{COPY}{camera}: carries the same links; its C2PA signature is for a program that reads C2PA")


def _inside(stream: Stream) -> Iterator[memoryview]:
    """What lies in the `mdat` of a film, whatever others have put beside it."""
    while not stream.ended():
        wanted, left = stream.head(wide=True)
        for piece in stream.through(left):
            if wanted[4:8] == b"mdat":
                yield piece


# the time-stamp (RFC 3161): only what is needed to say that an authority signed this manifest's SHA-256, and when

_SIGNED_DATA, _TST_INFO = bytes.fromhex("2a864886f70d010702"), bytes.fromhex("2a864886f70d0109100104")
_MESSAGE_DIGEST, _CONTENT_TYPE = bytes.fromhex("2a864886f70d010904"), bytes.fromhex("2a864886f70d010903")
_SHA: Final[Mapping[bytes, hashes.HashAlgorithm]] = {
    bytes.fromhex("608648016503040201"): hashes.SHA256(),
    bytes.fromhex("608648016503040202"): hashes.SHA384(),
    bytes.fromhex("608648016503040203"): hashes.SHA512(),
}
_STAMPING: Final = "1.3.6.1.5.5.7.3.8"
_NO_CERTIFICATE: Final = (x509.ExtensionNotFound, x509.DuplicateExtension, x509.InvalidVersion)

Der = tuple[int, bytes, bytes]
"""Tag, content, the whole."""


def der(data: bytes) -> list[Der]:
    """The values that stand one after another in DER; raises Wrong."""
    found, place = list[Der](), 0
    while place < len(data):
        head = place + 2
        length = data[place + 1] if place + 1 < len(data) else 0x80
        if length >= 0x80:
            many = length & 0x7F
            length, head = int.from_bytes(data[head : head + many], "big"), head + many
            if not 1 <= many <= 4:
                raise Wrong(TIMESTAMP, "is not DER")
        if head + length > len(data):
            raise Wrong(TIMESTAMP, "is cut")
        found.append((data[place], data[head : head + length], data[place : head + length]))
        place = head + length
    return found


def _timestamp(token: bytes, manifest: bytes, tsa: bytes | None, say: Say) -> None:
    """Check a TimeStampResp over the manifest. Raises Wrong."""
    try:
        moment, cert = stamped(token, hashlib.sha256(manifest).digest())
        trusted = x509.load_pem_x509_certificates(tsa) if tsa is not None else []
        name, print_ = cert.subject.rfc4514_string(), cert.fingerprint(hashes.SHA256()).hex()
    except Wrong:
        raise
    except (IndexError, KeyError, TypeError, ValueError, UnsupportedAlgorithm, *_NO_CERTIFICATE) as error:
        raise Wrong(TIMESTAMP, f"is no time-stamp that can be read here: {error}") from error
    except InvalidSignature as error:
        raise Wrong(TIMESTAMP, "its signature does not fit: it was changed") from error
    say(f"{TIMESTAMP}: {MANIFEST} existed at {moment}, says {name}")
    if tsa is None:
        say(f"  hand in that authority's certificate with --tsa, or compare its SHA-256: {print_}")
    elif not any(_vouches(one, cert) for one in trusted):
        raise Wrong(TIMESTAMP, f"is signed by {name} ({print_}), for whom no certificate you handed in vouches")
    else:
        say("  its certificate is one that you trust")


def _vouches(trusted: x509.Certificate, cert: x509.Certificate) -> bool:
    try:
        if trusted != cert:
            cert.verify_directly_issued_by(trusted)
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True


def stamped(token: bytes, digest: bytes) -> tuple[str, x509.Certificate]:
    """When an authority signed this digest, and its certificate. Raises Wrong, InvalidSignature, or for what is cut."""
    status, content = der(der(token)[0][1])
    oid, wrapped = der(content[1])
    fields = der(der(wrapped[1])[0][1])
    inner = der(fields[2][1])
    if int.from_bytes(der(status[1])[0][1], "big") > 1 or (oid[1], inner[0][1]) != (_SIGNED_DATA, _TST_INFO):
        raise Wrong(TIMESTAMP, "the authority refused, or it is no time-stamp")
    info = der(inner[1][1])[0][1]
    told = der(der(info)[0][1])
    algorithm, imprint = der(told[2][1])
    if not isinstance(_SHA[der(algorithm[1])[0][1]], hashes.SHA256) or imprint[1] != digest:
        raise Wrong(TIMESTAMP, f"is over something else than {MANIFEST}")
    certs = [x509.load_der_x509_certificate(one[2]) for tag, body, _ in fields if tag == 0xA0 for one in der(body)]
    signer = der(der(fields[-1][1])[0][1])
    serial = int.from_bytes(der(signer[1][1])[1][1], "big", signed=True)
    issuer = der(signer[1][1])[0][2]
    cert = next((one for one in certs if one.serial_number == serial and one.issuer.public_bytes() == issuer), None)
    if cert is None:
        raise Wrong(TIMESTAMP, "does not carry the certificate of who signed it")
    if _STAMPING not in {
        one.dotted_string for one in cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    }:
        raise Wrong(TIMESTAMP, "is signed with a key that is not for time-stamps")
    by = _SHA[der(signer[2][1])[0][1]]
    signed = b"\x31" + signer[3][2][1:]
    said = {(parts := der(one[1]))[0][1]: der(parts[1][1])[0][1] for one in der(signer[3][1])}
    if said.get(_MESSAGE_DIGEST) != hashlib.new(by.name, info).digest() or said.get(_CONTENT_TYPE) != _TST_INFO:
        raise Wrong(TIMESTAMP, "its signature is over something else")
    _fits(cert, signer[5][1], signed, by)
    at = told[4][1].decode()
    if told[4][0] != 0x18 or not at[:14].isdigit() or not at.endswith("Z"):
        raise Wrong(TIMESTAMP, "does not say when")
    if (
        not cert.not_valid_before_utc
        <= (moment := datetime.strptime(f"{at[:14]}+0000", "%Y%m%d%H%M%S%z"))
        <= cert.not_valid_after_utc
    ):
        raise Wrong(TIMESTAMP, f"its certificate was not valid at {moment}")
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC"), cert


def _fits(cert: x509.Certificate, signature: bytes, data: bytes, by: hashes.HashAlgorithm) -> None:
    match cert.public_key():
        case rsa.RSAPublicKey() as key:
            key.verify(signature, data, padding.PKCS1v15(), by)
        case ec.EllipticCurvePublicKey() as key:
            key.verify(signature, data, ec.ECDSA(by))
        case _:
            raise Wrong(TIMESTAMP, "has a kind of signature that is not known here: ask `openssl ts -verify`")


# the zip: stored, manifest.json first, then by name, no time and no spare byte, so that every byte of it is known.
# A streamed part (a recording) has its check sum behind it, for nobody knows it before the last byte has left.

_LOCAL, _BEHIND, _LISTED, _END = b"PK\3\4", b"PK\7\10", b"PK\1\2", b"PK\5\6"
_END_WIDE, _WHERE_WIDE = b"PK\6\6", b"PK\6\7"
_WIDE: Final = 0xFFFFFFFF
_DATE: Final = 0x21
"""1980-01-01."""
_LINE: Final = struct.Struct("<4sHHHHHHIIIHHHHHII")
_LAST: Final = struct.Struct("<4sHHHHIIH")


@dataclass(frozen=True)
class Member:
    """A part as a zip lists it. streamed: its check sum stands behind it."""

    name: str
    size: int
    crc: int
    streamed: bool

    @property
    def _wide(self) -> bytes:
        many = 0 if self.streamed else self.size
        return struct.pack("<HHQQ", 1, 16, many, many) if self.size >= _WIDE else b""

    @property
    def head(self) -> bytes:
        """What stands before its bytes."""
        name, wide = self.name.encode(), self._wide
        crc, size = (0, 0) if self.streamed else (self.crc, self.size)
        size = _WIDE if wide else size
        fixed = struct.pack(
            "<4sHHHHHIIIHH", _LOCAL, 45 if wide else 20, 8 if self.streamed else 0, 0, 0, _DATE, crc, size, size,
            len(name), len(wide),
        )  # fmt: skip
        return fixed + name + wide

    @property
    def behind(self) -> bytes:
        """What stands behind its bytes."""
        if not self.streamed:
            return b""
        return struct.pack("<4sIQQ" if self._wide else "<4sIII", _BEHIND, self.crc, self.size, self.size)

    def line(self, at: int) -> bytes:
        """Its line in the list at the end of the zip. at: where its head begins."""
        name, size = self.name.encode(), min(self.size, _WIDE)
        more = (struct.pack("<QQ", self.size, self.size) if size == _WIDE else b"") + (
            struct.pack("<Q", at) if at >= _WIDE else b""
        )
        extra = struct.pack("<HH", 1, len(more)) + more if more else b""
        version = 45 if extra else 20
        return _LINE.pack(
            _LISTED, version | 3 << 8, version, 8 if self.streamed else 0, 0, 0, _DATE, self.crc, size, size, len(name),
            len(extra), 0, 0, 0, 0o600 << 16, min(at, _WIDE),
        ) + name + extra  # fmt: skip


def listing(members: Iterable[Member]) -> bytes:
    """The end of the zip of these parts: their list, and where it begins."""
    at, lines = 0, []
    for one in members:
        lines.append(one.line(at))
        at += len(one.head) + one.size + len(one.behind)
    listed, many = b"".join(lines), len(lines)
    wide = b""
    if at >= _WIDE:
        wide = struct.pack("<4sQHHIIQQQQ", _END_WIDE, 44, 45, 45, 0, 0, many, many, len(listed), at)
        wide += struct.pack("<4sIQI", _WHERE_WIDE, 0, at + len(listed), 1)
    return listed + wide + _LAST.pack(_END, 0, 0, many, many, len(listed), min(at, _WIDE), 0)


def order(name: str) -> tuple[bool, str]:
    """What parts are sorted by."""
    return (name != MANIFEST, name)


def pack(files: Mapping[str, bytes]) -> bytes:
    """The one zip of these files."""
    members = [
        Member(name, len(files[name]), zlib.crc32(files[name]), streamed=False) for name in sorted(files, key=order)
    ]
    return b"".join([*(piece for one in members for piece in (one.head, files[one.name])), listing(members)])


def _zip(place: Path, findings: list[Wrong]) -> Parts:
    """The parts of a package. Raises Wrong where it has a byte that is none of its parts, nor what a zip says of them.

    What does not fit at the edge of one part is that part's finding.
    """
    size = place.stat().st_size
    if not 22 <= size <= LARGEST:
        raise Wrong(place.name, f"is no package: too short, or longer than {LARGEST} bytes")
    with place.open("rb") as file:
        members, end = _listed(file, size, place.name)
        at, found = 0, dict[str, Part]()
        for one in members:
            file.seek(at)
            if file.read(len(one.head)) != one.head:
                findings.append(Wrong(one.name, "was changed: its head in the zip is another"))
            start = at + len(one.head)
            found[one.name] = Part(one.name, one.size, functools.partial(_between, place, start, one))
            at = start + one.size + len(one.behind)
            file.seek(at - len(one.behind))
            if file.read(len(one.behind)) != one.behind:
                findings.append(Wrong(one.name, "was changed: what stands behind it in the zip is another"))
    if at != end or len(found) != len(members) or [*found] != sorted(found, key=order):
        raise Wrong(place.name, "has bytes that are none of its parts, or its parts in another order: it was changed")
    return found


def _listed(file: BinaryIO, size: int, where: str) -> tuple[list[Member], int]:
    """The parts that a zip lists, and where the list begins; raises Wrong unless the end is exactly what they make."""
    file.seek(size - _LAST.size)
    mark, _, _, many, _, length, at, _ = _LAST.unpack(file.read(_LAST.size))
    if mark == _END and at == _WIDE and size >= 98:
        file.seek(size - 98)
        at = struct.unpack("<48xQ", file.read(56))[0]
    if mark != _END or many > MOST_PARTS or at + length > size or length > MOST_PARTS * 300:
        raise Wrong(where, "is cut, or no package: the list of its parts is not at its end")
    file.seek(at)
    end = file.read(size - at)
    members, place = list[Member](), 0
    for _ in range(many):
        if place + _LINE.size > len(end):
            raise Wrong(where, "was changed: the list of its parts is too short")
        line = _LINE.unpack_from(end, place)
        name = end[place + _LINE.size : place + _LINE.size + line[10]].decode("ascii", "replace")
        wide = (
            struct.unpack_from("<4xQ", end, place + _LINE.size + line[10])
            if line[8] == _WIDE and line[11] >= 20
            else ()
        )
        members.append(Member(_name(name, where), wide[0] if wide else line[8], line[7], bool(line[3] & 8)))
        place += _LINE.size + line[10] + line[11]
    if sum(one.size for one in members) > size or listing(members) != end:
        raise Wrong(where, "was changed: the list of its parts does not fit them")
    return members, at


def _between(place: Path, start: int, member: Member) -> Iterator[bytes]:
    """The bytes of a part; raises Wrong after the last when they do not fit its check sum."""
    crc, left = 0, member.size
    with place.open("rb") as file:
        file.seek(start)
        while left and (piece := file.read(min(PIECE, left))):
            crc, left = zlib.crc32(piece, crc), left - len(piece)
            yield piece
    if left or crc != member.crc:
        raise Wrong(member.name, "was changed: its bytes do not fit the check sum of the zip")


def _name(name: str, where: str) -> str:
    if "\\" in name or any(step in {"", ".", ".."} for step in name.split("/")):
        raise Wrong(where, f"has a part with the name {name[:80]!r}, which leads elsewhere")
    return name


def _folder(place: Path) -> Parts:
    found = {path.relative_to(place).as_posix(): path for path in sorted(place.rglob("*")) if path.is_file()}
    if len(found) > MOST_PARTS or sum(path.stat().st_size for path in found.values()) > LARGEST:
        raise Wrong(str(place), "is no unpacked package: too many files, or too large")
    for name, path in found.items():
        if path.is_symlink():
            raise Wrong(name, "leads elsewhere: a package has no such files")
    return {name: Part(name, path.stat().st_size, functools.partial(_whole, path)) for name, path in found.items()}


def _whole(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def _text(data: bytes, where: str) -> str:
    if len(data) > LARGEST_TEXT:
        raise Wrong(where, f"longer than {LARGEST_TEXT} bytes")
    try:
        return bytes(data).decode()
    except UnicodeDecodeError as error:
        raise Wrong(where, "is not UTF-8") from error


def _json(data: bytes, where: str) -> dict[str, Any]:
    try:
        found = json.loads(_text(data, where), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Wrong(where, "is not JSON") from error
    if not isinstance(found, dict):
        raise Wrong(where, "is not a JSON object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found


def _bytes(text: str, where: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Wrong(where, "has something that is not base64") from error
    if base64.b64encode(data).decode() != text:
        raise Wrong(where, "has base64 that is not in its one spelling")
    return data


def _after(word: str, line: str, where: str) -> str:
    rest = line.removeprefix(word)
    if rest == line or (word == "index " and not (rest.isascii() and rest.isdigit() and len(rest) < 20)):
        raise Wrong(where, f"the proof has no {word}line")
    return rest


def main(words: list[str] | None = None) -> int:
    """The command of `verify.py`."""
    asked = argparse.ArgumentParser(prog="verify.py", description="Check an export package, offline.")
    asked.add_argument("package", nargs="?", type=Path, default=Path(__file__).parent, help="default: where this lies")
    asked.add_argument("--policy", type=Path, help="your own copy of the oversight policy")
    asked.add_argument("--tsa", type=Path, help="certificates (PEM) of the time-stamping authority that you trust")
    given = asked.parse_args(words)
    policy, tsa = (one.read_bytes() if one else None for one in (given.policy, given.tsa))
    findings = check(given.package, policy, _print, tsa)
    unknown = [str(one) for one in findings if isinstance(one, Unknown)]
    for line in ending([str(one) for one in findings if not isinstance(one, Unknown)], unknown):
        _print(line)
    return 1 if findings else 0


def ending(wrong: list[str], unknown: list[str]) -> list[str]:
    """The last lines of a check: what does not hold, what cannot be checked for want of a key, and the sum of both."""
    sums = []
    if wrong:
        sums.append("one thing does not hold" if len(wrong) == 1 else f"{len(wrong)} things do not hold")
    if unknown:
        many = "one thing" if len(unknown) == 1 else f"{len(unknown)} things"
        sums.append(f"{many} cannot be checked without a policy that has the keys of all logs")
    lines = [f"{DOES_NOT_HOLD}  {one}" for one in wrong] + [f"CANNOT BE CHECKED  {one}" for one in unknown]
    return [*lines, "; ".join(sums) or "everything holds"]


def plain(line: str) -> str:
    """A line that stays one, and shows what a package could hide in it from the reader of a screen."""
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in line)


def _print(line: str) -> None:
    sys.stdout.write(f"{plain(line)}\n")


if __name__ == "__main__":
    sys.exit(main())
