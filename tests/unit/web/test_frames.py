"""Who hears what, and the bytes it becomes."""

import json

import msgspec

from saqtau.engine.lines import ItemLine, StatusLine
from saqtau.web.frames import Audience, encode_changes, hears, read_changes


def line(name="i", rev=0, region=2, unit=None, owner="operator"):
    return ItemLine(name, "d", "s", rev, region, 1, 1, None, owner, unit, {"plate": "A1"}, 1.0, 2.0, None)


def changes(*lines, seq=1, topic="items"):
    return read_changes(seq, topic, msgspec.json.encode(lines))


def events(frame):
    """(event, data, id) of each event of a frame."""
    found = []
    for block in frame.data.decode().strip("\n").split("\n\n"):
        fields = dict(row.split(": ", 1) for row in block.split("\n"))
        found.append((fields["event"], json.loads(fields["data"]), fields.get("id")))
    return found


def test_a_console_hears_its_regions_and_what_it_watches():
    (item,) = changes(line(region=2))
    (status,) = changes(StatusLine("U1", "busy", None, 1, 2, 1), topic="status")
    assert hears(Audience(frozenset({2})), item)
    assert hears(Audience(None), item)
    assert not hears(Audience(frozenset({3})), item)
    assert not hears(Audience(frozenset({2}), queue=False), item)
    assert not hears(Audience(None, hidden=frozenset({"d"})), item), "another role's desk"
    assert hears(Audience(None, hidden=frozenset({"e"})), item)
    assert hears(Audience(None, hidden=frozenset({"d"})), status)
    assert hears(Audience(frozenset({2})), status)
    assert not hears(Audience(frozenset({2}), units=False), status)


def test_a_topic_nobody_shows_is_passed_over():
    assert read_changes(1, "elsewhere", b"{}") == []


def test_only_the_last_event_of_a_frame_carries_the_sequence():
    batch = [*changes(StatusLine("U1", "busy", None, 1, 2, 1), topic="status", seq=7), *changes(line(), seq=8)]
    told = events(encode_changes(batch, 8))
    assert [(event, seq) for event, _, seq in told] == [("status", None), ("items", "8")]


def test_of_two_lines_about_one_item_the_newer_stays_in_whatever_order_they_came():
    batch = [*changes(line(rev=5), seq=1), *changes(line(rev=4), seq=2), *changes(line("other"), seq=3)]
    ((_, data, seq),) = events(encode_changes(batch, 3))
    assert [(one["id"], one["rev"]) for one in data] == [("i", 5), ("other", 0)]
    assert seq == "3"


def test_a_batch_of_nothing_moves_the_sequence_on():
    assert events(encode_changes([], 9)) == [("items", [], "9")]


def test_a_unit_that_lost_an_item_is_told_without_its_facts():
    ((_, (told,), _),) = events(encode_changes(changes(line(unit="U2", rev=3)), 1, unit="U1"))
    assert (told["id"], told["rev"], told["title"], told["unit"], told["lat"]) == ("i", 3, {}, None, None)
    ((_, (own,), _),) = events(encode_changes(changes(line(unit="U1", rev=3)), 1, unit="U1"))
    assert own["title"] == {"plate": "A1"}
