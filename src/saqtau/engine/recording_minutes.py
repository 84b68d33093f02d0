"""What the cameras recorded, minute by minute: the leaves of the evidence log.

One leaf a site, minute and recorder process. A camera that recorded nothing stands in it with nothing and its gap: the
witness's mirror then shows an outage, whoever would rather have it forgotten.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from saqtau.engine.ledger import EVIDENCE, Draft
from saqtau.engine.sequencer import Count
from saqtau.kernel.clock import MINUTE, Instant
from saqtau.kernel.register import VideoCamera
from saqtau.ledger.leaf import LeafClass
from saqtau.video.fragment import Fragment, Link

RETENTION: Final = "evidence_1y"
LARGEST: Final = 100
"""Cameras of one leaf; a larger site has several leaves a minute."""
GAPS: Final = 16
"""Gaps of a camera's minute that are listed; with more the count is told."""


class Tally(msgspec.Struct):
    """One camera's minute."""

    bytes_: int = 0
    frames: int = 0
    recorded_ms: int = 0
    gaps: int = 0
    listed: list[dict[str, Any]] = msgspec.field(default_factory=list)
    last: int | None = None
    chain: bytes = b""


class Minutes:
    """The cameras of one process."""

    def __init__(self, now: Instant) -> None:
        self._minute = now // MINUTE
        self._cameras: dict[str, VideoCamera] = {}
        self._tallies: dict[str, Tally] = {}
        self._lasting: dict[str, dict[str, Any]] = {}  # camera -> the gap that lasts
        self._last: dict[str, tuple[int, bytes]] = {}
        self._leaving: set[str] = set()

    def enter(self, camera: VideoCamera, last: int, chain: bytes) -> None:
        """A camera is ours; its chain stands there."""
        self._cameras[camera.id] = camera
        self._last[camera.id] = last, chain
        self._leaving.discard(camera.id)

    def leave(self, camera: str) -> None:
        """It is another process's now, or nobody's; what it recorded in this minute is told still."""
        self._leaving.add(camera)

    def add(self, camera: str, link: Link, size: int, chain: bytes) -> None:
        """A link was written."""
        tally = self._tallies.setdefault(camera, Tally())
        tally.bytes_ += size
        tally.last, tally.chain = link.seq, chain
        self._last[camera] = link.seq, chain
        if isinstance(link, Fragment):
            tally.frames += link.frames
            tally.recorded_ms += link.duration_ms
            self._lasting.pop(camera, None)
            return
        gap = link.gap
        told = {"began": gap.began, "ended": gap.ended, "kind": gap.kind.value, "packets": gap.packets}
        told = {name: value for name, value in told.items() if value is not None}
        tally.gaps += 1
        if len(tally.listed) < GAPS:
            tally.listed.append(told)
        if gap.ended is None:
            self._lasting[camera] = told
        else:
            self._lasting.pop(camera, None)

    def wait(self, camera: str, kind: str, began: Instant) -> None:
        """A gap lasts that is in no file yet."""
        self._lasting[camera] = {"began": began, "kind": kind}

    def cut(self, now: Instant, *, final: bool = False) -> list[Draft]:
        """The leaves of the minute that has ended; none while it lasts. final: also of the one that lasts."""
        minute = now // MINUTE
        if minute == self._minute and not final:
            return []
        told, self._minute = self._minute, minute
        tallies, self._tallies = self._tallies, {}
        by_site: dict[tuple[int, str], list[dict[str, Any]]] = {}
        for code, camera in sorted(self._cameras.items()):
            line = self._line(code, tallies.get(code, Tally()))
            by_site.setdefault((camera.region, camera.site), []).append(line)
        drafts = [
            _draft(region, site, Instant(told * MINUTE), Instant(max(minute, told + 1) * MINUTE), part)
            for (region, site), lines in sorted(by_site.items())
            for part in _parts(lines)
        ]
        for code in self._leaving:
            self._cameras.pop(code, None)
            self._last.pop(code, None)
            self._lasting.pop(code, None)
        self._leaving.clear()
        return drafts

    def _line(self, code: str, tally: Tally) -> dict[str, Any]:
        last, chain = self._last.get(code, (-1, b""))
        line: dict[str, Any] = {
            "camera": code,
            "last": last,
            "chain": chain.hex(),
            "bytes": tally.bytes_,
            "frames": tally.frames,
            "recorded_ms": tally.recorded_ms,
        }
        gaps = list(tally.listed)
        lasting = self._lasting.get(code)
        if lasting is not None and lasting not in gaps:
            gaps.append(lasting)
        if gaps:
            line["gaps"] = gaps
        if tally.gaps > len(tally.listed):
            line["more_gaps"] = tally.gaps - len(tally.listed)
        return line


def _parts(lines: list[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    return (lines[start : start + LARGEST] for start in range(0, len(lines), LARGEST))


def _draft(region: int, site: str, began: Instant, ended: Instant, lines: list[dict[str, Any]]) -> Draft:
    record = {"v": 1, "kind": "minute", "at": began, "until": ended, "region": region, "site": site, "cameras": lines}
    count = Count("camera.recorded", "", "", "allow", "", delivered=sum(line["bytes"] for line in lines))
    return Draft(EVIDENCE, region, LeafClass.SEGMENT, RETENTION, record, count)
