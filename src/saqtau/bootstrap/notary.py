"""The notary: witnesses are fed, pictures entered, late entries appended, the old erased, old checkpoints thinned."""

import asyncio
from random import SystemRandom

import structlog

from saqtau.bootstrap.ground import Ground, ids, links, now
from saqtau.engine import postgres
from saqtau.engine.blobs import Blobs
from saqtau.engine.erasure import erase_ended
from saqtau.engine.export_package import RETENTION as PACKAGES
from saqtau.engine.export_package import expire_packages
from saqtau.engine.feeding import parse_witnesses
from saqtau.engine.forgetting import forget_due, is_vouched
from saqtau.engine.journal import ensure_streams
from saqtau.engine.notary import Notary, thin, thin_cosigned
from saqtau.engine.picture_entries import BATCH, enter_pictures
from saqtau.engine.postgres import WORKER
from saqtau.engine.recording_minutes import RETENTION as MINUTES
from saqtau.engine.recording_noted import forget_leaves
from saqtau.engine.recording_package import expire_recordings
from saqtau.engine.worker import every
from saqtau.kernel.clock import Instant

log = structlog.get_logger("saqtau.notary")


async def notarise(ground: Ground, stop: asyncio.Event) -> None:
    """Work until told to stop."""
    witnesses = parse_witnesses(ground.config.ledger.witnesses)
    if not witnesses:
        log.warning("no witness is configured: nobody outside holds the log to its word")
    pool, nc, js = await links(ground, WORKER, "saqtau-notary", size=8)
    await ensure_streams(js, ground.broker().replicas)
    ledger_pool = await postgres.pool(ground.server(WORKER), WORKER, 4)
    ledger = ground.open_ledger(ledger_pool)
    late = ground.open_late(js)
    notary = Notary(pool, ledger, witnesses, now, ids, SystemRandom().random)

    async def pictures() -> None:
        while await enter_pictures(pool, ledger) == BATCH and not stop.is_set():
            pass

    blobs, terms = Blobs(ground.blobs), ground.keeping.history

    async def retention() -> None:
        if not await is_vouched(pool, now()):
            return
        await erase_ended(pool, blobs, terms, now(), ledger)
        await forget_due(pool, ledger, ground.keys, terms, now())
        await expire_packages(pool, blobs, Instant(now() - terms[PACKAGES]))
        await expire_recordings(pool, blobs, Instant(now() - terms[PACKAGES]))
        await forget_leaves(pool, Instant(now() - terms[MINUTES]))

    chores = [
        every(0.5, "pictures", pictures, stop),
        every(1.0, "late entries", lambda: late.drain(pool, ledger, now), stop),
        every(60.0, "retention", retention, stop),
        every(60.0, "checkpoints", lambda: thin(pool, now()), stop),
        every(3600.0, "cosigned checkpoints", lambda: thin_cosigned(pool, now()), stop),
    ]
    await asyncio.gather(notary.run(stop), *chores)
    await ledger.close()
    await nc.close()
    ledger_pool.terminate()
    pool.terminate()
