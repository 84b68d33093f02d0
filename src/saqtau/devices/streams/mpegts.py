"""MPEG transport stream -> units, bit for bit (ITU-T H.222.0, ISO/IEC 13818-1). Pure: bytes and times are handed in.

The first programme's first track of H.264 or H.265 and, where wanted, of AAC in ADTS (ISO/IEC 14496-3). What the
counters of the packets say is missing is told, and a picture that misses a packet is left out whole.
"""

from saqtau.devices.streams.pictures import Pictures
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.access_unit import VIDEO_CLOCK, Audio, AudioCodec, AudioFrame, Codec, Loss, Unit

PACKET, SYNC = 188, 0x47
LARGEST_PICTURE = 16 << 20  # bytes
LARGEST_TABLE = 1_024 + 3  # bytes of a section (PAT and PMT)
PICTURES = {0x1B: Codec.H264, 0x24: Codec.H265}
ADTS = 0x0F
RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
LARGEST_FRAME = 1 << 13  # bytes of a frame of AAC: its head counts in thirteen bits
FRAME = 1_024  # samples of a frame of AAC
APART = VIDEO_CLOCK // 5  # sound whose stamp is further off than this from where it should be began anew


class _Packets:
    """What one PID carries, put together again: a table's section or a PES packet."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0
        self.torn = True  # until its first beginning
        self.counter: int | None = None
        self.forgiven = False  # a loss that was told already

    def begin(self) -> None:
        self.parts, self.size, self.torn = [], 0, False

    def add(self, data: bytes) -> None:
        self.parts.append(data)
        self.size += len(data)
        if self.size > LARGEST_PICTURE:
            raise Refused(Kind.INVALID, f"a packet of more than {LARGEST_PICTURE} bytes", stream="broken")


class Demultiplexer:
    """One stream. audio: whether its sound is wanted. `take` is called with what came, in order."""

    def __init__(self, *, audio: bool = False) -> None:
        self._audio = audio
        self._rest = b""
        self._programme: int | None = None  # PID of the programme's table
        self._tables: dict[int, _Packets] = {}
        self._video: int | None = None
        self._sound: int | None = None
        self._packets: dict[int, _Packets] = {}
        self._pictures: Pictures | None = None
        self._codec: Codec | None = None
        self._sound_ts: int | None = None
        self._sound_rest = b""  # the beginning of a frame that goes on in the next packet

    def take(self, data: bytes, received: Instant) -> list[Unit]:
        """What these bytes complete. Raises `Refused` (stream="no_video" or "broken")."""
        out = list[Unit]()
        data = self._rest + data
        at, end = 0, len(data)
        while end - at >= PACKET:
            if data[at] != SYNC:
                at = _sync(data, at)
                continue
            self._packet(data[at : at + PACKET], received, out)
            at += PACKET
        self._rest = data[at:]
        return out

    def lost(self, packets: int | None, received: Instant) -> list[Unit]:
        """Datagrams that never came, counted below this layer: what is under way is left out, and said once."""
        for one in self._packets.values():
            one.torn = one.forgiven = True
        for one in self._tables.values():
            one.torn = one.forgiven = True
        self._sound_rest = b""
        return [Loss(packets, received)] if self._pictures is not None and self._pictures.began else []

    def joins(self) -> None:
        """Another file goes on from here: its counters may begin anew, and tell of nothing that is missing."""
        for one in (*self._packets.values(), *self._tables.values()):
            one.counter = None

    def _packet(self, packet: bytes, received: Instant, out: list[Unit]) -> None:
        pid = (packet[1] & 0x1F) << 8 | packet[2]
        broken, begins, field = packet[1] & 0x80, packet[1] & 0x40, packet[3] >> 4 & 3
        at, discontinuous = 4, False
        if field & 2:
            length = packet[4]
            discontinuous = length > 0 and bool(packet[5] & 0x80)
            at = 5 + length
        one = self._of(pid)
        if one is None or not field & 1 or at >= PACKET:
            return
        if packet[3] >> 6:
            raise Refused(Kind.INVALID, "the stream is scrambled", stream="no_video")
        if not self._follows(one, packet[3] & 15, bool(broken), discontinuous, pid, received, out):
            return
        payload = packet[at:]
        if pid in self._tables:
            self._section(pid, one, payload, bool(begins))
            return
        if begins:
            self._finish(pid, one, received, out)
            one.begin()
        if not one.torn:
            one.add(payload)
            if one.size >= 6 and (length := int.from_bytes(_head(one)[4:6], "big")) and one.size >= length + 6:
                self._finish(pid, one, received, out)  # its length is told: nothing has to be waited for
                one.begin()
                one.torn = True

    def _of(self, pid: int) -> _Packets | None:
        if pid in (0, self._programme):
            return self._tables.setdefault(pid, _Packets())
        if pid in (self._video, self._sound):
            return self._packets.setdefault(pid, _Packets())
        return None

    def _follows(
        self, one: _Packets, counter: int, broken: bool, discontinuous: bool, pid: int, received: Instant,
        out: list[Unit],
    ) -> bool:  # fmt: skip
        """Whether the packet is to be taken: not when it is a repetition or damaged. What is missing is told."""
        before, one.counter = one.counter, counter
        if before is not None and counter == before and not broken and not discontinuous:
            return False
        missing = before is not None and counter != (before + 1) & 15 and not discontinuous
        if (missing or broken) and not one.torn and not one.forgiven:
            if pid == self._video and self._pictures is not None and self._pictures.began:
                out.append(Loss(None, received))  # a counter of four bits cannot say how many
            one.torn = True
        one.forgiven = False
        return not broken

    def _section(self, pid: int, one: _Packets, payload: bytes, begins: bool) -> None:
        if begins:
            one.begin()
            payload = payload[1 + payload[0] :]
        if one.torn or not payload:
            return
        one.add(payload)
        table = b"".join(one.parts)
        size = 3 + (int.from_bytes(table[1:3], "big") & 0xFFF) if len(table) >= 3 else LARGEST_TABLE + 1
        if size > LARGEST_TABLE:
            one.torn = len(table) >= 3
            return
        if len(table) < size:
            return
        one.torn = True
        if _crc(table[:size]):
            return
        if pid == 0 and table[0] == 0x00:
            self._programmes(table[8 : size - 4])
        elif table[0] == 0x02:
            self._tracks(table, size)

    def _programmes(self, entries: bytes) -> None:
        for at in range(0, len(entries) - 3, 4):
            if entries[at : at + 2] != b"\0\0":
                told = int.from_bytes(entries[at + 2 : at + 4], "big") & 0x1FFF
                if told != self._programme:
                    self._tables.pop(self._programme or -1, None)
                    self._programme = told
                return

    def _tracks(self, table: bytes, size: int) -> None:
        at = 12 + (int.from_bytes(table[10:12], "big") & 0xFFF)
        video = sound = codec = None
        while at + 5 <= size - 4:
            kind, pid = table[at], int.from_bytes(table[at + 1 : at + 3], "big") & 0x1FFF
            if kind in PICTURES and video is None:
                video, codec = pid, PICTURES[kind]
            elif kind == ADTS and sound is None and self._audio:
                sound = pid
            at += 5 + (int.from_bytes(table[at + 3 : at + 5], "big") & 0xFFF)
        if codec is None:
            raise Refused(Kind.INVALID, "neither H.264 nor H.265 is in the stream", stream="no_video")
        if (video, codec) != (self._video, self._codec):
            self._pictures = Pictures(codec)
        if sound is None and self._pictures is not None:
            self._pictures.audio = None
        self._video, self._codec, self._sound = video, codec, sound
        self._packets = {pid: one for pid, one in self._packets.items() if pid in (video, sound)}

    def _finish(self, pid: int, one: _Packets, received: Instant, out: list[Unit]) -> None:
        if one.torn or not one.parts or self._pictures is None:
            return
        packet = b"".join(one.parts)
        if len(packet) < 9 or packet[:3] != b"\0\0\1" or packet[6] >> 6 != 2:
            return
        stamp = _stamp(packet)
        content = packet[9 + packet[8] :]
        if pid == self._video:
            if stamp is not None and content:
                out += self._pictures.take(content, stamp, received)
        else:
            self._hear(content, stamp, received, out)

    def _hear(self, content: bytes, stamp: int | None, received: Instant, out: list[Unit]) -> None:
        """A packet of sound; its stamp is that of the first frame that begins in it."""
        pictures, content = self._pictures, self._sound_rest + content
        begun, at = len(self._sound_rest), 0
        while pictures is not None and (found := _frame(content, at)) is not None:
            audio, start, end = found
            if audio != pictures.audio:
                pictures.audio, self._sound_ts = audio, None
            if stamp is not None and at >= begun:
                told, stamp = stamp * audio.rate // VIDEO_CLOCK, None
                if self._sound_ts is None or abs(told - self._sound_ts) > APART * audio.rate // VIDEO_CLOCK:
                    self._sound_ts = told
            if self._sound_ts is not None:
                if pictures.heard == audio:
                    out.append(AudioFrame(self._sound_ts, content[start:end], received))
                self._sound_ts += FRAME
            at = end
        self._sound_rest = (
            content[at:] if len(content) - at < LARGEST_FRAME and content[at : at + 1] == b"\xff" else b""
        )


def _sync(data: bytes, at: int) -> int:
    """Where packets begin again: two marks in their distance, or the end."""
    for start in range(at + 1, len(data)):
        if data[start] == SYNC and (start + PACKET >= len(data) or data[start + PACKET] == SYNC):
            return start
    return len(data)


def _head(one: _Packets) -> bytes:
    return one.parts[0] if len(one.parts[0]) >= 6 else b"".join(one.parts)


def _stamp(packet: bytes) -> int | None:
    """When the picture is to be shown, 90 kHz, 33 bits."""
    if not packet[7] & 0x80 or len(packet) < 14:
        return None
    a, b, c = packet[9], int.from_bytes(packet[10:12], "big"), int.from_bytes(packet[12:14], "big")
    return (a >> 1 & 7) << 30 | (b >> 1) << 15 | c >> 1


def _frame(content: bytes, at: int) -> tuple[Audio, int, int] | None:
    """The frame of AAC whose head (ADTS) stands at `at`, and where its content lies. None: no whole one is there."""
    head = content[at : at + 7]
    if len(head) < 7:
        return None
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    start = 7 if head[1] & 1 else 9
    rate, channels = head[2] >> 2 & 15, (head[2] & 1) << 2 | head[3] >> 6
    if head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or size < start or rate >= len(RATES) or not channels:
        return None
    if at + size > len(content):
        return None
    config = ((head[2] >> 6) + 1 << 11 | rate << 7 | channels << 3).to_bytes(2, "big")
    return Audio(AudioCodec.AAC, RATES[rate], channels, config), at + start, at + size


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)
        table.append(value & 0xFFFFFFFF)
    return table


_CRC = _crc_table()


def _crc(section: bytes) -> int:
    """CRC-32 of MPEG over a section with its own: nought when it is whole."""
    value = 0xFFFFFFFF
    for byte in section:
        value = (value << 8 & 0xFFFFFFFF) ^ _CRC[value >> 24 ^ byte]
    return value
