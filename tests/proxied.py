"""A wire that can be cut: a TCP proxy in front of a server, for what happens when somebody cannot be reached."""

import asyncio
import contextlib


class Wire:
    """Forwards to (host, port) while it is whole; cut, it drops what is open and lets nobody in."""

    def __init__(self, host, port):
        self._to = (host, port)
        self._open = set()
        self._whole = True

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.cut()
        self._server.close()
        await self._server.wait_closed()

    def cut(self):
        """From now on nothing goes through."""
        self._whole = False
        for writer in list(self._open):
            writer.transport.abort()

    def mend(self):
        """From now on all goes through."""
        self._whole = True

    async def _carry(self, reader, writer):
        if not self._whole:
            writer.transport.abort()
            return
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(*self._to)
            self._open |= {writer, far_writer}
            try:
                await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
            finally:
                self._open -= {writer, far_writer}
                far_writer.close()
        writer.close()


async def _pump(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
