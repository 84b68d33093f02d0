"""uvicorn's HTTP protocol with what it lacks: how long a request's head may be, and how long it may take.

It also tells an answer how much of it the other side has not taken yet (`TAKEN`, an extension of the ASGI scope).
"""

import asyncio
import os
import socket
from fcntl import ioctl
from termios import TIOCOUTQ
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT: Final = 32 * 1024
"""Bytes of a request's line and headers."""
UNSENT: Final = 128 * 1024
"""Bytes of a socket that the system takes ahead of what the other side has asked for."""
TAKEN: Final = "saqtau.unsent"
"""Extension of the scope; its `unsent` is `BoundedProtocol.unsent` of the connection that is answered on."""
SLOWEST: Final = 30.0
"""Seconds from the first byte of a request, or from the connection, until its body is whole."""

_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: application/json\r\ncontent-length: 66\r\nconnection: close\r\n\r\n"
    b'{"kind":"too_large","fields":{"headers":"too_large"},"message":""}'
)


class BoundedProtocol(HttpToolsProtocol):
    """Refuses a head that does not end, and closes on a sender that does not get done."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._head = 0
        self._in_head = True
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock.

        The system takes no more than `UNSENT` bytes ahead: what waits elsewhere than in our own queue is seconds of a
        live picture that nobody can skip, and megabytes that nobody knows to have been received.
        """
        super().connection_made(transport)
        descriptor = transport.get_extra_info("socket").fileno()
        with socket.socket(fileno=os.dup(descriptor)) as same:
            if same.family != socket.AF_UNIX:
                same.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._done()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A new head."""
        super().on_message_begin()
        self.scope["extensions"] = {TAKEN: {"unsent": self.unsent}}
        self._head, self._in_head = 0, True
        self._wait()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole: from here the answer takes what it takes."""
        self._done()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """A socket lives as long as it is looked at: its own pings watch over it."""
        self._done()
        super().handle_websocket_upgrade()

    def unsent(self) -> int | None:
        """Bytes that the other side's system has not said to have (TCP); None when the connection is at its end."""
        if self.transport.is_closing():
            return None
        descriptor = self.transport.get_extra_info("socket").fileno()
        queued = int.from_bytes(ioctl(descriptor, TIOCOUTQ, bytes(4)), "little")
        return self.transport.get_write_buffer_size() + queued

    def data_received(self, data: bytes) -> None:
        """Feed the parser; what it has not understood as a whole head by the limit is refused."""
        super().data_received(data)
        if self._in_head:
            self._head += len(data)
            if self._head > HEAD_LIMIT and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def _wait(self) -> None:
        self._done()
        self._patience = self.loop.call_later(SLOWEST, self._give_up)

    def _done(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()
