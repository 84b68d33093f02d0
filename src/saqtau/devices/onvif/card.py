"""What a device has stored itself (ONVIF Profile G): asked for, never believed further than a recording of one source.

Recording Search tells which recordings there are, Replay Control where one is played; `rtsp.replay` plays it.
"""

import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import msgspec
from onveef import AsyncOnvifClient, OnvifFaultError

from saqtau.devices.onvif.client import asking, drift_of, own_address
from saqtau.kernel.clock import SECOND, Clock, Instant
from saqtau.kernel.errors import Kind, Refused

MOST: Final = 200
"""Recordings of one device that are looked at."""
ASKED: Final = 8
"""How often it is asked for more of them."""
NOTHING: Final = "nothing"
TRUE: Final = 2 * SECOND
"""A clock told to the second that is not further off than this is not known to be wrong."""


class Card(msgspec.Struct, frozen=True):
    """Where the recording of a time is played. clock: ms the device's clock is ahead of ours, 0 within 2 s."""

    address: str
    clock: int


class Stored(msgspec.Struct, frozen=True):
    """A recording that a device tells of; by its own clock. ended None: it does not say."""

    token: str
    source: str
    began: Instant | None
    ended: Instant | None


async def find_card(
    service: str, credentials: str | None, clock: Clock, began: Instant, ended: Instant,
    *, trust: ssl.SSLContext | None = None,
) -> Card:  # fmt: skip
    """Where a device plays what it stored from `began` to `ended` (our clock).

    Raises Refused as `client.describe`, and `stream`: "no_card" (it stores nothing, or cannot be asked for it),
    "several" (recordings of more than one source: nobody could say whose pictures they are), "nothing" (none of this
    time), "address" (a recording on another machine).
    """
    async with asking(service, credentials, trust=trust) as device:
        drift = await drift_of(device, clock) or 0
        drift = 0 if abs(drift) <= TRUE else drift
        services = await device.get_services()
        if not {"search", "replay"} <= set(services):
            raise Refused(Kind.NOT_FOUND, "a device without a store of its own (Profile G)", stream="no_card")
        stored = [one async for one in _recordings(device)]
        if len({one.source for one in stored}) > 1:
            raise Refused(Kind.CONFLICT, "a device with recordings of several sources", stream="several")
        found = choose(stored, Instant(began + drift), Instant(ended + drift))
        if found is None:
            raise Refused(Kind.NOT_FOUND, "a device that stored nothing of this time", stream=NOTHING)
        address = own_address(str(await device.get_replay_uri(recording_token=found.token)), service)
    if address is None:
        raise Refused(Kind.DENIED, "a recording at no address of the device", stream="address")
    return Card(address, drift)


def choose(stored: list[Stored], began: Instant, ended: Instant) -> Stored | None:
    """The recording that holds most of a time (the device's clock); None where none holds any of it."""

    def shared(one: Stored) -> int:
        low = began if one.began is None else max(began, one.began)
        high = ended if one.ended is None else min(ended, one.ended)
        return high - low

    best = max(stored, key=shared, default=None)
    return best if best is not None and shared(best) > 0 else None


async def _recordings(device: AsyncOnvifClient) -> AsyncIterator[Stored]:
    search = await device.find_recordings(max_matches=MOST, keep_alive="PT30S")
    try:
        count = 0
        for _ in range(ASKED):
            told = await device.get_recording_search_results(search_token=search, max_results=MOST, wait_time="PT5S")
            for one in told.get("results", ()):
                for stored in stored_of(one):
                    yield stored
                    count += 1
            if str(told.get("state", "")).lower() in {"completed", ""} or count >= MOST:
                return
    finally:
        with suppress(OnvifFaultError):  # over already
            await device.end_search(search_token=search)


def stored_of(told: object) -> Iterator[Stored]:
    """A `RecordingInformation` as `onveef` gives it, where it has pictures. Never raises."""
    if not isinstance(told, Mapping):
        return
    token, source = told.get("RecordingToken"), told.get("Source")
    if not isinstance(token, str) or not 0 < len(token) <= 64:
        return
    tracks = told.get("Track", [])
    tracks = tracks if isinstance(tracks, list) else [tracks]
    videos = [one for one in tracks if isinstance(one, Mapping) and str(one.get("TrackType", "")).lower() == "video"]
    if tracks and not videos:
        return
    low = [at for one in videos if (at := _moment(one.get("DataFrom"))) is not None]
    high = [at for one in videos if (at := _moment(one.get("DataTo"))) is not None]
    began = min(low) if low else _moment(told.get("EarliestRecording"))
    ended = max(high) if high else _moment(told.get("LatestRecording"))
    if str(told.get("RecordingStatus", "")).lower() == "recording":
        ended = None  # it goes on; what it says is a moment old
    name = source.get("SourceId") if isinstance(source, Mapping) else None
    yield Stored(token, str(name or "")[:200], began, ended)


def _moment(told: object) -> Instant | None:
    try:
        at = datetime.fromisoformat(str(told).strip())
        return Instant(round(at.replace(tzinfo=at.tzinfo or UTC).timestamp() * SECOND))
    except (ValueError, OverflowError, OSError):
        return None
