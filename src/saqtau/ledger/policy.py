"""Trust policies (C2SP tlog-policy): which logs and witnesses one knows, and which witnesses are enough.

The file is octets: names are compared as octets, so bytes that are no UTF-8 are carried through as surrogates.
"""

import re
from collections.abc import Iterable, Mapping

import msgspec

from saqtau.kernel.errors import Refused
from saqtau.ledger.checkpoint import parse
from saqtau.ledger.note import COSIGNATURE, Note, Verifier, check_cosignature
from saqtau.ledger.spelling import parse_decimal, refuse

NONE = "none"
"""The quorum that asks for no witness."""
MAX_POLICY = 256 * 1024
"""Bytes of a policy file."""
MAX_LOGS = 1024
"""Two kinds a region and year: a country of twenty regions has 40 more each year."""
MAX_KEYS = 64
"""Witnesses and groups, of each; the specification wants room for 32."""
_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_SPACE = re.compile(r"[ \t]+")


class KnownLog(msgspec.Struct, frozen=True):
    """A log whose checkpoints are accepted; its key's name is its origin."""

    verifier: Verifier
    url: str | None = None


class KnownWitness(msgspec.Struct, frozen=True):
    """A witness under the name by which this policy speaks of it."""

    name: str
    verifier: Verifier
    url: str | None = None


class Group(msgspec.Struct, frozen=True):
    """Counts as one witness when `threshold` of its members (witnesses or groups named before it) do."""

    name: str
    threshold: int
    members: tuple[str, ...]


class Verdict(msgspec.Struct, frozen=True):
    """What a policy says of a checkpoint.

    reason: empty when it is accepted, else `origin` (no known log, or a body that is no checkpoint), `signature` (the
    log did not sign), `wrong_signature` (a known key's signature does not fit: the whole note is refused) or `quorum`.
    """

    accepted: bool
    reason: str
    log: Verifier | None
    witnessed: Mapping[str, int]  # name in the policy -> time of its cosignature, Unix seconds


class LogPolicy(msgspec.Struct, frozen=True):
    """A policy that was read, in the order of its file."""

    logs: tuple[KnownLog, ...]
    witnesses: tuple[KnownWitness, ...]
    groups: tuple[Group, ...]
    quorum: str  # a witness, a group, or NONE

    def satisfied(self, note: Note) -> Verdict:
        """Whether a known log signed this checkpoint and enough witnesses cosigned it; other signatures count nothing.

        Times of cosignatures are told, not judged: the caller has the clock.
        """
        try:
            origin = parse(note).origin
        except Refused:
            return Verdict(False, "origin", None, {})
        witnessed: dict[str, int] = {}
        for witness in self.witnesses:
            at = check_cosignature(witness.verifier, note)
            if at is not None:
                witnessed[witness.name] = at
            elif note.of(witness.verifier):
                return Verdict(False, "wrong_signature", None, {})
        known = [log.verifier for log in self.logs if log.verifier.name == origin]
        if any(note.of(verifier) and not note.check(verifier) for verifier in known):
            return Verdict(False, "wrong_signature", None, {})
        log = next((verifier for verifier in known if note.check(verifier)), None)
        if log is None:
            return Verdict(False, "signature" if known else "origin", None, witnessed)
        enough = self.quorum == NONE or self.quorum in self._counting(witnessed)
        return Verdict(enough, "" if enough else "quorum", log, witnessed)

    def _counting(self, witnessed: Iterable[str]) -> set[str]:
        """The witnesses and groups that count as having witnessed."""
        counting = set(witnessed)
        for group in self.groups:  # members come before their group
            if sum(member in counting for member in group.members) >= group.threshold:
                counting.add(group.name)
        return counting

    def text(self) -> bytes:
        """The policy as a file that `parse_policy` reads to the same."""
        lines = [_line("log", log.verifier.vkey, log.url) for log in self.logs]
        lines += [_line("witness", one.name, one.verifier.vkey, one.url) for one in self.witnesses]
        lines += [_line("group", one.name, str(one.threshold), *one.members) for one in self.groups]
        return "".join([*lines, _line("quorum", self.quorum)]).encode("utf-8", "surrogateescape")


class _Reading(msgspec.Struct):
    """What was read so far."""

    logs: list[KnownLog] = []
    witnesses: list[KnownWitness] = []
    groups: list[Group] = []
    quorum: str | None = None
    free: dict[str, bool] = {}  # name -> whether it is no group's member yet

    def log(self, parts: list[str]) -> None:
        """`log <vkey> [<url>]`."""
        if len(parts) not in {1, 2}:
            refuse("log", "policy: a log line is 'log <vkey> [<url>]'")
        verifier = Verifier.parse(parts[0])
        if any(known.verifier.public == verifier.public for known in self.logs):
            refuse("log", f"policy: log {verifier.name} has the key of another", "duplicate")
        if len(self.logs) == MAX_LOGS:
            refuse("log", "policy: too many logs", "too_many")
        self.logs.append(KnownLog(verifier, *parts[1:]))

    def witness(self, parts: list[str]) -> None:
        """`witness <name> <vkey> [<url>]`."""
        if len(parts) not in {2, 3}:
            refuse("witness", "policy: a witness line is 'witness <name> <vkey> [<url>]'")
        verifier = Verifier.parse(parts[1])
        if verifier.kind != COSIGNATURE:
            refuse("witness", f"policy: the key of witness {verifier.name} is none of a cosigner", "unknown_kind")
        if any(known.verifier.public == verifier.public for known in self.witnesses):
            refuse("witness", f"policy: witness {verifier.name} has the key of another", "duplicate")
        if len(self.witnesses) == MAX_KEYS:
            refuse("witness", "policy: too many witnesses", "too_many")
        self._name(parts[0], "witness")
        self.witnesses.append(KnownWitness(parts[0], verifier, *parts[2:]))

    def group(self, parts: list[str]) -> None:
        """`group <name> all|any|<k> <name>...`."""
        if len(parts) < 3:
            refuse("group", "policy: a group line is 'group <name> all|any|<k> <name>...'")
        name, many, *members = parts
        for member in members:
            if not self.free.get(member, False):
                refuse("group", "policy: a member of a group is not named before it, or is a member already", "member")
            self.free[member] = False
        match many:
            case "all":
                threshold = len(members)
            case "any":
                threshold = 1
            case _:
                threshold = parse_decimal(many, "group")
        if not 1 <= threshold <= len(members):
            refuse("group", "policy: a group of fewer members than it asks for, or that asks for none", "threshold")
        if len(self.groups) == MAX_KEYS:
            refuse("group", "policy: too many groups", "too_many")
        self._name(name, "group")
        self.groups.append(Group(name, threshold, tuple(members)))

    def ask(self, parts: list[str]) -> None:
        """`quorum <name>`."""
        if len(parts) != 1 or self.quorum is not None:
            refuse("quorum", "policy: not exactly one line 'quorum <name>'")
        if parts[0] != NONE and parts[0] not in self.free:
            refuse("quorum", "policy: the quorum is not named before it", "member")
        self.quorum = parts[0]

    def _name(self, name: str, field: str) -> None:
        if name == NONE or name in self.free:
            refuse(field, "policy: a name is given twice, or is 'none'", "duplicate")
        self.free[name] = True


def parse_policy(data: bytes) -> LogPolicy:
    """Read a policy file. Refused(INVALID) names `policy`, `log`, `witness`, `group`, `quorum` or `vkey`.

    Beyond the specification, a witness with the key of a log is refused: it would watch itself.
    """
    if len(data) > MAX_POLICY:
        refuse("policy", "policy: too large", "too_large")
    if _CONTROL.search(data) is not None:
        refuse("policy", "policy: has a control character")
    if data and not data.endswith(b"\n"):
        refuse("policy", "policy: its last line is cut")
    reading = _Reading()
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        words = [word for word in _SPACE.split(line) if word]
        if not words or words[0].startswith("#"):
            continue
        match words[0]:
            case "log":
                reading.log(words[1:])
            case "witness":
                reading.witness(words[1:])
            case "group":
                reading.group(words[1:])
            case "quorum":
                reading.ask(words[1:])
            case _:
                refuse("policy", "policy: a line is none of log, witness, group, quorum", "unknown_kind")
    if reading.quorum is None:
        refuse("quorum", "policy: not exactly one line 'quorum <name>'")
    watched = {log.verifier.public for log in reading.logs}
    if any(witness.verifier.public in watched for witness in reading.witnesses):
        refuse("witness", "policy: a witness has the key of a log", "same_key")
    return LogPolicy(tuple(reading.logs), tuple(reading.witnesses), tuple(reading.groups), reading.quorum)


def of_keys(logs: Mapping[str, str | None], witnesses: Mapping[str, str | None], threshold: int) -> LogPolicy:
    """The plain policy: these logs (vkey -> URL), and `threshold` of these witnesses (vkey -> URL); 0 asks for none.

    Witnesses are called by their keys' names. Refused(INVALID) as `parse_policy`.
    """
    known = [(Verifier.parse(vkey), url) for vkey, url in witnesses.items()]
    names = [verifier.name for verifier, _ in known]
    lines = [_line("log", vkey, url) for vkey, url in logs.items()]
    lines += [_line("witness", verifier.name, verifier.vkey, url) for verifier, url in known]
    lines += [_line("group", "witnesses", str(threshold), *names)] if threshold else []
    return parse_policy("".join([*lines, _line("quorum", "witnesses" if threshold else NONE)]).encode())


def _line(*words: str | None) -> str:
    said = [word for word in words if word is not None]
    if not all(said) or any(letter <= " " for word in said for letter in word):
        refuse("policy", "policy: a name or URL that is empty or has a space")
    return f"{' '.join(said)}\n"
