"""A package over a small log of its own, and what a verifier says of it."""

import hashlib
import tempfile
from importlib.resources import files
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from saqtau.ledger.checkpoint import Checkpoint
from saqtau.ledger.leaf import Leaf, LeafClass, canonical, commitment, encode_leaf
from saqtau.ledger.note import COSIGNATURE, Signer, compose_note, parse_note
from saqtau.ledger.package import (
    CHECKPOINT,
    EXPORT,
    MANIFEST,
    POLICY,
    PackageStanding,
    Recorded,
    entry_file,
    entry_name,
    manifest,
)
from saqtau.ledger.policy import of_keys
from saqtau.ledger.proof import encode_proof
from saqtau.ledger.tiles import TilePath, TileReader, tile_path
from saqtau.ledger.tree import Edge, leaf_hashes
from saqtau.ledger.verify import export as verifier

ORIGIN = "saqtau.example/02/access/2026"


def secret(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def signer(name: str, seed: str = "") -> Signer:
    return Signer(name, Ed25519PrivateKey.from_private_bytes(secret(seed or name)))


LOG, WITNESS = signer(ORIGIN), signer("prosecutor.example/witness")


def made(
    content: dict[str, bytes],
    standing: PackageStanding = PackageStanding.WITNESSED,
    *,
    cosigned: bool = True,
    video: tuple[Recorded, ...] = (),
    minutes: tuple[dict, ...] = (),
) -> dict[str, bytes]:
    """The files of a package with three entries of custody, minutes of cameras, and the entry of the export itself."""
    own = 3 + len(minutes)
    content = {**content, "verify.py": (files("saqtau.ledger.verify") / "export.py").read_bytes()}
    named = [f"{ORIGIN}#{index}" for index in range(own)]
    listed = manifest("e1", standing, {"item": "i1", "case": "123-45"}, named, content, video)
    records = [canonical({"action": "picture.read", "n": n}) for n in range(3)] + [canonical(one) for one in minutes]
    records.append(canonical({"act": "issue", "manifest": hashlib.sha256(listed).hexdigest()}))
    deks = [secret(f"dek {n}") for n in range(own + 1)]
    classes = [*[LeafClass.VIEW] * 3, *[LeafClass.SEGMENT] * len(minutes), LeafClass.EXPORT]
    leaves = [
        encode_leaf(Leaf(commitment(dek, record), klass, "2026-11-24", "a_1y"))
        for klass, dek, record in zip(classes, deks, records, strict=True)
    ]
    edge, full = Edge().append(leaf_hashes(leaves))
    tiles = {tile_path(one.level, one.index, one.width): one.hashes for one in (*full, *edge.partial())}

    def read(path: TilePath) -> bytes:
        return tiles[path.text]

    body = Checkpoint(ORIGIN, own + 1, edge.root()).body()
    note = compose_note(body, [LOG.sign(body), *([WITNESS.cosign(body, 1_795_000_000)] if cosigned else [])])
    reader = TileReader(read, own + 1)

    def file(n: int) -> bytes:
        proof = encode_proof(n, reader.inclusion(n), parse_note(note.encode()), leaves[n])
        # the middle one may not be opened
        return entry_file(f"{ORIGIN}#{n}", proof, *((None, None) if n == 1 else (records[n], deks[n])))

    return {
        MANIFEST: listed,
        **content,
        **{entry_name(n): file(n) for n in range(own)},
        EXPORT: file(own),
        CHECKPOINT: note.encode(),
        POLICY: of_keys({LOG.vkey(): None}, {WITNESS.vkey(COSIGNATURE): None}, 1).text(),
    }


def findings(data: bytes, policy: bytes | None = None) -> list[str]:
    """What the verifier of the package says of these bytes."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "package.zip"
        place.write_bytes(data)
        return [str(one) for one in verifier.check(place, policy, lambda _: None)]
