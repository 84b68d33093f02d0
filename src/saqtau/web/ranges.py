"""HTTP ranges over one file (RFC 9110, section 14): what MapLibre needs to read a map of hundreds of megabytes."""

import re
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path
from typing import Any, Final

import anyio
import msgspec
from litestar import Request, Response
from litestar.response import Stream

from saqtau.kernel.errors import Kind, Refused

CHUNK: Final = 256 * 1024
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})", re.ASCII)


class Part(msgspec.Struct, frozen=True):
    """Bytes [start, end) of a file."""

    start: int
    end: int


def parse_range(header: str | None, size: int) -> Part | bool | None:
    """The part a Range header asks for; None: the whole (no header, or a form we do not serve); False: not satisfiable.

    Several ranges in one header are answered with the whole, as the RFC allows.
    """
    if header is None or (found := _RANGE.fullmatch(header.strip())) is None:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        length = min(int(last), size)
        return Part(size - length, size) if length else False
    start = int(first)
    end = min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return None
    return Part(start, end) if start < size else False


async def _read(path: Path, part: Part) -> AsyncIterator[bytes]:
    async with await anyio.open_file(path, "rb") as file:
        await file.seek(part.start)
        left = part.end - part.start
        while left and (chunk := await file.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk


async def answer_file(request: Request[Any, Any, Any], path: Path, media: str) -> Response[Any]:
    """The file, or the part asked for: 200, 206, 304 or 416. Raises Refused(NOT_FOUND) when there is no file."""
    try:
        stat = await anyio.Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        raise Refused(Kind.NOT_FOUND, f"there is no {path.name}", file="missing") from None
    size = stat.st_size
    tag = f'"{stat.st_mtime_ns:x}-{size:x}"'
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": tag,
        "Last-Modified": formatdate(stat.st_mtime, usegmt=True),
    }
    if request.headers.get("if-none-match") == tag:
        return Response(b"", status_code=304, headers=headers, media_type=media)
    asked = parse_range(request.headers.get("range"), size)
    condition = request.headers.get("if-range")
    if condition is not None and condition not in {tag, headers["Last-Modified"]}:
        asked = None
    if asked is False:
        return Response(b"", status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"}, media_type=media)
    part = asked if isinstance(asked, Part) else Part(0, size)
    headers["Content-Length"] = str(part.end - part.start)
    status = 200
    if isinstance(asked, Part):
        status = 206
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{size}"
    if request.method == "HEAD":
        return Response(b"", status_code=status, headers=headers, media_type=media)
    return Stream(_read(path, part), status_code=status, headers=headers, media_type=media)
