"""The real command in a short folder of its own, with ports of its own."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import msgspec
from tests.running import free_ports

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1", "COLUMNS": "60"}


class Home:
    """A folder with a configuration beside it."""

    def __init__(self, folder: Path) -> None:
        self.outside = folder
        self.folder = folder / "s"
        self.web, self.intake = free_ports(2)
        self.config = folder / "saqtau.toml"
        self.config.write_text(
            f'[engine]\nfolder = "{self.folder}"\nworkers = 1\n'
            f"[web]\nport = {self.web}\n[intake]\nport = {self.intake}\n"
        )

    def command(self, *words):
        return [sys.executable, "-m", "saqtau.cli", *map(str, words), "--config", str(self.config)]

    def do(self, *words, code=0):
        """Run a verb to its end; what it printed, standard output and error."""
        done = subprocess.run(
            self.command(*words), cwd=self.outside, env=ENVIRONMENT, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
        assert done.returncode == code, (words, done.stdout, done.stderr)
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return done.stdout, done.stderr

    def start(self, *words):
        """Start `run` and leave it; its lines go to a file."""
        with (self.outside / "said").open("ab") as said:
            return subprocess.Popen(
                self.command("run", *words), cwd=self.outside, env=ENVIRONMENT, stdout=said, stderr=said,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def said(self):
        return (self.outside / "said").read_text(errors="replace")

    def health(self):
        return msgspec.json.decode((self.folder / "run" / "health.json").read_bytes())

    def processes(self):
        """Every living process whose command line or working folder names this folder: pid -> command line."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                inside = str((entry / "cwd").readlink()).startswith(str(self.outside))
            except OSError:
                continue
            if line and (str(self.outside) in line or inside):
                found[int(entry.name)] = line
        return found


async def until(ask, patience=60.0, why=lambda: ""):
    """Wait for a yes."""
    for _ in range(int(patience / 0.05)):
        if found := ask():
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"it did not come about {why()}")
