"""Which logs an authority runs, as a signed note, and which of them a witness takes without being visited.

A person compares one key, once: the authority's. It signs the list of the authority's logs, and a log that appears in
it later is watched at once, for else every new year would begin unwitnessed. What that key can do is kept small: it
can name logs of its own authority, of a known kind, of about this year; it can neither change the key of a log that is
watched nor take a log off. A list that tries is kept as evidence.

    saqtau.log-list@v1
    <name of the authority>
    <vkey of a log>
    ...

    — <name of the authority> <signature>
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.note import ED25519, Signer, Verifier, compose_note, parse_note
from saqtau.ledger.spelling import refuse

HEADER: Final = "saqtau.log-list@v1"
MOST: Final = 2_000
"""Logs of a list: a hundred regions, two kinds, ten years."""
LIST_LIMIT: Final = 256 * 1024
_ORIGIN: Final = re.compile(r"(?P<authority>.+)/[0-9]{2}/(?:access|evidence)/(?P<year>[0-9]{4})")


class LogList(msgspec.Struct, frozen=True):
    """An authority and the keys of its logs, whose names are the logs' origins."""

    authority: str
    logs: tuple[Verifier, ...]


class Admission(msgspec.Struct, frozen=True):
    """What a list leads to. new: to be watched; contradicted: named with another key than the one that is watched."""

    new: tuple[Verifier, ...] = ()
    contradicted: tuple[Verifier, ...] = ()
    passed_over: tuple[Verifier, ...] = ()  # of another authority, an unknown kind, or a year far from this one


def compose_list(signer: Signer, vkeys: Iterable[str]) -> str:
    """The signed list. signer: the authority's key, whose name is the authority's."""
    body = "".join(f"{line}\n" for line in (HEADER, signer.name, *sorted(vkeys)))
    return compose_note(body, [signer.sign(body)])


def parse_list(data: bytes, authority: Verifier | None = None) -> LogList:
    """Read a list. authority: the key that must have signed it; None when a person looks at it before trusting it.

    Raises Refused: DENIED (`list`) when that key did not sign it, INVALID naming what is wrong.
    """
    if len(data) > LIST_LIMIT:
        refuse("list", "list of logs: too large", "too_large")
    note = parse_note(data)
    header, _, rest = note.body.partition("\n")
    name, *vkeys = rest.removesuffix("\n").split("\n")
    if header != HEADER:
        refuse("list", "list of logs: not one")
    if authority is not None and (name != authority.name or not note.check(authority)):
        raise Refused(Kind.DENIED, f"list of logs: not signed by the key known for {authority.name}", list="foreign")
    if len(vkeys) > MOST:
        refuse("list", "list of logs: too many", "too_many")
    logs = tuple(Verifier.parse(vkey) for vkey in vkeys)
    if any(log.kind != ED25519 for log in logs):
        refuse("vkey", "list of logs: a key that is no log's", "unknown_kind")
    if len({log.name for log in logs}) != len(logs):
        refuse("vkey", "list of logs: an origin is named twice", "twice")
    return LogList(name, logs)


def admit(known: Mapping[str, tuple[str, ...]], listed: LogList, year: int) -> Admission:
    """Decide what follows from a list that its authority signed. known: origin -> vkeys that are watched already.

    year: of the witness's clock. A log of the year before, this one or the next is taken; others wait for a person.
    """
    new, contradicted, passed_over = list[Verifier](), list[Verifier](), list[Verifier]()
    for log in listed.logs:
        if log.name in known:
            if log.vkey not in known[log.name]:
                contradicted.append(log)
            continue
        found = _ORIGIN.fullmatch(log.name)
        fits = found is not None and found["authority"] == listed.authority and abs(int(found["year"]) - year) <= 1
        (new if fits else passed_over).append(log)
    return Admission(tuple(new), tuple(contradicted), tuple(passed_over))
