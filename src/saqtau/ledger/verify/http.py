"""Reading a log over HTTP: the same paths as in a folder, under one prefix."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import httpx

from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.verify.folder import Read, limit

PATIENCE: Final = 30.0
"""Seconds that a server may take for one answer."""
TURNS: Final = 60
"""How often in a row a server may say that too much was asked of it."""
_LONGEST_WAIT: Final = 30.0


@contextmanager
def http_reader(url: str, token: str | None = None, rest: Callable[[float], None] = time.sleep) -> Iterator[Read]:
    """Reads the log at this prefix, over connections that are kept open meanwhile.

    token: sent as Bearer, for those who may mirror. Redirects are refused: who answers is who was asked. rest: waits so
    many seconds where the server says that too much was asked of it (429).
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(headers=headers, timeout=PATIENCE, follow_redirects=False) as client:
        yield lambda path: _patiently(client, f"{url.rstrip('/')}/{path}", limit(path), rest)


def _patiently(client: httpx.Client, url: str, most: int, rest: Callable[[float], None]) -> bytes:
    for _ in range(TURNS):
        found = _fetch(client, url, most)
        if isinstance(found, bytes):
            return found
        rest(found)
    raise Refused(Kind.TOO_MANY, f"{url}: says again and again that too much is asked of it", log="too_many")


def _fetch(client: httpx.Client, url: str, most: int) -> bytes | float:
    """What lies at this address, or the seconds to wait. Refused: NOT_FOUND, DENIED, TOO_LARGE, UNAVAILABLE."""
    try:
        with client.stream("GET", url) as answer:
            match answer.status_code:
                case 200:
                    return _body(answer, url, most)
                case 429:
                    return _wait(answer.headers.get("retry-after", "1"))
                case 404:
                    raise Refused(Kind.NOT_FOUND, f"{url}: is not there", log="not_found")
                case 401 | 403:
                    raise Refused(Kind.DENIED, f"{url}: you may not read it; is the token right?", reader="denied")
                case status:
                    raise Refused(Kind.UNAVAILABLE, f"{url}: answers {status}", log="unavailable")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Refused(Kind.UNAVAILABLE, f"{url}: {error}", log="unavailable") from error


def _wait(asked: str) -> float:
    return min(_LONGEST_WAIT, max(0.1, float(asked))) if asked.isascii() and asked.isdigit() else 1.0


def _body(answer: httpx.Response, url: str, most: int) -> bytes:
    data = bytearray()
    for piece in answer.iter_bytes():
        data += piece
        if len(data) > most:
            raise Refused(Kind.TOO_LARGE, f"{url}: longer than {most} bytes", log="too_large")
    return bytes(data)
