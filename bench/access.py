"""What a look costs before anything is read: the decision, and the entry in the ledger.

    python -m bench.access [--writers 100] [--seconds 10]

Decision: the policies of this release by handles that were parsed once, against the same texts parsed at each call
(what a policy engine does that keeps text; pycasbin, which the notes measured at 3.3 k/s for one rule, is not a
dependency). Entry: `Access.open` and `Access.close` of the product over a real PostgreSQL that syncs, from 100 writers
at once, each about another item: decision, facts from the record where the purpose needs them, seal, leaf, checkpoint,
commit.
"""

import argparse
import asyncio
import contextlib
import itertools
import tempfile
import time
from pathlib import Path

import cedarpy
import msgspec
import uvloop
from tests import running
from tests.engine.door import on_shift, opened, register_case

from saqtau import policies
from saqtau.engine import postgres
from saqtau.kernel.access import AccessRequest, Action, Facts, Purpose, Viewer, decide
from saqtau.kernel.clock import Instant
from saqtau.kernel.policies import Answer

OPERATOR = Viewer("op1", "operator", frozenset({2}))
INSPECTOR = Viewer("i1", "inspector", frozenset({2}))
KNOWN = Facts(on_shift=True, case_known=True, incident_known=True, incident_open=True)
WISHES = {
    "queue, duty": (OPERATOR, AccessRequest(action=Action.WATCH_QUEUE, purpose=Purpose.DUTY)),
    "item, incident": (
        OPERATOR,
        AccessRequest(action=Action.READ_ITEM, purpose=Purpose.INCIDENT, object="i", case="i", region=2, facts=KNOWN),
    ),
    "history, case": (
        INSPECTOR,
        AccessRequest(action=Action.READ_HISTORY, purpose=Purpose.CASE, case="26-2/17", facts=KNOWN),
    ),
    "denied": (OPERATOR, AccessRequest(action=Action.READ_LIST, purpose=Purpose.DUTY)),
}


def now():
    return Instant(time.time_ns() // 1_000_000)


def percentile(spent, part):
    return sorted(spent)[min(int(len(spent) * part), len(spent) - 1)]


def timed(call, seconds):
    spent, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun = time.perf_counter()
        call()
        spent.append((time.perf_counter() - begun) * 1e3)
    return spent


def parsed_each_call():
    """The same decision where the policies are text: what `decide` hands to Cedar, without the handles."""
    texts, schema = policies.texts()
    whole = "\n".join(texts[name] for name in sorted(texts))
    caught = []

    class Recorder:
        hash, general = "", False

        def known(self, _):
            return None

        def learn(self, *_):
            pass

        def answer(self, request, entities):
            caught.append((request, entities))
            return Answer(allow=True, ids=())

    decide(Recorder(), *WISHES["item, incident"])
    request, entities = caught[0]
    return lambda: cedarpy.is_authorized(request, whole, entities, schema=schema)


def decisions(seconds):
    found = policies.load()
    middles = []
    for name, wish in WISHES.items():

        def forgetting(wish=wish):
            found._answers.clear()  # noqa: SLF001 - the answer is to be found, not remembered
            decide(found, *wish)

        spent = timed(forgetting, seconds / len(WISHES))
        middles.append(percentile(spent, 0.5))
        print(f"decision, {name:15s} p50 {percentile(spent, 0.5):.3f} ms  p99 {percentile(spent, 0.99):.3f} ms")
    again = percentile(timed(lambda: decide(found, *WISHES["item, incident"]), seconds / 8), 0.5)
    peer = percentile(timed(parsed_each_call(), seconds / 2), 0.5)
    print(
        f"decision: {max(middles):.3f} ms (goal <= 0.2), {again:.4f} ms when it was given before; "
        f"the same policies as text, parsed each call: {peer:.2f} ms, {peer / max(middles):.0f} times as long"
    )


async def entries(server, writers, seconds):
    with tempfile.TemporaryDirectory() as folder:
        async with opened(server, Path(folder), now) as door:
            owner = await postgres.connect(server, postgres.OWNER)
            await on_shift(owner, now(), "op1", "i1")
            await register_case(owner, "26-2/17")
            await owner.close()
            for name in ("queue, duty", "history, case"):
                for count, pace in ((1, 100), (writers, 2), (writers, 10), (writers, 1000)):
                    await measure(door, name, count, seconds / 8, pace)
            print("goal: p99 <= 10 ms at 100 writers; the last line of each is as fast as they can")


async def measure(door, name, writers, seconds, pace):
    """Each writer looks `pace` times a second, and waits for his entry before he looks again."""
    viewer, wish = WISHES[name]
    spent, number = [], itertools.count()
    begun, used = time.perf_counter(), time.process_time()

    async def one(writer):
        who = msgspec.structs.replace(viewer, session=f"s{writer}")
        due = begun + writer / writers / pace
        while due < begun + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            about = msgspec.structs.replace(wish, object=f"object-{next(number)}")
            asked = time.perf_counter()
            grant = await door.access.open(who, about)
            spent.append((time.perf_counter() - asked) * 1e3)
            await door.access.close(grant, 1)
            due = max(due + 1 / pace, time.perf_counter() - 1)

    await asyncio.gather(*(one(writer) for writer in range(writers)))
    took, used = time.perf_counter() - begun, time.process_time() - used
    await door.access.settle()
    print(
        f"entry, {name:14s} {writers:4d} writers at {pace:4.0f}/s: p50 {percentile(spent, 0.5):6.2f} ms  "
        f"p99 {percentile(spent, 0.99):6.2f} ms  {len(spent) / took:6,.0f} looks/s, each with its end  "
        f"{used / len(spent) * 1e3:.2f} ms of this process a look"
    )


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--writers", type=int, default=100)
    arguments.add_argument("--seconds", type=float, default=12)
    given = arguments.parse_args()
    decisions(given.seconds / 2)
    running.QUICK.clear()  # the settings of the product, not those of the tests
    with running.running() as engine, contextlib.suppress(KeyboardInterrupt):
        uvloop.run(entries(engine.fresh_database(), given.writers, given.seconds))
