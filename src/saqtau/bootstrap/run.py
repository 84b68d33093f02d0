"""`saqtau run`: the engine, the parts, the watch."""

import asyncio
import errno
import signal
import socket
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

from saqtau.bootstrap import cameras, logs
from saqtau.bootstrap import demonstration as show
from saqtau.bootstrap.engine import engine_up
from saqtau.bootstrap.ground import Ground
from saqtau.bootstrap.plate_events import tls_of
from saqtau.config import Config, encode
from saqtau.engine.part import Part
from saqtau.engine.place import write_private
from saqtau.engine.supervisor import Say, Supervisor
from saqtau.kernel.errors import Kind, Refused

PATIENCE = 120.0
"""Seconds a part may take to answer; the first start compiles the road searches."""


def child(name: str, part: str, config: Path, ready: tuple[str, int] | None = None, shard: int = 0) -> Part:
    """A process of ours. ready: (host, port) that must answer. shard: which of several that share work by number."""

    async def wait() -> None:
        if ready is not None:
            await answers(*ready)

    return Part(
        name=name,
        command=(sys.executable, "-m", "saqtau.bootstrap", part, "--config", str(config), "--shard", str(shard)),
        ready=wait,
    )


async def answers(host: str, port: int, patience: float = PATIENCE) -> None:
    """Return when something listens there. Raises Refused(UNAVAILABLE)."""
    loop = asyncio.get_running_loop()
    end = loop.time() + patience
    while True:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 1.0)
        except (OSError, TimeoutError):
            if loop.time() > end:
                raise Refused(Kind.UNAVAILABLE, f"nobody answers at {host}:{port}", part="silent") from None
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return


def parts_of(ground: Ground, config: Path) -> list[Part]:
    """What serves, in the order of its start."""
    settings = ground.config
    workers = [child(f"worker-{n + 1}", "worker", config) for n in range(settings.engine.workers)]
    recorders = [child(f"recorder-{n + 1}", "recorder", config, shard=n) for n in range(settings.video.processes)]
    return [
        *workers,
        child("notary", "notary", config),
        *recorders,
        child("health", "health", config),
        child("intake", "intake", config, (settings.intake.host, settings.intake.port)),
        child("web", "web", config, (settings.web.host, settings.web.port)),
    ]


async def run_until_stopped(ground: Ground, *, demonstration: bool, say: Say) -> None:
    """Everything, until SIGINT or SIGTERM."""
    logs.configure(screen=True)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for wanted in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(wanted, stop.set)
    working = asyncio.create_task(_run(ground, stop, demonstration=demonstration, say=say))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    working.cancel()  # also out of a start that takes long; what was started is stopped on the way
    with suppress(asyncio.CancelledError):
        await working


def check_ports(config: Config) -> None:
    """Raise Refused that names the first port we shall not be able to listen on, and the key that changes it."""
    with ExitStack() as held:
        intake = config.intake
        wanted = [("web.port", config.web.host, config.web.port), ("intake.port", intake.host, intake.port)]
        if intake.mqtt_port is not None:
            tls_of(intake)
            wanted.append(("intake.mqtt_port", intake.mqtt_host, intake.mqtt_port))
        for key, host, port in wanted:
            try:
                family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
                probe = held.enter_context(socket.socket(family))
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                probe.listen()  # with the address reused, only this tells that another listens there
            except OSError as error:
                told = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
                part, _, name = key.partition(".")
                message = f"{host}:{port} {told}: choose another one in the configuration, [{part}] {name}"
                raise Refused(Kind.CONFLICT, message, **{key: "in_use"}) from error


async def _run(ground: Ground, stop: asyncio.Event, *, demonstration: bool, say: Say) -> None:
    say("Starting PostgreSQL and NATS ...")
    async with engine_up(ground, say, lambda: check_ports(ground.config)) as supervisor:
        if supervisor is None:
            raise Refused(Kind.CONFLICT, f"a Saqtau runs in {ground.place.folder} already", folder="in_use")
        config = ground.place.run / "saqtau.toml"
        if demonstration:
            await show.prepare(ground, say)
            ground, witness = show.witness_beside(show.asks_no_second_factor(ground))
            await supervisor.start(witness)
            ground = cameras.on_little_room(ground)
            await supervisor.start(await cameras.prepare_show(ground, show.city_folder(ground), say))
        write_private(config, encode(ground.config))
        await _serve(ground, supervisor, config, stop, demonstration=demonstration, say=say)


async def _serve(
    ground: Ground, supervisor: Supervisor, config: Path, stop: asyncio.Event, *, demonstration: bool, say: Say
) -> None:
    for part in parts_of(ground, config):
        if stop.is_set():
            return
        say(f"Starting {part.name} ...")
        await supervisor.start(part)
    web = ground.config.web
    # by its name: browsers give passkeys to names, never to addresses
    host = "localhost" if web.host == "127.0.0.1" else web.host
    say(f"Saqtau is up: http://{host}:{web.port}  (tablet page: http://{host}:{web.port}/tablet)")
    if demonstration:
        say(await show.accounts_told(ground))
        say(show.witness_told(ground))
        say(cameras.show_told(show.city_folder(ground)))
        await supervisor.start(child("simulate", "simulate", config))
        say("The city drives. The first alert comes within about a minute. Ctrl-C stops everything.")
    await supervisor.run(stop)
