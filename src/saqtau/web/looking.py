"""Grants for requests: in which role and for which purpose a person asks, the entry before, the figure after."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager

from saqtau.engine.access import Delivered
from saqtau.engine.reading import regions_of
from saqtau.kernel.access import AccessRequest, Action, Grant, Purpose, Viewer
from saqtau.kernel.item import Actor
from saqtau.web.parts import Parts
from saqtau.web.people import Person
from saqtau.web.sessions import Session

STANDING = (Purpose.DUTY, Purpose.OVERSIGHT, Purpose.MAINTENANCE)
"""Purposes that name no case: what a screen shows by itself is seen for one of these."""


def viewer_in(session: Session, role: str) -> Viewer:
    """The person of a session in one of his roles."""
    person = session.person
    return Viewer(person.id, role, person.regions, person.unit, session.id)


def viewers_of(session: Session) -> list[Viewer]:
    """The person in each of his roles."""
    return [viewer_in(session, role) for role in session.person.roles]


async def asking(parts: Parts, session: Session, wishes: Iterable[AccessRequest]) -> tuple[Viewer, AccessRequest]:
    """The first role and wish that policy allows; else the first of each, so that the denial is of something real."""
    return await parts.access.choose(viewers_of(session), wishes)


def standing(
    parts: Parts, session: Session, action: Action, unit: str | None = None, about: str = ""
) -> tuple[Viewer, AccessRequest]:
    """How this person watches something: on duty, as overseer, or to maintain it. Rests on no shift and no case."""
    wishes = [AccessRequest(action=action, purpose=purpose, unit=unit, object=about) for purpose in STANDING]
    every = [(viewer, wish) for wish in wishes for viewer in viewers_of(session)]
    return next((one for one in every if parts.access.decides(*one).allow), every[0])


def may(parts: Parts, session: Session, action: Action, unit: str | None = None) -> bool:
    """Whether some role of this person may watch it."""
    return parts.access.decides(*standing(parts, session, action, unit)).allow


def actor_of(person: Person, role: str, purpose: str | None = None) -> Actor:
    """The person as one who acts; a prosecutor's duty is not bound to a region."""
    regions = regions_of(Viewer(person.id, role, person.regions, person.unit))
    return Actor(id=person.id, role=role, unit=person.unit, regions=regions, purpose=purpose)


def looking(parts: Parts, viewer: Viewer, wish: AccessRequest) -> AbstractAsyncContextManager[tuple[Grant, Delivered]]:
    """An access to be entered: the entry is durable before, and says afterwards what `delivered` was counted to."""
    return parts.access.reading(viewer, wish)


def watching(
    parts: Parts, session: Session, action: Action, unit: str | None = None, about: str = ""
) -> AbstractAsyncContextManager[tuple[Grant, Delivered]]:
    """`looking` for what a screen shows by itself."""
    return looking(parts, *standing(parts, session, action, unit, about))
