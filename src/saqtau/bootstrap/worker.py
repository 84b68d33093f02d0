"""The worker: journal into record, deadlines, silence, partitions, forgetting. Any number of them share the work."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from prometheus_client import REGISTRY, write_to_textfile

from saqtau import roads
from saqtau.bootstrap.ground import Ground, ids, links, now
from saqtau.engine import custody_draw, outbox, sealing, silence, store, video_watch
from saqtau.engine.atlas import Whereabouts, open_atlas
from saqtau.engine.blobs import Blobs
from saqtau.engine.claims import committed
from saqtau.engine.journal import POSITIONS, READS, ensure_streams, trim
from saqtau.engine.positions import LIVE, Positions, hear, last_fixes
from saqtau.engine.postgres import WORKER
from saqtau.engine.reads import Reads
from saqtau.engine.timers import expire_due
from saqtau.engine.window import Window, ensure_window
from saqtau.engine.worker import Worker, every


async def work(ground: Ground, stop: asyncio.Event) -> None:
    """Work until told to stop."""
    pool, nc, js = await links(ground, WORKER, "saqtau-worker")
    broker = ground.broker()
    await ensure_streams(js, broker.replicas)
    await ensure_window(js, broker.replicas)
    window = Window(js, ground.window_seconds)
    atlas = await asyncio.to_thread(open_atlas, ground.map)
    if atlas is not None:
        await asyncio.to_thread(roads.warm)
    whereabouts = None if atlas is None else Whereabouts(atlas)
    blobs = Blobs(ground.blobs)
    history, keeping = ground.open_history(), ground.keeping
    positions = Positions(atlas, now, nc.publish)
    reads = Reads(
        js=js,
        window=window,
        window_seconds=ground.window_seconds,
        atlas=atlas,
        whereabouts=whereabouts,
        desks=ground.desks,
        limits=ground.limits,
        calendar=ground.calendar,
        blobs=blobs,
        clock=now,
        ids=ids,
    )
    async with pool.acquire() as pg:
        await store.keep_specs(pg, ground.desks, now())
        await sealing.make_ahead(pg, now())
        await reads.refresh(pg)
        if whereabouts is not None:
            whereabouts.see(await last_fixes(pg, atlas))
    if whereabouts is not None:
        await nc.subscribe(LIVE, cb=_listener(whereabouts))

    async def expire() -> None:
        _, parcels = await expire_due(pool, ground.desks, now(), ids, ground.calendar)
        await outbox.publish(js, pool, parcels)

    async def tell_of(watch: Callable[..., Awaitable[Any]]) -> None:
        async with pool.acquire() as pg:
            parcels = await watch(pg, ground.desks, now(), ids, ground.calendar)
        await outbox.publish(js, pool, parcels)

    async def refresh() -> None:
        async with pool.acquire() as pg:
            await reads.refresh(pg)
            await positions.refresh(pg)

    async def forget() -> None:
        for stream in (READS, POSITIONS):
            done = await committed(pool, stream.name)
            if stream is READS:
                await window.forget(now(), done)
            await trim(js, stream, done)

    async def keep_house() -> None:
        await sealing.keep_house(pool, history, keeping, now())
        await pool.execute("delete from quarantine where at < $1", now() - keeping.history["quarantine_7d"])

    async def tell() -> None:
        name = f"metrics-{os.getpid()}.prom"
        await asyncio.to_thread(write_to_textfile, str(ground.place.run / name), REGISTRY)

    worker = Worker(pool, nc, js, {READS: reads, POSITIONS: positions}, now)
    chores = [
        every(0.25, "deadlines", expire, stop),
        every(1.0, "registers", refresh, stop),
        every(1.0, "outbox", lambda: outbox.sweep(pool, js, now()), stop),
        every(5.0, "silence", partial(tell_of, silence.listen), stop),
        every(5.0, "cameras", partial(tell_of, video_watch.look), stop),
        every(600.0, "random reviews", partial(tell_of, custody_draw.draw_reviews), stop),
        every(30.0, "window", forget, stop),
        every(60.0, "retention", keep_house, stop),
        every(10.0, "metrics", tell, stop),
    ]
    await asyncio.gather(worker.run(stop), *chores)
    await nc.close()
    pool.terminate()


def _listener(whereabouts: Whereabouts) -> Callable[[Any], Awaitable[None]]:
    async def heard(message: Any) -> None:
        whereabouts.see(hear(message.data))

    return heard
