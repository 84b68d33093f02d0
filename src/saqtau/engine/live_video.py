"""The live picture of cameras between recorders and web processes: asked for, it flows; asked for no more, it stops.

Core NATS, nothing stored. A web process asks `video.want.<camera>` every two seconds (a dot of its code is written
`=`); the recorder that has the camera answers how it is, sends what a decoder needs and the fragments since the last
key frame, and goes on for six seconds on `video.live.<camera>`. The bytes are those of the file. A recorder never waits
for a viewer: what does not fit into its queue is left out, and what a viewer missed he is told.

A message: 24 bytes of head, big-endian (version, kind, part, parts, 2 unused, sequence, UTC ms), then its bytes.
"""

import asyncio
import os
import struct
from collections import deque
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import msgspec
import nats.errors
import structlog

from saqtau.kernel.clock import SECOND, Clock, Instant
from saqtau.kernel.errors import Kind, Refused

log = structlog.get_logger("saqtau.live_video")

WANT: Final = "video.want"
LIVE: Final = "video.live"
SENT_FOR: Final = 6 * SECOND
"""How long a recorder goes on sending after it was asked."""
PART: Final = 512 * 1024
"""Bytes of one message at most."""
LONGEST_START: Final = 16 * 1024 * 1024
"""Bytes since the last key frame that a late viewer is sent at most; with more he waits for the next key frame."""
LONGEST_TAIL: Final = 150
"""Fragments that may wait until a late viewer has his beginning."""
QUEUED: Final = 32 * 1024 * 1024
"""Bytes that may wait in a recorder for the broker."""
LARGEST: Final = 64
"""Parts of one fragment at most."""

_HEAD: Final = struct.Struct(">BBHH2xQQ")
_VERSION: Final = 1
_DOT: Final = "="
"""Stands for a dot of a code; no code has one."""


class Word(IntEnum):
    """What a message says."""

    INIT = 0  # one byte: length of the codec string; the codec string; the init segment
    FRAGMENT = 1
    KEY = 2  # a fragment that decoding can begin with
    DARK = 3  # the kind of the gap; the instant is since when


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message, or one part of it."""

    word: Word
    part: int
    parts: int
    seq: int
    at: Instant
    data: bytes


def subject(word: str, camera: str) -> str:
    """Where this is said of a camera. A dot divides subjects, and codes of cameras may have some, at the end too."""
    return f"{word}.{camera.replace('.', _DOT)}"


class State(msgspec.Struct, frozen=True):
    """What a recorder answers who asks for a camera: `dark` is the kind of the open gap, `since` its begin."""

    dark: str | None = None
    since: Instant = Instant(0)


def encode_message(word: Word, seq: int, at: Instant, data: bytes) -> list[bytes]:
    """The messages that carry this; several when it is longer than `PART`."""
    parts = max(1, -(-len(data) // PART))
    return [
        _HEAD.pack(_VERSION, word, part, parts, seq, at) + data[part * PART : (part + 1) * PART]
        for part in range(parts)
    ]


def parse_message(payload: bytes) -> Message:
    """Raises Refused(INVALID, `message`) for what is no message of ours."""
    try:
        version, word, part, parts, seq, at = _HEAD.unpack_from(payload)
        named = Word(word)
    except (struct.error, ValueError):
        raise _not_understood() from None
    if version != _VERSION or not 0 <= part < parts <= LARGEST or at > 2**53:
        raise _not_understood()
    return Message(named, part, parts, seq, Instant(at), payload[_HEAD.size :])


def _not_understood() -> Refused:
    return Refused(Kind.INVALID, "a live message that is not understood", message="invalid")


class Joiner:
    """Puts the parts of a message together again; parts come in order or not at all."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._of: tuple[int, int, int] | None = None

    def take(self, message: Message) -> Message | None:
        """The whole message when this was its last part."""
        if message.parts == 1:
            return message
        of = (message.word, message.seq, message.parts)
        if message.part == 0:
            self._parts, self._of = [], of
        if self._of != of or message.part != len(self._parts):
            self._parts, self._of = [], None
            return None
        self._parts.append(message.data)
        if message.part + 1 < message.parts:
            return None
        data, self._parts, self._of = b"".join(self._parts), [], None
        return Message(message.word, 0, 1, message.seq, message.at, data)


def init_data(codec: str, init: bytes) -> bytes:
    """What an INIT message carries."""
    return bytes([len(codec)]) + codec.encode("ascii") + init


def parse_init(data: bytes) -> tuple[str, bytes]:
    """Codec string and init segment. Raises Refused(INVALID, `message`)."""
    length = data[0] if data else 0
    try:
        codec = data[1 : 1 + length].decode("ascii")
    except UnicodeDecodeError:
        codec = ""
    if not length or len(data) < 1 + length or not codec:
        raise _not_understood()
    return codec, data[1 + length :]


# THE RECORDER'S END


class _Written(msgspec.Struct, frozen=True, gc=False):
    """Where a fragment lies in the file that is being written."""

    seq: int
    at: Instant
    key: bool
    offset: int
    size: int


class _Source:
    """A camera that this process records."""

    __slots__ = ("codec", "dark", "init", "init_seq", "path", "since", "starting", "tail", "until", "written")

    def __init__(self) -> None:
        self.codec = ""
        self.init = b""
        self.init_seq = 0
        self.path: Path | None = None
        self.written: list[_Written] = []  # since the last key frame
        self.until = Instant(0)  # sent until then
        self.starting = 0  # late viewers for whom the file is being read
        self.tail: list[tuple[Word, int, Instant, bytes]] = []  # what came meanwhile
        self.dark: str | None = None
        self.since = Instant(0)


class Sender:
    """What a recorder calls, one a process; nothing here waits but `start` and `stop`."""

    def __init__(self, nc: Any, clock: Clock) -> None:
        self._nc = nc
        self._clock = clock
        self._sources: dict[str, _Source] = {}
        self._queue: deque[tuple[str, bytes]] = deque()
        self._queued = 0
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscription: Any = None
        self.left_out = 0  # fragments that found no room

    async def start(self) -> None:
        """Listen to who wants what."""
        self._subscription = await self._nc.subscribe(f"{WANT}.*", cb=self._wanted)
        self._spawn(self._pump())

    async def stop(self) -> None:
        """Say nothing more."""
        if self._subscription is not None:
            with suppress(OSError, TimeoutError, nats.errors.Error):
                await self._subscription.unsubscribe()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def begin(self, camera: str, codec: str, init: bytes, path: Path, seq: int) -> None:
        """A new file was begun, whose first link will be `seq`. codec: for MediaSource, e.g. `avc1.4d401f`."""
        source = self._sources.setdefault(camera, _Source())
        fresh = init != source.init
        source.codec, source.init, source.init_seq, source.path = codec, init, seq, path
        source.written = []
        if fresh:
            self._tell(camera, source, Word.INIT, seq, self._clock(), init_data(codec, init))

    def written(self, camera: str, seq: int, at: Instant, key: bool, offset: int, data: bytes) -> None:
        """A fragment stands in the file at `offset`."""
        source = self._sources.get(camera)
        if source is None:
            return
        source.dark = None
        if key:
            source.written = []
        if key or source.written:
            source.written.append(_Written(seq, at, key, offset, len(data)))
        self._tell(camera, source, Word.KEY if key else Word.FRAGMENT, seq, at, data)

    def dark(self, camera: str, kind: str, since: Instant) -> None:
        """A gap has begun; what comes after it ends it."""
        source = self._sources.setdefault(camera, _Source())
        source.dark, source.since = kind, since
        self._tell(camera, source, Word.DARK, 0, since, kind.encode())

    def forget(self, camera: str) -> None:
        """The camera is another's, or nobody's."""
        self._sources.pop(camera, None)

    def _tell(self, camera: str, source: _Source, word: Word, seq: int, at: Instant, data: bytes) -> None:
        if source.starting:
            if len(source.tail) < LONGEST_TAIL:
                source.tail.append((word, seq, at, data))
            else:
                self.left_out += 1
        elif self._clock() < source.until:
            self._put(camera, word, seq, at, data)

    def _put(self, camera: str, word: Word, seq: int, at: Instant, data: bytes) -> None:
        if self._queued + len(data) > QUEUED or not self._nc.is_connected:
            self.left_out += 1
            return
        to = subject(LIVE, camera)
        for payload in encode_message(word, seq, at, data):
            self._queue.append((to, payload))
            self._queued += len(payload)
        self._wake.set()

    async def _pump(self) -> None:
        while True:
            while self._queue:
                to, payload = self._queue.popleft()
                self._queued -= len(payload)
                try:
                    await self._nc.publish(to, payload)
                except (OSError, TimeoutError, nats.errors.Error) as error:
                    self.left_out += 1
                    log.debug("a live message was not sent", error=type(error).__name__)
            self._wake.clear()
            await self._wake.wait()

    async def _wanted(self, message: Any) -> None:
        camera = message.subject.removeprefix(f"{WANT}.").replace(_DOT, ".")
        source = self._sources.get(camera)
        if source is None:
            return
        source.until = Instant(self._clock() + SENT_FOR)
        if not message.reply:
            return
        if source.init:
            source.starting += 1  # before anything is waited for: what is written from here on comes behind
            self._spawn(self._catch_up(camera, source))
        with suppress(OSError, TimeoutError, nats.errors.Error):
            await self._nc.publish(message.reply, msgspec.json.encode(State(source.dark, source.since)))

    async def _catch_up(self, camera: str, source: _Source) -> None:
        """Send what a decoder needs and all since the last key frame; what is written meanwhile comes behind."""
        try:
            wanted = list(source.written)
            if sum(one.size for one in wanted) > LONGEST_START:
                wanted = []
            began = wanted[0].seq if wanted else source.init_seq
            self._put(camera, Word.INIT, began, self._clock(), init_data(source.codec, source.init))
            if wanted and source.path is not None:
                parts = await asyncio.to_thread(_read, source.path, wanted)
                for one, data in zip(wanted, parts, strict=False):
                    self._put(camera, Word.KEY if one.key else Word.FRAGMENT, one.seq, one.at, data)
        finally:
            source.starting -= 1
            if not source.starting:
                tail, source.tail = source.tail, []
                for word, seq, at, data in tail:
                    self._put(camera, word, seq, at, data)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _read(path: Path, wanted: list[_Written]) -> list[bytes]:
    """The fragments that are still there, from the file; fewer when it is gone."""
    found: list[bytes] = []
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        log.warning("the file being written cannot be read", error=error.strerror)
        return found
    try:
        for one in wanted:
            data = os.pread(descriptor, one.size, one.offset)
            if len(data) < one.size:
                break
            found.append(data)
    except OSError as error:
        log.warning("the file being written cannot be read", error=error.strerror)
    finally:
        os.close(descriptor)
    return found
