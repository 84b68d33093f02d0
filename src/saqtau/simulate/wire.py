"""A line to a server as a device has it: one kept connection, reconnected when it breaks. HTTP/1.1 over asyncio."""

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

PATIENCE = 10.0  # s for a whole request
LARGEST = 16 << 20  # bytes of an answer
BROKEN = (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError)
"""What a request over a line raises when there was no answer that can be read."""


class Reply(msgspec.Struct, frozen=True):
    """An answer. `headers`: lower-case names, the last of several equal ones."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Line:
    """A connection to `http://host:port`, opened when it is needed. One request at a time; not for several tasks."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"{address}: not an http address")
        self.host, self.port = parts.hostname, parts.port or 80
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        patience: float = PATIENCE,
    ) -> Reply:
        """Send a request and read its answer. Raises one of BROKEN; the next request then starts afresh."""
        told = {"Host": f"{self.host}:{self.port}", "Content-Length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        kept = self._ends is not None
        try:
            async with asyncio.timeout(patience):
                return await self._exchange(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.close()
            if not kept:
                raise
        except BaseException:
            self.close()
            raise
        # a server may close a kept connection at any moment: that is no failure yet
        return await self.ask(method, path, body, headers, patience)

    def close(self) -> None:
        """Drop the connection."""
        if self._ends is not None:
            self._ends[1].close()
            self._ends = None

    async def _exchange(self, request: bytes) -> Reply:
        if self._ends is None:
            self._ends = await asyncio.open_connection(self.host, self.port)
        reader, writer = self._ends
        writer.write(request)
        await writer.drain()
        reply = await read_reply(reader)
        if reply.headers.get("connection", "").lower() == "close":
            self.close()
        return reply


async def read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers. Raises ValueError for what is not HTTP, IncompleteReadError at the end."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    version, status, *_ = head[0].split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(f"not HTTP: {head[0][:40]}")
    pairs = (line.partition(":") for line in head[1:] if line)
    return int(status), {name.strip().lower(): value.strip() for name, _, value in pairs}


async def read_reply(reader: asyncio.StreamReader) -> Reply:
    """One answer with its body, by length or in chunks."""
    status, headers = await read_head(reader)
    if "chunked" in headers.get("transfer-encoding", ""):
        return Reply(status, headers, await _chunks(reader))
    length = int(headers.get("content-length", "0"))
    if length > LARGEST:
        raise ValueError(f"an answer of {length} bytes")
    return Reply(status, headers, await reader.readexactly(length))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
        if len(body) > LARGEST:
            raise ValueError("an answer without end")
    await reader.readuntil(b"\r\n")
    return bytes(body)
