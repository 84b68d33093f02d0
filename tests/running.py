"""A real PostgreSQL and a real NATS for the tests, in a short folder of their own, gone afterwards.

`SAQTAU_CLUSTER=1` makes it three JetStream nodes and a PostgreSQL behind a TCP address with a password: the same tests
run on both.
"""

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from saqtau.engine import broker, migrate, postgres
from saqtau.engine.part import Part, spawn
from saqtau.engine.place import Place, open_place, password

CLUSTER = os.environ.get("SAQTAU_CLUSTER") == "1"
TEMPLATE = "saqtau_template"
QUICK = {"shared_buffers": "32MB", "max_connections": "60"}


class Running:
    """The engine of a test session: addresses, and the processes for those tests that kill them."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.parts: dict[str, Part] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.server: postgres.Server
        self.broker: broker.Broker
        self.pictures: broker.Broker  # as recorder and web know it
        self.databases = 0

    @property
    def nodes(self) -> list[str]:
        """Names of the NATS processes: one, or the three of the cluster."""
        return [name for name in self.parts if name.startswith("nats")]

    def up(self, part: Part) -> None:
        """Start a part; `ready` is not awaited."""
        self.parts[part.name] = part
        if part.before is not None:
            part.before()
        with (self.place.logs / f"{part.name}.log").open("ab") as log:
            self.processes[part.name] = spawn(part, log.fileno(), subprocess.STDOUT)

    def kill(self, name: str) -> None:
        """`kill -9`, as a power button does it, and wait until it is gone."""
        self.processes[name].kill()
        self.processes[name].wait()

    def again(self, name: str) -> None:
        """Start a killed part again."""
        self.up(self.parts[name])

    def wait(self, *names: str, patience: float = 240) -> None:
        """Wait until the named parts answer; told with the end of their log when one dies again and again instead.

        As the supervisor does, for one: PostgreSQL does not start while backends of the killed one are still there.
        """
        for name in names:
            ready = self.parts[name].ready
            if ready is not None:
                asyncio.run(self._race(name, ready(), patience))

    async def _race(self, name: str, ready, patience: float) -> None:
        task, left = asyncio.ensure_future(ready), 20
        for _ in range(int(patience / 0.05)):
            done, _ = await asyncio.wait({task}, timeout=0.05)
            if done:
                return task.result()
            if self.processes[name].poll() is not None:
                if not left:
                    break
                left -= 1
                await asyncio.sleep(0.5)
                self.up(self.parts[name])
        task.cancel()
        await asyncio.wait({task})
        tail = (self.place.logs / f"{name}.log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{name} did not come up: {tail}")

    def stop(self) -> None:
        """Stop everything: gently, then not."""
        for name, process in self.processes.items():
            if process.poll() is None:
                process.send_signal(self.parts[name].stop)
        for name, process in self.processes.items():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGQUIT if name == "postgres" else signal.SIGKILL)
                process.wait(10)

    def fresh_database(self) -> postgres.Server:
        """A migrated database of its own, copied from the template (about 50 ms)."""
        self.databases += 1
        name = f"test_{self.databases}"
        asyncio.run(migrate.create_database(self.server, name, TEMPLATE))
        return self.server.at(name)


_HANDED_OUT = range(12_000, 32_000)
"""Below what Linux gives to whoever asks for any port: nobody is given one of ours before we listen on it."""


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    with contextlib.ExitStack() as stack:
        found: list[int] = []
        while len(found) < count:
            probe = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", random.choice(_HANDED_OUT)))
                found.append(probe.getsockname()[1])
        return found


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for sockets and open enough for PostgreSQL's account."""
    folder = Path(tempfile.mkdtemp(prefix="sq-"))
    try:
        folder.chmod(0o711)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(*, cluster: bool = CLUSTER) -> Iterator[Running]:
    """The engine, started, set up and migrated into the template."""
    with short_folder() as folder:
        engine = Running(open_place(folder / "s"))
        try:
            _start(engine, cluster=cluster)
            yield engine
        finally:
            engine.stop()


def _start(engine: Running, *, cluster: bool) -> None:
    place = engine.place
    programs = postgres.binaries()
    postgres.prepare(place, programs, sync=False)
    if cluster:
        (port,) = free_ports(1)
        engine.up(postgres.part(place, programs, QUICK, listen=port))
        own = postgres.own_server(place)
        engine.server = postgres.Server(f"postgresql://127.0.0.1:{port}/saqtau", own.passwords)
        _start_cluster(engine)
    else:
        engine.up(postgres.part(place, programs, QUICK))
        engine.server = postgres.own_server(place)
        engine.up(broker.part(place, broker.binary(), broker.choose_port(place), reserve=0))
        engine.broker = broker.own_broker(place)
        engine.pictures = broker.own_pictures(place)
    engine.wait(*engine.parts)
    if cluster:
        asyncio.run(broker.answers(engine.broker, 60, peers=3))
    asyncio.run(_set_up(engine.server))


async def _set_up(server: postgres.Server) -> None:
    await migrate.create_roles(server)
    await migrate.create_database(server, TEMPLATE)
    await migrate.migrate(server.at(TEMPLATE))


def _start_cluster(engine: Running) -> None:
    secret, pictures = password(engine.place, "nats"), password(engine.place, "nats-pictures")
    ports = free_ports(6)
    peers = [broker.Peer(f"nats-{n + 1}", "127.0.0.1", ports[n], ports[n + 3]) for n in range(3)]
    engine.broker = broker.Broker(tuple(f"nats://127.0.0.1:{peer.port}" for peer in peers), secret, replicas=3)
    engine.pictures = broker.Broker(engine.broker.urls, pictures, user=broker.PICTURES_USER)
    for peer in peers:
        engine.up(_node(engine.place, peer, peers, secret, pictures))


def _node(place: Place, peer: broker.Peer, peers: list[broker.Peer], secret: str, pictures: str) -> Part:
    """A node from the files an authority would use, deploy/cluster/."""
    folder = place.nats / peer.name
    folder.mkdir(exist_ok=True)
    others = [f"nats://{broker.USER}:{secret}@{one.host}:{one.route}" for one in peers if one.name != peer.name]
    environment = {
        "SAQTAU_LISTEN": json.dumps(f"{peer.host}:{peer.port}"),
        "SAQTAU_CLUSTER_LISTEN": json.dumps(f"{peer.host}:{peer.route}"),
        "SAQTAU_ROUTES": json.dumps(others),
        "SAQTAU_STORE": json.dumps(str(folder / "store")),
        "SAQTAU_MAX_FILE": str(40 * broker.GIB),
        "SAQTAU_PASSWORD": json.dumps(secret),
        "SAQTAU_PICTURES_PASSWORD": json.dumps(pictures),
    }

    async def wait() -> None:
        await broker.answers(broker.Broker((f"nats://{peer.host}:{peer.port}",), secret), 60)

    configuration = Path(__file__).parents[1] / "deploy" / "cluster" / f"{peer.name}.conf"
    command = (str(broker.binary()), "-c", str(configuration))
    return Part(name=peer.name, command=command, folder=folder, environment=environment, ready=wait)
