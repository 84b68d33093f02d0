"""Grants for requests: in which role and for which purpose a person asks, the entry before, the figure after."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager

from saqtau.engine.access import Delivered, reading
from saqtau.engine.reading import regions_of
from saqtau.kernel.access import AccessRequest, Action, Grant, Purpose, Viewer, decide
from saqtau.kernel.item import Actor
from saqtau.web.parts import Parts
from saqtau.web.people import Person

STANDING = (Purpose.DUTY, Purpose.OVERSIGHT, Purpose.MAINTENANCE)
"""Purposes that name no case: what a screen shows by itself is seen for one of these."""


def viewer_in(person: Person, role: str) -> Viewer:
    """The person in one of his roles."""
    return Viewer(person.id, role, person.regions, person.unit)


def asking(person: Person, wishes: Iterable[AccessRequest]) -> tuple[Viewer, AccessRequest]:
    """The first role and wish that policy allows; else the first of each, so that the denial is of something real."""
    listed = list(wishes)
    for wish in listed:
        for role in person.roles:
            viewer = viewer_in(person, role)
            if decide(viewer, wish).allow:
                return viewer, wish
    return viewer_in(person, person.roles[0]), listed[0]


def standing(person: Person, action: Action, unit: str | None = None) -> tuple[Viewer, AccessRequest]:
    """How this person watches something: on duty, as overseer, or to maintain it."""
    return asking(person, [AccessRequest(action=action, purpose=purpose, unit=unit) for purpose in STANDING])


def may(person: Person, action: Action, unit: str | None = None) -> bool:
    """Whether some role of this person may watch it."""
    return decide(*standing(person, action, unit)).allow


def actor_of(person: Person, role: str, purpose: str | None = None) -> Actor:
    """The person as one who acts; a prosecutor's duty is not bound to a region."""
    regions = regions_of(viewer_in(person, role))
    return Actor(id=person.id, role=role, unit=person.unit, regions=regions, purpose=purpose)


def looking(parts: Parts, viewer: Viewer, wish: AccessRequest) -> AbstractAsyncContextManager[tuple[Grant, Delivered]]:
    """An access to be entered: the entry is durable before, and says afterwards what `delivered` was counted to."""
    return reading(parts.pg, viewer, wish, parts.clock, parts.ids)


def watching(
    parts: Parts, person: Person, action: Action, unit: str | None = None
) -> AbstractAsyncContextManager[tuple[Grant, Delivered]]:
    """`looking` for what a screen shows by itself."""
    return looking(parts, *standing(person, action, unit))
