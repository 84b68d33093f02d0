"""Fixtures of every test: the async backend, and the real engine for those that ask for it."""

import asyncio
import os

import pytest
from hypothesis import HealthCheck, settings
from tests.running import running

from saqtau.engine import broker, journal, postgres
from saqtau.kernel.errors import Refused

STORE_NOT_MADE = 10049

# a shared machine is sometimes slow: how long an example takes says nothing about whether it holds
settings.register_profile("dev", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), max_examples=100, derandomize=True)
settings.register_profile("long", settings.get_profile("dev"), max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session")
def engine():
    """PostgreSQL and NATS for the whole session (`tests.running.Running`)."""
    with running() as started:
        yield started


@pytest.fixture(scope="module")
def database(engine):
    """A migrated database of this module's own (`postgres.Server`)."""
    return engine.fresh_database()


@pytest.fixture
async def nc(engine):
    """A NATS client, closed afterwards."""
    client = await broker.connect(engine.broker, "test")
    yield client
    await client.close()


@pytest.fixture
async def pictures(engine):
    """A NATS client as recorder and web have one for live pictures, closed afterwards."""
    client = await broker.connect(engine.pictures, "test-pictures")
    yield client
    await client.close()


@pytest.fixture
async def js(nc, engine):
    """JetStream with fresh, empty streams."""
    context = broker.context(nc)
    for info in await context.streams_info():
        await context.delete_stream(info.config.name)
    await _ensure_once_removed(context, engine.broker.replicas)
    return context


async def _ensure_once_removed(context, replicas):
    """NATS removes a deleted stream's folder behind its answer: until then a stream of that name is refused (10049)."""
    while True:
        try:
            return await journal.ensure_streams(context, replicas)
        except Refused as refusal:
            if getattr(refusal.__cause__, "err_code", None) != STORE_NOT_MADE:
                raise
            await asyncio.sleep(0.1)


@pytest.fixture
async def pg_owner(database):
    """A connection as the owner of the tables: row-level security is forced on it too, where a table says so."""
    connection = await postgres.connect(database, postgres.OWNER)
    yield connection
    await connection.close()


@pytest.fixture
async def pg_worker(database):
    """A connection as the workers' role."""
    connection = await postgres.connect(database, postgres.WORKER)
    yield connection
    await connection.close()


@pytest.fixture
async def pg_app(database):
    """A connection as the web's role; it sees the regions in `app.regions`."""
    connection = await postgres.connect(database, postgres.APP)
    yield connection
    await connection.close()
