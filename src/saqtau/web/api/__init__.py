"""A file a topic; each call is a thin function that opens a grant, asks the engine and shapes the answer."""

from typing import Any, Final

from saqtau.web.api import desks, live, session

API: Final[list[Any]] = [
    session.login,
    session.logout,
    session.me,
    desks.desks,
    live.overview,
    live.live,
]
