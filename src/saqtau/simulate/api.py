"""The web's API as a person's browser uses it: a session with its token, and what a crew or an administrator asks."""

from typing import Any

import msgspec

from saqtau.kernel.errors import Kind, Refused
from saqtau.simulate.wire import Line, Reply

LOG_IN = 60.0
"""Seconds: a password is checked at length, and a shift that logs in at once waits in line."""


class Api:
    """A logged-in session; `cookie` opens its live streams.

    Raises one of `wire.BROKEN` when there is no answer, Refused when the answer is no.
    """

    def __init__(self, web: str) -> None:
        self._line = Line(web)
        self._headers: dict[str, str] = {}
        self.cookie = ""

    async def log_in(self, name: str, password: str) -> dict[str, Any]:
        """Open the session; returns what `/api/me` says."""
        body = msgspec.json.encode({"name": name, "password": password})
        reply = await self._line.ask("POST", "/api/login", body, {"Content-Type": "application/json"}, LOG_IN)
        me = _told(reply)
        self.cookie = reply.headers.get("set-cookie", "").partition(";")[0]
        self._headers = {"Cookie": self.cookie, "X-CSRF-Token": me["csrf"], "Content-Type": "application/json"}
        return me

    async def get(self, path: str) -> dict[str, Any]:
        """The answer to a question."""
        return _told(await self._line.ask("GET", path, b"", self._headers))

    async def post(self, path: str, **fields: object) -> dict[str, Any]:
        """The answer to something that changes something."""
        return _told(await self._line.ask("POST", path, msgspec.json.encode(fields), self._headers))

    async def take(self, item: dict[str, Any], edge: str, **data: object) -> dict[str, Any]:
        """Take an edge of an item as it was seen."""
        return await self.post(f"/api/items/{item['id']}/edges/{edge}", rev=item["rev"], data=data)

    def close(self) -> None:
        """Drop the connection; the session ends by itself."""
        self._line.close()


class _No(msgspec.Struct):
    kind: Kind = Kind.UNAVAILABLE
    message: str = ""


def _told(reply: Reply) -> dict[str, Any]:
    if reply.status < 300:
        return msgspec.json.decode(reply.body, type=dict[str, Any])
    try:
        no = msgspec.json.decode(reply.body, type=_No)
    except msgspec.DecodeError:
        no = _No()
    raise Refused(no.kind, f"{reply.status}: {no.message}")
