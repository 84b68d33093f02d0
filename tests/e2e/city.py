"""The demonstration as a newcomer starts it: one command, a folder, a generated city; and ways to nudge it."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
from tests.running import free_ports

from saqtau.simulate.drive import capture, compose_push, pictures
from saqtau.simulate.files import read_registers
from saqtau.simulate.register import Registers
from saqtau.simulate.sightings import Sighting

ROOT = Path(__file__).parents[2]
STARTS_WITHIN = 150.0  # s; a first start draws a city and compiles the road searches
STOPS_WITHIN = 10.0  # s; the promise is 2 s on an idle machine
DRIVING = 5  # vehicles of the list that the simulation drives itself


def eventually(look, seconds=20.0, what="it"):
    """What `look` returns, once that is something. For what another process does in its own time."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"{what} did not come within {seconds:g} s"
        time.sleep(0.1)
    return found


class City:
    """A running Saqtau with its demonstration."""

    def __init__(self, folder: Path) -> None:
        web, intake = free_ports(2)
        self.url = f"http://127.0.0.1:{web}"
        self.intake = f"http://127.0.0.1:{intake}"
        self.folder = folder
        self.data = folder / "data"
        config = folder / "saqtau.toml"
        config.write_text(f"[web]\nport = {web}\n[intake]\nport = {intake}\n", "utf-8")
        self.told = folder / "told"
        command = [sys.executable, "-m", "saqtau.cli", "run", "--demonstration"]
        with self.told.open("wb") as out:
            self.process = subprocess.Popen(
                [*command, "--config", str(config), "--folder", str(self.data)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
                env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"},
            )  # fmt: skip
        self._sessions: dict[str, httpx.Client] = {}
        self._registers: Registers | None = None
        self._fresh = itertools.count(DRIVING)

    def said(self) -> str:
        """What the terminal shows."""
        return self.told.read_text("utf-8", "replace")

    def wait_until_it_drives(self) -> None:
        """Return when it says so. Fails with what it said when it ends or takes too long."""
        end = time.monotonic() + STARTS_WITHIN
        while "The city drives" not in self.said():
            assert self.process.poll() is None, f"saqtau run ended by itself:\n{self.said()}"
            assert time.monotonic() < end, f"saqtau run did not start within {STARTS_WITHIN:g} s:\n{self.said()}"
            time.sleep(0.1)

    def password(self, name: str) -> str:
        """As printed for the newcomer."""
        found = re.search(rf"^ +{name} +(\S+) ", self.said(), re.MULTILINE)
        assert found, self.said()
        return found[1]

    def tablet_code(self) -> str:
        """As printed for the newcomer's tablet."""
        found = re.search(r"Code for the tablet of patrol: (\w+)", self.said())
        assert found, self.said()
        return found[1]

    def stop(self) -> float:
        """Ctrl-C; the seconds until it has ended."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise
        finally:
            for client in self._sessions.values():
                client.close()
        return time.monotonic() - began

    def close(self) -> None:
        """Stop, if it has not been stopped."""
        if self.process.poll() is None:
            self.stop()

    def processes(self, part: str = "") -> list[int]:
        """Process ids of what was started for this folder, of one part or all."""
        lines = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
        wanted = f"saqtau.bootstrap {part} " if part else ""
        rows = (line.strip().split(" ", 1) for line in lines.splitlines())
        return [int(pid) for pid, command in rows if str(self.data) in command and wanted in command]

    def signed_in(self, name: str) -> httpx.Client:
        """A client with a session of this account; one for the whole run."""
        if name not in self._sessions:
            client = httpx.Client(base_url=self.url, timeout=20)
            passwords = json.loads((self.data / "secrets/demonstration.json").read_bytes())
            answer = client.post("/api/login", json={"name": name, "password": passwords[name]})
            assert answer.status_code == 200, answer.text
            client.headers["X-CSRF-Token"] = answer.json()["csrf"]
            self._sessions[name] = client
        return self._sessions[name]

    @property
    def registers(self) -> Registers:
        if self._registers is None:
            self._registers = read_registers(self.data / "demonstration")
        return self._registers

    def overview(self) -> dict:
        """The operator's."""
        return self.signed_in("operator").get("/api/overview").json()

    def item(self, item: str, name: str = "operator") -> dict:
        """As this account sees it for the incident."""
        answer = self.signed_in(name).get(f"/api/items/{item}", params={"purpose": "incident"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def take(self, item: str, edge: str, name: str = "operator", **data: object) -> dict:
        """An edge of an item by this account, on whatever revision it has now."""
        for _ in range(5):
            rev = self.item(item, name)["rev"]
            answer = self.signed_in(name).post(f"/api/items/{item}/edges/{edge}", json={"rev": rev, "data": data})
            if answer.status_code != 409:
                break
        assert answer.status_code == 200, answer.text
        return answer.json()

    def pass_camera(self, number: int) -> int:
        """A vehicle of the list that nobody drives passes this camera; the instant of its read."""
        camera = self.registers.cameras[number]
        now = time.time_ns() // 1_000_000
        usable = [vehicle for vehicle in self.registers.vehicles if vehicle.expires > now and not vehicle.region]
        plate = usable[next(self._fresh) % len(usable)].plate
        seen = Sighting(number, now, plate, plate, 97, (97,) * len(plate), 60)
        headers, body = compose_push(capture(seen, camera), pictures(seen, camera))
        token = self.registers.tokens[camera.id]
        answer = httpx.post(f"{self.intake}/hikvision/{token}", headers=headers, content=body, timeout=20)
        assert answer.status_code == 200, answer.text
        return now

    def hit(self, number: int = 0) -> dict:
        """The line of the item that such a passage opened."""
        at = self.pass_camera(number)
        return eventually(
            lambda: next((line for line in self.overview()["items"] if line["title"].get("at") == at), None),
            what="the item",
        )

    def nobody_ahead(self) -> dict:
        """An item for which no unit lies ahead."""
        for number in range(len(self.registers.cameras)):
            line = self.hit(number)
            if line["state"] == "no_unit_ahead":
                return line
            self.take(line["id"], "cancel" if line["state"] != "to_confirm" else "reject",
                      reason="other" if line["state"] != "to_confirm" else "unreadable")  # fmt: skip
        raise AssertionError("somebody lies ahead of every camera")

    def alert_of(self, name: str = "patrol") -> dict | None:
        """What this account's tablet shows."""
        return self.signed_in(name).get("/api/tablet").json()["alert"]

    def alert(self, unit: str = "P-01", name: str = "patrol") -> dict:
        """A fresh offer on the tablet of this unit: one the city makes itself, or one that the operator sends there."""
        if (found := self.alert_of(name)) is not None and not fresh(found):
            self.take(found["id"], "refuse" if found["state"] == "offered" else "finish", name,
                      **({"reason": "other_work"} if found["state"] == "offered" else {}))  # fmt: skip
            found = self.alert_of(name)
        if found is None:
            line = self.hit()
            if line["state"] == "to_confirm":
                self.take(line["id"], "confirm")
            if self.alert_of(name) is None:
                self.take(line["id"], "assign", unit=unit, reason="agreed_by_radio")
        return eventually(lambda: self.alert_of(name), what="the alert")


def fresh(alert: dict, seconds: float = 10.0) -> bool:
    """Whether an offer stays long enough for a page to show it and a person to answer."""
    return alert["state"] == "offered" and alert["due"] - time.time() * 1000 > seconds * 1000
