"""What holds for every desk of ours, whatever its job."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.desks.house import DESKS, T0, recommendation

from saqtau.desks.oversight.rules import broken
from saqtau.kernel.clock import Instant
from saqtau.kernel.desk import CLOCK, CREW, MACHINES, Desk, Edge, Mode, spec_hash
from saqtau.kernel.item import Actor, Item, expire, fire
from saqtau.kernel.rights import breaches
from saqtau.kernel.terms import Calendar

OURS = list(DESKS.current.values())
PINNED = Path(__file__).parents[1] / "data" / "desk_hashes.json"
ROLES = {"operator", "duty_officer", "patrol", "inspector", "prosecutor", "custody_supervisor"} | MACHINES


def each_edge():
    for desk in OURS:
        seen: dict[str, int] = {}
        for edge in desk.edges:
            way = f"{desk.name}:{edge.start}-{edge.name}-{edge.to}"
            seen[way] = seen.get(way, 0) + 1
            yield pytest.param(desk, edge, id=way)


EDGES = list(each_edge())
READ = {"id": "r2", "camera": "0500", "at": T0 + 1, "speed": 90.0, "trust": "sure"}
FACTS: dict[str, dict[str, Any]] = {
    "dispatch": {
        "wanted_by": "alert",
        "title": {"plate": "777AAA02", "ground": "wanted"},
        "recommendation": msgspec.to_builtins(recommendation("u1", "u2")),
        "candidates": msgspec.to_builtins(recommendation("u1", "u2").candidates),
        "tried": [],
        "holder": "u1",
        "freed": [],
        "offers": 1,
        "override": False,
        "overrides": [],
    },
    "dangerous_drivers": {
        "plate": "777AAA02",
        "read_as": "777AAA02",
        "ground": "wanted",
        "causes": [{"ground": "wanted"}],
        "doubts": [],
        "camera": "0417",
        "camera_name": "Camera 0417",
        "at": T0,
        "speed": 50.0,
        "limit": 60.0,
        "reads": [],
        "late": False,
        "recommendation": msgspec.to_builtins(recommendation("u1")),
        "overrides": [],
    },
    "location_dark": {"silent_unit": "u1", "last": T0, "gap": None, "reason": None},
    "cloned_plates": {
        "plate": "777AAA02",
        "first": {"camera": "0300", "camera_name": "North", "at": T0 - 60_000},
        "second": {"camera": "0417", "camera_name": "South", "at": T0, "read": "r1"},
    },
    "oversight": dict(broken("duty1", 2, "item", "item7", "a life in danger", T0, T0, "log#1").data),
    "custody": {
        "site": "colony1",
        "place": "penal_colony",
        "camera": "c1",
        "camera_name": "Corridor",
        "cameras": [{"camera": "c1", "name": "Corridor", "room": "corridor", "since": T0, "until": None, "kind": "x"}],
        "more": 0,
        "tampered": False,
        "kind": "source_silent",
        "dark_since": T0,
        "dark_until": None,
        "explained": [],
        "began": T0 - 60_000,
        "ended": T0,
        "asked_by": "supervisor1",
        "footage": [],
        "kept": None,
    },
    "street_cameras": {
        "camera": "s1",
        "camera_name": "Square",
        "site": "square",
        "site_kind": "street",
        "kind": "source_silent",
        "dark_since": T0,
        "dark_until": None,
        "trouble": None,
        "began": T0 - 60_000,
        "ended": T0,
        "offence": "fight",
        "marked_by": "operator1",
        "kept": None,
    },
}
OTHER_FACTS: dict[str, dict[str, Any]] = {
    "dispatch": {"offers": 3, "override": True},
    "dangerous_drivers": {"recommendation": msgspec.to_builtins(recommendation())},
    "custody": {"dark_until": T0, "more": 1},
}
FORMS: dict[str, dict[str, Any]] = {
    "reject": {"reason": "unreadable"},
    "assign": {"unit": "u9", "reason": "closer"},
    "reassign": {"unit": "u9", "reason": "closer"},
    "wrong_vehicle": {"reason": "misread"},
    "refuse": {"reason": "too_far", "ground": "other_person", "basis": "article 15, part 2 of the law"},
    "release": {"reason": "cannot_reach"},
    "explain": {"reason": "fault", "note": "the plug was pulled"},
    "misread": {"which": "first"},
    "clock_error": {"camera": "0417"},
    "order": {"unit": "u9", "reason": "closer", "by": "alert"},
    "reorder": {"unit": "u9", "reason": "closer", "by": "alert"},
    "unit_held": {"by": "other"},
    "unit_accepted": {"unit": "u1"},
    "again": {"first": {}, "second": {}},
    "comment": {"note": "he asked me first"},
    "accept": {"finding": "the breaker report is here"},
    "find": {"finding": "nobody says why it was dark"},
    "review": {"finding": "the footage shows all of it"},
    "refer": {"finding": "a beating is to be seen", "case_number": "2026-77"},
    "note": {"note": "I want the key book too"},
    "look_into": {"note": "the person is heard tomorrow"},
    "founded": {"footage": "shows_it", "finding": "the footage shows it"},
    "unfounded": {"footage": "none", "finding": "two witnesses say otherwise"},
    "close_without": {"finding": "it was overwritten before"},
    "hand_out": {"recipient": "letter 12", "note": "a redacted copy was made"},
    "cannot": {"none_because": "dark", "note": "it was dark, see its item"},
    "no_footage": {"none_because": "blind_spot", "note": "the stairs are not seen"},
    "tie": {"camera": "c1", "began": T0 - 60_000, "ended": T0},
    "viewed": {"glimpse": "nothing"},
    "tolerate": {"finding": "walls, and rounds each hour", "note": "walls"},
    "now_seen": {"camera": "c2"},
    "more": {"camera": "c2", "name": "Yard", "room": "yard", "since": T0, "until": None, "kind": "reconnect"},
    "back": {"camera": "c1", "until": T0 + 5_000},
    "acknowledged": {"cameras": 2, "recorded": 60_000, "missing": 0},
    "nothing_there": {"cameras": 2, "recorded": 0, "missing": 60_000},
    "repair": {"trouble": "power", "note": "the electrician comes"},
    "meant": {"note": "turned to the new gate"},
    "confirm": {"article": "434", "note": "as marked"},
    "reviewed_justified": {"finding": "a life was in danger"},
    "reviewed_not_justified": {"wrong": "no_danger", "finding": "nobody was in danger"},
}
SEEN = {
    "read": READ,
    "camera": "0500",
    "camera_name": "Camera 0500",
    "at": T0 + 1,
    "speed": 90.0,
    "limit": 60.0,
    "lat": 43.1,
    "lon": 76.8,
    "recommendation": msgspec.to_builtins(recommendation("u2")),
}


def form_of(desk: Desk, edge: Edge) -> dict[str, Any]:
    form = _form_of(desk, edge)
    if edge.requires is None:
        return form
    return {name: value for name, value in form.items() if name in edge.requires.__struct_fields__}


def _form_of(desk: Desk, edge: Edge) -> dict[str, Any]:
    if (desk.name, edge.name) == ("street_cameras", "reject"):
        return {"not_so": "no_offence"}
    if edge.requires is None and edge.name in {"accept", "refuse", "confirm"}:
        return {}
    if edge.name == "cancel":
        return {"reason": "resolved" if desk.name == "dispatch" else "misread"}
    if edge.name in {"reread", "none_ahead", "found_ahead", "made_sure", "made_sure_none_ahead"}:
        return SEEN
    return FORMS.get(edge.name, {})


def item_at(desk: Desk, state: str, facts: dict[str, Any]) -> Item:
    return Item(
        id="item1", desk=desk.name, spec=spec_hash(desk), state=state, rev=4, region=2, priority=3, opened=T0,
        changed=T0, opened_by="rule", owner=desk.states[state].owner, unit=None, due=T0, parent="alert", lat=43.2,
        lon=76.9, retention=desk.retention, data=facts,
    )  # fmt: skip


@pytest.mark.parametrize(("desk", "edge"), EDGES)
def test_every_edge_can_be_taken_and_leads_where_it_says(desk, edge):
    facts = FACTS[desk.name]
    if desk.edge(edge.name, edge.start, facts) is not edge:
        facts = facts | OTHER_FACTS[desk.name]
    assert desk.edge(edge.name, edge.start, facts) is edge, "no facts lead along this edge"
    item = item_at(desk, edge.start, facts)
    now = Instant(T0 + 1000)
    if edge.by == CLOCK:
        step = expire(desk, item, now, Calendar())
    else:
        unit = "u1" if edge.by == CREW else None
        actor = Actor("someone", edge.by, unit=unit, regions=frozenset({2}))
        step = fire(desk, item, edge.name, actor, form_of(desk, edge), now, Calendar())
    assert (step.item.state, step.item.rev, step.entry.edge) == (edge.to, 5, edge.name)
    assert step.entry.warnings == ()
    assert (step.item.due is None) == desk.states[edge.to].end
    msgspec.json.decode(msgspec.json.encode(step))  # the record can keep it
    if desk.line is not None:
        msgspec.json.encode(desk.line(step.item.data))


@pytest.mark.parametrize("desk", OURS, ids=lambda desk: desk.name)
def test_every_desk_is_lawful(desk):
    assert breaches(desk) == ()


@pytest.mark.parametrize("desk", OURS, ids=lambda desk: desk.name)
def test_no_penalty_can_come_from_any_of_these_desks(desk):
    assert desk.penal == frozenset()
    assert not any(edge.document for edge in desk.edges)


@pytest.mark.parametrize("desk", OURS, ids=lambda desk: desk.name)
def test_a_desk_that_was_ever_used_does_not_change_without_a_new_version(desk):
    pinned = json.loads(PINNED.read_text())
    name = f"{desk.name}/{desk.version}"
    assert pinned.get(name) == spec_hash(desk), (
        f"{name} is not the desk that items live under: raise its version, keep the old one in `past`, "
        f"and add the new hash to {PINNED.name}"
    )


def test_no_two_versions_are_pinned_to_one_hash():
    pinned = json.loads(PINNED.read_text())
    assert len(set(pinned.values())) == len(pinned)
    assert {name.partition("/")[0] for name in pinned} == {desk.name for desk in OURS}


@pytest.mark.parametrize("desk", OURS, ids=lambda desk: desk.name)
def test_every_role_of_a_desk_is_one_that_people_have(desk):
    assert {edge.by for edge in desk.edges} | {state.owner for state in desk.states.values()} - {None} <= ROLES


@pytest.mark.parametrize("desk", OURS, ids=lambda desk: desk.name)
def test_a_desk_names_its_functions_so_that_its_hash_means_them(desk):
    for found in functions(desk):
        assert "<" not in found.__qualname__, f"{found.__qualname__} has no name of its own"


def functions(desk: Desk) -> list[Callable[..., Any]]:
    of_edges = [part for edge in desk.edges for part in (edge.when, edge.sets)]
    return [part for part in (*of_edges, desk.tells, desk.line, *desk.reacts.values()) if part is not None]


@pytest.mark.parametrize("desk", OURS, ids=lambda desk: desk.name)
def test_whoever_must_act_can_do_something_about_it(desk):
    """An owner whose state only the clock or a rule leaves would be blamed for nothing."""
    for name, state in desk.states.items():
        if not state.end:
            assert any(edge.by == state.owner for edge in desk.edges if edge.start == name), name


@pytest.mark.parametrize("desk", OURS, ids=lambda desk: desk.name)
def test_every_form_is_closed_and_every_text_in_it_is_short(desk):
    for edge in desk.edges:
        if edge.requires is not None:
            assert edge.requires.__struct_config__.forbid_unknown_fields, edge.name
            assert_bounded(msgspec.json.schema(edge.requires))


def assert_bounded(schema: Any) -> None:
    if isinstance(schema, dict):
        if schema.get("type") == "string" and "enum" not in schema:
            assert schema.get("maxLength", 10**9) <= 200, schema
        for part in schema.values():
            assert_bounded(part)
    elif isinstance(schema, list):
        for part in schema:
            assert_bounded(part)


def test_only_what_helps_fails_open():
    assert {desk.name: desk.mode for desk in OURS} == {
        "cloned_plates": Mode.POWER,
        "custody": Mode.POWER,
        "dangerous_drivers": Mode.POWER,
        "dispatch": Mode.HELP,
        "location_dark": Mode.HELP,
        "oversight": Mode.POWER,
        "street_cameras": Mode.POWER,
    }
