"""What is not there, and what is not for this person: one answer for both, or the answer would tell which.

Whoever is shown that a thing exists (where cameras are, which exports are asked for) is told the true reason. Everybody
else hears 403 with the thing's field, whether it is there or not; what he tried stands in the log.
"""

from collections.abc import Awaitable
from typing import Final, Protocol, TypeVar

import msgspec

from saqtau.kernel.access import AccessRequest, Action, Purpose, Viewer
from saqtau.kernel.errors import Kind, Refused
from saqtau.web.looking import STANDING, viewers_of
from saqtau.web.parts import Parts
from saqtau.web.sessions import Session

NOWHERE: Final = 0
"""Region of what is not there: nobody's, so that only who is bound to no region is told that it is missing."""


def knows(parts: Parts, session: Session, wish: AccessRequest) -> bool:
    """Whether some role of this person is shown, by what a screen shows by itself, that such a thing exists."""
    return any(
        parts.access.decides(viewer, msgspec.structs.replace(wish, purpose=purpose)).allow
        for purpose in STANDING
        for viewer in viewers_of(session)
    )


async def hidden(parts: Parts, viewer: Viewer, wish: AccessRequest, what: str) -> Refused:
    """The refusal of a wish that the policies deny; its entry says which. wish: of what is not there, in `NOWHERE`.

    Raises Refused(UNAVAILABLE).
    """
    try:
        grant = await parts.access.open(viewer, wish)
    except Refused as refused:
        if refused.kind is not Kind.DENIED:
            raise
    else:  # allowed since it was looked at: he asks again
        await parts.access.close(grant, 0)
    return Refused(Kind.DENIED, f"there is no such {what}, or it is not yours to know of", **{what: "not_yours"})


class Wished(Protocol):
    """A wish to export something, as far as it says whose business it is."""

    @property
    def region(self) -> int:
        """Of what it is about."""


_W = TypeVar("_W", bound=Wished)


async def asked_export(parts: Parts, session: Session, action: Action, name: str, finding: Awaitable[_W]) -> _W:
    """The wish of this id, for who is shown which exports are asked for there.

    Raises Refused: NOT_FOUND for who is shown them everywhere, DENIED (`export`) for everybody else; that is entered.
    """
    region, missing = NOWHERE, None
    try:
        found = await finding
        region = found.region
    except Refused as refused:
        if refused.kind is not Kind.NOT_FOUND:
            raise
        missing = refused
    shown = AccessRequest(action=Action.READ_EXPORT, purpose=Purpose.DUTY, object=name, region=region)
    if not knows(parts, session, shown):
        raise await hidden(parts, viewers_of(session)[0], msgspec.structs.replace(shown, action=action), "export")
    if missing is not None:
        raise missing
    return found
