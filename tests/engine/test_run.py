"""`saqtau run` as it is typed: one command starts everything, one key stops everything, whatever dies comes back."""

import contextlib
import os
import signal
import socket
import urllib.request
from pathlib import Path

import pytest
from tests.engine.commanded import Home, until
from tests.running import short_folder

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def home():
    with short_folder() as folder:
        made = Home(folder)
        yield made
        for pid in made.processes():  # only after a failure; they are ours by their folder
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def answer(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
        return response.status


def well(home):
    try:
        return answer(home.web, "/healthz") == 200
    except OSError:
        return False


async def up(home, process):
    def ask():
        assert process.poll() is None, home.said()
        return "Saqtau is up" in home.said() and well(home)

    await until(ask, 120, home.said)


async def test_it_comes_up_heals_and_stops_without_orphans(home):
    process = home.start()
    await up(home, process)
    health = home.health()
    assert set(health) == {"postgres", "nats", "worker-1", "notary", "recorder-1", "health", "intake", "web"}
    assert {one["state"] for one in health.values()} == {"up"}

    (leaving,) = await until(lambda: [one for one in home.folder.glob("leaving/*") if one.is_dir()], 30, home.said)
    (leaving / "film.mp4").write_bytes(b"faces")
    for name in ("web", "worker-1", "recorder-1"):
        os.kill(health[name]["pid"], signal.SIGKILL)
        await until(
            lambda name=name: home.health()[name]["state"] == "up" and home.health()[name]["starts"] == 2,
            30,
            lambda: home.said() + str(home.health()),
        )
    await until(lambda: well(home), 30)
    await until(lambda: not leaving.exists(), 30)
    lines = home.said().splitlines()
    assert len([line for line in lines if "web ended" in line]) == 1
    assert len(lines) == len(set(lines)), "nothing is said twice"

    process.send_signal(signal.SIGSTOP)
    await ends_well({name: one["pid"] for name, one in home.health().items() if name not in {"postgres", "nats"}}, home)
    process.kill()
    process.wait()
    await until(lambda: not home.processes(), 10, lambda: str(home.processes()))


async def ends_well(parts, home):
    """Each part ends by itself, however slow the machine; the supervisor, asleep, kills none and keeps their codes."""
    with open_connection(home.web), open_connection(home.intake):
        for pid in parts.values():
            os.kill(pid, signal.SIGTERM)
        for name, pid in parts.items():
            await until(lambda pid=pid: stat(pid)[0] == "Z", 60, lambda name=name: name)
    codes = {name: int(stat(pid)[-1]) for name, pid in parts.items()}
    assert (codes["web"], codes["intake"]) == (0, 0)
    assert set(codes.values()) <= {0, signal.SIGTERM}, "one that was killed a moment ago may just be starting"


async def test_a_folder_whose_saqtau_was_killed_serves_again_alone_and_one_key_stops_it(home):
    (home.outside / "said").unlink(missing_ok=True)
    for log in (home.folder / "logs").iterdir():
        log.unlink()
    process = home.start()
    await up(home, process)

    _, error = home.do("run", code=1)
    assert f"a Saqtau runs in {home.folder} already" in error
    assert len(error.splitlines()) == 1
    assert process.poll() is None

    out, _ = home.do("user", "add", "inspector.1", "--role", "inspector", "--region", "2")
    assert "may log in with the password" in out
    assert "everything holds" in home.do("verify")[0]

    # a key at the terminal reaches everything in the foreground: the parts must not be in it, or they would stop twice
    assert {os.getpgid(one["pid"]) for one in home.health().values()}.isdisjoint({os.getpgid(process.pid)})
    with open_connection(home.web), open_connection(home.intake):
        os.killpg(process.pid, signal.SIGINT)
        assert await until(lambda: process.poll() is not None, 8, home.said)
    assert process.returncode == 0
    assert not home.processes()
    assert "Traceback" not in home.said()
    for log in (home.folder / "logs").iterdir():
        assert "Traceback" not in log.read_text(errors="replace"), log.name


def stat(pid):
    """State first, exit code last: proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def open_connection(port):
    """As a browser leaves one open."""
    return socket.create_connection(("127.0.0.1", port), 5)


async def test_one_that_is_stopped_while_it_starts_stops_at_once(home):
    (home.outside / "said").unlink(missing_ok=True)
    process = home.start()
    await until(lambda: "Starting worker-1" in home.said(), 60, home.said)
    process.send_signal(signal.SIGINT)
    assert await until(lambda: process.poll() is not None, 8, home.said)
    assert process.returncode == 0
    assert not home.processes()
    assert "Traceback" not in home.said()
    assert "Saqtau is up" not in home.said()
