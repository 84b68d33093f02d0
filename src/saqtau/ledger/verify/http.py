"""Reading a log over HTTP: the same paths as in a folder, under one prefix."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import httpx

from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.verify.folder import Read, limit

PATIENCE: Final = 30.0
"""Seconds that a server may take for one answer."""


@contextmanager
def http_reader(url: str, token: str | None = None) -> Iterator[Read]:
    """Reads the log at this prefix, over connections that are kept open meanwhile.

    token: sent as Bearer, for those who may mirror. Redirects are refused: who answers is who was asked.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(headers=headers, timeout=PATIENCE, follow_redirects=False) as client:
        yield lambda path: fetch(client, f"{url.rstrip('/')}/{path}", limit(path))


def fetch(client: httpx.Client, url: str, most: int) -> bytes:
    """What lies at this address. Refused: NOT_FOUND, DENIED, TOO_LARGE (more than `most` bytes), UNAVAILABLE."""
    try:
        with client.stream("GET", url) as answer:
            match answer.status_code:
                case 200:
                    return _body(answer, url, most)
                case 404:
                    raise Refused(Kind.NOT_FOUND, f"{url}: is not there", log="not_found")
                case 401 | 403:
                    raise Refused(Kind.DENIED, f"{url}: you may not read it; is the token right?", reader="denied")
                case status:
                    raise Refused(Kind.UNAVAILABLE, f"{url}: answers {status}", log="unavailable")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Refused(Kind.UNAVAILABLE, f"{url}: {error}", log="unavailable") from error


def _body(answer: httpx.Response, url: str, most: int) -> bytes:
    data = bytearray()
    for piece in answer.iter_bytes():
        data += piece
        if len(data) > most:
            raise Refused(Kind.TOO_LARGE, f"{url}: longer than {most} bytes", log="too_large")
    return bytes(data)
