"""Three journal nodes: one is killed on the way, and nothing that was acknowledged is lost or doubled."""

import asyncio
from contextlib import aclosing

import pytest
from tests.running import CLUSTER

from saqtau.engine import broker, journal
from saqtau.engine.journal import READS
from saqtau.engine.window import Window, ensure_window
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Refused

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not CLUSTER, reason="SKIPPED without a cluster: make test-cluster runs it"),
]


@pytest.fixture
def killed(engine):
    """Names of killed nodes; they are started again afterwards."""
    names = []
    yield names
    for name in names:
        engine.again(name)
    engine.wait(*names)
    asyncio.run(broker.answers(engine.broker, 60, peers=3))


async def kill_leader(engine, js, killed):
    info = await js.stream_info("READS")
    # a server's name is its place in the cluster's files; the session's parts are called alike but for the prefix
    name = info.cluster.leader.replace("saqtau-", "nats-")
    engine.kill(name)
    killed.append(name)


async def everything(js, expected):
    """All that the stream holds, read as a worker reads: from the start again while the nodes choose who leads."""
    for attempt in range(12):
        stored = []
        try:
            async with aclosing(journal.replay(js, READS, "*", after=0)) as batches:
                async for batch in batches:
                    stored += [message.data.decode() for message in batch]
                    if not batch and len(stored) >= expected:
                        return stored
        except Refused as refused:
            last = refused
            await asyncio.sleep(0.2 * attempt)
    raise last


async def test_the_leader_is_killed_while_reads_come_in(engine, js, killed):
    acknowledged = []

    async def send(sender):
        for number in range(60):
            mark = f"{sender}-{number}"
            await journal.publish(js, f"reads.{sender}", mark.encode(), mark)
            acknowledged.append(mark)

    async def kill():
        while len(acknowledged) < 100:
            await asyncio.sleep(0.01)
        await kill_leader(engine, js, killed)

    await asyncio.gather(kill(), *(send(sender) for sender in range(8)))
    assert killed
    assert sorted(await everything(js, len(acknowledged))) == sorted(acknowledged)


async def test_batches_go_on_after_the_leader_is_killed(engine, js, killed):
    def batch(n):
        return [journal.Letter(f"reads.{p}", b"x" * 500, f"{n}-{p}", {}) for p in range(20)]

    before = await journal.publish_together(js, batch(1))
    await kill_leader(engine, js, killed)
    after = await journal.publish_together(js, batch(2))
    again = await journal.publish_together(js, batch(2))
    assert all(isinstance(answer, int) for answer in (*before, *after, *again))
    assert (await js.stream_info("READS")).state.messages == 40


async def test_the_keys_of_the_window_outlive_a_node(engine, js, killed):
    await ensure_window(js, engine.broker.replicas)
    now = Instant(1_900_000_000_000)
    before = await Window(js).current(now)
    await kill_leader(engine, js, killed)
    for _ in range(200):
        try:
            after = await Window(js).open(before.number)
        except Exception as error:  # noqa: BLE001 - a new leader may still be on its way
            last = error
            await asyncio.sleep(0.1)
        else:
            break
    else:
        raise last
    assert after.key == before.key
