"""The journal: written once, read in order, refused when there is no room."""

from contextlib import aclosing

import nats.js.errors
import pytest

from saqtau.engine import journal
from saqtau.engine.journal import READS
from saqtau.kernel.errors import Kind, Refused

pytestmark = pytest.mark.anyio


async def test_a_message_published_twice_with_one_id_is_there_once(js):
    first = await journal.publish(js, "reads.3", b"a", "id-1")
    second = await journal.publish(js, "reads.3", b"a", "id-1")
    assert first == second
    assert await journal.last_sequence(js, READS) == first


async def test_a_partition_is_replayed_in_order_from_the_committed_offset(js):
    for number in range(30):
        await journal.publish(js, f"reads.{number % 2}", str(number).encode(), f"id-{number}")
    async with aclosing(journal.replay(js, READS, 1, after=10, batch=7)) as batches:
        seen = []
        async for batch in batches:
            seen += batch
            if not batch:
                break
    assert [int(message.data) for message in seen] == list(range(11, 30, 2))
    assert [message.sequence for message in seen] == [n + 1 for n in range(11, 30, 2)]


class Unheard:
    """A JetStream whose consumers are out of reach at first, as on a cluster right after one was made."""

    def __init__(self, js, times):
        self._js, self._times = js, times

    def __getattr__(self, name):
        return getattr(self._js, name)

    async def pull_subscribe_bind(self, *args):
        source = await self._js.pull_subscribe_bind(*args)
        fetch = source.fetch

        async def reached(*args, **kwargs):
            if self._times:
                self._times -= 1
                raise nats.js.errors.ServiceUnavailableError
            return await fetch(*args, **kwargs)

        source.fetch = reached
        return source


async def test_a_consumer_that_our_node_has_not_heard_of_yet_is_asked_again(js):
    await journal.publish(js, "reads.1", b"a", "id-1")
    async with aclosing(journal.replay(Unheard(js, 3), READS, 1, after=0)) as batches:
        assert [message.data for message in await anext(batches)] == [b"a"]


async def test_a_consumer_that_never_comes_into_reach_is_told(js, monkeypatch):
    monkeypatch.setattr(journal, "UNHEARD", 2)
    async with aclosing(journal.replay(Unheard(js, 100), READS, 1, after=0)) as batches:
        with pytest.raises(Refused) as refused:
            await anext(batches)
    assert refused.value.fields == {"journal": "unavailable"}


async def test_a_full_journal_refuses_what_is_new_and_keeps_what_is_old(js, engine):
    small = journal.Stream("READS", "reads", 3600, 4096)
    await journal.ensure_streams(js, engine.broker.replicas, (small,))
    kept = 0
    with pytest.raises(Refused) as refused:  # noqa: PT012 - until it is full
        for kept in range(100):
            await journal.publish(js, "reads.0", b"x" * 500, f"id-{kept}")
    assert refused.value.kind is Kind.UNAVAILABLE
    assert refused.value.fields == {"journal": "full"}
    assert await journal.last_sequence(js, READS) == kept
    await journal.trim(js, small, {0: 2})
    await journal.publish(js, "reads.0", b"x" * 500, f"id-{kept}")
    async with aclosing(journal.replay(js, READS, 0, after=0)) as batches:
        first = await anext(batches)
    assert [message.sequence for message in first] == list(range(3, kept + 2))


@pytest.mark.parametrize(("key", "partition"), [("123ABC02", 23), ("A001", 29), ("777AAA01", 27)])
def test_a_key_keeps_its_partition_for_ever(key, partition):
    assert journal.partition_of(key) == partition
