"""A log that grows in memory, and the real witness as a process of its own: `saqtau witness run`."""

import os
import socket
import subprocess
import sys
import time
import weakref
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.running import free_ports

from saqtau.bootstrap import witness as office
from saqtau.ledger.checkpoint import Checkpoint
from saqtau.ledger.note import Signer, Verifier, compose_note
from saqtau.ledger.tiles import TileReader
from saqtau.ledger.tree import Edge, leaf_hashes
from saqtau.ledger.witness.request import compose_request

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
ORIGIN = "saqtau.test/02/access/2026"


def signer(name=ORIGIN, seed=1):
    """A key that is the same in every run."""
    return Signer(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


class GrownLog:
    """A log of leaves `0`, `1`, ...; `forked` puts another leaf at that index."""

    def __init__(self, key=None):
        self.key = key or signer()

    def tree(self, size, forked=None):
        hashes = leaf_hashes(b"forked" if n == forked else b"%d" % n for n in range(size))
        edge, full = Edge().append(hashes)
        tiles = {(tile.level, tile.index): tile.hashes for tile in (*full, *edge.partial())}
        return edge, TileReader(lambda path: tiles[path.level, path.index][: 32 * path.width], size)

    def note(self, size, forked=None, key=None):
        """A signed checkpoint."""
        body = Checkpoint(self.key.name, size, self.tree(size, forked)[0].root()).body()
        return compose_note(body, [(key or self.key).sign(body)]).encode()

    def request(self, old, size, forked=None, key=None, proof=None):
        """What is posted to a witness that has seen `old`."""
        if proof is None:
            proof = self.tree(size, forked)[1].consistency(old) if old <= size else []
        return compose_request(old, proof, self.note(size, forked, key))


class RunningWitness:
    """A folder with a witness in it, and its process."""

    def __init__(self, folder: Path, name="witness.test/1"):
        self.folder = folder
        self.vkey = office.make(folder, name)
        (port,) = free_ports(1)
        self.listen = f"127.0.0.1:{port}"
        self.url = f"http://{self.listen}"
        self.process = None
        self.http = httpx.Client(verify=False, timeout=20)  # no TLS here, so no certificates to load
        weakref.finalize(self, self.http.close)

    @property
    def verifier(self):
        return Verifier.parse(self.vkey)

    def watch(self, vkey, url=None, token=None):
        office.watch_log(self.folder, vkey, url, token)

    def start(self):
        """Start it and wait until it answers."""
        with (self.folder / "said").open("ab") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "saqtau.cli", "witness", "run", "--folder", str(self.folder), "--listen",
                 self.listen],
                env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            )  # fmt: skip
        host, port = self.listen.split(":")
        for _ in range(1200):
            assert self.process.poll() is None, (self.folder / "said").read_text()
            try:
                socket.create_connection((host, int(port)), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return self
        raise AssertionError("the witness did not come up")

    def kill(self):
        """`kill -9`, and wait until it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def post(self, body):
        return self.http.post(f"{self.url}/add-checkpoint", content=body)

    def evidence(self):
        return office.evidence(self.folder)

    def log(self, origin=ORIGIN):
        return next(one for one in office.watched(self.folder)[0] if one.origin == origin)
