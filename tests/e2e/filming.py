"""Cameras that film for a browser: clips of the demonstration, cut into fragments and handed on as a recorder does."""

import asyncio
import contextlib
from pathlib import Path

from tests.api.cameras import put_up, written
from tests.api.test_playback import index
from tests.recorded import units

from saqtau.engine.live_video import Sender
from saqtau.kernel.clock import Instant
from saqtau.simulate.clip import scene
from saqtau.video.access_unit import AccessUnit
from saqtau.video.boxes import init_segment
from saqtau.video.fragment import Fragment, Fragmenter
from saqtau.video.gap import GapKind
from saqtau.video.nal import codec_string
from saqtau.video.segment_writer import SegmentWriter


class Film:
    """One camera. It films until it is unplugged."""

    def __init__(self, sender: Sender, clock, folder: Path, name: str, clip: str) -> None:
        self.name = name
        self._sender, self._clock, self._path, self._clip = sender, clock, folder / f"{name}.cmf", scene(clip)
        self.dark: str | None = None

    async def run(self) -> None:
        """Write and hand on, picture by picture, as they are due."""
        parameters = self._clip.parameters
        init = init_segment(parameters)
        self._path.write_bytes(init)
        fragmenter = Fragmenter(self.name, 1)
        fragmenter.take(parameters)
        self._sender.begin(self.name, codec_string(parameters), init, self._path, 1)
        loop = asyncio.get_running_loop()
        began, picture = loop.time(), 0
        while True:
            due = began + picture / float(self._clip.fps)
            await asyncio.sleep(max(0.0, due - loop.time()))
            at = picture % len(self._clip.pictures)
            stamp = int(picture * 90_000 / self._clip.fps)
            unit = AccessUnit(stamp, self._clip.keys[at], self._clip.pictures[at], self._clock())
            picture += 1
            if self.dark is not None:
                continue
            for link in fragmenter.take(unit):
                if isinstance(link, Fragment):
                    offset = self._path.stat().st_size
                    with self._path.open("ab") as file:
                        file.write(link.data)
                    self._sender.written(self.name, link.seq, link.at, link.key, offset, link.data)

    def unplug(self, kind: str = "source_silent") -> None:
        """No picture comes any more, and the recorder has noticed."""
        self.dark = kind
        self._sender.dark(self.name, kind, Instant(self._clock()))

    def plug(self) -> None:
        """Pictures come again."""
        self.dark = None


@contextlib.asynccontextmanager
async def filming(house, folder: Path, clips: dict[str, str]):
    """The cameras of `tests.api.cameras`, those of `clips` filming: name -> Film."""
    now = house.parts.clock()
    await put_up(house.owner, now)
    await house.owner.execute("alter table video_segment disable trigger user")
    await house.owner.execute("delete from video_segment")
    await house.owner.execute("alter table video_segment enable trigger user")
    for name in clips:
        await written(house.owner, name, now - 1_000, now, path=folder / f"{name}.cmf", closed=False)
    sender = Sender(house.parts.pictures, house.parts.clock)
    await sender.start()
    films = {name: Film(sender, house.parts.clock, folder, name, clip) for name, clip in clips.items()}
    tasks = [asyncio.create_task(film.run()) for film in films.values()]
    try:
        yield films
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await sender.stop()


def darkened(folder: Path, camera: str, began: Instant, seconds: int, dark: int) -> tuple[list, Instant]:
    """A recording with a silence in its middle: so many seconds, so many without a picture, as many again.

    The files it lies in, and when the silence began.
    """
    writer, cutter = SegmentWriter(folder, camera, "street"), Fragmenter(camera)
    silent = Instant(began + seconds * 1000)
    links = [link for unit in units(seconds, began=began) for link in cutter.take(unit)]
    links += cutter.interrupt(GapKind.SILENT, Instant(silent + 2_000))
    back = Instant(silent + dark * 1000)
    links += [link for unit in units(seconds, began=back) for link in cutter.take(unit)]
    links += cutter.flush(Instant(back + seconds * 1000))
    files = [writer.append(link).closed for link in links]
    return [one for one in (*files, writer.close()) if one is not None], silent


async def keep(owner, camera: str, files: list, silent: Instant, dark: int) -> None:
    """The rows of such a recording, and of its gap."""
    await index(owner, *files)
    await owner.execute(
        "insert into video_gap (id, camera, began, ended, kind) values ($1, $2, $3, $4, 'source_silent')",
        f"{camera}/{silent}", camera, silent, silent + dark * 1000,
    )  # fmt: skip
