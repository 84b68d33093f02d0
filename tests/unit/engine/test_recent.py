"""What the window remembers of a plate: the slot it is read in and the one before, never more."""

from hypothesis import given
from hypothesis import strategies as st

from saqtau.engine.recent import Recent, Seen
from saqtau.engine.window import Slot, hash_plate
from saqtau.kernel.clock import Instant
from saqtau.kernel.signal import Trust

PLATES = st.text("ABC0123456789", min_size=1, max_size=8)


def slot(number):
    return Slot(number, number.to_bytes(32, "big"))


def put(recent, number, plate, at, partition=0, camera="c"):
    return recent.put(partition, slot(number), plate, Seen(camera, Instant(at), sure=True), slot(number - 1))


@given(PLATES, st.integers(1, 1000), st.integers(0, 4))
def test_an_earlier_read_is_found_in_its_slot_and_the_next_and_never_beyond(plate, number, later):
    recent = Recent()
    put(recent, number, plate, 10)
    _, earlier = put(recent, number + later, plate, 20)
    assert (earlier is not None) == (later <= 1)
    assert earlier is None or earlier.at == 10


@given(PLATES, PLATES, st.integers(1, 1000))
def test_another_plate_or_another_partition_is_another_memory(plate, other, number):
    recent = Recent()
    put(recent, number, plate, 10)
    assert put(recent, number, plate, 20, partition=1)[1] is None
    if other != plate:
        assert put(recent, number, other, 20)[1] is None


@given(PLATES, st.integers(0, 1000), st.integers(0, 1000))
def test_hashes_of_a_plate_in_two_slots_tell_nothing_of_each_other(plate, one, two):
    keys = {hash_plate(slot(number).key, plate) for number in (one, two)}
    assert len(keys) == len({one, two})
    assert all(len(key) == 16 for key in keys)


def test_without_the_key_of_the_slot_before_nothing_of_it_is_found():
    recent = Recent()
    put(recent, 5, "A", 10)
    _, earlier = recent.put(0, slot(6), "A", Seen("c", Instant(20), sure=True), None)
    assert earlier is None


def test_a_slot_that_is_forgotten_is_found_no_more():
    recent = Recent()
    put(recent, 5, "A", 10)
    recent.keep(6)
    assert put(recent, 6, "A", 20)[1] is None


def test_a_partition_that_was_lost_is_found_no_more():
    recent = Recent()
    put(recent, 5, "A", 10)
    recent.drop(0)
    recent.drop(1)  # one that it never had
    assert put(recent, 5, "A", 20)[1] is None


def test_what_the_record_knows_is_as_if_it_had_been_read_here():
    recent = Recent()
    recent.fill(0, {5: {hash_plate(slot(5).key, "A"): Seen("c1", Instant(10), sure=False)}})
    _, earlier = put(recent, 6, "A", 20)
    assert earlier is not None
    assert (earlier.camera, earlier.trust) == ("c1", Trust.DOUBTFUL)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 3)), min_size=1, max_size=30))
def test_a_re_upload_never_makes_the_last_read_older_within_a_slot(reads):
    """Reads of one plate in any order of time: the newest of this slot, else the newest of the slot before."""
    recent = Recent()
    kept: dict[int, int] = {}
    for at, number in sorted(reads, key=lambda one: one[1]):
        _, earlier = put(recent, number, "A", at)
        wanted = kept.get(number, kept.get(number - 1))
        assert (earlier and earlier.at) == wanted
        if wanted is None or at >= wanted:
            kept[number] = at
