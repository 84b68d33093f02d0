"""The web application: what answers where, made from the parts that are handed in."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Final

import structlog
from litestar import Litestar, asgi
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import Message, Scope

from saqtau.engine.atlas import Whereabouts
from saqtau.engine.chain import EVERYWHERE
from saqtau.engine.live_relay import Relay
from saqtau.engine.outbox import Publisher
from saqtau.engine.positions import last_fixes
from saqtau.engine.recording_reading import Contents
from saqtau.engine.store import see
from saqtau.engine.video_reading import States
from saqtau.web.api import API
from saqtau.web.api.playback import Turns
from saqtau.web.auth import Doorkeeper
from saqtau.web.errors import HANDLERS, TROUBLE
from saqtau.web.glances import Glances
from saqtau.web.live import Hub, drive, follow_feed, follow_positions, watch_sessions
from saqtau.web.metrics import REQUESTS, SECONDS
from saqtau.web.oidc import Provider
from saqtau.web.pages import PAGES
from saqtau.web.parts import Parts
from saqtau.web.schema import BODY_LIMIT, BY_SESSION, StrictStructs
from saqtau.web.security import add_headers
from saqtau.web.sessions import COOKIE, live_sessions
from saqtau.web.standing import Standing
from saqtau.web.view import Views, say_who_watches

log = structlog.get_logger("saqtau.web")

API_VERSION: Final = "1"
COMPONENTS: Final = Components(
    security_schemes={
        "session": SecurityScheme(type="apiKey", security_scheme_in="cookie", name=COOKIE, description="From login."),
        "csrf": SecurityScheme(
            type="apiKey",
            security_scheme_in="header",
            name="X-CSRF-Token",
            description="With every change: `csrf` of /api/me.",
        ),
    }
)


def create_app(parts: Parts) -> Litestar:
    """The application. It answers when its lifespan has started: then the live picture has caught up with the feed."""
    hub = Hub(parts.clock, parts.limits, Whereabouts(parts.atlas) if parts.atlas is not None else None)
    routes: list[Any] = [*API, *PAGES]
    if parts.tablet_intake is not None:
        routes.append(asgi("/tablet/positions", copy_scope=True)(parts.tablet_intake))
    app = Litestar(
        routes,
        openapi_config=OpenAPIConfig(
            title="Saqtau",
            version=API_VERSION,
            description="What console and tablet ask. Every read of protected data leaves an entry in the record.",
            path="/api/schema",
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],
            components=COMPONENTS,
            security=BY_SESSION,
        ),
        plugins=[StrictStructs()],
        exception_handlers=HANDLERS,
        before_send=[add_headers, count_answer],
        request_max_body_size=BODY_LIMIT,
        lifespan=[partial(living, hub)],
        debug=False,
    )
    app.state.parts = parts
    app.state.hub = hub
    app.state.views = Views(Relay(parts.pictures, parts.clock), parts.limits)
    app.state.glances = Glances(parts.pg, parts.clock, parts.ids)
    app.state.contents = Contents()
    app.state.states = States(parts.pg, parts.clock)
    app.state.decoding = Turns()
    app.state.doorkeeper = Doorkeeper(parts)
    app.state.provider = None if parts.accounts.issuer is None else Provider(parts.accounts.issuer, parts.clock)
    app.state.publisher = Publisher(parts.js, parts.pg)
    # a package holds a connection while it asks for others: no more of them at once than the pool can bear
    app.state.packing = asyncio.Semaphore(2)
    app.state.standing = Standing(parts.access, parts.clock)
    return app


@asynccontextmanager
async def living(hub: Hub, app: Litestar) -> AsyncIterator[None]:
    """The tasks of this process; a task that dies takes the process with it, and the supervisor starts it anew."""
    parts: Parts = app.state.parts
    views: Views = app.state.views
    app.state.loop = asyncio.get_running_loop()
    await follow_positions(hub, parts.nc)
    if hub.whereabouts is not None:
        async with parts.pg.acquire() as pg, pg.transaction():
            await see(pg, EVERYWHERE)
            hub.whereabouts.see(await last_fixes(pg, parts.atlas))

    async def check(digests: Sequence[bytes]) -> set[bytes]:
        return await live_sessions(parts.pg, digests, parts.clock())

    tasks = [
        asyncio.create_task(work, name=name)
        for name, work in (
            # a question that a killed broker swallowed is asked again soon: screens wait for it
            ("feed", follow_feed(hub, parts.nc.jetstream(timeout=1.5))),
            ("ticks", drive(hub)),
            ("sessions", watch_sessions(hub, check)),
            ("sessions of views", watch_sessions(views, check)),
            ("who watches", say_who_watches(views, app.state.glances, parts)),
            ("outbox", app.state.publisher.run()),
            ("grants", sweep_grants(app.state.standing)),
        )
    ]
    for task in tasks:
        task.add_done_callback(_told_of_death)
    try:
        async with asyncio.timeout(10):
            await hub.caught_up.wait()
    except TimeoutError:
        log.warning("the feed is away; the live picture starts without it")
    try:
        yield
    finally:
        hub.stop()
        views.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(*TROUBLE):  # an entry that is not closed says itself that its end is unknown
            await app.state.glances.end()
            await app.state.standing.end()
        await parts.access.stop()


async def sweep_grants(standing: Standing) -> None:
    """Close grants that have run out, twice a minute."""
    while True:
        await asyncio.sleep(30)
        try:
            await standing.sweep()
        except TROUBLE as error:
            log.warning("grants are not closed", error=type(error).__name__)


def _told_of_death(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("a task of the live picture died", task=task.get_name(), exc_info=error)
        os.kill(os.getpid(), signal.SIGTERM)


async def count_answer(message: Message, scope: Scope) -> None:
    """Count answers by call and status, and how soon they began."""
    if message["type"] == "http.response.start":
        call = getattr(scope.get("route_handler"), "operation_id", None)
        REQUESTS.labels(str(call or "other"), str(message["status"])).inc()
        began = scope.get("state", {}).get("began")
        if call is not None and began is not None:
            SECONDS.labels(str(call)).observe(time.perf_counter() - began)
