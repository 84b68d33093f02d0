"""A file a topic; each call is a thin function that opens a grant, asks the engine and shapes the answer."""

from typing import Any, Final

from saqtau.web.api import access, desks, items, live, plates, registers, session, tablet, units

API: Final[list[Any]] = [
    session.login,
    session.logout,
    session.me,
    desks.desks,
    live.overview,
    live.live,
    items.items,
    items.item,
    items.take,
    items.picture,
    units.near,
    plates.plate_reads,
    registers.register,
    tablet.tablet,
    tablet.duty,
    tablet.enrol_tablet,
    tablet.code,
    tablet.revoke,
    access.access,
]
