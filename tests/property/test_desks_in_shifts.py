"""Desks under random lives: whatever happens, somebody owns the item, a deadline runs, and ends stay ends."""

from types import MappingProxyType

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.desks.house import DESKS, DUTY, INSPECTOR, OPERATOR, PROSECUTOR, T0, House, crew, recommendation

from saqtau.desks.dangerous_drivers.confusable import near
from saqtau.desks.dangerous_drivers.rules import Context, Earlier, Limits, SectionSpeed, actions_for
from saqtau.desks.oversight.rules import broken
from saqtau.kernel.clock import DAY, MINUTE, SECOND, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.item import Open
from saqtau.kernel.register import Camera, Certificate, Ground, ListedVehicle
from saqtau.kernel.signal import PlateRead, Status, Trust, UnitHeard, UnitSilent

LIMITS = Limits(tolerance=10.0, dangerous=40.0)
UNITS = ("u1", "u2", "u3", "u4", "u5")
CAMERAS = tuple(
    Camera(
        f"c{n}", "s", f"Camera {n}", 2, 43.2, 76.9 + n / 100, 0.0, 60.0,
        Certificate("KZ", Instant(0), Instant(T0 + 900 * DAY)) if n else None,
    )
    for n in range(3)
)  # fmt: skip
PLATES = ("777AAA02", "777AAAO2", "123XYZ01")
FORMS = MappingProxyType(
    {
        "reject": {"reason": "unreadable"},
        "assign": {"unit": "u5", "reason": "closer"},
        "reassign": {"unit": "u4", "reason": "skill"},
        "cancel": {"reason": "other"},
        "wrong_vehicle": {"reason": "misread"},
        "refuse": {"reason": "too_far"},
        "release": {"reason": "other"},
        "explain": {"reason": "fault"},
        "misread": {"which": "first"},
        "clock_error": {"camera": "c1"},
        "comment": {"note": "He called me."},
        "reviewed_justified": {"finding": "A child was in the car."},
        "reviewed_not_justified": {"wrong": "no_danger", "finding": "Nobody was in danger."},
    }
)
STAFF = MappingProxyType({"operator": OPERATOR, "duty_officer": DUTY, "inspector": INSPECTOR, "prosecutor": PROSECUTOR})
orders = st.permutations(UNITS).flatmap(lambda units: st.integers(0, 5).map(lambda n: units[:n]))


class Watch(RuleBasedStateMachine):
    """A shift: reads come, crews and operators act or do not, time passes."""

    @initialize()
    def begin(self):
        self.house = House(*UNITS)
        self.seen = {}
        self.last = {}
        self.ended = {}

    @rule(
        plate=st.sampled_from(PLATES),
        camera=st.sampled_from(CAMERAS),
        trust=st.sampled_from((Trust.SURE, Trust.SURE, Trust.DOUBTFUL)),
        speed=st.sampled_from((None, 50.0, 90.0, 130.0, 300.0)),
        ahead=orders,
        listed=st.booleans(),
        late=st.sampled_from((0, 0, 0, 40, 400)),
        impossible=st.sampled_from((False, False, False, True)),
    )
    def a_read_comes(self, plate, camera, trust, speed, ahead, listed, late, impossible):
        house = self.house
        at = Instant(house.now - late * SECOND)
        one = PlateRead(f"r{at}", camera.id, at, house.now, plate, plate, trust, speed=speed)
        entry = ListedVehicle("777AAA02", Ground.WANTED, "Police", "case-1", Instant(T0 + 900 * DAY))
        exact = (entry,) if listed and plate == entry.plate else ()
        close = (entry,) if listed and near(plate, (6,), {entry.plate}) else ()
        alerts = [one for one in house.items.values() if one.desk == "dangerous_drivers"]
        own = [one for one in alerts if one.data["plate"] == plate]
        close_ones = [one for one in alerts if one.data["plate"] == entry.plate]
        pairs = [one for one in house.items.values() if one.desk == "cloned_plates" and one.data["plate"] == plate]
        asked = []

        def recommend():
            asked.append(plate)
            return recommendation(*ahead, at=house.now)

        actions = actions_for(
            one,
            Context(
                camera=camera,
                now=house.now,
                limits=LIMITS,
                recommend=recommend,
                listed=exact,
                near=close,
                earlier=self.last.get(plate),
                section=SectionSpeed(90.0, 1500.0, 60.0),
                impossible=impossible,
                item=own[-1] if own else None,
                near_item=close_ones[-1] if close and close_ones else None,
                cloned=pairs[-1] if pairs else None,
            ),
        )
        assert len(asked) <= 1, "the recommendation is worked out once"
        assert sum(isinstance(action, Open) for action in actions if action.by == "plate_read") <= 1
        self.last[plate] = Earlier(camera, at, trust)
        house.act(*actions)

    @rule(seconds=st.sampled_from((1, 1, 5, 15, 15, 60, 121, 301, 601, 1201, 50_000)))
    def time_passes(self, seconds):
        self.house.wait(seconds)

    @rule(officer=st.sampled_from(("duty1", "duty2")))
    def a_glass_is_broken(self, officer):
        house = self.house
        until = Instant(house.now + 15 * MINUTE)
        house.act(broken(officer, 2, "item", "i1", "A child is in the car", house.now, until, None))

    @rule(data=st.data())
    def somebody_acts(self, data):
        self.act(data, lambda _item, edge: edge.by not in {"clock", "rule"})

    @rule(data=st.data())
    def a_crew_acts(self, data):
        self.act(data, lambda _item, edge: edge.by == "patrol")

    @rule(data=st.data())
    def a_crew_accepts(self, data):
        self.act(data, lambda _item, edge: edge.name in {"accept", "depart", "arrive"})

    def act(self, data, wanted):
        house = self.house
        ways = [
            (item.id, place)
            for item in house.items.values()
            for place, edge in enumerate(house.desks.by_hash[item.spec].edges)
            if edge in list(house.desks.by_hash[item.spec].leaving(item.state, item.data)) and wanted(item, edge)
        ]
        if not ways:
            return
        item_id, place = data.draw(st.sampled_from(ways))
        item = house.items[item_id]
        edge = house.desks.by_hash[item.spec].edges[place]
        actor = STAFF.get(edge.by) or crew(item.unit)
        form = {} if edge.requires is None else dict(FORMS.get(edge.name, {}))
        if edge.name == "cancel":
            form = {"reason": "resolved" if item.desk == "dispatch" else "other"}
        after = house.fire(item.id, edge.name, actor, form, rev=item.rev)
        assert after.rev > item.rev

    @precondition(lambda self: self.house.items)
    @rule(data=st.data(), role=st.sampled_from(("citizen", "clerk", "clock", "rule", "administrator")))
    def an_outsider_moves_nothing(self, data, role):
        house = self.house
        item = data.draw(st.sampled_from(list(house.items.values())))
        desk = house.desks.by_hash[item.spec]
        for edge in desk.leaving(item.state, item.data):
            if edge.by in {"clock", "rule"}:
                continue
            actor = msgspec.structs.replace(OPERATOR, role=role)
            with pytest.raises(Refused) as refusal:
                house.fire(item.id, edge.name, actor)
            assert refusal.value.kind is Kind.DENIED

    @rule(unit=st.sampled_from(UNITS))
    def a_unit_falls_silent_or_is_heard(self, unit):
        silent = [
            one
            for one in self.house.items.values()
            if one.desk == "location_dark" and one.ended is None and one.data["silent_unit"] == unit
        ]
        if silent:
            self.house.deliver(UnitHeard(unit, silent[0].id))
            assert self.house.items[silent[0].id].state == "heard_again"
        else:
            self.house.deliver(UnitSilent(unit, 2, self.house.now))

    @invariant()
    def every_open_item_is_owned_and_has_a_deadline(self):
        for item in self.house.items.values():
            if item.ended is None:
                assert item.owner is not None
                assert item.due is not None
                assert item.due > self.house.now
            else:
                assert (item.owner, item.due) == (None, None)

    @invariant()
    def revisions_count_and_ends_stay_ends(self):
        for item in self.house.items.values():
            assert item.rev >= self.seen.get(item.id, 0)
            self.seen[item.id] = item.rev
            if item.id in self.ended:
                assert self.ended[item.id] == item
            elif item.ended is not None:
                self.ended[item.id] = item

    @invariant()
    def every_revision_has_its_entry(self):
        for item in self.house.items.values():
            revisions = [entry.rev for entry in self.house.log if entry.item == item.id]
            assert revisions == list(range(item.rev + 1))

    @invariant()
    def no_unit_is_held_by_what_is_over_and_each_by_one(self):
        for unit, (status, holder) in self.house.units.items():
            if holder is None:
                assert status is Status.AVAILABLE
            else:
                assert self.house.items[holder].ended is None, (unit, holder)

    @invariant()
    def whom_an_item_names_it_holds(self):
        for item in self.house.items.values():
            if item.desk == "dispatch" and item.unit is not None and item.ended is None:
                assert self.house.units[item.unit][1] == item.id

    @invariant()
    def one_plate_has_one_open_alert_and_one_open_offer(self):
        open_ones = [one for one in self.house.items.values() if one.ended is None]
        plates = [one.data["plate"] for one in open_ones if one.desk == "dangerous_drivers"]
        parents = [one.parent for one in open_ones if one.desk == "dispatch"]
        assert len(plates) == len(set(plates))
        assert len(parents) == len(set(parents))

    @invariant()
    def no_offer_outlives_its_alert(self):
        for item in self.house.items.values():
            if item.desk == "dispatch" and item.ended is None:
                assert self.house.items[item.parent].ended is None


Watch.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
test_a_shift_leaves_no_item_and_no_unit_behind = Watch.TestCase


@given(
    plate=st.text("0ODQ1ILB8XY", min_size=1, max_size=12),
    doubts=st.sets(st.integers(0, 11)),
    urgent=st.sets(st.text("0ODQ1ILB8XY", min_size=1, max_size=12), max_size=30),
)
def test_what_is_near_differs_in_one_doubted_character(plate, doubts, urgent):
    for found in near(plate, doubts, urgent):
        assert found in urgent
        differing = [n for n, (a, b) in enumerate(zip(plate, found, strict=True)) if a != b]
        assert len(differing) == 1
        assert differing[0] in doubts


APART = frozenset({"custody", "street_cameras"})
"""Desks that no read and no crew moves: their own lives are drawn in tests/desks/test_custody.py."""


def test_the_machine_runs_over_all_our_desks():
    assert set(DESKS.current) - APART == {
        "cloned_plates",
        "dangerous_drivers",
        "dispatch",
        "location_dark",
        "oversight",
    }
