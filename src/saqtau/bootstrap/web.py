"""The web process: console, tablet page and their API, and the tablets' positions from the same origin."""

import asyncio
from importlib.resources import files
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from saqtau import policies, roads
from saqtau.bootstrap.accounts import accounts_of, device_authority
from saqtau.bootstrap.exporting import exporting_of
from saqtau.bootstrap.ground import Ground, ids, links, now
from saqtau.bootstrap.intake import Known, position_packer, tablet_input
from saqtau.devices.http import serve
from saqtau.engine import broker, postgres
from saqtau.engine.access import Access
from saqtau.engine.atlas import open_atlas
from saqtau.engine.blobs import Blobs
from saqtau.engine.journal import ensure_streams
from saqtau.engine.place import read_secret
from saqtau.engine.policy_change import EVERY, INSTALLER, PolicyWatch, install
from saqtau.engine.postgres import APP
from saqtau.engine.video_decoding import Decoders
from saqtau.engine.worker import every
from saqtau.ledger.leaf import LeafClass
from saqtau.web.app import create_app
from saqtau.web.parts import Parts
from saqtau.web.serve import server


async def answer(ground: Ground, stop: asyncio.Event) -> None:
    """Answer browsers until SIGTERM."""
    pool, nc, js = await links(ground, APP, "saqtau-web", size=20)
    pictures = await broker.connect(ground.pictures(), "saqtau-web-pictures")
    ledger_pool = await postgres.pool(ground.server(APP), APP, 4)
    ledger = ground.open_ledger(ledger_pool)
    await ensure_streams(js, ground.broker().replicas)
    atlas = await asyncio.to_thread(open_atlas, ground.map)
    if atlas is not None:
        await asyncio.to_thread(roads.warm)
    authority = device_authority(ground.place)
    known = Known(authority.certificate)
    tracks = position_packer(js)

    async def refresh() -> None:
        async with pool.acquire() as pg:
            await known.refresh_tablets(pg)

    await refresh()
    access = ground.open_access(ledger, js, pool)
    watch = await watch_policies(pool, access)

    async def compare_policies() -> None:
        await watch.look()

    decoders = Decoders(1)
    settings = ground.config.web
    app = create_app(
        Parts(
            pg=pool,
            nc=nc,
            js=js,
            pictures=pictures,
            access=access,
            keys=ground.keys,
            signers=ground.signers,
            accounts=accounts_of(ground),
            authority=authority,
            mirror_token=read_secret(ground.mirror_token),
            desks=ground.desks,
            clock=now,
            ids=ids,
            calendar=ground.calendar,
            law=ground.law,
            blobs=Blobs(ground.blobs),
            history=ground.open_history(),
            map=ground.map,
            dist=console(),
            decoders=decoders,
            atlas=atlas,
            exporting=exporting_of(ground),
            tablet_intake=serve({"/tablet/positions": tablet_input(known, tracks, atlas)}),
            secure=settings.tls or not _is_loopback(settings.host),
        )
    )
    refreshing = asyncio.create_task(every(1.0, "tablets", refresh, stop))
    comparing = asyncio.create_task(every(EVERY, "policies", compare_policies, stop))
    await server(app, settings.host, settings.port).serve()
    refreshing.cancel()
    comparing.cancel()
    await tracks.close()
    await decoders.close()
    await ledger.close()
    await pictures.close()
    await nc.close()
    ledger_pool.terminate()
    pool.terminate()


async def watch_policies(pool: Any, access: Access) -> PolicyWatch:
    """What is in force from now on; at the first start of all, the policies of the release, with their leaf.

    Raises Refused: INVALID when the release's own break a law, CONFLICT when those in force are not those that were
    approved, UNAVAILABLE.
    """
    bundled, schema = policies.texts()

    async def enter(digest: str, name: str) -> str:
        told = {"hash": digest, "id": name, "by": INSTALLER}
        return await access.tell(LeafClass.POLICY, "policy.install", told) or ""

    await install(pool, bundled, schema, enter, now(), ids)
    watch = PolicyWatch(pool, schema, access.adopt)
    await watch.begin()
    return watch


def _is_loopback(host: str) -> bool:
    """Whether only this machine can reach it; a name that is no address counts as reachable by others."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def console() -> Path | None:
    """The built console inside the package; None when it was not built."""
    dist = Path(str(files("saqtau.web"))) / "dist"
    return dist if (dist / "index.html").is_file() else None
