"""The witness cosigns what continues, and sees in a request what the log has done."""

import pytest
from tests.witnessing import GrownLog, signer

from saqtau.ledger.note import compose_note
from saqtau.ledger.witness.request import parse_request
from saqtau.ledger.witness.state import Doubt, Known, consider

LOG = GrownLog()
STRANGER = signer("another.test/02/access/2026", 2)
THIEF = signer(LOG.key.name, 3)


def known(size, forked=None):
    edge, _ = LOG.tree(size, forked)
    return Known(LOG.key.name, (LOG.key.verifier(),), size, edge.root())


def answer(seen, *request, **options):
    return consider(seen, parse_request(LOG.request(*request, **options)))


NEVER = known(0)


@pytest.mark.parametrize(("old", "new"), [(0, 1), (0, 300), (1, 2), (5, 300), (256, 257), (300, 300), (255, 65_537)])
def test_what_continues_is_cosigned(old, new):
    found = answer(known(old), old, new)
    assert (found.status, found.doubt) == (200, None)


def test_an_unknown_log_is_not_found():
    assert answer(None, 0, 5).status == 404
    other = GrownLog(STRANGER)
    assert consider(NEVER, parse_request(other.request(0, 5))).status == 404


@pytest.mark.parametrize("thief", [THIEF, STRANGER])
def test_what_another_key_signed_is_forbidden_and_shows_nothing_about_the_log(thief):
    found = answer(known(300), 300, 300, forked=1, key=thief)
    assert (found.status, found.doubt) == (403, None)


def test_a_right_signature_beside_a_wrong_one_of_the_same_key_is_forbidden():
    body = LOG.note(5).decode().partition("\n\n")[0] + "\n"
    false = LOG.key.sign("another body\n")
    note = compose_note(body, [LOG.key.sign(body), false]).encode()
    assert consider(NEVER, parse_request(b"old 0\n\n" + note)).status == 403


def test_a_wrong_signature_of_one_key_spoils_the_right_one_of_another():
    body = LOG.note(5).decode().partition("\n\n")[0] + "\n"
    note = compose_note(body, [LOG.key.sign(body), THIEF.sign("another body\n")]).encode()
    both = Known(LOG.key.name, (THIEF.verifier(), LOG.key.verifier()))
    assert consider(both, parse_request(b"old 0\n\n" + note)).status == 403


def test_signatures_of_strangers_are_passed_over():
    body = LOG.note(5).decode().partition("\n\n")[0] + "\n"
    note = compose_note(body, [STRANGER.sign("nonsense\n"), LOG.key.sign(body)]).encode()
    assert consider(NEVER, parse_request(b"old 0\n\n" + note)).status == 200


def test_an_old_size_beyond_the_checkpoint_is_malformed():
    assert answer(known(5), 6, 5).status == 400


@pytest.mark.parametrize("old", [0, 4, 6, 299])
def test_another_old_size_is_told_the_right_one(old):
    found = answer(known(5), old, 300)
    assert (found.status, found.size, found.doubt) == (409, 5, None)


def test_a_longer_log_without_a_proof_that_holds_owes_one():
    for request in ({"forked": 2}, {"proof": []}, {"proof": [bytes(32)] * 9}):
        found = answer(known(5), 5, 300, **request)
        assert (found.status, found.doubt) == (422, Doubt.UNEXPLAINED)


def test_a_first_checkpoint_with_a_proof_is_not_consistent():
    assert answer(NEVER, 0, 5, proof=[bytes(32)]).status == 422


def test_an_empty_tree_with_a_root_is_not_consistent():
    body = f"{LOG.key.name}\n0\n{'A' * 43}=\n"
    note = compose_note(body, [LOG.key.sign(body)]).encode()
    assert consider(NEVER, parse_request(b"old 0\n\n" + note)).status == 422


@pytest.mark.parametrize("old", [0, 200, 300, 400])
def test_two_roots_for_one_size_are_a_fork_whatever_old_size_they_come_with(old):
    found = answer(known(300), old, 300, forked=1)
    assert found.doubt is Doubt.FORK
    assert found.status != 200


@pytest.mark.parametrize("old", [0, 200, 300])
def test_a_smaller_checkpoint_is_held_against_what_was_cosigned(old):
    found = answer(known(300), old, 200, forked=1)
    assert found.doubt is Doubt.OLDER
    assert found.status in {400, 409}


def test_either_key_of_a_log_will_do():
    both = Known(LOG.key.name, (THIEF.verifier(), LOG.key.verifier()))
    assert answer(both, 0, 5).status == 200
    assert answer(both, 0, 5, key=THIEF).status == 200
