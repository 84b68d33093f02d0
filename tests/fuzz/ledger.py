"""The ledger's parsers: name, function of bytes, the bytes to begin with. Refused(INVALID) is all they may raise.

What is read must say the same when it is written again: two spellings are a way to sign one thing and show another.
"""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from saqtau.ledger import checkpoint, leaf, note, policy, proof, tiles, tree
from saqtau.ledger.witness import loglist, state
from saqtau.ledger.witness.request import compose_request, parse_request

LOG = note.Signer("saqtau.local/75/access/2026", Ed25519PrivateKey.from_private_bytes(b"L" * 32))
WITNESS = note.Signer("prosecutor.example/w1", Ed25519PrivateKey.from_private_bytes(b"W" * 32))
BODY = checkpoint.Checkpoint(LOG.name, 7, b"r" * 32).body()
NOTE = note.compose_note(BODY, [LOG.sign(BODY), WITNESS.cosign(BODY, 1_795_521_600)])
TWO_PARTS = "a\n\nb\n"
SIGNED = {BODY, TWO_PARTS}
POLICY = policy.parse_policy(
    f"# who watches\nlog {LOG.vkey()} https://a.b/\nwitness P {WITNESS.vkey(4)}\n"
    "group G any P\ngroup H 1 G\nquorum H\n".encode()
)
HASHES = [bytes([n]) * 32 for n in range(3)]
EDGE, _ = tree.Edge().append(HASHES)


def read_note(data: bytes) -> None:
    found = note.parse_note(data)
    assert found.text.encode() == data
    for verifier in (LOG.verifier(), WITNESS.verifier(4)):
        assert not found.check(verifier) or found.body in SIGNED
    POLICY.satisfied(found)


def read_vkey(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    assert note.Verifier.parse(text).vkey == text


def read_checkpoint(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    assert checkpoint.parse_checkpoint(text).body() == text


def read_path(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    assert tiles.parse_path(text).text == text


def read_entries(data: bytes) -> None:
    assert tiles.pack_entries(tiles.unpack_entries(data)) == data


def read_edge(data: bytes) -> None:
    size, rest = int.from_bytes(data[:2], "big"), data[2:]
    edge = tree.Edge.unpack(rest, size)
    assert edge.pack() == rest
    assert edge.append([b"h" * 32])[0].size == size + 1


def read_proof(data: bytes) -> None:
    found = proof.parse_proof(data)
    assert proof.encode_proof(found.index, found.hashes, found.note, found.extra).encode() == data
    proof.verify_inclusion(b"l" * 32, found.index, found.index + 9, found.hashes, b"r" * 32)
    if len(found.hashes) > 1:
        root, *steps = found.hashes
        assert not proof.verify_consistency(found.index, found.index + 9, root, b"r" * 32, steps)


def read_policy(data: bytes) -> None:
    found = policy.parse_policy(data)
    assert policy.parse_policy(found.text()) == found
    found.satisfied(note.parse_note(NOTE.encode()))


def read_leaf(data: bytes) -> None:
    assert leaf.encode_leaf(leaf.parse_leaf(data)) == data


def read_record(data: bytes) -> None:
    assert leaf.canonical(leaf.parse_record(data)) == data


def read_request(data: bytes) -> None:
    found = parse_request(data)
    assert compose_request(found.old, found.proof, found.note.text.encode()) == data


def read_list(data: bytes) -> None:
    found = loglist.parse_list(data)
    assert loglist.admit({}, found, 2026).contradicted == ()


def decide(data: bytes) -> None:
    seen = state.Known(LOG.name, (LOG.verifier(),), 7, b"r" * 32)
    answer = state.consider(seen, parse_request(data))
    assert answer.status != state.COSIGNED or answer.size == seen.size, "nothing but the known checkpoint is signed"


LEDGER = {
    "log_list": (read_list, [loglist.compose_list(WITNESS, [LOG.vkey()]).encode()]),
    "witness": (decide, [compose_request(7, (), NOTE.encode()), compose_request(7, HASHES, NOTE.encode())]),
    "note": (read_note, [NOTE.encode(), f"{TWO_PARTS}\n{LOG.sign(TWO_PARTS)}".encode()]),
    "vkey": (read_vkey, [LOG.vkey().encode(), WITNESS.vkey(4).encode()]),
    "checkpoint": (read_checkpoint, [BODY.encode(), f"{BODY}extension\n".encode()]),
    "path": (read_path, [b"tile/0/x001/x234/067", b"tile/1/001.p/17", b"tile/entries/x273/001.p/255"]),
    "entries": (read_entries, [tiles.pack_entries([b"", b"ab", b"c" * 300])]),
    "edge": (read_edge, [EDGE.size.to_bytes(2, "big") + EDGE.pack()]),
    "proof": (read_proof, [proof.encode_proof(5, HASHES, note.parse_note(NOTE.encode()), b"more").encode()]),
    "policy": (read_policy, [POLICY.text()]),
    "leaf": (read_leaf, [leaf.encode_leaf(leaf.Leaf(b"c" * 32, leaf.LeafClass.VIEW, "2026-11-24", "access_5y"))]),
    "record": (read_record, [leaf.canonical({"a": [1, -2.5, None, {"b": "қ", "c": True}], "z": {}})]),
    "add_checkpoint": (read_request, [compose_request(3, HASHES, NOTE.encode())]),
}
