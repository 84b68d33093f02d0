"""PostgreSQL and NATS, set up and running: by this process, by another one, or at the given addresses."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from saqtau.bootstrap.ground import Ground, now
from saqtau.engine import broker, migrate, postgres, sealing
from saqtau.engine.journal import STREAMS, ensure_streams
from saqtau.engine.part import Part
from saqtau.engine.postgres import ADMIN, ROLES, WORKER
from saqtau.engine.room import Room
from saqtau.engine.supervisor import Say, Supervisor
from saqtau.engine.window import ensure_window
from saqtau.kernel.errors import Kind, Refused


def own_parts(ground: Ground) -> list[Part]:
    """The parts that this machine must run itself."""
    parts: list[Part] = []
    settings = ground.config.engine
    if settings.postgres is None:
        programs = postgres.binaries(settings.postgres_bin)
        postgres.prepare(ground.place, programs)
        parts.append(postgres.part(ground.place, programs))
    if settings.nats is None:
        program = broker.binary(settings.nats_server)
        check_room(ground)
        parts.append(
            broker.part(ground.place, program, broker.choose_port(ground.place), max_file=settings.journal_bytes)
        )
    return parts


def check_room(ground: Ground) -> None:
    """Raise Refused(UNAVAILABLE) when the journal's streams do not fit: the broker would only say "insufficient"."""
    wanted = ground.config.engine.journal_bytes
    found = broker.room(ground.place.nats, wanted, broker.GIB)
    needed = sum(stream.bytes for stream in STREAMS)
    if found < needed:
        told = f"the journal needs {needed / broker.GIB:.0f} GiB and may take {found / broker.GIB:.1f}"
        why = "[engine] journal_bytes is too small" if wanted < needed else "the disk has no more free"
        raise Refused(Kind.UNAVAILABLE, f"{told}: {why}", journal="no_room")


async def set_up(ground: Ground) -> None:
    """Roles, schema, streams and the first partitions: safe to do at every start."""
    await migrate.set_up(ground.server(ADMIN, *ROLES))
    client = await broker.connect(ground.broker(), "saqtau-setup")
    try:
        js = broker.context(client)
        await ensure_streams(js, ground.broker().replicas)
        await ensure_window(js, ground.broker().replicas)
    finally:
        await client.close()
    pg = await postgres.connect(ground.server(WORKER), WORKER)
    try:
        await sealing.make_ahead(pg, now())
    finally:
        await pg.close()


@asynccontextmanager
async def engine_up(
    ground: Ground, say: Say = lambda _line: None, check: Callable[[], None] = lambda: None
) -> AsyncIterator[Supervisor | None]:
    """The engine, ready: as it is when a Saqtau runs in this folder, else started for as long as this lasts.

    check: called once the folder is ours and before anything is started; it may refuse.
    """
    supervisor = Supervisor(ground.place, say)
    try:
        supervisor.claim()
    except Refused as refusal:
        if refusal.kind is not Kind.CONFLICT:
            raise
        yield None
        return
    try:
        check()
        for part in await asyncio.to_thread(own_parts, ground):
            await supervisor.start(part)
        await set_up(ground)
        async with _room(ground, supervisor):
            yield supervisor
    finally:
        await supervisor.stop()


@asynccontextmanager
async def _room(ground: Ground, supervisor: Supervisor) -> AsyncIterator[None]:
    """The disk of our own journal is watched for as long as this lasts; a cluster's is its keeper's business."""
    if ground.config.engine.nats is not None:
        yield
        return
    room = Room(ground.place.folder, ground.broker(), lambda: supervisor.again("nats"))
    keeping = asyncio.create_task(room.keep())
    try:
        yield
    finally:
        while not keeping.done():  # a cancellation can be lost in a call to the broker that ends at that moment
            keeping.cancel()
            await asyncio.wait({keeping}, timeout=0.1)
