"""Three verifiers that nobody here wrote accept checkpoint, inclusion and consistency of a log that we grew.

Each refuses it as soon as a byte of it is another.
"""

import base64
import json

import pytest
from tests.foreign.given import SCALES, Given
from tests.growing import LOG, WITNESS, Grown, leaf

from saqtau.ledger.note import COSIGNATURE
from saqtau.ledger.tiles import entries_path, pack_entries, tile_path
from saqtau.ledger.tree import leaf_hashes

INDEX = 777
ENTRY = INDEX % 256 * (2 + len(leaf(INDEX)))
"""Where the entry INDEX begins in its bundle: leaves of this series are of one length."""


def given(folder, log, older, index):
    """A log of ours as it is handed to an outsider."""
    (folder / "older").write_bytes(log.notes[older])
    (folder / "entry.json").write_bytes(log.entry(index))
    keys = (LOG.vkey(), WITNESS.vkey(COSIGNATURE))
    return Given(log.folder, *keys, folder / "older", index, log.leaves[index], folder / "entry.json")


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A log that grew in steps, whose sizes are beside and on the borders of tiles of two levels."""
    folder = tmp_path_factory.mktemp("grown")
    grown = Grown(folder / "log")
    for size in (1, 5, 255, 256, 257, 1_000, 65_536, 66_000):
        grown.to(size)
    return given(folder, grown, 1_000, INDEX)


@pytest.fixture
def damaged(log, tmp_path):
    """The same in a folder that a test may change."""
    return log.copy(tmp_path / "log")


# golang.org/x/mod/sumdb/note and tlog


def test_the_go_program_accepts_checkpoint_entry_consistency_and_the_whole_log(go, log):
    code, said = go("-witness", log.witness, "checkpoint", log.vkey, log.folder)
    assert code == 0, said
    assert f"{log.head.size} entries, root {log.head.root.hex()}, signed by the log" in said
    assert "cosigned by" in said
    code, said = go("entry", log.vkey, log.folder, log.index)
    assert code == 0, said
    assert log.leaf.decode() in said
    code, said = go("consistency", log.vkey, log.folder, log.older)
    assert code == 0, said
    code, said = go("audit", log.vkey, log.folder)
    assert (code, f"all {log.head.size} entries" in said) == (0, True), said


def test_the_go_program_accepts_an_entry_with_our_proof_and_its_record(go, log):
    code, said = go("-witness", log.witness, "entry", log.vkey, log.entry)
    assert code == 0, said
    assert "the leaf commits to this record" in said


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 513])
def test_the_go_program_audits_small_logs_of_every_shape(go, tmp_path, size):
    log = Grown(tmp_path / "log").to(max(1, size // 2)).to(size)
    (tmp_path / "older").write_bytes(log.notes[max(1, size // 2)])
    assert go("audit", LOG.vkey(), log.folder)[0] == 0
    assert go("consistency", LOG.vkey(), log.folder, tmp_path / "older")[0] == 0


@pytest.mark.parametrize(
    ("path", "at", "wrong"),
    [
        ("checkpoint", 3, "checkpoint"),
        ("checkpoint", 60, "checkpoint"),
        (entries_path(3), ENTRY + 30, "tile/0/003: is not what the entries below it lead to"),
        (tile_path(0, 3), 40, "tile/0/003: is not what the entries below it lead to"),
        (tile_path(1, 0), 40, "tile/1/000: is not what the entries below it lead to"),
    ],
)
def test_the_go_program_refuses_a_changed_byte(go, damaged, path, at, wrong):
    damaged.flip(path, at)
    code, said = go("audit", damaged.vkey, damaged.folder)
    assert code == 1
    assert "DOES NOT HOLD" in said
    assert wrong in said


def test_the_go_program_refuses_an_entry_that_was_changed_together_with_its_tile(go, damaged):
    bundle = [leaf(9_000 if number == INDEX else number) for number in range(768, 1_024)]
    (damaged.folder / entries_path(3)).write_bytes(pack_entries(bundle))
    (damaged.folder / tile_path(0, 3)).write_bytes(b"".join(leaf_hashes(bundle)))
    code, said = go("audit", damaged.vkey, damaged.folder)
    assert (code, "these are not the entries that were signed" in said) == (1, True), said
    assert go("entry", damaged.vkey, damaged.folder, INDEX)[0] == 1


def test_the_go_program_refuses_a_rewritten_log_and_one_that_was_rolled_back(go, log, tmp_path):
    forked = Grown(tmp_path / "forked").grow(leaf(9_000)).to(1_200)
    code, said = go("consistency", log.vkey, forked.folder, log.older)
    assert (code, "its first 1000 entries are others" in said) == (1, True), said
    short = Grown(tmp_path / "short").to(999)
    code, said = go("consistency", log.vkey, short.folder, log.older)
    assert (code, "rolled back" in said) == (1, True), said


def test_the_go_program_refuses_another_record_another_place_and_a_missing_witness(go, log, tmp_path):
    file = json.loads(log.entry.read_bytes())
    changes = {
        "record": {**file, "record": file["record"].replace("case", "duty", 1)},
        "place": {**file, "proof": file["proof"].replace(f"index {log.index}", f"index {log.index + 1}")},
    }
    for name, changed in changes.items():
        (tmp_path / name).write_text(json.dumps(changed))
        code, said = go("entry", log.vkey, tmp_path / name)
        assert (code, "DOES NOT HOLD" in said) == (1, True), name
    alone = Grown(tmp_path / "alone", witness=None).to(3)
    assert go("checkpoint", log.vkey, alone.folder)[0] == 0
    assert go("-witness", log.witness, "checkpoint", log.vkey, alone.folder)[0] == 1


# aics-tlog


@pytest.fixture
def aics(ask, log, tmp_path):
    """Its command; keys and policy lie beside the log: it refuses a key that the one verified delivers."""
    (tmp_path / "keys").write_text(f"log {log.vkey}\n")
    (tmp_path / "policy.json").write_text(json.dumps({"quorum": 1, "witnesses": [log.witness]}))

    def run(verb, place, *words):
        command = ("-m", "aics_tlog", verb, "--tiles", place, "--vkey-file", tmp_path / "keys", *words)
        code, said = ask(*command, "--policy-file", tmp_path / "policy.json")
        told = json.loads(said)
        assert told["ok"] == (code == 0)
        return told

    return run


def test_aics_tlog_accepts_checkpoint_inclusion_and_consistency(aics, log, tmp_path):
    told = aics("verify-checkpoint", log.folder)
    assert told["ok"], told
    assert (told["size"], base64.b64decode(told["root"])) == (log.head.size, log.head.root)
    assert (told["cosignatures"], told["tiles_ok"]) == (1, True)
    (tmp_path / "leaf").write_bytes(log.leaf)
    assert aics("verify-inclusion", log.folder, "--index", log.index, "--leaf", tmp_path / "leaf")["ok"]
    assert aics("verify-inclusion", log.folder, "--index", log.index, "--entry-out", tmp_path / "entry")["ok"]
    assert (tmp_path / "entry").read_bytes() == log.leaf
    told = aics("verify-consistency", log.folder, "--old-checkpoint", log.older)
    assert (told["ok"], told["old_size"]) == (True, log.before.size), told


def test_aics_tlog_accepts_the_proofs_that_we_made(ask, log, tmp_path):
    def proof_file(name, hashes):
        (tmp_path / name).write_text("".join(f"{one.hex()}\n" for one in hashes))
        return tmp_path / name

    (tmp_path / "leaf").write_bytes(log.leaf)
    root = base64.b64encode(log.head.root).decode()
    inclusion = proof_file("inclusion", log.reader.inclusion(log.index))
    command = ["-m", "aics_tlog", "verify-inclusion", "--size", log.head.size, "--root", root, "--proof", inclusion]
    assert ask(*command, "--leaf", tmp_path / "leaf", "--index", log.index)[0] == 0
    assert ask(*command, "--leaf", tmp_path / "leaf", "--index", log.index + 1)[0] == 1
    grown = proof_file("consistency", log.reader.consistency(log.before.size))
    command = ["-m", "aics_tlog", "verify-consistency", "--new-size", log.head.size, "--new-root", root]
    command += ["--proof", grown, "--old-root", base64.b64encode(log.before.root).decode()]
    assert ask(*command, "--old-size", log.before.size)[0] == 0
    assert ask(*command, "--old-size", log.before.size + 1)[0] == 1


@pytest.mark.parametrize(
    ("path", "at"), [("checkpoint", 3), (entries_path(3), ENTRY + 30), (tile_path(0, 3), 40), (tile_path(1, 0), 40)]
)
def test_aics_tlog_refuses_a_changed_byte(aics, damaged, path, at, tmp_path):
    damaged.flip(path, at)
    told = aics("verify-inclusion", damaged.folder, "--index", damaged.index, "--entry-out", tmp_path / "entry")
    assert not told["ok"]
    assert told["error"]


def test_aics_tlog_refuses_a_fork_of_an_older_checkpoint(aics, log, tmp_path):
    forked = Grown(tmp_path / "forked").grow(leaf(9_000)).to(1_200)
    assert aics("verify-checkpoint", forked.folder)["ok"]
    assert not aics("verify-consistency", forked.folder, "--old-checkpoint", log.older)["ok"]


# tlog-scales


@pytest.fixture
def scales(ask):
    def run(log, **changed):
        reader, size = log.reader, log.before.size
        asked = {
            "index": log.index,
            "leaf": log.leaf.hex(),
            "inclusion": [one.hex() for one in reader.inclusion(log.index)],
            "older": log.older.read_text(),
            "consistency": [one.hex() for one in reader.consistency(size)],
            **changed,
        }
        command = (SCALES, log.folder, log.vkey, log.witness)
        code, said = ask(*command, entered=json.dumps(asked))
        assert (code == 0) == (said == "holds\n"), said
        return code

    return run


def test_tlog_scales_accepts_checkpoint_inclusion_and_consistency_and_makes_the_same_proofs(scales, log):
    assert scales(log) == 0


@pytest.mark.parametrize(
    ("path", "at"), [("checkpoint", 3), (entries_path(3), ENTRY + 30), (tile_path(0, 3), 40), (tile_path(1, 0), 40)]
)
def test_tlog_scales_refuses_a_changed_byte(scales, log, damaged, path, at):
    whole = log.reader
    damaged.flip(path, at)
    ours = {"inclusion": [one.hex() for one in whole.inclusion(log.index)]}
    assert scales(damaged, **ours, consistency=[one.hex() for one in whole.consistency(log.before.size)]) == 1


def test_tlog_scales_refuses_another_leaf(scales, log):
    assert scales(log, leaf=leaf(9_000).hex()) == 1
