"""`verify log`: a log that only grew holds; what was touched is named, the wrong entry or tile by its number."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.growing import COSIGNED_AT, LOG, ORIGIN, POLICY, WITNESS, Grown, leaf, signer

from saqtau.kernel.clock import DAY, HOUR, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.tiles import entries_path, pack_entries, tile_path
from saqtau.ledger.verify.audit import MOST, audit
from saqtau.ledger.verify.finding import silent
from saqtau.ledger.verify.folder import folder_reader
from saqtau.ledger.verify.signed import keys_of

NOW = Instant(COSIGNED_AT * 1000 + HOUR)
KEYS = keys_of(None, POLICY)
SIZE = 700


@pytest.fixture
def log(tmp_path):
    return Grown(tmp_path / "log").to(300).to(SIZE)


def told(log, keys=KEYS, **asked):
    found = audit(folder_reader(log.folder), keys, silent, now=NOW, **asked)
    return [str(one) for one in found.findings]


def test_a_log_that_only_grew_holds_and_says_what_was_checked(log):
    said = []
    found = audit(folder_reader(log.folder), KEYS, said.append, now=NOW)
    assert not found.findings
    assert found.signed.checkpoint.size == SIZE
    assert found.classes == {"view": SIZE}
    assert any("all 700 entries" in line for line in said)
    assert any(f"cosigned by the witness {WITNESS.name} at 2026-11-24 12:00:00 UTC" in line for line in said)


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 512, 65_537])
def test_a_log_of_any_size_holds(tmp_path, size):
    assert told(Grown(tmp_path).to(size)) == []


def test_a_log_without_its_old_partial_tiles_holds_since_the_full_ones_have_them(log):
    for path in log.folder.rglob("*.p"):
        if (path.with_suffix("")).exists():
            for partial in path.iterdir():
                partial.unlink()
    assert told(log) == []


def test_a_log_that_is_already_longer_than_its_checkpoint_holds(log):
    log.write("checkpoint", log.notes[300])
    for path in log.folder.glob("tile/*/001.p/44"):
        path.unlink()
    assert told(log) == []


def test_a_changed_entry_is_named_by_its_number(log):
    changed = [*log.leaves[256:512]]
    changed[400 - 256] = leaf(9_000)
    log.write(entries_path(1), pack_entries(changed))
    assert told(log) == ["entry 400: was changed: the signed root and tile/0/001 hold the hash of another"]


def test_an_entry_that_was_taken_out_is_named(log):
    log.write(entries_path(1), pack_entries([*log.leaves[256:300], *log.leaves[301:513]]))
    assert told(log)[0].startswith("entry 300: was changed")


def test_a_changed_tile_is_named_and_the_entry_is_told_to_be_right(log):
    log.flip(tile_path(0, 1), 32 * 7)
    assert told(log) == ["tile/0/001: its hash of entry 263 is another; the entry is the one that was signed"]


def test_a_changed_tile_of_a_higher_level_is_named(log):
    log.flip(tile_path(1, 0, 2), 33)
    (only,) = told(log)
    assert only == "tile/1/000.p/2: hash 1 is not that of the tiles below it, over entries 256 to 511"


def test_entry_and_tile_changed_together_do_not_give_the_signed_root(log, tmp_path):
    other = Grown(tmp_path / "other").grow(*log.leaves[:400], leaf(9_000), *log.leaves[401:])
    for path in other.folder.rglob("tile/**/*"):
        if path.is_file():
            log.write(str(path.relative_to(other.folder)), path.read_bytes())
    (only,) = told(log)
    assert only.startswith("checkpoint: was not made over these entries")


def test_a_tail_rewritten_in_entries_alone_is_told_in_few_lines(log):
    log.write(entries_path(0), pack_entries([leaf(n) for n in range(5_000, 5_256)]))
    found = told(log)
    assert len(found) == MOST + 1
    assert found[0].startswith("entry 0: was changed")
    assert found[-1] == "and: more, which are not told"


@pytest.mark.parametrize("path", [entries_path(1), tile_path(0, 1), tile_path(1, 0, 2), tile_path(0, 2, 188)])
def test_a_missing_file_is_named(log, path):
    (log.folder / path).unlink()
    assert told(log) == [f"{path}: is not there"]


@pytest.mark.parametrize("path", [entries_path(1), tile_path(0, 1), tile_path(1, 0, 2)])
@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\0"], ids=["cut", "longer"])
def test_a_cut_or_lengthened_file_is_named(log, path, change):
    log.write(path, change(log.read(path)))
    assert told(log)[0].startswith(f"{path}:")


@pytest.mark.parametrize("level", ["entries", "0", "1"])
def test_a_file_longer_than_anything_of_its_kind_is_named_and_not_read(log, level):
    path = f"tile/{level}/000" + (".p/2" if level == "1" else "")
    os.truncate(log.folder / path, 1 << 30)
    assert "longer than" in told(log)[0]


def test_an_entry_that_is_no_leaf_is_named(tmp_path):
    log = Grown(tmp_path).grow(leaf(0), b'{"name":"Aigul"}', leaf(2))
    assert told(log) == ["entry 1: leaf: not the fields of a leaf"]


@pytest.mark.parametrize(
    "change", [bytes.upper, lambda one: one.replace(b'{"c"', b'{ "c"'), lambda one: one[:6] + b"g" + one[7:]],
    ids=["capitals", "a space", "no hexadecimal digit"],
)  # fmt: skip
def test_an_entry_that_ends_like_a_leaf_and_is_none_is_named(tmp_path, change):
    found = told(Grown(tmp_path).grow(leaf(0), change(leaf(1)), leaf(2)))
    assert [one.partition(":")[0] for one in found] == ["entry 1"]


def test_a_checkpoint_changed_after_it_was_signed_is_told(log):
    log.write("checkpoint", log.note.replace(b"\n700\n", b"\n701\n"))
    (only,) = told(log)
    assert "changed after it was signed" in only


def test_a_checkpoint_of_another_key_under_the_same_name_is_told(log, tmp_path):
    forged = Grown(tmp_path / "forged", signer(ORIGIN, "another seed")).to(SIZE)
    log.write("checkpoint", forged.note)
    assert told(log) == ["checkpoint: the log's key has not signed it"]


def test_a_checkpoint_of_another_log_is_told(log, tmp_path):
    other = Grown(tmp_path / "other", signer("saqtau.example/03/access/2026")).to(SIZE)
    (only,) = told(other)
    assert only == "checkpoint: the key of the log saqtau.example/03/access/2026 is not among those given"


def test_a_log_that_no_witness_saw_does_not_satisfy_a_policy_that_asks_for_one(tmp_path):
    log = Grown(tmp_path, witness=None).to(10)
    assert told(log) == ["checkpoint: not witnessed as the policy asks: 0 known witnesses cosigned it"]
    assert told(log, keys_of(LOG.vkey(), None)) == []


def test_an_old_state_shown_again_is_found_by_the_age_of_its_cosignature(log):
    assert told(log, within_hours=2) == []
    assert audit(folder_reader(log.folder), KEYS, silent, now=Instant(NOW + 3 * DAY), within_hours=2).findings


def test_a_checkpoint_seen_before_must_be_a_beginning_of_the_log(log):
    assert told(log, against=(("seen", log.notes[300]),)) == []
    log.write("checkpoint", log.notes[300])
    assert told(log, against=(("seen", log.notes[700]),)) == [
        "seen: says 700 entries, the log shows only 300: it was rolled back, or an old state of it is shown"
    ]


def test_a_fork_of_what_was_seen_is_told(log, tmp_path):
    fork = Grown(tmp_path / "fork").grow(*log.leaves[:100], leaf(9_000), *log.leaves[101:]).to(800)
    (only,) = told(fork, against=(("the witness's", log.note),))
    assert only.startswith("the witness's: the log's first 700 entries are not the ones it was made over")


def test_damaged_tiles_are_not_taken_for_a_fork(log):
    log.flip(tile_path(0, 0), 0)
    found = told(log, against=(("seen", log.notes[300]),))
    assert "rewritten" not in "".join(found)
    assert found[-1].startswith("tile/0/000: its hash of entry 0 is another")


@pytest.mark.parametrize(
    ("days", "wrong"),
    [
        (["2026-11-22", "2026-11-23", "2026-11-24"], None),
        (["2026-11-23", "2026-11-24", "2026-11-23", "2026-11-24"], None),  # two processes at midnight
        (["2026-11-22", "2026-11-24", "2026-11-22"], "entry 2: bears the day 2026-11-22"),
        (["2026-11-23", *["2026-11-24"] * 1_500, "2026-11-23"], "entry 1501: bears the day 2026-11-23"),
        (["2026-11-24", "2026-12-24"], "entry 1: bears the day 2026-12-24, which has not come yet"),
    ],
)
def test_a_clock_that_was_turned_shows_in_the_days(tmp_path, days, wrong):
    found = told(Grown(tmp_path).grow(*(leaf(n, day) for n, day in enumerate(days))))
    assert [one.startswith(wrong) for one in found] == [True] if wrong else found == []


def test_no_folder_is_refused_and_not_found_wrong(tmp_path):
    with pytest.raises(Refused) as refused:
        folder_reader(tmp_path / "none")
    assert refused.value.kind is Kind.NOT_FOUND


@given(st.data())
def test_a_bit_flipped_anywhere_in_a_folder_is_found(tmp_path_factory, data):
    log = Grown(tmp_path_factory.mktemp("log")).to(5).to(300)
    files = sorted(str(path.relative_to(log.folder)) for path in log.folder.rglob("*") if path.is_file())
    needed = [path for path in files if ".p/5" not in path]  # of the older size: not read any more
    path = data.draw(st.sampled_from(needed))
    at = data.draw(st.integers(0, len(log.read(path)) - 1))
    log.flip(path, at)
    assert told(log)
