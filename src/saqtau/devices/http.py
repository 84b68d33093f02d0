"""The rim of every device family: plain ASGI, one place for limits, refusals and their HTTP status.

No framework: a device needs a path, a body with a limit, and an answer. Paths hold tokens, so nothing here logs a path;
the server that runs this must do the same (uvicorn: `access_log=False`), and must not believe
`X-Forwarded-For` of anybody (`proxy_headers=False`), because the peer's address is checked against the register.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from hashlib import sha256
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from typing import Any

import msgspec

from saqtau.kernel.errors import Kind, Refused

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SHORTEST_TOKEN = 32
SLOWEST_BODY = 30.0  # s
_DRAINED = 4 << 20  # bytes read and thrown away so that a refused sender sees the answer and not a reset
_RETRY_AFTER = "5"

_log = logging.getLogger("saqtau.devices")

STATUS: Mapping[Kind, HTTPStatus] = {
    Kind.INVALID: HTTPStatus.BAD_REQUEST,
    Kind.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Kind.DENIED: HTTPStatus.FORBIDDEN,
    Kind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Kind.STALE: HTTPStatus.CONFLICT,
    Kind.CONFLICT: HTTPStatus.CONFLICT,
    Kind.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Kind.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS,
    Kind.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}


class Request(msgspec.Struct):
    """One request. `tail`: what follows the route's prefix (the token). `address`: the peer, "" when unknown."""

    tail: str
    headers: Mapping[str, str]  # lower-case names
    address: str
    receive: Receive
    whole: bool = False  # the body was read to its end


class Answer(msgspec.Struct, frozen=True):
    """What goes back."""

    status: HTTPStatus = HTTPStatus.OK
    body: bytes = b""
    media: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[Request], Awaitable[Answer]]


class Gone(Exception):  # noqa: N818 - the sender went away; nobody is there to be answered
    """The peer closed before its body was whole. Nothing of it is taken."""


def serve(routes: Mapping[str, Handler]) -> App:
    """An ASGI app. A route ending in "/" takes one further path segment (a token), any other is exact; POST only."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        request = Request(tail="", headers=headers, address=_peer(scope), receive=receive)
        try:
            answer = await _answer(routes, scope, request)
        except Gone:
            return
        except Refused as refusal:
            answer = refused(refusal)
        except Exception:  # noqa: BLE001 - our own trouble: the device keeps what it has and sends it again
            _log.exception("a device request failed")
            answer = refused(Refused(Kind.UNAVAILABLE, "this could not be taken; send it again"))
        if not request.whole:
            await _drain(request)
        await _send(send, answer, close=not request.whole)

    return app


def refused(refusal: Refused) -> Answer:
    """A refusal as the body `{"kind","fields","message"}` with its status; what may be repeated says when."""
    again = refusal.kind in {Kind.UNAVAILABLE, Kind.TOO_MANY}
    return Answer(
        STATUS[refusal.kind],
        msgspec.json.encode({"kind": refusal.kind, "fields": refusal.fields, "message": refusal.message}),
        headers=(("Retry-After", _RETRY_AFTER),) if again else (),
    )


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, declared or chunked. Raises Refused TOO_LARGE beyond `limit` bytes, INVALID when it stalls."""
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:18]) > limit:
        raise Refused(Kind.TOO_LARGE, f"a body of more than {limit} bytes", body="too_large")
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(SLOWEST_BODY):
            while not request.whole:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                chunks.append(message.get("body", b""))
                size += len(chunks[-1])
                request.whole = not message.get("more_body", False)
                if size > limit:
                    raise Refused(Kind.TOO_LARGE, f"a body of more than {limit} bytes", body="too_large")
    except TimeoutError:
        raise Refused(Kind.INVALID, f"a body that took longer than {SLOWEST_BODY:.0f} s", body="too_slow") from None
    return b"".join(chunks)


def token_digest(token: str) -> bytes:
    """What is stored and looked up instead of a token: its SHA-256, 32 bytes. Tokens themselves are never kept."""
    return sha256(token.encode("utf-8", "replace")).digest()


def same_address(registered: str, peer: str) -> bool:
    """Whether the peer is the registered address; `::ffff:192.0.2.1` is `192.0.2.1`. An unreadable one never is."""
    try:
        return _plain(registered) == _plain(peer)
    except ValueError:
        return False


def _plain(address: str) -> object:
    read = ip_address(address)
    return read.ipv4_mapped or read if isinstance(read, IPv6Address) else read


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


async def _answer(routes: Mapping[str, Handler], scope: Scope, request: Request) -> Answer:
    path = str(scope["path"])
    head, slash, tail = path.rpartition("/")
    handler = routes.get(path) or routes.get(head + slash)
    if handler is None:
        raise Refused(Kind.NOT_FOUND, "no such input", path="unknown")
    if scope["method"] != "POST":
        return Answer(HTTPStatus.METHOD_NOT_ALLOWED, headers=(("Allow", "POST"),))
    request.tail = tail
    return await handler(request)


async def _drain(request: Request) -> None:
    left = _DRAINED
    try:
        async with asyncio.timeout(1.0):
            while not request.whole and left > 0:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    return
                left -= len(message.get("body", b""))
                request.whole = not message.get("more_body", False)
    except TimeoutError:
        return


async def _send(send: Send, answer: Answer, *, close: bool) -> None:
    headers = [(b"content-type", answer.media.encode()), (b"content-length", str(len(answer.body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in answer.headers]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": int(answer.status), "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _live(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] != "lifespan.shutdown":
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
