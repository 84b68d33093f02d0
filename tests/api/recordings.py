"""Recordings of a house of the tests: written, indexed and entered as a recorder does, then asked for and agreed to."""

import itertools

from tests.api.cameras import camera as camera_of
from tests.api.cameras import put_up
from tests.recorded import units

from saqtau.engine.recording_minutes import Minutes
from saqtau.engine.recording_noted import note_leaves
from saqtau.kernel.clock import MINUTE, Instant
from saqtau.kernel.register import PlaceKind
from saqtau.video.fragment import Fragmenter
from saqtau.video.segment_writer import SegmentWriter

CASE = "УД-12/2026"
NUMBERS = itertools.count()


class Recorded:
    """A camera of the house that has recorded some minutes, with their leaves in the evidence log."""

    def __init__(self, house, camera, began, segments):
        self.house, self.camera, self.began, self.segments = house, camera, began, segments

    def ask(self, since=20_000, until=70_000, **more):
        return {
            "camera": self.camera, "from": self.began + since, "to": self.began + until, "case": CASE,
            "recipient": "Алматы қалалық соты", "reason": "for the trial of 1 December", **more,
        }  # fmt: skip


async def recorded(house, folder, seconds=80, place=PlaceKind.STREET, **more):
    """So many seconds of a camera, until two minutes ago, as a recorder writes, indexes and enters them."""
    began = Instant((house.parts.clock() - 2 * MINUTE - seconds * 1000) // 1000 * 1000)
    camera = f"{place.name}-{next(NUMBERS)}"  # the tests of this file share a database
    await put_up(house.owner, began, camera_of(camera, place))
    row = await house.owner.fetchrow("select site, region, place from video_camera where id = $1", camera)
    known = {"id": camera, "site": row["site"], "region": row["region"]}
    writer, cutter, minutes = SegmentWriter(folder, camera, row["place"]), Fragmenter(camera), Minutes(began)
    minutes.enter(type("Camera", (), known)(), -1, bytes(32))
    segments, drafts = [], []
    for unit in units(seconds, began=began, lost={40}, **more):
        for link in cutter.take(unit):
            written = writer.append(link)
            segments += [written.closed] if written.closed else []
            if written.path is not None:
                drafts += minutes.cut(link.at)
                minutes.add(camera, link, written.size, written.chain)
    segments.append(writer.close())
    drafts += minutes.cut(Instant(began + seconds * 1000), final=True)
    placed = await house.parts.access.ledger.append_all(drafts)
    await note_leaves(house.owner, drafts, placed)
    await house.owner.execute(
        "insert into video_volume values ($1, $1, 0, null, null, null, null, 0) on conflict do nothing", str(folder)
    )
    for one in segments:
        await house.owner.execute(
            """insert into video_segment (camera, first, last, began, ended, volume, path, bytes, frames, recorded_ms,
                   previous, chain, closed) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, true)""",
            one.camera, one.first, one.last, one.began, one.ended, str(folder), str(one.path), one.size, one.frames,
            one.recorded_ms, one.previous, one.chain,
        )  # fmt: skip
    return Recorded(house, camera, began, segments)


async def asked(one, **more):
    inspector = await one.house.signed_in("inspector")
    return inspector, await inspector.post("/api/recording-exports", json=one.ask(**more))


async def approved(one, **more):
    inspector, answer = await asked(one, **more)
    assert answer.status_code == 201, answer.text
    name = answer.json()["id"]
    duty = await one.house.signed_in("duty")
    done = await duty.post(f"/api/recording-exports/{name}/approve")
    assert done.status_code == 200, done.text
    return inspector, name
