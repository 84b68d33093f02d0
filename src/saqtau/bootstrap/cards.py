"""Fetching from cameras' own memories: how a recorder process asks a device, with the camera's password."""

import ssl
from collections.abc import Callable
from typing import Any

from saqtau.bootstrap.ground import now
from saqtau.devices.rtsp.replay import replay
from saqtau.engine.card_fetching import Fetching, Place
from saqtau.engine.ledger import Ledger
from saqtau.engine.recording_volumes import Volumes
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import VideoCamera
from saqtau.video.access_unit import Unit


def fetching_of(
    pool: Any, ledger: Ledger, volumes: Volumes, secret: Callable[[VideoCamera], str | None],
    trust: ssl.SSLContext | None,
) -> Fetching:  # fmt: skip
    """Fetches what cameras stored during a gap.

    pool: as saqtau_worker. secret: what a camera is asked with, read at each try. trust: whom to believe over TLS.
    """

    async def find(camera: VideoCamera, began: Instant, ended: Instant) -> Place:
        if camera.back_fill is None:
            raise Refused(Kind.NOT_FOUND, f"camera {camera.id} has no store of its own", stream="no_card")
        from saqtau.devices.onvif.card import find_card  # 8 MB that a recorder without such cameras does not carry

        card = await find_card(camera.back_fill, secret(camera), now, began, ended, trust=trust)
        return Place(card.address, card.clock)

    async def play_again(
        camera: VideoCamera, address: str, began: Instant, ended: Instant, on_units: Callable[[list[Unit]], None]
    ) -> None:
        await replay(address, began, ended, credentials=secret(camera), clock=now, on_units=on_units, trust=trust)

    return Fetching(pool, ledger, volumes, find, play_again, now)
