"""Roles, database and schema: plain SQL files, run in order, each once, never changed afterwards.

The SHA-256 of each file that was run is kept; a file that no longer matches stops the start, because then nobody can
say what the tables look like.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import asyncpg
import msgspec

from saqtau.engine.postgres import ADMIN, APP, DATABASE, OWNER, ROLES, WORKER, Server, connect
from saqtau.kernel.errors import Kind, Refused

_LOCK = 0x5A71  # advisory lock: one migration at a time
_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")

_KEPT = """
create table if not exists schema_migration (
    number     int primary key,
    name       text not null,
    sha256     text not null,
    applied_at timestamptz not null default now()
)
"""


_STRENGTH = "select rolname, rolsuper or rolbypassrls or rolcreaterole as strong from pg_roles"


class Migration(msgspec.Struct, frozen=True):
    """One file."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """The fingerprint that is kept."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(folder: Traversable | None = None) -> list[Migration]:
    """The migrations in order, from `engine/migrations`. Raises Refused(INVALID) on a hole or a strange name."""
    folder = folder or files("saqtau.engine") / "migrations"
    found = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not entry.name.endswith(".sql"):
            continue
        match = _NAME.fullmatch(entry.name)
        if match is None:
            raise Refused(Kind.INVALID, f"migration {entry.name} is not named NNNN_name.sql", migration="name")
        found.append(Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8")))
    for expected, migration in enumerate(found, 1):
        if migration.number != expected:
            raise Refused(Kind.INVALID, f"migration {expected:04} is missing or twice there", migration="order")
    return found


def scram_verifier(password: str, salt: bytes, iterations: int = 4096) -> str:
    """What PostgreSQL stores for a password, so that the password itself is never sent or logged (RFC 5802)."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    stored = base64.b64encode(hashlib.sha256(client).digest()).decode()
    server = base64.b64encode(hmac.digest(salted, b"Server Key", "sha256")).decode()
    return f"SCRAM-SHA-256${iterations}:{base64.b64encode(salt).decode()}${stored}:{server}"


async def create_roles(server: Server, admin: str = ADMIN) -> None:
    """Make the three roles, or give them the passwords of this folder.

    The admin need not be a superuser: CREATEROLE and CREATEDB are enough. Raises Refused(CONFLICT) when one of the
    roles is there already with the right to bypass what keeps regions apart.
    """
    pg = await connect(server.at("postgres"), admin)
    try:
        async with pg.transaction():
            await pg.execute("select pg_advisory_xact_lock($1)", _LOCK)
            known = {row["rolname"]: row for row in await pg.fetch(_STRENGTH)}
            for role in ROLES:
                if role in known and known[role]["strong"]:
                    raise Refused(
                        Kind.CONFLICT,
                        f"role {role} is a superuser or passes row-level security: take that from it first",
                        role="too_strong",
                    )
                verb = "alter" if role in known else "create"
                verifier = scram_verifier(server.passwords[role], secrets.token_bytes(16))
                await pg.execute(f"{verb} role {role} login password '{verifier}'")
            if not await pg.fetchval("select rolsuper from pg_roles where rolname = current_user"):
                await pg.execute(f"grant {OWNER} to current_user")  # so that it may make a database the owner's
    finally:
        await pg.close()


async def create_database(
    server: Server, name: str = DATABASE, template: str = "template0", admin: str = ADMIN
) -> None:
    """Make a database that the owner role owns and only our roles may enter; nothing happens when it is there."""
    if not _IDENTIFIER.fullmatch(name) or not _IDENTIFIER.fullmatch(template):
        raise Refused(Kind.INVALID, f"{name} is no name of a database", database="name")
    pg = await connect(server.at("postgres"), admin)
    try:
        if not await pg.fetchval("select true from pg_database where datname = $1", name):
            try:
                await pg.execute(f"create database {name} owner {OWNER} template {template}")
            except asyncpg.DuplicateDatabaseError:
                return  # another machine was faster
        await pg.execute(f"revoke all on database {name} from public")
        await pg.execute(f"grant connect, temporary on database {name} to {OWNER}, {APP}, {WORKER}")
    finally:
        await pg.close()


async def migrate(server: Server, migrations: Sequence[Migration] | None = None) -> list[str]:
    """Run what is new, each file in a transaction of its own; returns the names of those it ran.

    Raises Refused(CONFLICT) when a file that was run has changed or is gone, Refused(UNAVAILABLE) as `connect`.
    """
    wanted = read_migrations() if migrations is None else migrations
    pg = await connect(server, OWNER)
    try:
        await pg.execute("select pg_advisory_lock($1)", _LOCK)
        try:
            return await _run(pg, wanted)
        finally:
            await pg.execute("select pg_advisory_unlock($1)", _LOCK)
    finally:
        await pg.close()


async def _run(pg: Any, wanted: Sequence[Migration]) -> list[str]:
    await pg.execute(_KEPT)
    done = {row["number"]: row for row in await pg.fetch("select number, name, sha256 from schema_migration")}
    known = {migration.number: migration for migration in wanted}
    for number, row in done.items():
        if number not in known or known[number].sha256 != row["sha256"]:
            raise Refused(
                Kind.CONFLICT,
                f"migration {number:04}_{row['name']} was run in another form than the one at hand; "
                f"use the release that ran it, or a newer one",
                migration="changed",
            )
    ran = []
    for migration in wanted:
        if migration.number in done:
            continue
        async with pg.transaction():
            await pg.execute(migration.sql)
            await pg.execute(
                "insert into schema_migration (number, name, sha256) values ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.sha256,
            )
        ran.append(migration.name)
    return ran


async def set_up(server: Server) -> list[str]:
    """Roles, database and schema, from whatever state they are in; safe to call at every start."""
    await create_roles(server)
    await create_database(server)
    return await migrate(server)
