"""Log and witness do not live in one folder, nor one in the other, nor behind a link."""

import pytest

from saqtau.bootstrap import witness as office
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.witness.apart import refuse_log_near, refuse_witness_near


def log_in(folder):
    for name in ("postgres", "nats", "secrets", "run", "logs", "blobs"):
        (folder / name).mkdir(parents=True)
    return folder


def witness_in(folder):
    office.make(folder, "witness.test/1")
    return folder


def test_folders_side_by_side_are_well(tmp_path):
    log, witness = log_in(tmp_path / "log"), witness_in(tmp_path / "witness")
    refuse_witness_near(log)
    refuse_log_near(witness)
    refuse_log_near(tmp_path / "not-there-yet")


@pytest.mark.parametrize("inside", [".", "witness", "blobs/deep/down/w"])
def test_a_witness_is_not_made_in_a_log(tmp_path, inside):
    log = log_in(tmp_path / "log")
    with pytest.raises(Refused) as refused:
        office.make(log / inside, "witness.test/1")
    assert refused.value.kind is Kind.CONFLICT
    assert refused.value.fields == {"folder": "log_and_witness"}
    assert not (log / inside / "witness.key").exists()


def test_a_witness_is_not_made_around_a_log(tmp_path):
    log_in(tmp_path / "both" / "log")
    with pytest.raises(Refused, match="the log lives in"):
        office.make(tmp_path / "both", "witness.test/1")


def test_a_witness_is_not_made_in_a_log_through_a_link(tmp_path):
    log = log_in(tmp_path / "log")
    for number, target in enumerate((log, log / "blobs")):
        link = tmp_path / f"elsewhere-{number}"
        link.symlink_to(target)
        with pytest.raises(Refused):
            office.make(link / "w", "witness.test/1")


def test_a_witness_whose_part_is_a_link_into_a_log_does_not_run(tmp_path):
    log, witness = log_in(tmp_path / "log"), witness_in(tmp_path / "witness")
    (witness / "logs").symlink_to(log / "blobs")
    with pytest.raises(Refused):
        refuse_log_near(witness)


@pytest.mark.parametrize("inside", [".", "w", "a/w"])
def test_a_log_does_not_start_around_a_witness(tmp_path, inside):
    witness_in(tmp_path / "log" / inside)
    with pytest.raises(Refused) as refused:
        refuse_witness_near(tmp_path / "log")
    assert refused.value.fields == {"folder": "log_and_witness"}


def test_a_log_does_not_start_in_a_witness_nor_through_a_link(tmp_path):
    witness = witness_in(tmp_path / "witness")
    with pytest.raises(Refused):
        refuse_witness_near(witness / "logs" / "deep")
    (tmp_path / "log").symlink_to(witness)
    with pytest.raises(Refused):
        refuse_witness_near(tmp_path / "log")


def test_a_demonstration_may_and_says_so_for_ever(tmp_path):
    log = log_in(tmp_path / "log")
    office.make(log / "w", "witness.test/1", demonstration=True)
    store, _ = office.opened(log / "w")
    assert store.setting("demonstration") == "yes"
    store.close()


def test_a_key_that_others_may_read_is_not_used(tmp_path):
    witness = witness_in(tmp_path / "witness")
    assert (witness / "witness.key").stat().st_mode & 0o777 == 0o600
    assert witness.stat().st_mode & 0o777 == 0o700
    (witness / "witness.key").chmod(0o640)
    with pytest.raises(Refused, match="open to others"):
        office.opened(witness)


def test_a_witness_is_not_made_over_another(tmp_path):
    witness = witness_in(tmp_path / "witness")
    before = office.key(witness)
    with pytest.raises(Refused) as refused:
        office.make(witness, "witness.test/2")
    assert refused.value.kind is Kind.CONFLICT
    assert office.key(witness) == before
