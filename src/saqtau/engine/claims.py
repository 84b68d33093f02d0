"""Who owns which partition: PostgreSQL session locks, shared fairly between the workers that are alive.

A lock is freed by PostgreSQL when its process dies, so nobody needs heartbeats. The locks only avoid wasted work: what
makes effects happen once is the offset, which is compared and set in the transaction of the effects.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from saqtau.engine.journal import PARTITIONS

_SPACE = 0x5A80  # first half of the lock's key, plus the number of the stream
_ALIVE = 1000  # second half of the lock that every worker of the stream shares

_COUNT = """
    select count(*) from pg_locks
    where locktype = 'advisory' and granted and classid = $1 and objid = $2
    and database = (select oid from pg_database where datname = current_database())
"""


def fair_share(alive: int) -> int:
    """Partitions a worker may own when so many are alive."""
    return -(-PARTITIONS // max(alive, 1))


def space(stream: str) -> int:
    """The lock space of a stream."""
    return _SPACE + sum(stream.encode()) % 1024


async def enter(pg: Any, stream: str) -> None:
    """Be counted as a worker of the stream as long as this session lives."""
    await pg.execute("select pg_advisory_lock_shared($1, $2)", space(stream), _ALIVE)


async def claim(pg: Any, stream: str, owned: Iterable[int]) -> tuple[set[int], set[int]]:
    """Take free partitions up to the fair share, give back what is above it. Returns (taken, given back)."""
    owned = set(owned)
    share = fair_share(await pg.fetchval(_COUNT, space(stream), _ALIVE))
    if len(owned) > share:
        surplus = sorted(owned)[share:]
        await pg.fetch("select pg_advisory_unlock($1, p) from unnest($2::int4[]) p", space(stream), surplus)
        return set(), set(surplus)
    wanted = [partition for partition in range(PARTITIONS) if partition not in owned]
    taken: set[int] = set()
    if len(owned) < share:
        rows = await pg.fetch(
            "select p from unnest($2::int4[]) p where pg_try_advisory_lock($1, p) limit $3",
            space(stream),
            wanted,
            share - len(owned),
        )
        taken = {row["p"] for row in rows}
    return taken, set()


async def read_offsets(pg: Any, stream: str, partitions: Iterable[int]) -> dict[int, int]:
    """The committed offset of each partition, 0 for one that never had any."""
    wanted = sorted(partitions)
    await pg.execute(
        "insert into partition_offset (stream, partition) select $1, unnest($2::int2[]) on conflict do nothing",
        stream,
        wanted,
    )
    rows = await pg.fetch(
        "select partition, seq from partition_offset where stream = $1 and partition = any($2::int2[])", stream, wanted
    )
    return {row["partition"]: row["seq"] for row in rows}


async def committed(pg: Any, stream: str) -> dict[int, int]:
    """The committed offset of all 64 partitions; what no worker has ever touched stands at 0."""
    rows = await pg.fetch("select partition, seq from partition_offset where stream = $1", stream)
    return dict.fromkeys(range(PARTITIONS), 0) | {row["partition"]: row["seq"] for row in rows}


_ADVANCE = """
    with wanted as (select * from unnest($2::int2[], $3::int8[], $4::int8[]) as w (partition, before, seq)),
    moved as (
        update partition_offset o set seq = w.seq from wanted w
        where o.stream = $1 and o.partition = w.partition and o.seq = w.before returning 1
    )
    select count(*) from moved
"""


class Fenced(Exception):  # noqa: N818 - what happened, not whose fault it is
    """Another worker has moved an offset of ours: what we were about to do is done already."""


async def advance(pg: Any, stream: str, moves: Mapping[int, tuple[int, int]]) -> None:
    """Compare and set offsets: partition -> (as we know it, as it shall be). Raises Fenced when one is different."""
    order = sorted(moves)
    moved = await pg.fetchval(
        _ADVANCE, stream, order, [moves[one][0] for one in order], [moves[one][1] for one in order]
    )
    if moved != len(order):
        raise Fenced(f"{stream}: {len(order) - moved} of {order} moved by another worker")


async def recognise(pg: Any, stream: str, made: str) -> bool:
    """Whether this is the stream the offsets belong to. When the journal was made anew they are all set back to 0."""
    async with pg.transaction():
        await pg.execute("insert into journal_stream values ($1, $2) on conflict do nothing", stream, made)
        known = await pg.fetchval("select made from journal_stream where stream = $1 for update", stream)
        if known == made:
            return True
        await pg.execute("update journal_stream set made = $2 where stream = $1", stream, made)
        await pg.execute("update partition_offset set seq = 0 where stream = $1", stream)
    return False
