"""What every answer carries, and what every change must bring: headers, origin, token."""

import hmac
from typing import Any, Final
from urllib.parse import urlsplit

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

from saqtau.kernel.errors import Kind, Refused

_SOURCES: Final = {
    "default-src": "'self'",
    "img-src": "'self' data: blob:",  # crops as blobs, MapLibre's sprites as data
    "media-src": "'self' blob:",  # pictures of cameras come through MediaSource
    "worker-src": "'self' blob:",  # MapLibre's worker
    "style-src": "'self'",
    "style-src-attr": "'unsafe-inline'",  # widths of bars; no sheet and no script can be written in
    "connect-src": "'self'",
    "font-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
CSP: Final = "; ".join(f"{directive} {sources}" for directive, sources in _SOURCES.items())
HEADERS: Final = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "geolocation=(self), camera=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HASHED: Final = "/assets/"
"""Vite puts files with their hash in the name here."""
CSRF_HEADER: Final = "X-CSRF-Token"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def cache_of(path: str) -> str:
    """How long an answer may be kept: hashed files for ever, pages only after asking, the API never."""
    if path.startswith(HASHED):
        return "public, max-age=31536000, immutable"
    if path.startswith(("/api", "/tablet/positions", "/metrics", "/healthz")):
        return "no-store"
    return "no-cache"


async def add_headers(message: Message, scope: Scope) -> None:
    """Put the security headers on every answer, whoever gives it; runs before each message is sent."""
    if message["type"] != "http.response.start":
        return
    headers = MutableScopeHeaders.from_message(message)
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    failed = message["status"] >= 400
    headers.setdefault("Cache-Control", "no-store" if failed else cache_of(str(scope.get("path", ""))))


def check_origin(headers: Any) -> None:
    """Refuse (DENIED) a change that another site's page asks for. Programs send neither header and pass.

    Fetch metadata decides where the browser sends it; else the Origin must name the host that was asked.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        if site not in {"same-origin", "none"}:
            raise Refused(Kind.DENIED, "asked by another site's page", origin="foreign")
        return
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        raise Refused(Kind.DENIED, "asked by another site's page", origin="foreign")


def check_token(given: str | None, wanted: str) -> None:
    """Refuse (DENIED) a change without the session's token."""
    if given is None or not hmac.compare_digest(given.encode(), wanted.encode()):
        raise Refused(Kind.DENIED, f"the header {CSRF_HEADER} is missing or of another session", csrf="wrong")
