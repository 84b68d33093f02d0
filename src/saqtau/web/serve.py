"""Answer on an address until SIGTERM, and then be gone in less than two seconds: live streams are ended first."""

from types import FrameType

import uvicorn
from litestar import Litestar

from saqtau.web.protocol import BoundedProtocol

TALK = 1024
"""Bytes of the longest message that a socket takes; nobody listens to what viewers of pictures say."""
GRACE = 1
"""Seconds that running answers get to finish."""


class _Server(uvicorn.Server):
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End what is live before uvicorn waits for open answers; not raised again, so that `serve` returns."""
        app: Litestar = self.config.app  # type: ignore[assignment]
        app.state.loop.call_soon_threadsafe(app.state.hub.stop)
        app.state.loop.call_soon_threadsafe(app.state.views.stop)
        super().handle_exit(sig, frame)
        self._captured_signals.clear()


def server(app: Litestar, host: str, port: int, *, trusted_proxies: str = "127.0.0.1") -> uvicorn.Server:
    """What answers, not yet started: `await` its `serve()`, which returns after SIGTERM or SIGINT.

    trusted_proxies: addresses, separated by commas, whose X-Forwarded-For is believed.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=BoundedProtocol,
        ws="websockets-sansio",
        ws_max_size=TALK,
        ws_per_message_deflate=False,  # pictures are compressed already
        ws_ping_interval=10.0,
        ws_ping_timeout=20.0,
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=30,
        limit_concurrency=4_000,
        proxy_headers=True,
        forwarded_allow_ips=trusted_proxies,
    )
    return _Server(config)
