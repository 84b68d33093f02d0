"""A log grown with our own ledger into a folder, as a mirror keeps it: for those who check it."""

import hashlib
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from saqtau.ledger.checkpoint import Checkpoint
from saqtau.ledger.leaf import Leaf, LeafClass, canonical, commitment, encode_leaf
from saqtau.ledger.note import COSIGNATURE, Signer, compose_note, parse_note
from saqtau.ledger.policy import of_keys
from saqtau.ledger.proof import encode_proof
from saqtau.ledger.tiles import TileReader, entries_path, pack_entries, tile_path
from saqtau.ledger.tree import WIDTH, Edge, leaf_hashes

ORIGIN = "saqtau.example/02/access/2026"
DAY = "2026-11-24"
COSIGNED_AT = 1_795_521_600
"""Unix seconds: noon of DAY, UTC."""


def secret(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def signer(name: str, seed: str = "") -> Signer:
    return Signer(name, Ed25519PrivateKey.from_private_bytes(secret(seed or name)))


LOG, WITNESS = signer(ORIGIN), signer("prosecutor.example/witness")
POLICY = of_keys({LOG.vkey(): None}, {WITNESS.vkey(COSIGNATURE): None}, 1).text()


def record(number: int) -> bytes:
    return canonical({"action": "picture.read", "n": number, "purpose": "case", "case": "01-2026"})


def dek(number: int) -> bytes:
    return secret(f"dek {number}")


def leaf(number: int, day: str = DAY) -> bytes:
    return encode_leaf(Leaf(commitment(dek(number), record(number)), LeafClass.VIEW, day, "a_1y"))


class Grown:
    """A log in a folder. Everything that a size published stays there, partial tiles too."""

    def __init__(self, folder: Path, log: Signer = LOG, witness: Signer | None = WITNESS) -> None:
        self.folder = folder
        self.signer = log
        self.witness = witness
        self.leaves: list[bytes] = []
        self.edge = Edge()
        self.notes: dict[int, bytes] = {}

    @property
    def note(self) -> bytes:
        return self.notes[self.edge.size]

    def grow(self, *leaves: bytes) -> "Grown":
        """Append these, publish tiles, bundles and the signed (and cosigned) checkpoint."""
        before = self.edge.size
        self.leaves += leaves
        self.edge, full = self.edge.append(leaf_hashes(leaves))
        for tile in (*full, *self.edge.partial()):
            self.write(tile_path(tile.level, tile.index, tile.width), tile.hashes)
        for first in range(before - before % WIDTH, self.edge.size, WIDTH):
            bundle = self.leaves[first : first + WIDTH]
            self.write(entries_path(first // WIDTH, len(bundle)), pack_entries(bundle))
        body = Checkpoint(self.signer.name, self.edge.size, self.edge.root()).body()
        lines = [self.signer.sign(body)]
        if self.witness is not None:
            lines.append(self.witness.cosign(body, COSIGNED_AT))
        self.notes[self.edge.size] = compose_note(body, lines).encode()
        self.write("checkpoint", self.note)
        return self

    def to(self, size: int) -> "Grown":
        """Grow to this size with the leaves of the series."""
        return self.grow(*(leaf(number) for number in range(self.edge.size, size)))

    def write(self, path: str, data: bytes) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_bytes(data)

    def read(self, path: str) -> bytes:
        return (self.folder / path).read_bytes()

    def flip(self, path: str, at: int = -1) -> None:
        """One bit of one byte."""
        data = bytearray(self.read(path))
        data[at] ^= 1
        self.write(path, bytes(data))

    def reader(self) -> TileReader:
        return TileReader(lambda path: self.read(path.text), self.edge.size)

    def proof(self, number: int) -> str:
        return encode_proof(number, self.reader().inclusion(number), parse_note(self.note), self.leaves[number])

    def entry(self, number: int) -> bytes:
        """The JSON file of an entry with its record."""
        told = {"v": 1, "entry": f"{self.signer.name}#{number}", "proof": self.proof(number)}
        return json.dumps({**told, "record": record(number).decode(), "dek": dek(number).hex()}).encode()
