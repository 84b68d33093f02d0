"""A witness that nobody here wrote cosigns our log, refuses what rewrites it, and keeps what proves it."""

import json

import pytest
from tests.foreign.given import ForeignWitness
from tests.growing import LOG, ORIGIN, Grown, leaf, signer

from saqtau.ledger.note import Verifier, check_cosignature, parse_note
from saqtau.ledger.witness.request import compose_request


@pytest.fixture
def witness(module, ask, tmp_path):
    made = ForeignWitness(module, ask, tmp_path, "prosecutor.example/foreign")
    made.trust(ORIGIN, LOG.vkey())
    made.start()
    yield made
    made.stop()


def wish(log, old):
    return compose_request(old, log.reader().consistency(old), log.note)


def test_it_cosigns_a_log_that_grows_and_we_accept_its_cosignature(witness, tmp_path):
    log, old = Grown(tmp_path / "log", witness=None), 0
    for size in (1, 2, 255, 256, 257, 700, 701):
        log.to(size)
        status, _, line = witness.post(wish(log, old))
        assert status == 200, line
        cosigned = parse_note(log.note + line.encode())
        assert check_cosignature(Verifier.parse(witness.vkey), cosigned)
        old = size
    assert witness.latest(ORIGIN)[2].startswith(f"{ORIGIN}\n701\n")
    assert witness.evidence() == []


def test_it_remembers_through_a_kill_and_refuses_a_rollback(witness, tmp_path):
    log = Grown(tmp_path / "log", witness=None).to(300)
    earlier = wish(log, 0)
    assert witness.post(earlier)[0] == 200
    log.to(500)
    assert witness.post(wish(log, 300))[0] == 200
    witness.stop(hard=True)
    witness.start()
    for _ in range(2):
        assert witness.post(earlier)[:2] == (409, "text/x.tlog.size")
    assert witness.post(earlier)[2] == "500\n"
    assert witness.latest(ORIGIN)[2].startswith(f"{ORIGIN}\n500\n")


def test_it_refuses_a_rewritten_log_and_keeps_what_the_log_signed(witness, tmp_path):
    log = Grown(tmp_path / "log", witness=None).to(500)
    assert witness.post(wish(log, 0))[0] == 200
    fork = Grown(tmp_path / "fork", witness=None).grow(*log.leaves[:300], leaf(9_000)).to(600)
    assert witness.post(wish(fork, 500))[0] == 422
    kept = json.dumps(witness.evidence())
    assert ORIGIN in kept
    assert fork.note.decode().splitlines()[2] in kept


def test_it_refuses_a_checkpoint_that_the_log_has_not_signed(witness, tmp_path):
    forged = Grown(tmp_path / "log", signer(ORIGIN, "another seed"), witness=None).to(10)
    assert witness.post(wish(forged, 0))[0] == 403
    assert witness.latest(ORIGIN)[0] == 404
