"""The witness as a process of another office: its folder, its key, what it watches. It needs nothing of the police."""

import asyncio
import base64
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import msgspec
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from saqtau.bootstrap import logs
from saqtau.bootstrap.time import now
from saqtau.engine.blobs import sync_folder, write_durably
from saqtau.engine.place import PRIVATE, read_secret
from saqtau.kernel.clock import SECOND
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.note import COSIGNATURE, ED25519, Signer, Verifier
from saqtau.ledger.policy import of_keys
from saqtau.ledger.spelling import encode_base64
from saqtau.ledger.witness.acting import proof_of
from saqtau.ledger.witness.apart import KEY, refuse_log_near
from saqtau.ledger.witness.follow import Follower, client, fetch_list, take_list
from saqtau.ledger.witness.loglist import LogList, parse_list
from saqtau.ledger.witness.mirror import Mirror
from saqtau.ledger.witness.server import Witness
from saqtau.ledger.witness.store import Evidence, Log, Store, Unkept
from saqtau.web.protocol import BoundedProtocol

Say = Callable[[str], None]

LISTEN = "127.0.0.1:8473"
_NAME = "name"
_DEMONSTRATION = "demonstration"


class Offered(msgspec.Struct, frozen=True):
    """What an address offers to be watched: its authority's key, its list, and the list's bytes."""

    authority: Verifier
    listed: LogList
    data: bytes


def make(folder: Path, name: str, *, demonstration: bool = False) -> str:
    """Make the folder, the key (0600) and the record of a witness; returns its vkey.

    Raises Refused: CONFLICT (a log lives there, or a witness does already), INVALID (name), UNAVAILABLE (disk).
    """
    if not demonstration:
        refuse_log_near(folder)
    seed = os.urandom(32)
    signer = Signer(name, Ed25519PrivateKey.from_private_bytes(seed))
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
        folder.chmod(PRIVATE)
        write_durably(folder / KEY, f"{encode_base64(seed)}\n".encode())
        sync_folder(folder)
    except FileExistsError:
        raise Refused(Kind.CONFLICT, f"{folder}: a witness lives here already", folder="in_use") from None
    except OSError as error:
        raise Refused(Kind.UNAVAILABLE, f"{folder}: {error.strerror}", folder="not_writable") from error
    store = Store(folder)
    with store.writing():
        store.keep_setting(_NAME, name)
        store.keep_setting(_DEMONSTRATION, "yes" if demonstration else "no")
    store.close()
    return signer.vkey(COSIGNATURE)


def is_made(folder: Path) -> bool:
    """Whether a witness lives there."""
    return (folder / KEY).is_file()


def opened(folder: Path) -> tuple[Store, Signer]:
    """The record and the key. Raises Refused: NOT_FOUND (no witness), INVALID (a key that others may read)."""
    if not is_made(folder):
        raise Refused(Kind.NOT_FOUND, f"no witness in {folder}: saqtau witness init makes one", folder="no_witness")
    try:
        private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(read_secret(folder / KEY), validate=True))
    except ValueError as error:
        raise Refused(Kind.INVALID, f"{folder / KEY} is no key", key="invalid") from error
    store = Store(folder)
    name = store.setting(_NAME)
    if name is None:
        raise Refused(
            Kind.INVALID, f"{folder}: was not made to the end; remove it and make it anew", folder="half_made"
        )
    return store, Signer(name, private)


def key(folder: Path) -> str:
    """The vkey that logs and verifiers are told."""
    store, signer = opened(folder)
    store.close()
    return signer.vkey(COSIGNATURE)


def policy(folder: Path) -> bytes:
    """A C2SP tlog-policy of every log that is watched and of this witness. Refused(NOT_FOUND): no log is watched."""
    store, signer = opened(folder)
    try:
        logs = [vkey for log in store.logs() for vkey in log.vkeys]
    finally:
        store.close()
    if not logs:
        raise Refused(Kind.NOT_FOUND, "no log is watched: saqtau witness add-log", log="none")
    return of_keys(dict.fromkeys(logs), {signer.vkey(COSIGNATURE): None}, 1).text()


def look(url: str) -> Offered:
    """What is offered at an address. Nothing of it is trusted: a person compares the keys. Raises Refused."""

    async def ask() -> Offered:
        async with client() as http:
            served = await fetch_list(http, url)
        authority = Verifier.parse(served.authority)
        data = served.signed.encode()
        return Offered(authority, parse_list(data, authority), data)

    return asyncio.run(ask())


def watch_authority(folder: Path, offered: Offered, url: str | None, token: Path | None) -> int:
    """Watch the logs of an authority whose key was compared, and those it will name; returns how many are new."""
    store, _ = opened(folder)
    try:
        with store.writing():
            store.add_authority(
                offered.authority.vkey, now(), url=url, token=None if token is None else read_secret(token)
            )
        return take_list(store, offered.listed, offered.data, now())
    finally:
        store.close()


def watch_log(folder: Path, vkey: str, url: str | None, token: Path | None) -> str:
    """Watch one log by its vkey; returns its origin. Raises Refused(INVALID) for a key that is no log's."""
    found = Verifier.parse(vkey)
    if found.kind != ED25519:
        raise Refused(Kind.INVALID, f"{found.name}: the key of a witness, not of a log", vkey="unknown_kind")
    store, _ = opened(folder)
    try:
        with store.writing():
            store.add_log(vkey, now(), url=url, token=None if token is None else read_secret(token))
    finally:
        store.close()
    return found.name


def watched(folder: Path) -> tuple[list[Log], list[str], Callable[[str], Path]]:
    """The logs, what hinders the reading of authorities' lists, and where each log's copy lies."""
    store, _ = opened(folder)
    try:
        troubles = [
            f"{one.name}: {one.trouble} since {told(one.trouble_since)}" for one in store.authorities() if one.trouble
        ]
        return store.logs(), troubles, Mirror(folder).place
    finally:
        store.close()


def evidence(folder: Path) -> list[Evidence]:
    """What the logs signed that does not fit."""
    store, _ = opened(folder)
    try:
        return store.evidence()
    finally:
        store.close()


def unkept(folder: Path) -> list[Unkept]:
    """For which logs there was no room for more evidence."""
    store, _ = opened(folder)
    try:
        return store.unkept()
    finally:
        store.close()


def write_evidence(folder: Path, number: int, out: Path) -> list[Path]:
    """Write the files of one piece of evidence into a new folder. Raises Refused(NOT_FOUND), Refused(CONFLICT)."""
    found = next((one for one in evidence(folder) if one.id == number), None)
    if found is None:
        raise Refused(Kind.NOT_FOUND, f"no evidence {number}", evidence="not_found")
    files = proof_of(found, Mirror(folder))
    try:
        out.mkdir(parents=True)
        for name, data in files.items():
            (out / name).write_bytes(data)
    except FileExistsError:
        raise Refused(Kind.CONFLICT, f"{out} is there already", out="exists") from None
    return [out / name for name in files]


def told(at: int | None) -> str:
    """An instant as a person reads it, UTC; `-` for none."""
    return "-" if at is None else datetime.fromtimestamp(at / SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def run(folder: Path, listen: str, say: Say, *, demonstration: bool = False) -> None:
    """Answer until SIGINT or SIGTERM. Raises Refused when the folder is not a witness's, or is in use."""
    store, signer = opened(folder)
    shown = demonstration or store.setting(_DEMONSTRATION) == "yes"
    if not shown:
        refuse_log_near(folder)
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or not 0 <= int(port) < 1 << 16:
        raise Refused(Kind.INVALID, f"{listen}: not host:port", listen="invalid")
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Refused(Kind.CONFLICT, f"a witness runs in {folder} already", folder="in_use") from None
    logs.configure()
    say(f"The witness {signer.name} answers at http://{host}:{port}")
    say(f"Its key, for logs and verifiers: {signer.vkey(COSIGNATURE)}")
    if shown:
        say("For a demonstration only: the police keep it. In life the prosecutor's office does.")
    asyncio.run(_serve(folder, store, signer, host.strip("[]"), int(port)))


async def _serve(folder: Path, store: Store, signer: Signer, host: str, port: int) -> None:
    follower = Follower(store, Mirror(folder), now)
    witness = Witness(store, signer, now, follower.root_at, follower.asked)
    stop = asyncio.Event()
    following = asyncio.create_task(follower.run(witness, stop))
    try:
        await server(witness, host, port).serve()
    finally:
        stop.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(following, 2)
        witness.close()
        store.close()


class _Server(uvicorn.Server):
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; the signal is not raised again, so that `serve` returns."""
        super().handle_exit(sig, frame)
        self._captured_signals.clear()


def server(witness: Witness, host: str, port: int) -> uvicorn.Server:
    """An HTTP server with its bounds: heads, slow senders, connections."""
    return _Server(
        uvicorn.Config(
            witness,
            host=host,
            port=port,
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
            limit_concurrency=256,
            proxy_headers=False,
        )
    )
