"""`kill -9` of a writer or of PostgreSQL at any moment: nothing acknowledged is lost or moved, no checkpoint forks.

Two processes with fifty writers each append to one log. 20 kills here, `SAQTAU_KILLS=200` in the long run;
`SAQTAU_SEED` repeats a run's choices.
"""

import asyncio
import os
import random
import subprocess
import sys

from tests.engine.commanded import ENVIRONMENT, ROOT
from tests.faults.ledger_writer import AUTHORITY, LINE, SEED
from tests.running import running

from saqtau.engine import postgres
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.ledger_read import Proofs, read_records
from saqtau.engine.sequencer import read_head
from saqtau.kernel.access import AccessRequest, Action, Decision, Purpose, Viewer, granted
from saqtau.kernel.clock import Instant
from saqtau.ledger.checkpoint import parse
from saqtau.ledger.note import parse_note
from saqtau.ledger.proof import verify_consistency
from saqtau.ledger.tiles import unpack_entries
from saqtau.ledger.tree import Edge, leaf_hashes

KILLS = int(os.environ.get("SAQTAU_KILLS", "20"))
CHOICE = int(os.environ.get("SAQTAU_SEED", "0")) or random.randrange(1, 10**6)
WRITERS = 2
_PACE = 0.02


class Writers:
    """The processes, what they were told, and the notes that an outsider has seen."""

    def __init__(self, engine, server, folder):
        self.engine = engine
        self.server = server
        self.keys = folder / "keys"
        self.acks = folder / "acks"
        self.acks.touch()
        self.processes = [self.start() for _ in range(WRITERS)]
        self.seen = {}

    def start(self):
        words = (self.server.dsn, self.server.passwords[postgres.APP], self.keys, self.acks)
        return subprocess.Popen(
            [sys.executable, "-m", "tests.faults.ledger_writer", *map(str, words)],
            cwd=ROOT, env=ENVIRONMENT, stdin=subprocess.PIPE,
        )  # fmt: skip

    def kill(self, which):
        self.processes[which].kill()
        self.processes[which].wait()
        self.processes[which].stdin.close()

    def stop(self):
        for which in range(WRITERS):
            self.kill(which)

    @property
    def acknowledged(self):
        return self.acks.stat().st_size // LINE.size

    async def until(self, count):
        """Wait for so many acknowledgements in all; somebody looks at the checkpoint meanwhile."""
        while self.acknowledged < count:
            assert all(process.poll() is None for process in self.processes), "a writer died by itself"
            await self.look()
            await asyncio.sleep(_PACE)

    async def look(self):
        pg = await postgres.connect(self.server, postgres.APP)
        for origin, note in await pg.fetch("select origin, note from ledger_log"):
            stated = parse(parse_note(note.encode()))
            assert self.seen.setdefault((origin, stated.size), note) == note, "two checkpoints of one size"
        await pg.close()


def test_what_was_acknowledged_stands_after_every_kill(tmp_path):
    print(f"SAQTAU_SEED={CHOICE}, {KILLS} kills")
    with running() as engine:
        asyncio.run(kill_and_check(Writers(engine, engine.fresh_database(), tmp_path), random.Random(CHOICE)))


async def kill_and_check(writers, choose):
    try:
        await writers.until(200)
        for _ in range(KILLS):
            await writers.until(writers.acknowledged + choose.randrange(1, 150))
            which = choose.randrange(WRITERS + 1)
            if which < WRITERS:
                writers.kill(which)
                writers.processes[which] = writers.start()
            else:
                writers.engine.kill("postgres")
                writers.engine.again("postgres")
                await asyncio.to_thread(writers.engine.wait, "postgres")
        await writers.until(writers.acknowledged + 200)
    finally:
        writers.stop()
    async with postgres.pool(writers.server, postgres.APP, 4) as pool:
        await check(pool, writers)


async def check(pool, writers):
    told = [LINE.unpack(one) for one in cut(writers.acks.read_bytes())]
    origins = sorted({origin for origin, _ in writers.seen})
    assert len(origins) == 1, "the year ended during the test: run it again"
    (origin,) = origins
    head = read_head(await pool.fetchrow("select * from ledger_head_of($1)", origin))
    rows = await pool.fetch("select leaves from ledger_pack where log = $1 order by first", head.log)
    hashes = leaf_hashes(leaf for row in rows for leaf in unpack_entries(row[0]))
    edge, full = Edge().append(hashes)
    tiles = await pool.fetch("select level, index, hashes from ledger_tile where log = $1", head.log)
    assert head.edge == edge
    assert {tuple(row) for row in tiles} == {(tile.level, tile.index, tile.hashes) for tile in full}
    await check_records(pool, Keys(writers.keys), origin, head.edge.size, told)
    await check_notes(pool, origin, head, writers.seen)
    counted = await pool.fetchval("select sum(entries) from ledger_count where log = $1", head.log)
    assert counted == head.edge.size
    print(f"{len(told):,} acknowledged of {head.edge.size:,} entries, {len(writers.seen)} checkpoints seen")


def cut(data):
    return [data[at : at + LINE.size] for at in range(0, len(data) - LINE.size + 1, LINE.size)]


async def check_records(pool, keys, origin, size, told):
    """Every acknowledged entry opens, where it was said to stand; every entry stands once."""
    viewer = Viewer(id="p", role="prosecutor", regions=frozenset())
    request = AccessRequest(action=Action.READ_ACCESS, purpose=Purpose.OVERSIGHT)
    grant = granted(Decision(allow=True), "log#1", viewer, request, Instant(0))
    found = {}
    for first in range(0, size, 10_000):
        async for one in read_records(grant, pool, keys, origin, first, 10_000, Instant(0)):
            found[one.record["process"], one.record["number"]] = one.index
    assert len(found) == size, "an entry was written twice"
    lost = [line for line in told if found.get(line[1:]) != line[0]]
    assert lost == [], f"{len(lost)} acknowledged entries lost or moved"


async def check_notes(pool, origin, head, seen):
    """Every checkpoint that anybody saw, and every one that is kept, is a prefix of the log."""
    verifier = Signers(AUTHORITY, SEED).signer(origin).verifier()
    proofs = Proofs(pool)
    kept = {(origin, row[0]): row[1] for row in await pool.fetch(
        "select size, note from ledger_checkpoint where log = $1", head.log)}  # fmt: skip
    for (_, size), text in {**kept, **seen}.items():
        note = parse_note(text.encode())
        stated = parse(note)
        assert note.check(verifier)
        assert kept.get((origin, size), text) == text, "what was seen is not what is kept"
        proof = await proofs.consistency(origin, stated.size, head.edge.size)
        assert verify_consistency(stated.size, head.edge.size, stated.root, head.root, proof), f"a fork at {size}"
