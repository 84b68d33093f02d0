"""One plate, ten days, in a box: hot in PostgreSQL and sealed in Parquet, the access entry included.

    python -m bench.history [--full]        # 3 million sealed reads, or 30 million

A question is what the web asks: the access entry in the ledger (fsync), the hot partitions, the list of files, the
files, the closing entry. Peer (own trial, notes/engine.md): PostgreSQL alone 0.35 ms p50 at 109 bytes a read;
ClickHouse's MergeTree through chDB 5.6 ms at 21 bytes.
"""

import random
import sys
import tempfile
import time
from pathlib import Path

import uvloop
from tests import running
from tests.engine.door import on_shift, opened, register_case

from saqtau.engine import postgres, sealing
from saqtau.engine.history import Box, History
from saqtau.kernel.access import AccessRequest, Action, Purpose, Viewer
from saqtau.kernel.clock import DAY, HOUR, Instant

START = 1_790_000_000_000 // DAY * DAY
DAYS = 10
INSPECTOR = Viewer("i1", "inspector", frozenset({2}))
BOX = Box(43.0, 76.6, 43.45, 77.2)
NOW = Instant(START)


# cameras of one city, plates of which some are seen often; an item on one read in twenty
ROWS = """
    select {day}::bigint + (random() * 86399999)::bigint as "at", (20 + random() * 300)::bigint as delay,
        lpad(((random() ^ 2) * {plates})::int::varchar, 6, '0') || 'ABC02' as plate,
        (random() * 9999)::int as number from range({count})
"""
SHAPE = """
    select plate, "at", delay, 'cam-' || lpad(number::varchar, 4, '0') as camera, 2::smallint as region,
        (43.1 + (number // 100) * 0.003)::float as lat, (76.7 + (number % 100) * 0.004)::float as lon,
        (30 + floor(random() * 60))::float as speed,
        case when random() < 0.05 then uuid()::varchar end as item
    from ({rows}) order by plate, "at"
"""


async def make_sealed(pg, history, total):
    """Day files as `merge_days` writes them, registered as it does."""
    plates = max(total // 40, 1000)
    begun = time.perf_counter()
    (history.folder / "kept").mkdir()
    size = 0
    for day in range(DAYS):
        name = f"kept/day-{day}.parquet"
        rows = ROWS.format(day=START + day * DAY, plates=plates, count=total // DAYS)
        history.duck().execute(
            f"copy ({SHAPE.format(rows=rows)}) to '{history.folder / name}' "
            f"(format parquet, compression zstd, row_group_size {sealing.ROW_GROUP})"
        )
        lower = START + day * DAY
        found = (total // DAYS, lower, lower + DAY)
        await sealing.register_file(pg, history, name, "kept", (lower, lower + DAY), found, NOW)
        size += (history.folder / name).stat().st_size
    print(
        f"{total:,} reads sealed in {time.perf_counter() - begun:.0f} s, {size / total:.1f} bytes a read  (goal <= 20)"
    )
    return plates


async def make_hot(pg, plates, total):
    """A day of hot hours."""
    begun = START + DAYS * DAY
    for hour in range(24):
        await sealing.make_ahead(pg, Instant(begun + hour * HOUR))
        await pg.execute(
            "insert into read_history select $1 + (random() * 3599999)::bigint, $1 + (random() * 3599999)::bigint, "
            "lpad(((random() ^ 2) * $2)::int::text, 6, '0') || 'ABC02', 'cam-1', 2, 43.2, 76.9, 60, null, 'kept' "
            "from generate_series(1, $3)",
            begun + hour * HOUR,
            plates,
            total // 24,
        )


async def ask(door, pool, history, questions, span):
    spent, found = [], 0
    for plate in questions:
        begun = time.perf_counter()
        request = AccessRequest(
            action=Action.READ_HISTORY, purpose=Purpose.CASE, case="123/45", object=history.object_of(plate)
        )
        grant = await door.access.open(INSPECTOR, request)
        async with pool.acquire() as pg:
            rows = await history.read(grant, pg, plate, *span, NOW, BOX)
        await door.access.close(grant, len(rows))
        spent.append((time.perf_counter() - begun) * 1e3)
        found += len(rows)
    spent.sort()
    return spent[len(spent) // 2], spent[int(len(spent) * 0.95)], found


async def main(server, total):
    with tempfile.TemporaryDirectory() as folder:
        history = History(Path(folder) / "history", b"key")
        async with (
            postgres.pool(server, postgres.WORKER, 2) as workers,
            postgres.pool(server, postgres.APP, 2) as app,
            opened(server, Path(folder), lambda: NOW) as door,
        ):
            async with workers.acquire() as pg:
                await on_shift(pg, NOW, INSPECTOR.id)
                await register_case(pg, "123/45")
                plates = await make_sealed(pg, history, total)
                await make_hot(pg, plates, 240_000)
            chance = random.Random(7)
            questions = [f"{int(chance.random() ** 2 * plates):06d}ABC02" for _ in range(220)]
            spans = {
                "hot, 24 hours": (Instant(START + DAYS * DAY), Instant(START + (DAYS + 1) * DAY), 2),
                "sealed, 10 days": (Instant(START), Instant(START + DAYS * DAY), 50),
                "both": (Instant(START), Instant(START + (DAYS + 1) * DAY), 50),
            }
            for name, (since, until, goal) in spans.items():
                await ask(door, app, history, questions[:20], (since, until))
                middle, high, found = await ask(door, app, history, questions[20:], (since, until))
                print(f"{name:16s} p50 {middle:6.2f} ms  p95 {high:6.2f} ms  (goal p95 <= {goal})  {found} rows in 200")
            begun = time.perf_counter()
            for _ in range(200):
                request = AccessRequest(action=Action.WATCH_QUEUE, purpose=Purpose.OVERSIGHT)
                await door.access.close(await door.access.open(Viewer("p", "auditor", frozenset()), request), 0)
            print(f"of which the access entry, opened and closed: {(time.perf_counter() - begun) / 200 * 1e3:.2f} ms")


if __name__ == "__main__":
    running.QUICK.clear()  # the settings of the product, not those of the tests
    with running.running() as engine:
        uvloop.run(main(engine.fresh_database(), 30_000_000 if "--full" in sys.argv else 3_000_000))
