"""Minutes against a count made second by second, by somebody who knows no intervals."""

from hypothesis import given
from hypothesis import strategies as st

from saqtau.kernel.clock import MINUTE, SECOND, Instant
from saqtau.video.account import BEARABLE, TRIFLE, MinuteState, Span, minutes, within, without
from saqtau.video.gap import Gap, GapKind

T = 29_833_334 * MINUTE
COUNT = 4
edges = st.integers(-30, COUNT * 60 + 30)
pairs = st.tuples(edges, edges | st.none()).map(
    lambda pair: (pair[0], None if pair[1] is None else max(pair[0], pair[1]))
)
spans = st.lists(pairs, max_size=4)
kinds = st.sampled_from(list(GapKind))


def seconds(found):
    return {s for low, high in found for s in range(max(low, 0), min(COUNT * 60 if high is None else high, COUNT * 60))}


def made(found):
    return [Span(Instant(T + a * SECOND), None if b is None else Instant(T + b * SECOND)) for a, b in found]


@given(spans, st.lists(st.tuples(pairs, kinds), max_size=4), spans, spans, spans)
def test_every_minute_is_what_its_seconds_say(segments, gaps, maintenance, explained, masked):
    found = minutes(
        Instant(T), Instant(T + COUNT * MINUTE), made(segments),
        [Gap("c", one.began, one.ended, kind) for pair, kind in gaps for one in made([pair])],
        made(maintenance), masked=made(masked), explained=made(explained),
    )  # fmt: skip
    everything = set(range(COUNT * 60))
    present = seconds(segments) - seconds(pair for pair, _ in gaps)
    off = seconds(maintenance) | seconds(pair for pair, kind in gaps if kind is GapKind.DISABLED)
    gone = seconds(pair for pair, kind in gaps if kind is GapKind.EXPIRED)
    bare = everything - present - off - seconds(explained) - seconds(masked) - gone
    assert len(found) == COUNT
    for number, state in enumerate(found):
        mine = set(range(number * 60, number * 60 + 60))
        naked = len(bare & mine) * SECOND
        lacking = len(mine - present) * SECOND
        if naked > BEARABLE:
            assert state == MinuteState.UNEXPLAINED
        elif lacking <= TRIFLE:
            assert state == (MinuteState.MASKED if mine <= seconds(masked) else MinuteState.RECORDED)
        else:
            assert state not in {MinuteState.RECORDED, MinuteState.UNKNOWN}
        if state == MinuteState.MAINTENANCE:
            assert off & mine
        if state == MinuteState.EXPLAINED:
            assert seconds(explained) & mine


@given(spans, spans)
def test_what_lies_within_and_what_lies_without_are_the_whole(first, second):
    one = [(low, high) for low, high in _apart(seconds(first))]
    other = [(low, high) for low, high in _apart(seconds(second))]
    inner, outer = within(one, other), without(one, other)
    assert seconds(inner) == seconds(first) & seconds(second)
    assert seconds(outer) == seconds(first) - seconds(second)


def _apart(numbers):
    found = []
    for number in sorted(numbers):
        if found and found[-1][1] == number:
            found[-1] = (found[-1][0], number + 1)
        else:
            found.append((number, number + 1))
    return found
