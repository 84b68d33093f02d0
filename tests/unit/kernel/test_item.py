"""The life of a case."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import msgspec
import pytest
from tests.unit.kernel.desks import HELP, PENALTY, changed, edge_as, with_edge

from saqtau.kernel.clock import DAY, MINUTE, Instant
from saqtau.kernel.desk import CLOCK, RULE, Edge, gather, mermaid, spec, spec_hash
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.item import Actor, Open, expire, fire, open_item
from saqtau.kernel.signal import OfferWithdrawn
from saqtau.kernel.terms import Calendar

NOW = Instant(1_764_000_000_000)  # Monday 24 November 2025, 16:00 UTC
CALENDAR = Calendar(holidays=frozenset({date(2025, 12, 1)}))
INSPECTOR = Actor("i1", "inspector", regions=frozenset({2}))
CLERK = Actor("c1", "clerk", regions=frozenset({2}))
JUDGE = Actor("j1", "judge", regions=frozenset({2}))
CITIZEN = Actor("z1", "citizen", regions=frozenset({2}))
OPERATOR = Actor("o1", "operator", regions=frozenset({2}))
MACHINE = Actor("rule", RULE)
FINE = {"article": "592"}


def opened(desk=PENALTY, actor=MACHINE, **fields):
    return open_item(desk, Open(desk=desk.name, data={}, region=2, **fields), actor, NOW, "item1", CALENDAR).item


def step(desk, item, edge, actor, data=None, now=NOW, **more):
    return fire(desk, item, edge, actor, data or {}, now, CALENDAR, **more)


def refused(kind, desk, item, edge, actor, data=None, **more):
    with pytest.raises(Refused) as refusal:
        step(desk, item, edge, actor, data, **more)
    assert refusal.value.kind is kind
    return dict(refusal.value.fields)


def test_an_item_opens_with_owner_deadline_retention_and_the_hash_of_its_desk():
    item = opened()
    assert (item.state, item.rev, item.owner, item.due) == ("review", 0, "inspector", NOW + DAY)
    assert (item.spec, item.retention) == (spec_hash(PENALTY), "penalty_5y")


def test_a_person_opens_only_where_his_role_may():
    assert opened(actor=CLERK).opened_by == "c1"
    with pytest.raises(Refused) as refusal:
        opened(actor=OPERATOR)
    assert refusal.value.kind is Kind.DENIED


def test_an_item_opens_only_at_a_start():
    with pytest.raises(Refused) as refusal:
        opened(state="fined")
    assert (refusal.value.kind, dict(refusal.value.fields)) == (Kind.INVALID, {"state": "not_a_start"})


def test_a_step_counts_the_revision_and_leaves_an_entry():
    done = step(PENALTY, opened(), "fine", INSPECTOR, FINE)
    assert (done.before, done.item.rev, done.item.state) == (0, 1, "fined")
    entry = done.entry
    assert (entry.edge, entry.start, entry.to, entry.actor, entry.data) == (
        "fine",
        "review",
        "fined",
        "i1",
        FINE | {"note": ""},
    )


def test_the_second_of_two_operators_is_told_that_the_item_moved_on():
    item = opened()
    done = step(PENALTY, item, "fine", INSPECTOR, FINE, rev=0).item
    assert refused(Kind.STALE, PENALTY, done, "fine", INSPECTOR, FINE, rev=0) == {"rev": "stale"}


def test_an_edge_that_is_not_here_is_a_conflict():
    assert refused(Kind.CONFLICT, PENALTY, opened(), "pay", CITIZEN) == {"edge": "not_here"}


@pytest.mark.parametrize(
    ("actor", "field"),
    [
        (OPERATOR, "role"),
        (Actor("i2", "inspector", regions=frozenset({3})), "region"),
        (MACHINE, "role"),
    ],
)
def test_a_step_is_for_its_role_in_its_region(actor, field):
    assert field in refused(Kind.DENIED, PENALTY, opened(), "fine", actor, FINE)


def test_who_opened_does_not_decide_the_penalty():
    item = opened(actor=CLERK)
    item = msgspec.structs.replace(item, opened_by="i1")
    assert refused(Kind.DENIED, PENALTY, item, "fine", INSPECTOR, FINE) == {"actor": "four_eyes"}


def test_who_proposed_does_not_decide_the_penalty():
    item = msgspec.structs.replace(opened(), data={"proposed_by": "i1"})
    assert refused(Kind.DENIED, PENALTY, item, "fine", INSPECTOR, FINE) == {"actor": "four_eyes"}
    assert step(PENALTY, item, "fine", Actor("i2", "inspector", regions=frozenset({2})), FINE).item.state == "fined"


def test_who_opened_may_do_all_that_is_no_penalty():
    item = msgspec.structs.replace(opened(), opened_by="i1")
    assert step(PENALTY, item, "ask", INSPECTOR, {"missing": "photo"}).item.state == "asked"


@pytest.mark.parametrize("machine", [RULE, CLOCK])
def test_no_machine_reaches_a_penalty_even_on_an_unlawful_desk(machine):
    desk = with_edge(PENALTY, Edge("at_once", "review", "fined", machine))
    item = msgspec.structs.replace(opened(desk), due=NOW)
    assert refused(Kind.DENIED, desk, item, "at_once", Actor(machine, machine)) == {"actor": "machine"}


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({}, "data"),
        ({"article": 592}, "article"),
        ({"article": "592", "note": None}, "note"),
        ({"article": "59\x002"}, "article"),
        ({"article": "592", "note": {"\x00": 1}}, "note"),
    ],
)
def test_power_refuses_a_form_that_does_not_fit_by_field(form, field):
    assert field in refused(Kind.INVALID, PENALTY, opened(), "fine", INSPECTOR, form)


def test_power_refuses_data_where_no_form_is():
    item = step(PENALTY, opened(), "fine", INSPECTOR, FINE).item
    assert refused(Kind.INVALID, PENALTY, item, "pay", CITIZEN, {"amount": 1}) == {"amount": "unknown_field"}


@pytest.mark.parametrize(
    ("form", "kept", "warned"),
    [
        ({"age": 7, "name": "A"}, {"age": 7, "name": "A"}, []),
        ({}, {}, ["age"]),
        ({"age": "7", "name": "A"}, {"name": "A"}, ["age"]),
        ({"age": 7, "hair": "red"}, {"age": 7}, ["hair"]),
        ({"age": 7, "name": "A\x00"}, {"age": 7}, ["name"]),
    ],
)
def test_help_keeps_what_is_sound_and_warns_of_the_rest(form, kept, warned):
    done = step(HELP, opened(HELP), "go", OPERATOR, form)
    assert done.item.state == "over"
    assert done.entry.data == kept
    assert [warning.split(":")[0] for warning in done.entry.warnings] == warned


def test_help_goes_on_without_a_form_whatever_was_sent():
    done = step(HELP, opened(HELP), "plain", OPERATOR, {"x": 1})
    assert (done.entry.data, done.entry.warnings) == ({}, ("x: unknown_field",))


def test_a_deadline_passes_at_its_instant_and_not_before():
    item = opened(HELP)
    for now in (NOW, Instant(NOW + MINUTE - 1)):
        with pytest.raises(Refused) as refusal:
            expire(HELP, item, now, CALENDAR)
        assert refusal.value.kind is Kind.CONFLICT
    done = expire(HELP, item, Instant(NOW + MINUTE), CALENDAR)
    assert (done.entry.actor, done.item.due) == (CLOCK, NOW + 2 * MINUTE)


def test_a_deadline_of_working_days_skips_weekend_and_holiday():
    item = step(PENALTY, opened(), "fine", INSPECTOR, FINE).item
    assert item.due == Instant(1_764_000_000_000 + 15 * DAY + 8 * 3_600_000), "end of Tuesday 9 December"


def test_a_paused_deadline_stands_still_and_says_what_is_missing():
    item = step(
        PENALTY, opened(), "ask", INSPECTOR, {"missing": "photo of the sign"}, now=Instant(NOW + DAY - MINUTE)
    ).item
    assert (item.due, item.left, item.paused_for) == (None, MINUTE, "photo of the sign")
    with pytest.raises(Refused):
        expire(PENALTY, item, Instant(NOW + 99 * DAY), CALENDAR)


def test_a_step_in_place_that_answers_nothing_keeps_the_deadline():
    item = opened()
    later = step(PENALTY, item, "note", MACHINE, now=Instant(NOW + MINUTE)).item
    assert (later.due, later.rev, later.changed) == (item.due, 1, NOW + MINUTE)


def test_an_end_has_no_owner_and_no_deadline():
    item = expire(PENALTY, opened(), Instant(NOW + DAY), CALENDAR).item
    assert (item.state, item.owner, item.due, item.ended) == ("erased", None, None, NOW + DAY)
    with pytest.raises(Refused):
        expire(PENALTY, item, Instant(NOW + 99 * DAY), CALENDAR)


@pytest.mark.parametrize(
    "actor", [Actor("p", "patrol", unit="u2", regions=frozenset({2})), Actor("p", "patrol", regions=frozenset({2}))]
)
def test_an_item_of_one_unit_is_moved_by_no_other_crew(actor):
    desk = edge_as(HELP, "plain", by="patrol")
    item = opened(desk, unit="u1")
    assert refused(Kind.DENIED, desk, item, "plain", actor) == {"unit": "not_yours"}


def test_an_operator_moves_an_item_that_names_a_unit():
    assert step(HELP, opened(HELP, unit="u1"), "plain", OPERATOR).item.state == "over"


def place_it(_data, form, call):
    return {"lat": 43.0, "unit": "u7", "priority": 1, "seen_by": call.actor.id, "age": form["age"]}


def test_what_an_edge_sets_goes_to_the_item_and_its_facts():
    desk = edge_as(HELP, "go", sets=place_it)
    item = step(desk, opened(desk), "go", OPERATOR, {"age": 7}).item
    assert (item.lat, item.unit, item.priority, item.data) == (43.0, "u7", 1, {"seen_by": "o1", "age": 7})


def tell(item, edge, _form):
    return (OfferWithdrawn(item.id, str(edge)),)


def test_a_step_tells_its_signals():
    desk = changed(HELP, tells=tell)
    assert step(desk, opened(desk), "plain", OPERATOR).signals == (OfferWithdrawn("item1", "plain"),)


def wants_adult(data):
    return data.get("age", 0) >= 18


def test_the_first_edge_of_a_name_whose_guard_holds_is_taken():
    first = Edge("sort", "called", "over", "operator", when=wants_adult)
    desk = with_edge(with_edge(HELP, first), Edge("sort", "called", "called", "operator"))
    item = opened(desk)
    assert step(desk, item, "sort", OPERATOR).item.state == "called"
    assert step(desk, msgspec.structs.replace(item, data={"age": 20}), "sort", OPERATOR).item.state == "over"
    assert len(list(desk.leaving("called", {"age": 20}))) == len(list(desk.leaving("called", {}))) + 1


def test_an_item_goes_on_by_the_version_it_was_opened_under():
    old = opened(PENALTY)
    newer = changed(edge_as(PENALTY, "fine", name="punish"), version=2)
    desks = gather(newer, past=(PENALTY,))
    assert step(desks.by_hash[old.spec], old, "fine", INSPECTOR, FINE).item.state == "fined"
    fresh = opened(desks.current["penalty"])
    assert fresh.spec == desks.hash_of("penalty") != old.spec
    assert "edge" in refused(Kind.CONFLICT, desks.by_hash[fresh.spec], fresh, "fine", INSPECTOR, FINE)


@pytest.mark.parametrize(
    "other",
    [
        changed(PENALTY, version=2),
        edge_as(PENALTY, "fine", by="judge"),
        edge_as(PENALTY, "fine", when=wants_adult),
        changed(PENALTY, penal=frozenset({"fined"})),
        changed(PENALTY, retention="longer"),
    ],
)
def test_any_change_of_a_desk_is_another_hash(other):
    assert spec_hash(other) != spec_hash(PENALTY)


def test_what_only_explains_a_desk_does_not_change_its_hash():
    assert spec_hash(changed(PENALTY, doc="in other words")) == spec_hash(PENALTY)


def test_a_desk_has_the_same_hash_in_every_process():
    """Sets have another order in every process; a hash that followed it would strand every open item."""
    code = "from tests.unit.kernel.desks import PENALTY as d; from saqtau.kernel import desk; print(desk.spec_hash(d))"
    root = Path(__file__).parents[3]
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": f"{root / 'src'}:{root}"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2", "3")
    }
    assert hashes == {spec_hash(PENALTY)}


def test_the_spec_is_plain_json_with_the_form_of_each_edge():
    plain = msgspec.json.decode(msgspec.json.encode(spec(PENALTY)))
    form = next(edge for edge in plain["edges"] if edge["name"] == "fine")["requires"]
    assert form["$defs"]["Decision"]["required"] == ["article"]


def test_the_diagram_names_every_edge():
    drawn = mermaid(PENALTY)
    assert drawn.startswith("stateDiagram-v2\n    [*] --> review\n")
    assert all(f"{edge.start} --> {edge.to}: {edge.name} ({edge.by})" in drawn for edge in PENALTY.edges)
