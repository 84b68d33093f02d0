"""The mirror believes entries only when they give the root that was cosigned; its folder is a log for any verifier."""

import pytest
from tests.witnessing import ORIGIN, GrownLog

from saqtau.kernel.errors import Refused
from saqtau.ledger.tiles import pack_entries, tile_path
from saqtau.ledger.witness.mirror import Mirror

LOG = GrownLog()


def bundle(index, width, forked=None):
    return pack_entries([b"forked" if n == forked else b"%d" % n for n in range(index * 256, index * 256 + width)])


def copy(mirror, have, size, forked=None):
    draft = mirror.begin(ORIGIN, have)
    for index in range(have // 256, -(-size // 256)):
        width = min(256, size - index * 256)
        draft.add(bundle(index, width, forked), width)
    return draft.finish(LOG.tree(size)[0].root(), LOG.note(size))


@pytest.mark.parametrize("sizes", [(1, 2, 3), (255, 256, 257), (300, 512, 1000), (70_000,), (65_535, 65_537)])
def test_a_copy_grows_by_what_is_new_and_gives_every_root_and_proof(tmp_path, sizes):
    mirror, have = Mirror(tmp_path), 0
    for size in sizes:
        assert copy(mirror, have, size)
        have = size
    reader = mirror.reader(ORIGIN, have)
    for size in {1, have // 2, have - 1, have} - {0}:
        assert reader.root(size) == LOG.tree(size)[0].root()
    assert reader.consistency(max(1, have // 3)) == LOG.tree(have)[1].consistency(max(1, have // 3))
    assert reader.entries(have - 1, 1) == [b"%d" % (have - 1)]
    place = mirror.place(ORIGIN)
    assert (place / "checkpoint").read_bytes() == LOG.note(have)
    assert {path.name for path in place.iterdir()} == {"checkpoint", "tile"}


def test_entries_that_give_another_root_leave_no_trace(tmp_path):
    mirror = Mirror(tmp_path)
    assert copy(mirror, 0, 300)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert not copy(mirror, 300, 700, forked=500)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert copy(mirror, 300, 700)


def test_a_bundle_that_is_short_or_none_is_refused(tmp_path):
    draft = Mirror(tmp_path).begin(ORIGIN, 0)
    with pytest.raises(Refused):
        draft.add(bundle(0, 5), 6)
    with pytest.raises(Refused):
        draft.add(b"\x00\x05abc", 1)


def test_a_longer_bundle_serves_as_well(tmp_path):
    draft = Mirror(tmp_path).begin(ORIGIN, 0)
    draft.add(bundle(0, 256), 5)
    assert draft.finish(LOG.tree(5)[0].root(), LOG.note(5))


def test_what_a_crash_left_aside_is_thrown_away(tmp_path):
    mirror = Mirror(tmp_path)
    half = mirror.begin(ORIGIN, 0)
    half.add(bundle(0, 256), 256)
    assert copy(mirror, 0, 300)
    assert not (mirror.place(ORIGIN) / ".pending").exists()


def test_a_copy_that_was_damaged_does_not_answer(tmp_path):
    mirror = Mirror(tmp_path)
    assert copy(mirror, 0, 300)
    assert mirror.root_at(ORIGIN, 200, 300) == LOG.tree(200)[0].root()
    assert mirror.root_at(ORIGIN, 301, 300) is None
    (mirror.place(ORIGIN) / tile_path(0, 0)).unlink()
    assert mirror.root_at(ORIGIN, 200, 300) is None
    (mirror.place(ORIGIN) / tile_path(1, 0, 1)).unlink()
    with pytest.raises(Refused):
        mirror.begin(ORIGIN, 300)


@pytest.mark.parametrize("origin", ["../../etc", "/etc/passwd", "..", ".hidden", "a b", "x" * 500, "қала/02"])
def test_a_log_has_a_folder_of_its_own_below_the_mirrors(tmp_path, origin):
    place = Mirror(tmp_path).place(origin)
    assert place.parent == tmp_path / "logs"
    assert not place.name.startswith(".")
    assert len(place.name) < 130


def test_logs_with_names_alike_do_not_share_a_folder(tmp_path):
    mirror = Mirror(tmp_path)
    assert mirror.place("a/b") != mirror.place("a_b")
