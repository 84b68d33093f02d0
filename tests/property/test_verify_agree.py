"""verify.py, which lies in every export package and knows nothing of ours, says the same as our own ledger."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.growing import LOG, WITNESS, Grown, signer

from saqtau.kernel.errors import Refused
from saqtau.ledger.leaf import Leaf, LeafClass, commitment, encode_leaf
from saqtau.ledger.note import COSIGNATURE, compose_note, parse_note
from saqtau.ledger.policy import of_keys, parse_policy
from saqtau.ledger.verify import export
from saqtau.ledger.verify.entry import check_entry
from saqtau.ledger.verify.finding import silent

WITNESSES = [signer(f"w{number}.example/w") for number in range(4)]
KEYS = [one.vkey(COSIGNATURE) for one in WITNESSES]
WORDS = st.sampled_from(
    ["log", "witness", "group", "quorum", "none", "all", "any", "1", "2", "a", "b", "c", LOG.vkey(), *KEYS]
)
POLICY = of_keys({LOG.vkey(): None}, {WITNESS.vkey(COSIGNATURE): None}, 1)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return Grown(tmp_path_factory.mktemp("log")).to(40)


def theirs(text):
    try:
        return export.parse_policy(text, "policy")
    except export.Wrong:
        return None


def ours(text):
    try:
        return parse_policy(text.encode())
    except Refused:
        return None


@st.composite
def policies(draw):
    """Mostly whole policies: a log, witnesses, groups of those named before, a quorum."""
    names = [f"n{number}" for number in range(draw(st.integers(0, 4)))]
    lines = [f"log {LOG.vkey()}", *(f"witness {name} {key}" for name, key in zip(names, KEYS, strict=False))]
    free = list(names)
    for group in draw(st.lists(st.sampled_from(["g", "h", "i"]), max_size=3)):
        members = draw(st.lists(st.sampled_from(free), min_size=1, max_size=3)) if free else ["n9"]
        lines.append(f"group {group} {draw(st.sampled_from(['all', 'any', '1', '2', '3', '0']))} {' '.join(members)}")
        free = [name for name in free if name not in members] + [group]
    lines.append(f"quorum {draw(st.sampled_from([*free, *names, 'none', 'x']))}")
    return "".join(f"{line}\n" for line in lines)


@given(
    policies() | st.lists(st.lists(WORDS, max_size=5).map(" ".join), max_size=6).map(lambda one: "\n".join([*one, ""]))
)
def test_they_read_the_same_policies(text):
    assert (theirs(text) is None) == (ours(text) is None or not ours(text).logs), text


@given(policies(), st.sets(st.integers(0, 3)))
def test_they_find_the_same_witnesses_enough(text, signed):
    policy, known = theirs(text), ours(text)
    if policy is None or known is None:
        return
    body = f"{LOG.name}\n1\n{'A' * 43}=\n"
    lines = [LOG.sign(body), *(WITNESSES[number].cosign(body, 1_795_000_000) for number in sorted(signed))]
    note = compose_note(body, lines)
    opened = export.open_checkpoint(note, policy, "checkpoint")
    verdict = known.satisfied(parse_note(note.encode()))
    assert opened.witnessed == verdict.witnessed
    assert policy.enough(opened.witnessed) == verdict.accepted


def their_findings(file):
    policy = export.parse_policy(POLICY.text().decode(), "policy")
    try:
        entry = export.check_entry(file, policy, "entry")
    except export.Wrong as wrong:
        return [str(wrong)]
    return [] if policy.enough(entry.opened.witnessed) else ["not enough witnesses"]


@given(st.data())
def test_they_accept_and_refuse_the_same_entries(log, data):
    file = bytearray(log.entry(data.draw(st.integers(0, 39))))
    for _ in range(data.draw(st.integers(0, 2))):
        file[data.draw(st.integers(0, len(file) - 1))] ^= data.draw(st.integers(1, 127))
    assert bool(check_entry(bytes(file), POLICY, silent)) == bool(their_findings(bytes(file)))


def test_a_record_with_a_name_twice_is_refused_by_both(log):
    record, dek = '{"a":1,"a":2}', bytes(32)
    leaf = encode_leaf(Leaf(commitment(dek, record.encode()), LeafClass.VIEW, "2026-11-24", "a_1y"))
    number = log.grow(leaf).edge.size - 1
    told = {"v": 1, "entry": f"{LOG.name}#{number}", "proof": log.proof(number), "record": record, "dek": dek.hex()}
    file = json.dumps(told).encode()
    assert their_findings(file)
    assert check_entry(file, POLICY, silent)
