"""Roles and schema: made once, never weaker than promised, never changed behind anybody's back."""

import base64
import secrets

import asyncpg
import pytest

from saqtau.engine import migrate, postgres
from saqtau.engine.migrate import Migration
from saqtau.kernel.errors import Kind, Refused

pytestmark = pytest.mark.anyio

FIRST = Migration(1, "first", "create table one (n int); create table two (n int);")
SECOND = Migration(2, "second", "alter table one add column m int;")


@pytest.fixture
async def empty(engine):
    """A database without any schema."""
    name = f"bare_{secrets.token_hex(4)}"
    await migrate.create_database(engine.server, name)
    return engine.server.at(name)


async def tables(server):
    pg = await postgres.connect(server, postgres.OWNER)
    found = {row[0] for row in await pg.fetch("select tablename from pg_tables where schemaname = 'public'")}
    await pg.close()
    return found


async def test_each_file_is_run_once_and_in_order(empty):
    assert await migrate.migrate(empty, [FIRST]) == ["first"]
    assert await migrate.migrate(empty, [FIRST, SECOND]) == ["second"]
    assert await migrate.migrate(empty, [FIRST, SECOND]) == []


async def test_a_file_that_was_changed_after_it_ran_stops_the_start(empty):
    await migrate.migrate(empty, [FIRST])
    with pytest.raises(Refused) as refused:
        await migrate.migrate(empty, [Migration(1, "first", FIRST.sql + " ")])
    assert refused.value.kind is Kind.CONFLICT


async def test_an_older_release_does_not_start_on_a_newer_schema(empty):
    await migrate.migrate(empty, [FIRST, SECOND])
    with pytest.raises(Refused) as refused:
        await migrate.migrate(empty, [FIRST])
    assert refused.value.kind is Kind.CONFLICT


async def test_a_file_that_fails_leaves_nothing_half_made(empty):
    broken = Migration(2, "broken", "create table three (n int); select no_such_function();")
    with pytest.raises(asyncpg.UndefinedFunctionError):
        await migrate.migrate(empty, [FIRST, broken])
    assert await tables(empty) == {"schema_migration", "one", "two"}
    assert await migrate.migrate(empty, [FIRST, SECOND]) == ["second"]


async def test_no_role_of_a_service_owns_a_table_or_passes_row_level_security(database):
    pg = await postgres.connect(database, postgres.OWNER)
    owners = {row[0] for row in await pg.fetch("select tableowner from pg_tables where schemaname = 'public'")}
    strong = await pg.fetch(
        "select rolname from pg_roles where rolname like 'saqtau\\_%' and rolname <> 'saqtau_admin' "
        "and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)"
    )
    await pg.close()
    assert owners == {postgres.OWNER}
    assert strong == []


async def test_a_database_is_closed_to_those_who_have_no_password_of_ours(engine, database):
    word = dict(engine.server.passwords) | {postgres.APP: "guessed"}
    with pytest.raises(Refused) as refused:
        await postgres.connect(postgres.Server(database.dsn, word), postgres.APP)
    assert refused.value.kind is Kind.UNAVAILABLE
    assert "guessed" not in repr(refused.value.message)


async def test_an_admin_that_is_no_superuser_can_set_everything_up(engine):
    pg = await postgres.connect(engine.server.at("postgres"), postgres.ADMIN)
    verifier = migrate.scram_verifier("word", b"0123456789abcdef")
    await pg.execute(f"create role lesser login createrole createdb password '{verifier}'")
    await pg.execute(f"grant {', '.join(postgres.ROLES)} to lesser with admin option, set false, inherit false")
    await pg.close()
    server = postgres.Server(engine.server.dsn, {**engine.server.passwords, "lesser": "word"})
    await migrate.create_roles(server, "lesser")
    name = f"bare_{secrets.token_hex(4)}"
    await migrate.create_database(server, name, admin="lesser")
    assert await migrate.migrate(server.at(name), [FIRST]) == ["first"]


async def test_a_role_that_passes_row_level_security_stops_the_start(engine):
    pg = await postgres.connect(engine.server.at("postgres"), postgres.ADMIN)
    await pg.execute("alter role saqtau_app bypassrls")
    try:
        with pytest.raises(Refused) as refused:
            await migrate.create_roles(engine.server)
        assert refused.value.kind is Kind.CONFLICT
    finally:
        await pg.execute("alter role saqtau_app nobypassrls")
        await pg.close()


def test_files_with_a_hole_or_a_strange_name_are_refused(tmp_path):
    (tmp_path / "0001_first.sql").write_text("select 1")
    (tmp_path / "0003_third.sql").write_text("select 1")
    with pytest.raises(Refused):
        migrate.read_migrations(tmp_path)
    (tmp_path / "0003_third.sql").rename(tmp_path / "2_second.sql")
    with pytest.raises(Refused):
        migrate.read_migrations(tmp_path)


def test_the_verifier_is_the_one_of_the_standard():
    # RFC 7677, section 3: user "pencil", salt W22ZaJ0SNY7soEsUEjb6gQ==, 4096 iterations
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    assert migrate.scram_verifier("pencil", salt) == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )
