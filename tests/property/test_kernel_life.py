"""The kernel under whatever may be sent to it, and deadlines under any calendar."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.kernel.desks import HELP, PENALTY

from saqtau.kernel.clock import DAY, SECOND, Instant
from saqtau.kernel.desk import CLOCK, RULE
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import uuid7
from saqtau.kernel.item import Actor, Open, expire, fire, open_item
from saqtau.kernel.terms import Calendar, Term, due, parse_term

NOW = Instant(1_764_000_000_000)
REGION = frozenset({2})
days = st.dates(date(2026, 1, 1), date(2027, 12, 31))
calendars = st.builds(
    lambda free, worked: Calendar(UTC, frozenset(free) - frozenset(worked), frozenset(worked)),
    st.sets(days, max_size=40),
    st.sets(days, max_size=10),
)
starts = st.integers(1_767_225_600_000, 1_798_761_599_000).map(Instant)  # 2026
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
forms = st.dictionaries(st.sampled_from(("age", "name", "article", "note", "missing", "x", "")), json, max_size=4)


@given(days=st.integers(0, 99), hours=st.integers(0, 99), minutes=st.integers(0, 99), seconds=st.integers(0, 99))
def test_every_duration_that_is_written_is_read(days, hours, minutes, seconds):
    text = f"P{days}DT{hours}H{minutes}M{seconds}S"
    millis = ((days * 24 + hours) * 60 + minutes) * 60_000 + seconds * SECOND
    if millis:
        assert parse_term(text) == Term(millis)
        assert due(parse_term(text), NOW, Calendar()) == NOW + millis


@given(st.text(max_size=12))
def test_no_text_breaks_the_reader_of_terms(text):
    with suppress(ValueError):
        term = parse_term(text)
        assert term.millis > 0 or term.working_days > 0


@given(count=st.integers(1, 15), start=starts, calendar=calendars)
def test_a_term_has_as_many_working_days_as_it_says_and_ends_with_the_last(count, start, calendar):
    end = due(Term(working_days=count), start, calendar)
    first = datetime.fromtimestamp(start / SECOND, UTC).date()
    last = datetime.fromtimestamp(end / SECOND, UTC).date() - timedelta(days=1)
    between = [first + timedelta(days=n) for n in range(1, (last - first).days + 1)]
    assert sum(calendar.works(day) for day in between) == count
    assert calendar.works(last)
    assert end % DAY == 0


@given(count=st.integers(1, 15), start=starts, calendar=calendars, later=st.integers(0, 30 * DAY))
def test_who_starts_later_is_never_due_earlier(count, start, calendar, later):
    term = Term(working_days=count)
    assert due(term, Instant(start + later), calendar) >= due(term, start, calendar)


@given(a=st.integers(0, 2**48 - 1), b=st.integers(0, 2**48 - 1), x=st.binary(min_size=10, max_size=10))
def test_identifiers_sort_by_their_time(a, b, x):
    one, other = uuid7(Instant(a), x), uuid7(Instant(b), x)
    assert (one < other) == (a < b)


def opened(desk, **fields):
    wish = Open(desk=desk.name, data={}, region=2, **fields)
    return open_item(desk, wish, Actor("rule", RULE), NOW, "item1", Calendar()).item


@given(forms)
def test_help_is_never_refused_for_what_was_written_and_keeps_only_what_fits(form):
    step = fire(HELP, opened(HELP), "go", Actor("o", "operator", regions=REGION), form, NOW, Calendar())
    assert step.item.state == "over"
    assert step.entry.data.keys() <= {"age", "name"}
    for name, value in step.entry.data.items():
        assert type(value) is {"age": int, "name": str}[name]
    complete = (
        step.entry.data.keys() >= {"age"} and form.keys() <= {"age", "name"} and step.entry.data.keys() >= form.keys()
    )
    assert (step.entry.warnings == ()) == complete


@given(forms)
def test_power_takes_exactly_what_its_form_takes(form):
    actor = Actor("i", "inspector", regions=REGION)
    item = opened(PENALTY)
    sound = isinstance(form.get("article"), str) and isinstance(form.get("note", ""), str)
    if sound:
        assert fire(PENALTY, item, "fine", actor, form, NOW, Calendar()).item.state == "fined"
    else:
        with pytest.raises(Refused) as refusal:
            fire(PENALTY, item, "fine", actor, form, NOW, Calendar())
        assert refusal.value.kind is Kind.INVALID
        assert refusal.value.fields


ACTORS = [
    Actor(f"{role}{n}", role, regions=regions)
    for role in ("inspector", "judge", "citizen", "clerk", "operator", CLOCK, RULE)
    for n in (1, 2)
    for regions in (REGION, frozenset({3}))
]
FORMS = {"fine": {"article": "592"}, "order": {"article": "592"}, "ask": {"missing": "photo"}}
steps = st.lists(
    st.tuples(
        st.sampled_from(sorted({edge.name for edge in PENALTY.edges})),
        st.sampled_from(ACTORS),
        st.sampled_from((0, 1, DAY, 40 * DAY)),
        st.sampled_from((None, -1, 0)),
    ),
    max_size=30,
)


@given(steps)
def test_no_way_through_a_desk_breaks_its_law(wishes):
    item = msgspec.structs.replace(opened(PENALTY), opened_by="inspector1")
    now = NOW
    entries = 0
    refusals = []
    for edge, actor, passed, off in wishes:
        now = Instant(now + passed)
        rev = None if off is None else item.rev + off
        try:
            if edge in {"erase", "enforce", "annul", "pay_over"}:
                step = expire(PENALTY, item, now, Calendar())
            else:
                step = fire(PENALTY, item, edge, actor, FORMS.get(edge, {}), now, Calendar(), rev=rev)
        except Refused as refused:
            refusals.append((refused.kind, off))
            continue
        entries += 1
        assert off != -1 or step.entry.actor == CLOCK
        assert step.before == item.rev
        assert step.item.rev == item.rev + 1 == entries
        assert step.item.spec == item.spec
        assert item.ended is None, "an end is an end"
        if step.item.state in PENALTY.penal:
            assert step.entry.role not in {CLOCK, RULE}
            assert step.entry.actor != "inspector1"
            assert step.entry.data["article"] == "592"
        if step.item.ended is None:
            assert step.item.owner is not None
            assert (step.item.due is None) == (step.item.paused_for is not None)
        item = step.item
    assert {kind for kind, _ in refusals} <= {Kind.STALE, Kind.CONFLICT, Kind.DENIED}
    assert all(off == -1 for kind, off in refusals if kind is Kind.STALE)
