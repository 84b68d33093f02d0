"""Check an export package, offline. This file is also the `verify.py` inside the package: it needs nothing of Saqtau.

    python3 verify.py [PACKAGE.zip | FOLDER] [--policy FILE]

Needs Python 3.11 and the package `cryptography`. Says what it checked and what does not hold; exit code 1 then.
Without --policy the keys come out of the package itself, and prove only that it fits together: compare the fingerprints
it prints with those that the prosecutor's office publishes, or hand in that office's own policy file.
A package is: manifest.json with the SHA-256 of each file; ledger/export.json, the log's entry about this export, whose
record holds the SHA-256 of manifest.json; ledger/entries/, the chain of custody; each entry with its tlog-proof (C2SP).
"""

import argparse
import base64
import functools
import hashlib
import hmac
import io
import json
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MANIFEST: Final = "manifest.json"
PROGRAM: Final = "verify.py"
EXPORT: Final = "ledger/export.json"
CHECKPOINT: Final = "ledger/checkpoint"
POLICY: Final = "ledger/oversight.policy"
ENTRIES: Final = "ledger/entries/"
LEDGER: Final = "ledger/"
DOES_NOT_HOLD: Final = "DOES NOT HOLD"
WITNESSED: Final = "witnessed"
MOST_PARTS: Final = 10_000
LARGEST: Final = 1 << 30
"""Bytes of a package: it is checked in memory."""
LATEST: Final = 1 << 37
"""Unix seconds beyond which no time is told (the year 6325): a signature over such a time does not fit."""
FIELD: Final = 2**255 - 19
EIGHTH: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
SMALL_ORDER: Final = frozenset({0, 1, FIELD - 1, EIGHTH, FIELD - EIGHTH})
"""The y of the eight points of Ed25519 for which anybody makes signatures that verify."""
LARGEST_TEXT: Final = 4 << 20
"""Bytes of a file that is read as text: manifest, entries, policy."""
ABOUT: Final = {
    "case": "case",
    "recipient": "for",
    "reason": "because",
    "asked": "asked for",
    "agreed": "agreed to",
    "concerns": "had to be agreed to by the prosecutor because of",
    "issued_at": "issued",
    "item": "item",
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
Parts = Mapping[str, Callable[[], bytes]]


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


def check(place: Path, policy: bytes | None, say: Say) -> list[Wrong]:
    """Check a package (a zip, or the folder it was unpacked into). Empty when everything holds; never raises for it.

    policy: the verifier's own tlog-policy; None takes the one in the package, and says so.
    """
    try:
        parts = _folder(place) if place.is_dir() else _zip(place)
    except Wrong as wrong:
        return [wrong]
    except OSError as error:
        return [Wrong(str(place), str(error.strerror))]
    findings: list[Wrong] = []
    missing = [Wrong(name, "is not there") for name in (MANIFEST, EXPORT, CHECKPOINT, POLICY) if name not in parts]
    if missing:
        return missing
    try:
        manifest = _manifest(parts, say, findings)
        keys = _keys(parts, policy, say)
    except Wrong as wrong:
        return [*findings, wrong]
    opened = list(_entries(parts, manifest, keys, say, findings))
    try:
        opened.append(open_checkpoint(_text(parts[CHECKPOINT](), CHECKPOINT), keys, CHECKPOINT))
        say(f"{CHECKPOINT}: {opened[-1].origin}, {opened[-1].size:,} entries, root {opened[-1].root.hex()}")
        _say_witnesses(opened[-1], say)
    except Wrong as wrong:
        findings.append(wrong)
    findings += _forks(opened)
    findings += _standing(manifest, opened, keys, say, any(isinstance(one, Unknown) for one in findings))
    return findings


def _manifest(parts: Parts, say: Say, findings: list[Wrong]) -> Mapping[str, Any]:
    data = parts[MANIFEST]()
    manifest = _json(data, MANIFEST)
    files = manifest.get("files")
    if manifest.get("v") != 1 or not isinstance(files, dict):
        raise Wrong(MANIFEST, "no manifest of an export")
    if json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() != bytes(data):
        findings.append(Wrong(MANIFEST, "is not in its one spelling"))
    for name, told in sorted(files.items()):
        if name not in parts:
            findings.append(Wrong(name, "is in the manifest and not in the package"))
            continue
        content = parts[name]()
        if told != {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}:
            findings.append(Wrong(name, "is not what was exported: its SHA-256 or length is another"))
    known = {MANIFEST, PROGRAM, EXPORT, CHECKPOINT, POLICY, *files}
    added = sorted(name for name in parts if name not in known and not name.startswith(ENTRIES))
    findings += [Wrong(name, "was added: the manifest does not know it") for name in added]
    say(f"{MANIFEST}: export {manifest.get('export')}, {len(files)} files compared with their SHA-256")
    about = manifest.get("about")
    for name, value in _ordered(about, ABOUT) if isinstance(about, dict) else ():
        say(f"  {ABOUT.get(name, name)}: {_spelled(value)}")
    return manifest


def _keys(parts: Parts, policy: bytes | None, say: Say) -> Policy:
    found = parse_policy(_text(policy if policy is not None else parts[POLICY](), POLICY), POLICY)
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
) -> Iterator[Opened]:
    """The entry of the export, and the chain of custody: all of it, in its order, and nothing else."""
    digest = hashlib.sha256(parts[MANIFEST]()).hexdigest()
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
            entry = check_entry(parts[name](), keys, name)
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
        yield entry.opened


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


# the zip: stored, names in order, no time and no spare byte, so that every byte of it is known


def pack(files: Mapping[str, bytes]) -> bytes:
    """The one zip of these files: manifest.json, then the others by name; stored, of 1980-01-01, nothing else in it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as package:
        for name in sorted(files, key=lambda name: (name != MANIFEST, name)):
            head = zipfile.ZipInfo(name)
            head.create_system = 3
            package.writestr(head, files[name])
    return out.getvalue()


def _zip(place: Path) -> Parts:
    """The parts of a package. Raises Wrong where its bytes are not exactly what `pack` makes of its parts."""
    if not 22 <= place.stat().st_size <= LARGEST:
        raise Wrong(place.name, f"is no package: too short, or longer than {LARGEST} bytes")
    data = place.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            heads = package.infolist()
            if len(heads) > MOST_PARTS or sum(head.file_size for head in heads) > len(data):
                raise Wrong(place.name, "is no package of this house: too many parts, or they are compressed")
            found = {_name(head.filename, place.name): package.read(head) for head in heads}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise error if isinstance(error, Wrong) else Wrong(place.name, f"was changed: {error}") from error
    again = pack(found)
    if again != data:
        at = next((at for at, (one, other) in enumerate(zip(again, data, strict=False)) if one != other), len(again))
        raise Wrong(place.name, f"has bytes that are none of its parts (from byte {at} on): it was changed")
    return {name: functools.partial(bytes, content) for name, content in found.items()}


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
    return {name: path.read_bytes for name, path in found.items()}


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
    given = asked.parse_args(words)
    findings = check(given.package, given.policy.read_bytes() if given.policy else None, _print)
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
