"""Token buckets and once-only work."""

import asyncio

import pytest

from saqtau.devices.limits import Buckets, Once, Rate
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused

pytestmark = pytest.mark.anyio

NOW = Instant(1_795_165_387_000)


def test_a_bucket_lets_a_burst_through_and_then_its_rate():
    buckets = Buckets(Rate(per_second=2, burst=3))
    assert [buckets.spend("a", NOW) for _ in range(4)] == [True, True, True, False]
    assert not buckets.spend("a", Instant(NOW + 499))
    assert buckets.spend("a", Instant(NOW + 1_000))
    assert buckets.spend("b", NOW)


def test_a_clock_that_steps_back_gives_nothing():
    buckets = Buckets(Rate(per_second=1, burst=1))
    assert buckets.spend("a", NOW)
    assert not buckets.spend("a", Instant(NOW - 60_000))


def test_only_so_many_keys_are_remembered():
    buckets = Buckets(Rate(per_second=0, burst=1), most=2)
    assert [buckets.spend(key, NOW) for key in "aabcab"] == [True, False, True, True, True, True]


async def count(calls):
    calls.append(1)


async def test_work_is_done_once_within_the_window_and_again_after_it():
    once, calls = Once(window=1_000), []
    done = [await once.do("a", Instant(NOW + t), lambda: count(calls)) for t in (0, 1_000, 1_001)]
    assert (done, len(calls)) == ([True, False, True], 2)


async def test_the_oldest_key_is_forgotten_when_there_are_too_many():
    once, calls = Once(window=1_000, most=2), []
    for key in "abca":
        await once.do(key, NOW, lambda: count(calls))
    assert len(calls) == 4


async def test_a_repeat_gets_the_failure_of_the_first_and_may_try_again():
    once, gate = Once(window=1_000), asyncio.Event()

    async def fail():
        await gate.wait()
        raise Refused(Kind.UNAVAILABLE, "full")

    tries = [asyncio.create_task(once.do("a", NOW, fail)) for _ in range(3)]
    await asyncio.sleep(0)
    gate.set()
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert [result.kind for result in results] == [Kind.UNAVAILABLE] * 3
    assert await once.do("a", NOW, lambda: count([]))


async def test_a_first_that_is_given_up_does_not_leave_the_others_waiting():
    once, gate = Once(window=1_000), asyncio.Event()
    first = asyncio.create_task(once.do("a", NOW, gate.wait))
    second = asyncio.create_task(once.do("a", NOW, gate.wait))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    results = await asyncio.gather(first, second, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1].kind is Kind.UNAVAILABLE


async def test_a_repeat_that_is_given_up_does_not_stop_the_first():
    once, gate = Once(window=1_000), asyncio.Event()
    first = asyncio.create_task(once.do("a", NOW, gate.wait))
    second = asyncio.create_task(once.do("a", NOW, gate.wait))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    gate.set()
    assert await first is True
