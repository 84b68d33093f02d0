"""The witness over HTTP (C2SP tlog-witness v1.0.0), as an ASGI application.

`POST /add-checkpoint` and `GET /<sha256 of the origin>/checkpoint`; `GET /` says who answers. One thread does all work
on the file: a request waits for those before it, and what waits is bounded.
"""

import asyncio
import hashlib
import sqlite3
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import structlog

from saqtau.kernel.clock import Clock
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.note import COSIGNATURE, Signer
from saqtau.ledger.witness.acting import Reply, RootAt, add_checkpoint
from saqtau.ledger.witness.request import BODY_LIMIT, parse_request
from saqtau.ledger.witness.state import COSIGNED, MALFORMED, UNKNOWN
from saqtau.ledger.witness.store import Store

log = structlog.get_logger("saqtau.witness")

PATIENCE: Final = 10.0
"""Seconds a request's body may take."""
WAITING: Final = 128
"""Requests that may wait for the file."""
_STATUS: Final = {Kind.TOO_LARGE: 413, Kind.UNAVAILABLE: 503, Kind.TOO_MANY: 429}

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Witness:
    """The application: `await witness(scope, receive, send)`.

    asked: called with the origin of a log nobody told us of; cosigned: with one that has grown.
    """

    def __init__(
        self,
        store: Store,
        signer: Signer,
        clock: Clock,
        root_at: RootAt = lambda _origin, _size: None,
        asked: Callable[[str], None] = lambda _origin: None,
        cosigned: Callable[[str], None] = lambda _origin: None,
    ) -> None:
        self._store = store
        self._signer = signer
        self._clock = clock
        self._root_at = root_at
        self._asked = asked
        self._cosigned = cosigned
        self._thread = ThreadPoolExecutor(1, "witness")
        self._waiting = 0

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request."""
        match scope["type"]:
            case "http":
                try:
                    reply = await self._answer(scope, receive)
                except Refused as refusal:
                    reply = Reply(_STATUS.get(refusal.kind, MALFORMED), f"{refusal.message}\n")
                except sqlite3.Error as error:  # a full disk, a damaged file: nothing was cosigned
                    log.error("the file of the witness fails", error=str(error))  # noqa: TRY400 - no trace of a disk
                    reply = Reply(503, "the witness cannot write\n")
                await _say(send, reply, head=scope["method"] == "HEAD")
            case "lifespan":
                await _live(receive, send)
            case _:
                await send({"type": "websocket.close"})

    def close(self) -> None:
        """Wait for the request in hand."""
        self._thread.shutdown()

    async def working(self, work: Callable[[], Any]) -> Any:
        """Do something with the file, in its thread. Raises Refused(TOO_MANY) when too many wait."""
        if self._waiting >= WAITING:
            raise Refused(Kind.TOO_MANY, "too many requests wait", rate="too_many")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1

    async def _answer(self, scope: Any, receive: Receive) -> Reply:
        match scope["method"], [part for part in scope["path"].split("/") if part]:
            case "POST", ["add-checkpoint"]:
                return await self._add(await _body(receive))
            case "GET" | "HEAD", [mark, "checkpoint"]:
                return await self._last(mark)
            case "GET" | "HEAD", []:
                return Reply(COSIGNED, f"{self._signer.vkey(COSIGNATURE)}\n")
            case _:
                return Reply(UNKNOWN, "no such page\n")

    async def _add(self, data: bytes) -> Reply:
        request = parse_request(data)
        origin = request.checkpoint.origin
        reply: Reply = await self.working(
            lambda: add_checkpoint(self._store, self._signer, request, self._clock(), self._root_at)
        )
        match reply.status:
            case 200:
                self._cosigned(origin)
            case 404:
                self._asked(origin)
            case status:
                log.warning("not cosigned", origin=origin, status=status, size=request.checkpoint.size)
        return reply

    async def _last(self, mark: str) -> Reply:
        logs = await self.working(self._store.logs)
        for one in logs:
            if one.note is not None and hashlib.sha256(one.origin.encode()).hexdigest() == mark:
                return Reply(COSIGNED, one.note.decode() + (one.line or ""))
        return Reply(UNKNOWN, "no checkpoint of such a log was cosigned here\n")


async def _body(receive: Receive) -> bytes:
    """The body. Raises Refused(TOO_LARGE) beyond its limit, Refused(INVALID) when it does not come."""
    data = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise Refused(Kind.INVALID, "the sender has gone", body="cut")
                data += message.get("body", b"")
                if len(data) > BODY_LIMIT:
                    raise Refused(Kind.TOO_LARGE, f"more than {BODY_LIMIT} bytes", body="too_large")
                if not message.get("more_body", False):
                    return bytes(data)
    except TimeoutError:
        raise Refused(Kind.INVALID, f"the body did not come within {PATIENCE:.0f} s", body="slow") from None


async def _say(send: Send, reply: Reply, *, head: bool) -> None:
    text = reply.text.encode()
    headers = [(b"content-type", reply.media.encode()), (b"content-length", b"%d" % len(text))]
    if reply.status == 413:
        headers.append((b"connection", b"close"))
    headers += [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else text})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
