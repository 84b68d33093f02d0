"""Parts are started in order, watched, and started again when they die. One supervisor a folder.

A part that dies comes back after 0.1 s, then ever more slowly while it keeps dying, at most every 2 s. Stopping goes
backwards: what serves ends before what it stands on, and nobody is waited for longer than 2 s.
"""

import asyncio
import fcntl
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import structlog

from saqtau.engine.part import Part, spawn
from saqtau.engine.place import Place, write_private
from saqtau.kernel.errors import Kind, Refused

log = structlog.get_logger()

GRACE: Final = 1.1
"""Seconds the serving parts have to stop before they are killed."""
ENGINE_GRACE: Final = 0.8
"""Seconds PostgreSQL and NATS have: they lose nothing by a kill, but start quicker after a clean end."""
STEADY: Final = 10.0
"""A part that lived so long counts as healthy: its next death is answered at once."""
CLAIM_PATIENCE: Final = 10.0
"""Seconds that the parts of a killed supervisor may take to end."""
SLOWEST: Final = 2.0
LOG_LIMIT: Final = 20 << 20

Say = Callable[[str], None]


class Health(msgspec.Struct):
    """What `run/health.json` tells of a part."""

    state: str = "down"  # down | starting | up
    pid: int | None = None
    starts: int = 0
    since: float = 0.0  # Unix seconds


class Supervisor:
    """Keeps parts alive. `start` brings them up in order; `run` watches until `stop` is set."""

    def __init__(self, place: Place, say: Say = lambda _line: None) -> None:
        self.health: dict[str, Health] = {}
        self._place = place
        self._say = say
        self._parts: list[Part] = []
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._watching: list[asyncio.Task[None]] = []
        self._lock = -1

    def claim(self, patience: float = CLAIM_PATIENCE) -> None:
        """Be the only one in this folder. Raises Refused(CONFLICT) when another Saqtau runs there.

        The parts of one that was killed end by themselves, but may need a moment: `patience` seconds.
        """
        descriptor = os.open(self._place.run / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        end = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if _serves(self._place) or time.monotonic() > end:
                    os.close(descriptor)
                    raise Refused(
                        Kind.CONFLICT, f"a Saqtau runs in {self._place.folder} already", folder="in_use"
                    ) from None
                time.sleep(0.05)
            else:
                break
        self._lock = descriptor
        write_private(self._place.run / "supervisor.pid", str(os.getpid()))

    async def start(self, part: Part) -> None:
        """Start a part, wait until it is ready, and watch it from then on. Raises Refused when it does not come up."""
        self._parts.append(part)
        self.health[part.name] = Health()
        self._up(part)
        try:
            await self._ready(part)
        except Refused:
            self._tell_tail(part)
            raise
        self._watching.append(asyncio.create_task(self._watch(part), name=part.name))

    async def _ready(self, part: Part) -> None:
        """Wait for the part's own word; not longer than it lives."""
        process = self._processes[part.name]
        if part.ready is not None:
            waiting = asyncio.ensure_future(part.ready())
            while not waiting.done():
                await asyncio.wait({waiting}, timeout=0.05)
                if process.poll() is not None and not waiting.done():
                    waiting.cancel()
                    raise Refused(
                        Kind.UNAVAILABLE,
                        f"{part.name} ended with {process.returncode} before it was ready",
                        part="ended",
                    )
            waiting.result()
        self._note(part.name, "up", process.pid)

    def _up(self, part: Part) -> None:
        if part.before is not None:
            part.before()
        path = self._place.logs / f"{part.name}.log"
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
        with path.open("ab") as out:
            # each holds the folder's lock too: no second NATS over one store while a last one is still ending
            keep = (self._lock,) if self._lock >= 0 else ()
            self._processes[part.name] = spawn(part, out.fileno(), subprocess.STDOUT, keep)
        found = self.health[part.name]
        found.starts += 1
        self._note(part.name, "starting", self._processes[part.name].pid)

    async def _watch(self, part: Part) -> None:
        pause = 0.1
        while True:  # until `stop` cancels it
            born = time.monotonic()
            process = self._processes[part.name]
            code = await _ended(process)
            self._note(part.name, "down", None)
            pause = 0.1 if time.monotonic() - born > STEADY else min(pause * 2, SLOWEST)
            log.warning("part ended", part=part.name, code=code, again_in=pause)
            self._say(f"{part.name} ended ({code}) and is started again")
            await asyncio.sleep(pause)
            try:
                self._up(part)
                await self._ready(part)
            except (Refused, OSError) as error:  # a full disk, a port in use: the next turn may find it better
                log.warning("part does not come up", part=part.name, reason=str(error))

    async def again(self, name: str) -> None:
        """End a part and wait until its watcher has it up again."""
        process = self._processes[name]
        process.send_signal(next(part for part in self._parts if part.name == name).stop)
        await _ended(process)
        while self._processes[name] is process or self.health[name].state != "up":  # noqa: ASYNC110 - as the watch
            await asyncio.sleep(0.05)

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until told to stop, or until a watcher itself fails."""
        waiting = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({waiting, *self._watching}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        for task in done - {waiting}:
            task.result()

    async def stop(self) -> None:
        """Stop everything, last started first; serving parts together, then what they stand on."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        serving = [part for part in self._parts if part.name not in {"postgres", "nats"}]
        engine = [part for part in self._parts if part.name in {"postgres", "nats"}]
        await self._end(serving, GRACE)
        await self._end(engine, ENGINE_GRACE)
        self._write()
        if self._lock >= 0:
            (self._place.run / "supervisor.pid").unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = -1

    async def _end(self, parts: Sequence[Part], grace: float) -> None:
        living = [(part, self._processes[part.name]) for part in parts if self._processes[part.name].poll() is None]
        for part, process in living:
            process.send_signal(part.stop)
        end = time.monotonic() + grace
        while any(process.poll() is None for _, process in living) and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        for part, process in living:
            if process.poll() is None:
                log.warning("part did not stop in time", part=part.name)
                process.send_signal(part.hurry)
                await _ended(process)
            self._note(part.name, "down", None)

    def _note(self, name: str, state: str, pid: int | None) -> None:
        found = self.health[name]
        found.state, found.pid, found.since = state, pid, time.time()
        self._write()

    def _write(self) -> None:
        try:
            write_private(self._place.run / "health.json", msgspec.json.encode(self.health).decode())
        except OSError as error:  # a full disk must not stop the watch
            log.warning("health cannot be written", error=error.strerror)

    def _tell_tail(self, part: Part) -> None:
        path = self._place.logs / f"{part.name}.log"
        tail = path.read_text(errors="replace")[-1500:] if path.exists() else ""
        self._say(f"{part.name} did not come up. The end of {path}:\n{tail}")


def _serves(place: Place) -> bool:
    """Whether the supervisor that last claimed the folder is alive; else only its parts are, and they are ending."""
    try:
        os.kill(int((place.run / "supervisor.pid").read_text()), 0)
    except (OSError, ValueError):
        return False
    return True


async def _ended(process: "subprocess.Popen[Any]") -> int:
    """Wait for a process without a thread a process."""
    while (code := process.poll()) is None:  # noqa: ASYNC110 - a process has no event to wait for
        await asyncio.sleep(0.05)
    return int(code)
