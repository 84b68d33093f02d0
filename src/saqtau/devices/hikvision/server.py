"""The HTTP input of plate cameras: 200 only when what the camera said is on disk (`devices.taking`)."""

import logging

from saqtau.devices.hikvision.device import DEVICE
from saqtau.devices.hikvision.parse import Push, parse
from saqtau.devices.http import SHORTEST_TOKEN, Answer, Handler, Request, read_body, same_address, token_digest
from saqtau.devices.limits import Buckets, Rate
from saqtau.devices.seen import Malformed
from saqtau.devices.taking import Cameras, Taking
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import Camera

_log = logging.getLogger("saqtau.devices.hikvision")


def pushes(*, cameras: Cameras, taking: Taking, rate: Rate = DEVICE.rate) -> Handler:
    """The handler of `POST /hikvision/{token}`.

    401 unknown token, 403 another address than the registered one, 413 over 8 MiB, 429 too fast, 503 when the disk
    refuses, else 200: taken, taken before, nothing to take, or kept in quarantine.
    """
    return _Pushes(cameras, taking, rate).handle


class _Pushes:
    """How fast each camera pushes."""

    def __init__(self, cameras: Cameras, taking: Taking, rate: Rate) -> None:
        self._cameras = cameras
        self._taking = taking
        self._rates = Buckets(rate)

    async def handle(self, request: Request) -> Answer:
        """One push."""
        camera = self._sender(request)
        body = await read_body(request, DEVICE.largest)
        push = _understood(camera, request.headers.get("content-type", ""), body)
        for kind, number in (("heartbeat", push.heartbeats), ("other", push.others), ("unread", push.unread)):
            self._taking.counts.said.labels(kind).inc(number)
        for seen in push.seen:
            await self._taking.take(seen, camera, request.tail, body)
        kept = [await self._taking.keep(camera, bad) for bad in push.malformed]
        if kept and not any(kept) and not push.seen:
            raise Refused(Kind.TOO_MANY, f"camera {camera.id} sends what nobody understands", body="malformed")
        return Answer()

    def _sender(self, request: Request) -> Camera:
        """The camera of a request, before anything of its body is read."""
        camera = self._cameras(token_digest(request.tail)) if len(request.tail) >= SHORTEST_TOKEN else None
        if camera is None:
            raise Refused(Kind.UNAUTHENTICATED, "no camera has this token", token="unknown")  # noqa: S106 - a field
        if camera.address is not None and not same_address(camera.address, request.address):
            raise Refused(
                Kind.DENIED, f"camera {camera.id} pushes from an address that is not its own", address="other"
            )
        if not self._rates.spend(camera.id, self._taking.clock()):
            raise Refused(Kind.TOO_MANY, f"camera {camera.id} pushes too fast", rate="too_many")
        return camera


def _understood(camera: Camera, content_type: str, body: bytes) -> Push:
    try:
        return parse(content_type, body)
    except Refused as refusal:
        return Push(malformed=(Malformed(next(iter(refusal.fields), "body"), body),))
    except Exception:  # noqa: BLE001 - fuzzing found none; if there is one, the camera's event must outlive it
        _log.exception("camera %s: a push broke the parser and was kept raw", camera.id)
        return Push(malformed=(Malformed("trouble", body),))
