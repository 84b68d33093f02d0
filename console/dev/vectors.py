"""Vectors for the console's verifier, grown by `saqtau.ledger`: writes console/tests/ledger.json.

From the root of the tree: `PYTHONPATH=src .venv/bin/python console/dev/vectors.py`. A test compares the file with it.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from saqtau.ledger.checkpoint import Checkpoint
from saqtau.ledger.leaf import Leaf, LeafClass, canonical, commitment, encode_leaf
from saqtau.ledger.note import COSIGNATURE, Signer, compose_note, parse_note
from saqtau.ledger.proof import encode_proof
from saqtau.ledger.tiles import TilePath, TileReader, tile_path
from saqtau.ledger.tree import Edge, leaf_hashes
from saqtau.ledger.verify.entry import EntryFile, encode_entry

WHERE = Path(__file__).parents[1] / "tests" / "ledger.json"
ORIGIN = "saqtau.example/02/access/2026"
SIZE = 300  # one full tile, a partial one beside it, and one above
SIZES = (1, 2, 3, 4, 5, 7, 8, 11, 16, 17, 255, 256, 257, 299, 300)
SHOWN = (0, 1, 137, 255, 256, 298, 299)


def _bytes(name: str) -> bytes:
    """32 bytes that are the same each time."""
    return hashlib.sha256(name.encode()).digest()


def _signer(name: str) -> Signer:
    return Signer(name, Ed25519PrivateKey.from_private_bytes(_bytes(name)))


def vectors() -> dict[str, Any]:
    """A log of 300 entries, its tiles, a witnessed checkpoint, and the files of some of its entries."""
    deks = [_bytes(f"dek {index}") for index in range(SIZE)]
    records = [canonical({"action": "picture.read", "index": index, "who": "Айгүл Ө."}) for index in range(SIZE)]
    leaves = [
        encode_leaf(Leaf(commitment(dek, record), LeafClass.VIEW, "2026-11-24", "access_1y"))
        for dek, record in zip(deks, records, strict=True)
    ]
    hashes = leaf_hashes(leaves)
    edge, full = Edge().append(hashes)
    tiles = {tile_path(one.level, one.index, one.width): one.hashes for one in (*full, *edge.partial())}

    def read(path: TilePath) -> bytes:
        return tiles[path.text]

    log = _signer(ORIGIN)
    witnesses = [_signer("prosecutor.example/witness"), _signer("ombudsman.example/witness")]
    body = Checkpoint(ORIGIN, SIZE, edge.root()).body()
    lines = [log.sign(body), witnesses[0].cosign(body, 1_795_000_000), witnesses[1].cosign(body, 1_795_000_007)]
    checkpoint = compose_note(body, lines)
    note = parse_note(checkpoint.encode())
    reader = TileReader(read, SIZE)
    return {
        "origin": ORIGIN,
        "size": SIZE,
        "log": log.vkey(),
        "witnesses": [one.vkey(COSIGNATURE) for one in witnesses],
        "checkpoint": checkpoint,
        "unwitnessed": compose_note(body, lines[:1]),
        "tiles": {path: data.hex() for path, data in tiles.items()},
        "roots": {str(size): reader.root(size).hex() for size in SIZES},
        "files": {
            str(index): encode_entry(
                EntryFile(
                    v=1,
                    entry=f"{ORIGIN}#{index}",
                    proof=encode_proof(index, reader.inclusion(index), note, leaves[index]),
                    record=records[index].decode(),
                    dek=deks[index].hex(),
                )
            ).decode()
            for index in SHOWN
        },
    }


def written() -> str:
    """The text of the file."""
    return json.dumps(vectors(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    WHERE.write_text(written(), "utf-8")
