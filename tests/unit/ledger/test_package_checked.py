"""One byte changed, a part taken away, added, moved or put in the place of another: found, and named."""

import json
import subprocess
import sys
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.ledger.packages import LOG, ORIGIN, WITNESS, findings, made, signer

from saqtau.ledger.note import COSIGNATURE
from saqtau.ledger.package import CHECKPOINT, EXPORT, MANIFEST, POLICY, PackageStanding, entry_name, pack
from saqtau.ledger.policy import of_keys
from saqtau.ledger.verify import export as verifier

CONTENT = {
    "content/item.json": b'{"id":"i1"}',
    "content/pictures/crop.jpg": b"\xff\xd8picture",
    "README.en.txt": b"Read",
}
FILES = made(CONTENT)
WHOLE = pack(FILES)
OURS = of_keys({LOG.vkey(): None}, {WITNESS.vkey(COSIGNATURE): None}, 1).text()


def test_a_whole_package_holds_with_its_own_keys_and_with_the_prosecutors():
    assert findings(WHOLE) == []
    assert findings(WHOLE, OURS) == []


def test_the_same_files_make_the_same_bytes():
    assert pack(made(CONTENT)) == WHOLE


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
@settings(max_examples=150)
def test_a_byte_changed_anywhere_is_found(at, by):
    changed = bytearray(WHOLE)
    changed[at] ^= by
    assert findings(bytes(changed))


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_changed_part_in_a_zip_made_anew_is_named(name):
    for at in {0, len(FILES[name]) // 2, len(FILES[name]) - 1}:
        changed = bytearray(FILES[name])
        changed[at] ^= 1
        told = findings(pack({**FILES, name: bytes(changed)}), OURS)
        if name == POLICY:
            continue  # the verifier holds his own
        assert told
        assert any(name in one or (name == MANIFEST and EXPORT in one) for one in told), told


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_part_taken_away_is_named(name):
    told = findings(pack({kept: data for kept, data in FILES.items() if kept != name}), OURS)
    assert any(name in one for one in told), told


@pytest.mark.parametrize("name", ["content/extra.txt", "ledger/extra", entry_name(3), "extra.py"])
def test_a_part_added_is_named(name):
    told = findings(pack({**FILES, name: FILES[entry_name(0)]}))
    assert any(name in one for one in told), told


def test_two_entries_in_each_others_place_are_named():
    first, second = entry_name(0), entry_name(2)
    told = findings(pack({**FILES, first: FILES[second], second: FILES[first]}))
    assert len([one for one in told if first in one or second in one]) == 2


def test_parts_in_another_order_are_found(tmp_path):
    place = tmp_path / "p.zip"
    with zipfile.ZipFile(place, "w") as archive:
        for name in reversed(FILES):
            archive.writestr(zipfile.ZipInfo(name), FILES[name])
    assert findings(place.read_bytes())


def test_whoever_writes_everything_anew_with_keys_of_his_own_is_found_by_the_prosecutors_policy():
    other = signer("saqtau.example/02/access/2026 forged".replace(" ", "-"))
    foreign = of_keys({other.vkey(): None}, {WITNESS.vkey(COSIGNATURE): None}, 1).text()
    told = findings(WHOLE, foreign)
    assert f"{EXPORT}: the key of the log {ORIGIN} is not in the policy" in told
    namesake = of_keys({signer(ORIGIN, "another seed").vkey(): None}, {WITNESS.vkey(COSIGNATURE): None}, 1).text()
    assert f"{EXPORT}: no known key of its log ({ORIGIN}) signed it" in findings(WHOLE, namesake)


def test_what_a_policy_has_no_key_for_cannot_be_checked_which_is_no_accusation_and_no_assurance(tmp_path):
    (tmp_path / "package.zip").write_bytes(WHOLE)
    other = of_keys({signer("saqtau.example/02/evidence/2026").vkey(): None}, {WITNESS.vkey(COSIGNATURE): None}, 1)
    (tmp_path / "policy").write_bytes(other.text())
    with zipfile.ZipFile(tmp_path / "package.zip") as archive:
        archive.extract("verify.py", tmp_path)
    ask = [sys.executable, "-I", "verify.py", "package.zip", "--policy", "policy"]
    done = subprocess.run(ask, capture_output=True, text=True, check=False, cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert (done.returncode, "does not hold" in done.stdout.lower()) == (1, False)
    assert f"CANNOT BE CHECKED  {EXPORT}: the key of the log {ORIGIN} is not in the policy" in lines
    assert lines[-1] == "5 things cannot be checked without a policy that has the keys of all logs"


def test_an_entry_of_a_log_without_a_key_does_not_pass_for_one_of_a_log_that_has_one():
    body = f"saqtau.example/09/access/2026\n1\n{'A' * 43}=\n"
    foreign = json.loads(FILES[entry_name(0)])
    foreign["proof"] = "".join([*foreign["proof"].partition("\n\n")[:2], f"{body}\n— x {'A' * 8}\n"])
    told = findings(pack({**FILES, entry_name(0): json.dumps(foreign).encode()}))
    assert f"{entry_name(0)}: stands in the place of {ORIGIN}#0" in told


def test_a_record_is_told_as_a_person_reads_it():
    record = {
        "v": 1,
        "session": "s",
        "told": {"n": 2},
        "viewer": "duty",
        "at": 1_795_526_711_431,
        "concerns": [],
        "ok": True,
    }
    assert verifier._told(record) == "at 2026-11-24 13:25:11 UTC, viewer duty, concerns nothing, ok yes, told n 2"


def test_a_package_that_claims_a_witness_and_has_none_is_found():
    told = findings(pack(made(CONTENT, cosigned=False)))
    assert any("says witnessed" in one for one in told)
    assert findings(pack(made(CONTENT, PackageStanding.PROVISIONAL, cosigned=False))) == []


def test_the_program_in_the_package_says_the_same_with_nothing_of_ours(tmp_path):
    place = tmp_path / "package.zip"
    place.write_bytes(WHOLE)
    with zipfile.ZipFile(place) as archive:
        archive.extract("verify.py", tmp_path)
    ask = [sys.executable, "-I", str(tmp_path / "verify.py"), str(place)]
    done = subprocess.run(ask, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "everything holds"), done
    changed = {**FILES, "content/item.json": b'{"id":"i2"}'}
    place.write_bytes(pack(changed))
    done = subprocess.run(ask, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "DOES NOT HOLD  content/item.json" in done.stdout


def test_the_manifest_says_what_it_is_about():
    assert json.loads(FILES[MANIFEST])["about"] == {"item": "i1", "case": "123-45"}
    assert CHECKPOINT in FILES
