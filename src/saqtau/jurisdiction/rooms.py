"""Whether a camera may be recorded where it stands, and for as long as it says."""

from saqtau.jurisdiction import Jurisdiction
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import PlaceKind, VideoCamera, check_days, check_room


def lawful_camera(law: Jurisdiction, camera: VideoCamera) -> None:
    """Refuse (INVALID, naming `room`, `keep_days` or `region`) what the law does not allow.

    A room that must not be recorded is refused as `not_recorded`, with the law's reason in `kk`, `ru` and `en`.
    """
    try:
        check_room(camera, {room: named.en for room, named in law.custody.not_recorded.items()})
    except Refused as refused:
        named = law.custody.not_recorded.get(str(camera.room))
        if named is None:
            raise
        reasons = {"kk": named.kk, "ru": named.ru, "en": named.en}
        raise Refused(refused.kind, refused.message, room="not_recorded", **reasons) from None
    days = law.recording.days[camera.place.value]
    check_days(camera, days.least, days.most)
    if camera.region not in {region.code for region in law.regions.list}:
        raise Refused(Kind.INVALID, f"camera {camera.id}: {law.name} has no region {camera.region}", region="unknown")


def usual_days(law: Jurisdiction, place: PlaceKind) -> int:
    """Days that pictures of such a place are kept where nobody says."""
    return law.recording.days[place.value].usual
