"""Decoding in processes that may die: what they are fed was made by a camera, that is by anybody.

A decoder that crashes, hangs or eats memory takes its one picture with it and nothing else: the picture is refused, the
process replaced. Children write no files, and die with their parent.
"""

import asyncio
import ctypes
import multiprocessing
import resource
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final, TypeVar

import msgspec
import structlog

from saqtau.kernel.errors import Kind, Refused
from saqtau.video.health import Look, look
from saqtau.video.keyframe import decode, jpeg

log = structlog.get_logger()

PATIENCE: Final = 10.0
"""Seconds that one picture may take; 720p takes 0.02."""
MEMORY: Final = 4 << 30
"""Address space of a decoder; a picture of 67 million pixels takes a fifth of it."""
_PR_SET_PDEATHSIG: Final = 1

Made = TypeVar("Made")


class _No(msgspec.Struct, frozen=True):
    """A refusal on its way out of a child."""

    kind: Kind
    message: str
    fields: dict[str, str]


class Decoders:
    """Some decoders. All functions raise Refused: INVALID, TOO_LARGE (`fragment`, `picture`)."""

    def __init__(self, count: int) -> None:
        self._free: asyncio.Queue[ProcessPoolExecutor] = asyncio.Queue()
        for _ in range(count):
            self._free.put_nowait(_child())
        self._count = count

    async def look(self, init: bytes, fragment: bytes) -> Look:
        """The first picture of a key fragment, reduced; the picture itself stays in the child and is gone."""
        return await self._in_child(_look, init, fragment)

    async def jpeg(self, init: bytes, fragment: bytes, width: int) -> bytes:
        """The first picture of a key fragment as a JPEG. Raises Refused(INVALID) too: `width`."""
        return await self._in_child(_jpeg, init, fragment, width)

    async def close(self) -> None:
        """End them all; who still waits for a picture is served first."""
        for _ in range(self._count):
            child = await self._free.get()
            await asyncio.to_thread(child.shutdown)

    async def _in_child(self, work: Callable[..., Made | _No], *arguments: object) -> Made:
        child = await self._free.get()
        try:
            made = await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(child, work, *arguments), PATIENCE)
        except (BrokenProcessPool, TimeoutError) as error:
            _end(child)
            child = _child()
            log.warning("a decoder died over a picture", error=type(error).__name__)
            raise Refused(Kind.INVALID, "a fragment that a decoder died over", fragment="undecodable") from error
        except MemoryError as error:
            raise Refused(Kind.TOO_LARGE, "a picture that no decoder has room for", picture="too_large") from error
        except asyncio.CancelledError:
            _end(child)  # it may still be at work: nobody waits for it
            child = _child()
            raise
        finally:
            self._free.put_nowait(child)
        if isinstance(made, _No):
            raise Refused(made.kind, made.message, **made.fields)
        return made


def _child() -> ProcessPoolExecutor:
    # spawned: a forked child would hold the parent's sockets and locks
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_begin)


def _end(child: ProcessPoolExecutor) -> None:
    processes = tuple((child._processes or {}).values())  # noqa: SLF001 - the pool has no way to end one at work
    child.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.kill()


def _begin() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to hear
    for limit, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (most, most))


def _look(init: bytes, fragment: bytes) -> Look | _No:
    try:
        return look(decode(init, fragment))
    except Refused as refusal:
        return _No(refusal.kind, refusal.message, dict(refusal.fields))


def _jpeg(init: bytes, fragment: bytes, width: int) -> bytes | _No:
    try:
        return jpeg(decode(init, fragment), width)
    except Refused as refusal:
        return _No(refusal.kind, refusal.message, dict(refusal.fields))
