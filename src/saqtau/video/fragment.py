"""From the units of a source to the links of a camera: fragments of at most about 200 ms, and gaps between them.

Every instant from the first picture on lies in a fragment or in a gap. A fragment is made when the picture after it has
come, because only then its last picture's duration is known.
"""

from typing import Final, TypeAlias

import msgspec

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.video import gap as gaps
from saqtau.video.access_unit import VIDEO_CLOCK, AccessUnit, AudioFrame, Loss, Parameters, Unit
from saqtau.video.boxes import GAP, TICKS, Sample, fragment_bytes, uuid_box
from saqtau.video.chain import LinkKind
from saqtau.video.gap import Gap, GapKind
from saqtau.video.media_clock import MediaClock
from saqtau.video.sound_track import SoundTrack

LONGEST: Final = 205 * TICKS
"""Ticks of a fragment: 200 ms, and room for clocks that disagree by some per mille."""
PAUSE: Final = 2 * VIDEO_CLOCK
"""A picture that lasts longer than this, and longer than four of its kind, is followed by silence."""
JUMP: Final = 60
"""Seconds between a source's clock and ours that are no delay: one of the two was set."""
MOST_FRAMES: Final = 64
"""Pictures of one fragment, whatever the time stamps say."""
PATIENCE: Final = 500
"""Pictures that may come before one that decoding can begin at; then they are told as undecodable."""
NO_KEY: Final = f"no key picture in {PATIENCE}"
_TYPICAL: Final = VIDEO_CLOCK // 25
_LARGEST_GAP_BOX: Final = 8192


class SourceClock(msgspec.Struct, frozen=True, gc=False):
    """The source's own clock (Unix ms) at its time stamp `rtp` (90 kHz, unwrapped)."""

    ntp: int
    rtp: int


class Fragment(msgspec.Struct, frozen=True, gc=False):
    """Pictures of at most about 200 ms: what is written, chained, shown and exported.

    at: UTC of the first picture; ts: the same in 1/90,000 s. data: `prft`, sound, `moof`, `mdat`.
    """

    seq: int
    at: Instant
    ts: int
    duration_ms: int
    key: bool
    frames: int
    data: bytes
    source: SourceClock | None = None

    @property
    def kind(self) -> LinkKind:
        """A fragment."""
        return LinkKind.FRAGMENT

    @property
    def ended(self) -> Instant:
        """When its last picture ended."""
        return Instant(self.at + self.duration_ms)


class GapLink(msgspec.Struct, frozen=True, gc=False):
    """A gap in the chain. `at` is when it was entered; an open gap (`ended` None) lasts until the next link says so."""

    seq: int
    at: Instant
    gap: Gap
    data: bytes

    @property
    def kind(self) -> LinkKind:
        """A gap."""
        return LinkKind.GAP


Link: TypeAlias = Fragment | GapLink


class _Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: int
    seq: int
    at: Instant
    began: Instant
    ended: Instant | None
    kind: GapKind
    packets: int | None
    by: str | None
    why: str | None


def gap_link(seq: int, at: Instant, gap: Gap) -> GapLink:
    """The gap as a link. Raises as `gap.check`."""
    gaps.check(gap)
    note = _Note(1, seq, at, gap.began, gap.ended, gap.kind, gap.packets, gap.by, gap.why)
    return GapLink(seq, at, gap, uuid_box(GAP, msgspec.json.encode(note, order="sorted")))


def gap_of(camera: str, box: bytes) -> GapLink:
    """The gap of a box. Raises `Refused(INVALID)` unless it is spelled as `gap_link` spells it."""
    try:
        note = msgspec.json.decode(box[24:_LARGEST_GAP_BOX], type=_Note)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(Kind.INVALID, f"camera {camera}: a gap that cannot be read: {error}", gap="video.gap") from error
    gap = Gap(camera, note.began, note.ended, note.kind, note.packets, note.by, note.why)
    link = gap_link(note.seq, note.at, gap)
    if link.data != box:
        raise Refused(Kind.INVALID, f"camera {camera}: a gap in another spelling", gap="video.gap")
    return link


class _Picture(msgspec.Struct, gc=False):
    """A picture whose duration is not known yet."""

    dts: int
    shift: int
    unit: AccessUnit


class Fragmenter:
    """Makes the links of one camera. `seq` is the next sequence: set it back when a link could not be written."""

    def __init__(self, camera: str, seq: int = 0) -> None:
        self.camera = camera
        self.seq = seq
        self.parameters: Parameters | None = None
        self._clock = MediaClock(VIDEO_CLOCK)
        self._sound = SoundTrack(None)
        self._waits = True  # for a key picture
        self._skipped = 0  # pictures, while waiting
        self._held: _Picture | None = None
        self._first: _Picture | None = None
        self._samples: list[Sample] = []
        self._latest = 0  # time stamp, of the picture before
        self._typical = _TYPICAL
        self._end: int | None = None  # of the last picture that is in a fragment
        self._gap: Gap | None = None  # that lasts
        self._entered = False  # the lasting gap has its open link

    def take(self, unit: Unit) -> list[Link | Parameters]:
        """What this unit completes, in order. After new parameters, the next fragment begins with a key picture."""
        match unit:
            case AccessUnit():
                return self._begin(unit) if self._held is None else self._go_on(self._held, unit)
            case AudioFrame():
                self._sound.take(unit)
                return []
            case Loss():
                return self._lose(unit)
            case Parameters():
                return self._change(unit)

    def flush(self, now: Instant) -> list[Link | Parameters]:
        """What waits, as a fragment: the source has ended. The next picture must be a key, with a clock of its own.

        now: the last picture is not said to last longer than until then.
        """
        links = self._cut(now * TICKS)
        self._waits = True
        self._clock.reset()
        self._sound.reset()
        return links

    def interrupt(
        self,
        kind: GapKind,
        now: Instant,
        *,
        began: Instant | None = None,
        by: str | None = None,
        why: str | None = None,
    ) -> list[Link | Parameters]:
        """There is no picture any more, for this reason: what waits, and an open gap from the last picture on.

        The first picture that comes closes it. Another reason closes the gap before; the same again enters nothing.
        began: since when, where this fragmenter has recorded nothing yet; else the gap begins now.
        """
        links = self.flush(now)
        if self._gap is not None:
            if self._entered and (self._gap.kind, self._gap.by, self._gap.why) == (kind, by, why):
                return links
            links.append(self._close(now))
            began = now
        elif self._end is not None:
            began = Instant(min(self._end // TICKS, now))
        self._gap, self._entered = Gap(self.camera, now if began is None else began, None, kind, None, by, why), True
        links.append(self._enter(now, self._gap))
        return links

    def _begin(self, unit: AccessUnit) -> list[Link | Parameters]:
        """The first picture, also after a loss, a silence or new parameters: what was missing before it is entered."""
        if self._waits and (self.parameters is None or not unit.key):
            self._skipped += 1
            return self.interrupt(GapKind.BAD, unit.received, why=NO_KEY) if self._skipped == PATIENCE else []
        shown, links = self._shown(unit), list[Link | Parameters]()
        if self._end is not None and self._end - shown > PAUSE:
            links += self._set_back(Instant(shown // TICKS))
        dts = shown if self._end is None else max(shown, self._end)
        at = Instant(dts // TICKS)
        if self._gap is not None:
            links.append(self._close(at))
        elif self._end is not None and dts - self._end > self._typical // 2:
            kind = GapKind.BAD if self._skipped else GapKind.SILENT
            links.append(self._enter(at, Gap(self.camera, Instant(self._end // TICKS), at, kind)))
        self._waits, self._skipped = False, 0
        self._held, self._latest = _Picture(dts, shown - dts, unit), unit.ts
        return links

    def _go_on(self, held: _Picture, unit: AccessUnit) -> list[Link | Parameters]:
        """A picture after another: its decoding time is the other's end."""
        shown = self._shown(unit)
        if held.dts - shown > PAUSE:
            return [*self._cut(None), *self._begin(unit)]
        dts = max(shown, held.dts + 1)
        duration = dts - held.dts
        if duration > PAUSE and duration > 4 * self._typical:
            return [*self._cut(None), *self._begin(unit)]
        self._typical += (duration - self._typical) // 8
        links = self._add(held, duration, last=unit.key)
        self._held, self._latest = _Picture(dts, shown - dts, unit), unit.ts
        return links

    def _shown(self, unit: AccessUnit) -> int:
        """Presentation time of a picture, and the clock set anew where the source's or ours has jumped."""
        late, step = abs(self._clock.late(unit.ts, unit.received)), unit.ts - self._latest
        if late > JUMP or (late > 1 and abs(step) > PAUSE):
            self._clock.reset()
        return self._clock.at(unit.ts, unit.received)

    def _set_back(self, at: Instant) -> list[Link | Parameters]:
        """Our clock was set back: what was recorded keeps its times, and the chain says why they come again."""
        end, self._end = self._end or 0, None
        why = f"clock set back by {end // TICKS - at} ms"
        return [self._enter(at, Gap(self.camera, at, at, GapKind.BAD, why=why))]

    def _lose(self, loss: Loss) -> list[Link | Parameters]:
        links = self._cut(None)
        if self._gap is None and self._end is not None:
            self._gap = Gap(self.camera, Instant(self._end // TICKS), None, GapKind.LOSS, loss.packets)
            self._entered = False
        elif self._gap is not None and not self._entered:
            before, more = self._gap.packets, loss.packets
            packets = None if before is None or more is None else before + more
            self._gap = msgspec.structs.replace(self._gap, packets=packets)
        return links

    def _change(self, parameters: Parameters) -> list[Link | Parameters]:
        if parameters == self.parameters:
            return []
        links = self._cut(None)
        self.parameters, self._waits, self._sound = parameters, True, SoundTrack(parameters.audio)
        links.append(parameters)
        return links

    def _add(self, held: _Picture, duration: int, *, last: bool) -> list[Link | Parameters]:
        """The picture into the fragment; the fragment, where this picture or the next would make it too long."""
        done: list[Link | Parameters] = []
        end = held.dts + duration
        if self._first is not None and end - self._first.dts > LONGEST:
            done.append(self._fragment(self._first, held.dts))
        if self._first is None:
            self._first = held
        self._samples.append(Sample(duration, held.unit.key, held.unit.nals, held.shift))
        if last or end + duration - self._first.dts > LONGEST or len(self._samples) >= MOST_FRAMES:
            done.append(self._fragment(self._first, end))
        return done

    def _cut(self, until: int | None) -> list[Link | Parameters]:
        """Whatever waits, with the usual duration for the picture whose successor is not known."""
        held, self._held = self._held, None
        if held is None:
            return []
        duration = self._typical if until is None else max(1, min(self._typical, until - held.dts))
        return self._add(held, duration, last=True)

    def _fragment(self, first: _Picture, end: int) -> Fragment:
        at, unit, samples = Instant(first.dts // TICKS), first.unit, self._samples
        self._samples, self._first, self._end = [], None, end
        data = fragment_bytes(self.seq, at, first.dts, samples, self._sound.cut())
        source = None if unit.ntp is None else SourceClock(unit.ntp, unit.ts)
        lasts = end // TICKS - at  # so that what follows without a hole begins where this ends
        fragment = Fragment(self.seq, at, first.dts, lasts, unit.key, len(samples), data, source)
        self.seq += 1
        return fragment

    def _close(self, at: Instant) -> GapLink:
        """The lasting gap, ended."""
        gap, self._gap = self._gap, None
        if gap is None:
            raise AssertionError("no gap lasts")
        return self._enter(at, msgspec.structs.replace(gap, ended=max(at, gap.began)))

    def _enter(self, at: Instant, gap: Gap) -> GapLink:
        link = gap_link(self.seq, at, gap)
        self.seq += 1
        return link
