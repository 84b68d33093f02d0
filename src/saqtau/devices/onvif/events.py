"""What a camera tells of itself over ONVIF: one pull point a camera, asked again and again, each answer handed on.

No filter is asked for: devices disagree about filters more than about topics. What does not concern us is left out.
"""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, Never

import httpx
from onveef import (
    AsyncOnvifClient,
    OnvifError,
    OnvifFaultError,
    OnvifOperationNotSupportedError,
    envelopes,
    parsers,
)

from saqtau.devices.onvif.client import asking
from saqtau.kernel.clock import SECOND, Clock
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.told import Batch, Heard, Word

WAIT: Final = 30
"""Seconds a device may think before it answers that there is nothing."""
LASTS: Final = 120
"""Seconds a subscription is asked for; it is renewed at half of that."""
MOST: Final = 100
"""Messages of one answer that are read."""
BREATH: Final = 1.0
"""Seconds from one question to the next, at least: a device that answers at once does not keep us busy."""
LATE: Final = 10.0
"""Seconds that an answer may be late."""
GOODBYE: Final = 2.0  # s
IDLE: Final = 5
"""So many breaths after an answer that held nothing: some devices do not wait as they are asked."""
_OFF: Final = frozenset({"false", "0", "off", "inactive"})
_ON: Final = frozenset({"true", "1", "on", "active"})
_TOPICS: Final = (
    (("VideoSource", "GlobalSceneChange"), Word.TAMPER, ("State",)),
    (("RuleEngine", "TamperDetector"), Word.TAMPER, ("IsTamper", "State")),
    (("Device", "Casing", "Open"), Word.TAMPER, ("Open", "State")),
    (("VideoSource", "SignalLoss"), Word.SIGNAL, ("State",)),
    (("Device", "Trigger", "DigitalInput"), Word.INPUT, ("LogicalState",)),
)


def read(message: Mapping[str, Any]) -> Heard | None:
    """A notification as `onveef` gives it; None when it is of something else, or of no state. Never raises."""
    topic = tuple(part.rpartition(":")[2] for part in str(message.get("topic", ""))[:300].strip("/").split("/"))
    data, source = message.get("data"), message.get("source")
    if not isinstance(data, Mapping):
        return None
    for begins, word, names in _TOPICS:
        if topic[: len(begins)] != begins:
            continue
        value = next((str(data[name]).strip().lower() for name in names if name in data), "")
        if message.get("property_operation") == "Deleted":
            value = "false"
        if value not in _ON | _OFF:
            return None
        of = "-".join(str(part) for part in source.values()) if isinstance(source, Mapping) else ""
        rest = "-".join(topic[1:2]) if word is Word.TAMPER else ""
        return Heard(word, value in _ON, _plain(f"{rest}.{of}" if rest and of else rest or of))
    return None


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text[:200])[:60]


async def listen(
    service: str, credentials: str | None, clock: Clock, on_batch: Callable[[Batch], Awaitable[None]],
    *, trust: ssl.SSLContext | None = None, wait: int = WAIT, breath: float = BREATH,
) -> Never:  # fmt: skip
    """Listen to a device until cancelled. Each answer is handed on before the next is asked for.

    trust: whom to believe over TLS.
    Raises `Refused` as `client.describe` when the device ends it, and whatever `on_batch` raises.
    """
    async with asking(service, credentials, patience=None, answer=wait + LATE, trust=trust) as device:
        made = await device.events_create_pull_point(termination_time=f"PT{LASTS}S")
        point = str(made.get("subscription_url", ""))
        if not point:
            raise Refused(Kind.INVALID, "a pull point without an address", device="broken")
        try:
            try:
                await device.events_set_synchronization_point(subscription_url=point)
            except (OnvifFaultError, OnvifOperationNotSupportedError):
                known = False  # it cannot be asked for all its states: silence about one says nothing
            else:
                known = True
            renewed, settled = clock(), False
            while True:
                began = clock()
                told = await _pull(device, point, wait)
                messages: Sequence[Mapping[str, Any]] = told["messages"]
                drift = _drift(told.get("current_time"), clock())
                # the states come first; an answer without any says that they are all there
                done = known and not settled and not messages and drift is not None
                settled = settled or done
                await on_batch(Batch(tuple(filter(None, map(read, messages[:MOST]))), drift, done))
                if clock() - renewed > LASTS * SECOND // 2:
                    await device.events_renew(subscription_url=point, termination_time=f"PT{LASTS}S")
                    renewed = clock()
                rest = breath if messages else IDLE * breath
                await asyncio.sleep(max(0.0, rest - (clock() - began) / SECOND))
        finally:
            # who does not hear it forgets us by itself
            with suppress(OnvifError, httpx.HTTPError, TimeoutError):
                async with asyncio.timeout(GOODBYE):
                    await device.events_unsubscribe(subscription_url=point)


async def _pull(device: AsyncOnvifClient, point: str, wait: int) -> dict[str, Any]:
    """One long question. Not `events_pull_messages`: in onveef 0.6.0 httpx refuses the time limit it makes for it."""
    answer = await device._post_subscription(  # noqa: SLF001 - see above
        subscription_url=point,
        body=envelopes.events_pull_messages(timeout=f"PT{wait}S", message_limit=MOST),
        wsa_action="http://www.onvif.org/ver10/events/wsdl/PullPointSubscription/PullMessagesRequest",
        operation="PullMessages",
    )
    told = parsers.parse_pull_messages(answer)
    if "current_time" not in told:
        raise Refused(Kind.INVALID, "an answer that is no ONVIF", device="broken")
    return told


def _drift(told: object, now: int) -> int | None:
    """Milliseconds the device's clock is ahead of ours, by the time its answer carries."""
    try:
        at = datetime.fromisoformat(str(told).strip())
    except ValueError:
        return None
    if at.tzinfo is None:
        return None
    return round(at.timestamp() * 1000) - now
