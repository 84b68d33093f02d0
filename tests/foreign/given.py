"""What an outsider is handed of a log: a folder, keys, an older checkpoint, one entry, and proofs that we made."""

import hashlib
import http.client
import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.running import free_ports

from saqtau.ledger.checkpoint import parse
from saqtau.ledger.note import parse_note
from saqtau.ledger.tiles import TileReader

SCALES = Path(__file__).with_name("scales.py")
"""The script that runs with tlog-scales on its path."""


@dataclass(frozen=True)
class Given:
    """witness: vkey of who cosigned; older: file of a checkpoint; entry: file of the entry `index`, which is `leaf`."""

    folder: Path
    vkey: str
    witness: str
    older: Path
    index: int
    leaf: bytes
    entry: Path

    @property
    def origin(self) -> str:
        return self.vkey.partition("+")[0]

    @property
    def head(self):
        return parse(parse_note((self.folder / "checkpoint").read_bytes()))

    @property
    def before(self):
        return parse(parse_note(self.older.read_bytes()))

    @property
    def reader(self) -> TileReader:
        return TileReader(lambda path: (self.folder / path.text).read_bytes(), self.head.size)

    def copy(self, place: Path) -> "Given":
        """The same log in a folder that may be damaged."""
        shutil.copytree(self.folder, place)
        return Given(place, self.vkey, self.witness, self.older, self.index, self.leaf, self.entry)

    def flip(self, path: str, at: int) -> None:
        """One bit of one byte of a file of the log."""
        data = bytearray((self.folder / path).read_bytes())
        data[at] ^= 1
        (self.folder / path).write_bytes(data)


class ForeignWitness:
    """aics-witness in a process of its own."""

    def __init__(self, module, ask, folder: Path, name: str) -> None:
        self._module, self._ask = module, ask
        self._config = str(folder / "witness.json")
        (self._port,) = free_ports(1)
        code, said = self._told("init", "--name", name, "--listen", f"127.0.0.1:{self._port}")
        assert code == 0, said
        self.vkey = said.strip().splitlines()[-1]
        self.process = None

    def _told(self, verb, *words):
        return self._ask("-m", "aics_witness", verb, "-c", self._config, *words)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def trust(self, origin, vkey):
        code, said = self._told("add-log", "--origin", origin, "--vkey", vkey)
        assert code == 0, said

    def start(self):
        words = ("-m", "aics_witness", "serve", "-c", self._config, "--log-level", "ERROR")
        self.process = self._module(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not self._answers():
            assert self.process.poll() is None, "the foreign witness did not start"
            time.sleep(0.05)

    def _answers(self):
        try:
            return self._asked("GET", "/healthz")[0] == 200
        except OSError:
            return False

    def stop(self, *, hard=False):
        if self.process is not None and self.process.poll() is None:
            (self.process.kill if hard else self.process.terminate)()
            self.process.wait(30)

    def post(self, body):
        """(status, content type, text) of add-checkpoint."""
        return self._asked("POST", "/add-checkpoint", body)

    def latest(self, origin):
        """The checkpoint that it cosigned last, as anybody may ask for it."""
        return self._asked("GET", f"/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint")

    def evidence(self):
        code, said = self._told("evidence")
        assert code == 0, said
        return json.loads(said)

    def _asked(self, verb, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request(verb, path, body)
            answer = connection.getresponse()
            return answer.status, answer.getheader("content-type"), answer.read().decode()
        finally:
            connection.close()
