"""Packets of pictures -> access units, bit for bit (RFC 3550, RFC 6184, RFC 7798). Pure: bytes and times are handed in.

What was lost is told before what comes after it, counted; a picture that misses a packet is left out whole, for half a
picture decodes to something nobody saw. Nothing is told before the first key picture: until then the source is silent.
"""

from struct import Struct
from typing import NoReturn

from saqtau.devices.rtsp.rtcp import SenderReport
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.access_unit import VIDEO_CLOCK, AccessUnit, Audio, Codec, Loss, Parameters, Unit
from saqtau.video.nal import is_set, nal_type, parameters_of

LARGEST_PICTURE = 16 << 20  # bytes
MOST_NALS = 2_000  # of one picture
OVERHEAD = 64  # bytes: what the smallest packet costs us
TURN = 1 << 32
LATE = 64  # packets: further back than this, the source began anew
LEAP = 10_000  # ms the time stamps may run away from our clock before they count as another beginning
_RTP = Struct(">BBHII").unpack_from
# an interleaved packet up to the head of a piece: "$", channel, size, flags, kind, number, time stamp and SSRC, first
# byte of the payload, head of the piece
_PIECE_H264, _PIECE_H265 = Struct(">BBHBBHQBB"), Struct(">BBHBBHQBxB")


class VideoTrack:
    """One track of pictures. `take` is called for each packet, in order.

    lost: packets so far. pictures: given out so far. highest: sequence number with its turns, for the reports.
    """

    def __init__(self, codec: Codec, sets: tuple[bytes, ...], audio: Audio | None) -> None:
        self.lost = self.pictures = 0
        self.ssrc: int | None = None
        self._h264 = codec is Codec.H264
        self._codec, self._audio = codec, audio
        self._sets = {_identity(codec, one): one for one in sets if one and is_set(codec, one)}
        self._parameters: Parameters | None = None
        self._turns = 0
        self._next = 0
        # of the picture under way
        self._ts = -1
        self._nals: list[bytes] = []
        self._pieces: list[bytes | bytearray] = []
        self._size = 0
        self._key = self._coded = False
        self._torn = False  # misses a packet
        self._doubtful = False  # packets before it were lost, perhaps its own first ones
        # of the time stamps
        self._last = 0  # 32 bits
        self._time: int | None = None
        self._time_at = Instant(0)
        self._anew = False
        self._report: SenderReport | None = None

    @property
    def highest(self) -> int:
        """The highest sequence number, with its turns in the upper half."""
        return self._turns + (self._next - 1 & 0xFFFF)

    def reported(self, report: SenderReport) -> None:
        """The source's own clock."""
        if report.ssrc == self.ssrc or self.ssrc is None:
            self._report = report

    def run(self, data: bytearray, at: int, end: int, channel: int, received: Instant, out: list[Unit]) -> int:
        """Take the whole interleaved packets of `channel` that follow each other in `data[at:end]`, as `take` does.

        Returns where the first other thing begins. Nearly all packets are pieces that go on in a picture under way:
        these are taken here at once, since Python's cost is a call and an attribute a packet.
        """
        h264 = self._h264
        piece = _PIECE_H264 if h264 else _PIECE_H265
        unpack, head_size = piece.unpack_from, piece.size
        mask, wanted = (31, 28) if h264 else (0x7E, 49 << 1)
        following, stamp, pieces, size = *self._amid(), 0
        while end - at >= head_size:
            mark, there, length, flags, kind, number, source, first, head = unpack(data, at)
            stop = at + 4 + length
            if mark != 0x24 or there != channel or stop > end:
                break
            if (
                number == following < 0xFFFF and source == stamp and flags == 0x80
                and first & mask == wanted and head < 0x80 and stop > at + head_size
                and (kind < 0x80 or head >= 0x40)
            ):  # fmt: skip
                pieces.append(data[at + head_size : stop])
                size += length + OVERHEAD
                following += 1
                if head >= 0x40:  # the last of its unit
                    self._next, self._pieces = following, []
                    self._size += size
                    self._whole(head & 31 if h264 else head & 63, b"".join(pieces))
                    if kind >= 0x80 and self._coded:
                        self._bounded()
                        self._finish(received, out)
                    following, stamp, pieces, size = -1, -1, self._pieces, 0
            else:
                if following >= 0:
                    self._next = following
                self._size += size
                self.take(data, at + 4, stop, received, out)
                following, stamp, pieces, size = *self._amid(), 0
            at = stop
        if following >= 0:
            self._next = following
        self._size += size
        self._bounded()
        return at

    def _amid(self) -> tuple[int, int, list[bytes | bytearray]]:
        """Number, time stamp with SSRC, and the pieces, of what goes on; -1 when no unit has begun."""
        if not self._pieces or self.ssrc is None:
            return -1, -1, self._pieces
        return self._next, self._ts << 32 | self.ssrc, self._pieces

    def take(self, data: bytearray, start: int, end: int, received: Instant, out: list[Unit]) -> None:
        """Take the packet `data[start:end]`; what it completes is appended to `out`.

        Raises `Refused` (stream="broken") for a picture beyond LARGEST_PICTURE or parameter sets that cannot be read.
        """
        if end - start < 13:
            self._unreadable(received, out)
            return
        flags, kind, number, ts, ssrc = _RTP(data, start)
        if (number != self._next or ssrc != self.ssrc) and not self._jump(number, ssrc, received, out):
            return
        if number == 0xFFFF:
            self._turns += 1 << 16
            self._next = 0
        else:
            self._next = number + 1
        at = start + 12
        if flags != 0x80:
            at, end = _inside(data, at, end, flags)
        if ts != self._ts:
            if self._nals or self._pieces or self._coded or self._torn:
                self._finish(received, out)
            self._ts = ts
        if flags >> 6 != 2:
            self._unreadable(received, out)
        elif at + 1 >= end:
            pass  # an empty packet only keeps the line open; a unit of one byte says that nothing follows
        elif self._h264:
            self._h264_payload(data, at, end, received, out)
        else:
            self._h265_payload(data, at, end, received, out)
        self._size += end - at + OVERHEAD
        self._bounded()
        if kind & 0x80 and self._coded:
            self._finish(received, out)

    def _bounded(self) -> None:
        if self._size > LARGEST_PICTURE or len(self._nals) > MOST_NALS:
            _broken(f"a picture of more than {self._size} bytes or {len(self._nals)} units")

    def _h264_payload(self, data: bytearray, at: int, end: int, received: Instant, out: list[Unit]) -> None:
        first = data[at]
        kind = first & 31
        if kind == 28 and at + 2 < end:  # a piece
            head = data[at + 1]
            if head & 0x80:
                if self._pieces:
                    self._unreadable(received, out)
                self._pieces = [bytes((first & 0xE0 | head & 31,))]
            if self._pieces:
                self._pieces.append(data[at + 2 : end])
                if head & 0x40:
                    self._whole(head & 31, b"".join(self._pieces))
                    self._pieces = []
            else:
                self._headless(received, out)
        elif 0 < kind < 24:
            self._whole(kind, bytes(data[at:end]))
        elif kind == 24:
            self._gathered(data, at + 1, end, received, out)
        else:
            self._unreadable(received, out)

    def _h265_payload(self, data: bytearray, at: int, end: int, received: Instant, out: list[Unit]) -> None:
        first = data[at]
        kind = first >> 1 & 63
        if kind == 49 and at + 3 < end:  # a piece
            head = data[at + 2]
            if head & 0x80:
                if self._pieces:
                    self._unreadable(received, out)
                self._pieces = [bytes((first & 0x81 | (head & 63) << 1, data[at + 1]))]
            if self._pieces:
                self._pieces.append(data[at + 3 : end])
                if head & 0x40:
                    self._whole(head & 63, b"".join(self._pieces))
                    self._pieces = []
            else:
                self._headless(received, out)
        elif kind < 48:
            self._whole(kind, bytes(data[at:end]))
        elif kind == 48:
            self._gathered(data, at + 2, end, received, out)
        else:
            self._unreadable(received, out)

    def _gathered(self, data: bytearray, at: int, end: int, received: Instant, out: list[Unit]) -> None:
        """Several small units in one packet, each after its length."""
        while at + 3 < end:
            size = data[at] << 8 | data[at + 1]
            at += 2
            if not size or at + size > end:
                break
            nal = bytes(data[at : at + size])
            self._whole(nal_type(self._codec, nal), nal)
            at += size
        if at != end:
            self._unreadable(received, out)

    def _whole(self, kind: int, nal: bytes) -> None:
        if self._h264:
            coded = 1 <= kind <= 5
            key = kind == 5
        else:
            coded = kind < 32
            key = 16 <= kind <= 21
        if coded and not self._coded:
            self._coded = True
            # the first slice of a picture says so in its first bit; without it, slices before it were lost
            head = 1 if self._h264 else 2
            if self._doubtful and nal[head : head + 1] < b"\x80":
                self._torn = True
            self._doubtful = False
        self._key = self._key or key
        self._nals.append(nal)

    def _headless(self, received: Instant, out: list[Unit]) -> None:
        """A piece whose beginning did not come: told already when packets were lost, else it cannot be read."""
        if not self._torn and not self._doubtful:
            self._unreadable(received, out)
        self._torn = self._coded = True

    def _unreadable(self, received: Instant, out: list[Unit]) -> None:
        if self.pictures and not self._torn:
            out.append(Loss(None, received))
        self._torn, self._pieces = True, []

    def _jump(self, number: int, ssrc: int, received: Instant, out: list[Unit]) -> bool:
        """Another number than the next one. Whether the packet is to be taken."""
        if self.ssrc is None:
            self.ssrc, self._doubtful, self._next = ssrc, True, number
            if self._report is not None and self._report.ssrc != ssrc:
                self._report = None
            return True
        ahead = number - self._next & 0xFFFF
        if ssrc == self.ssrc and ahead < 0x8000:
            self.lost += ahead
            if self.pictures:
                out.append(Loss(ahead, received))
            if number < self._next:
                self._turns += 1 << 16
        elif ssrc == self.ssrc and ahead >= 0x10000 - LATE:
            return False  # twice, or too late
        else:
            if self.pictures:
                out.append(Loss(None, received))
            self.ssrc, self._anew, self._report = ssrc, True, None
            self._turns = 0
        self._next = number
        if self._nals or self._pieces:
            self._torn = True
        self._pieces, self._doubtful = [], True
        return True

    def _finish(self, received: Instant, out: list[Unit]) -> None:
        """The picture under way is at its end."""
        if self._pieces:
            if not self._torn:
                self._unreadable(received, out)
            self._pieces = []
        if not self._coded and not self._torn:
            return  # parameter sets and notes that belong to the next picture
        nals, key, torn = tuple(self._nals), self._key, self._torn
        self._nals, self._size = [], 0
        self._key = self._coded = self._torn = False
        if torn:
            return
        if key:
            self._renew(nals, out)
        if self._parameters is None:
            return
        time = self._unwrapped(received)
        ntp = None
        if self._report is not None:
            # signed: the report may be of a moment before or after the picture
            since = (self._ts - self._report.ts + TURN // 2) % TURN - TURN // 2
            ntp = self._report.ntp + since * 1000 // VIDEO_CLOCK
        self.pictures += 1
        out.append(AccessUnit(time, key, nals, received, ntp))

    def _renew(self, nals: tuple[bytes, ...], out: list[Unit]) -> None:
        """Parameters as they are from this key picture on, told when they are others than before."""
        codec = self._codec
        fresh = {_identity(codec, nal): nal for nal in nals if is_set(codec, nal)}
        if self._parameters is not None and not (fresh.items() - self._sets.items()):
            return
        needed = {7, 8} if self._h264 else {32, 33, 34}
        sets = self._sets | fresh
        if not needed <= {key[0] for key in sets}:
            return  # not yet told
        try:
            parameters = parameters_of(codec, sets.values(), self._audio)
        except Refused as refused:
            if fresh == sets or not needed <= {key[0] for key in fresh}:
                raise Refused(Kind.INVALID, refused.message, stream="broken") from refused
            # what stands beside the stream cannot be used; what is in it may do
            self._sets = {}
            self._renew(nals, out)
            return
        self._sets = sets
        if parameters != self._parameters:
            self._parameters = parameters
            out.append(parameters)

    def _unwrapped(self, received: Instant) -> int:
        if self._time is None:
            self._time = self._ts
        else:
            moved = (self._ts - self._last + TURN // 2) % TURN - TURN // 2
            elapsed = received - self._time_at
            apart = abs(moved * 1000 // VIDEO_CLOCK - elapsed)
            if self._anew or apart > LEAP < abs(moved * 1000 // VIDEO_CLOCK):
                # the source counts from somewhere else now: time goes on as our clock does
                moved = max(1, elapsed * VIDEO_CLOCK // 1000)
            self._time += moved
        self._anew, self._last, self._time_at = False, self._ts, received
        return self._time


def _inside(data: bytearray, at: int, end: int, flags: int) -> tuple[int, int]:
    """Where the payload begins and ends: after contributors and the extension, before the padding."""
    at += (flags & 15) * 4
    if flags & 0x10 and at + 4 <= end:
        at += 4 + 4 * (data[at + 2] << 8 | data[at + 3])
    if flags & 0x20 and at < end:
        end -= data[end - 1]
    return at, max(at, end)


def _identity(codec: Codec, nal: bytes) -> tuple[int, int]:
    """Which parameter set this is: another one with the same identity takes its place."""
    kind = nal_type(codec, nal)
    at = ({7: 4, 8: 1} if codec is Codec.H264 else {34: 2}).get(kind)
    if at is None:
        return kind, 0  # H.265: one VPS and one SPS is what a camera has
    bits = int.from_bytes(nal[at : at + 5].ljust(5, b"\0"), "big")
    zeros = 40 - bits.bit_length()
    return kind, (bits >> 40 - 2 * zeros - 1) - 1 if zeros < 20 else 0


def _broken(message: str) -> NoReturn:
    raise Refused(Kind.INVALID, message, stream="broken")
