"""What the witness has answered rests on disk, and what a log signed against itself stays there."""

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.witnessing import ORIGIN, GrownLog, signer

from saqtau.kernel.clock import MINUTE, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.note import Signer, check_cosignature, parse_note
from saqtau.ledger.witness.acting import add_checkpoint, judge_open, proof_of
from saqtau.ledger.witness.mirror import Mirror
from saqtau.ledger.witness.request import parse_request
from saqtau.ledger.witness.store import FILE, HISTORY_STEP, OPEN_LIMIT, Store

LOG = GrownLog()
NOW = Instant(1_795_500_000_000)
WITNESS = signer("witness.test/1", 9)


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path)
    with made.writing():
        made.add_log(LOG.key.vkey(), NOW)
    yield made
    made.close()


def post(store, old, size, *, at=NOW, root_at=lambda _origin, _size: None, **options):
    return add_checkpoint(store, WITNESS, parse_request(LOG.request(old, size, **options)), at, root_at)


def test_the_file_is_its_owners_alone_and_a_commit_waits_for_the_disk(store, tmp_path):
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert store._db.execute("pragma journal_mode").fetchone() == ("wal",)
    assert store._db.execute("pragma synchronous").fetchone() == (2,)


def test_a_cosignature_holds_and_what_it_rests_on_is_there_for_another_process(store, tmp_path):
    reply = post(store, 0, 300)
    note = parse_note(LOG.note(300) + reply.text.encode())
    assert check_cosignature(WITNESS.verifier(4), note) == NOW // 1000
    other = Store(tmp_path)
    found = other.log(ORIGIN)
    assert (found.size, found.root, found.line, found.at) == (300, LOG.tree(300)[0].root(), reply.text, NOW)
    assert parse_note(found.note).check(LOG.key.verifier())
    other.close()


def test_only_the_logs_own_signature_is_kept_with_its_checkpoint(store):
    body = LOG.note(3).decode().partition("\n\n")[0] + "\n"
    junk = signer("junk.test", 5).sign(body)
    request = parse_request(b"old 0\n\n" + LOG.note(3) + junk.encode())
    assert add_checkpoint(store, WITNESS, request, NOW, lambda _o, _s: None).status == 200
    assert store.log(ORIGIN).note == LOG.note(3)


def test_a_write_that_breaks_off_leaves_everything_as_it_was(store):
    post(store, 0, 5)

    def break_off():
        with store.writing():
            store.keep(parse_request(LOG.request(5, 6)).checkpoint, LOG.note(6), "line", NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    assert store.log(ORIGIN).size == 5
    assert post(store, 5, 6).status == 200


def test_a_size_that_was_cosigned_meanwhile_is_told(store):
    assert post(store, 0, 5).status == 200
    assert post(store, 0, 6).text == "5\n"
    assert post(store, 0, 6).media == "text/x.tlog.size"


def test_of_two_that_ask_at_once_one_is_right_whatever_process_they_ask(store, tmp_path):
    """Two processes over one file, which the lock of the folder does not allow, still sign one history."""
    twins = [Store(tmp_path), Store(tmp_path)]

    def race(mine):
        found = []
        for size in range(1, 41):
            reply = post(mine, size - 1, size)
            found.append(reply.status)
            while mine.log(ORIGIN).size < size:  # the other one is at it
                pass
        return found

    with ThreadPoolExecutor(2) as threads:
        statuses = list(zip(*threads.map(race, twins), strict=True))
    assert {tuple(sorted(pair)) for pair in statuses} == {(200, 409)}
    for one in twins:
        one.close()


def test_a_lost_answer_can_be_asked_for_again(store):
    first = post(store, 0, 5)
    again = post(store, 5, 5, at=Instant(NOW + 2_000))
    assert again.status == first.status == 200
    assert again.text != first.text


def test_a_fork_is_kept_once_with_both_signatures(store):
    post(store, 0, 300)
    for _ in range(3):
        assert post(store, 300, 300, forked=7).status == 422
    (found,) = store.evidence()
    assert (found.kind, found.proven, found.size, found.our_size) == ("fork", True, 300, 300)
    files = proof_of(found, Mirror(store_folder(store)))
    ours, theirs = parse_note(files["ours.note"]), parse_note(files["theirs.note"])
    assert ours.check(LOG.key.verifier())
    assert theirs.check(LOG.key.verifier())
    assert check_cosignature(WITNESS.verifier(4), ours) is not None
    assert ours.body != theirs.body
    assert b"two roots" in files["README.txt"]


def store_folder(store):
    from pathlib import Path

    return Path(store._db.execute("select file from pragma_database_list").fetchone()[0]).parent


def test_an_older_checkpoint_waits_until_the_leaves_can_tell(store):
    post(store, 0, 300)
    assert post(store, 0, 200, forked=7).status == 409
    assert post(store, 0, 100).status == 409
    assert [(one.size, one.proven) for one in store.evidence()] == [(200, False), (100, False)]
    judge_open(store, ORIGIN, lambda _origin, size: LOG.tree(size)[0].root())
    assert [(one.kind, one.size, one.proven) for one in store.evidence()] == [("older", 200, True)]


def test_an_older_checkpoint_is_judged_at_once_where_the_leaves_are(store):
    post(store, 0, 300)
    post(store, 0, 100, root_at=lambda _origin, size: LOG.tree(size)[0].root())
    post(store, 0, 200, forked=7, root_at=lambda _origin, size: LOG.tree(size)[0].root())
    assert [(one.size, one.proven) for one in store.evidence()] == [(200, True)]


def test_an_older_checkpoint_that_was_cosigned_itself_needs_no_leaves(store):
    post(store, 0, 100)
    post(store, 100, 300, at=Instant(NOW + HISTORY_STEP))
    assert post(store, 300, 100).status == 400
    assert store.evidence() == []
    post(store, 300, 100, forked=7)
    assert [(one.kind, one.proven) for one in store.evidence()] == [("older", True)]


def test_what_was_unexplained_goes_when_it_is_explained(store):
    post(store, 0, 5)
    assert post(store, 5, 300, proof=[bytes(32)]).status == 422
    assert [one.kind for one in store.evidence()] == ["unexplained"]
    assert post(store, 5, 300).status == 200
    assert store.evidence() == []


def test_what_never_gets_a_proof_stays(store):
    post(store, 0, 5)
    post(store, 5, 300, forked=2)
    post(store, 5, 301)
    assert [(one.kind, one.size, one.proven) for one in store.evidence()] == [("unexplained", 300, False)]


def test_doubts_are_bounded_and_nothing_that_is_kept_is_pushed_out(store, monkeypatch):
    """Who floods the witness with old honest checkpoints while the mirror is kept from the leaves hides nothing."""
    monkeypatch.setattr("saqtau.ledger.witness.store.OPEN_LIMIT", 3)
    post(store, 0, 50)
    post(store, 50, 50, forked=1)
    post(store, 50, 30, forked=7)
    for size in range(10, 20):
        post(store, 0, size)
    assert [(one.size, one.proven) for one in store.evidence()] == [
        (50, True), (30, False), (10, False), (11, False)
    ]  # fmt: skip
    assert [(one.origin, one.count, one.last) for one in store.unkept()] == [(ORIGIN, 8, NOW)]
    judge_open(store, ORIGIN, lambda _origin, size: LOG.tree(size)[0].root())
    assert [(one.size, one.proven) for one in store.evidence()] == [(50, True), (30, True)]
    assert store.unkept()[0].count == 8
    assert OPEN_LIMIT > 1_000


def test_proofs_do_not_fill_the_disk_either(store, monkeypatch):
    monkeypatch.setattr("saqtau.ledger.witness.store.PROVEN_LIMIT", 2)
    post(store, 0, 50)
    for size in range(20, 30):
        post(store, 0, size, forked=7, root_at=lambda _origin, size: LOG.tree(size)[0].root())
    assert [(one.size, one.proven) for one in store.evidence()] == [(20, True), (21, True)]
    assert store.unkept()[0].count == 8


def test_two_roots_for_one_size_that_nobody_cosigned_are_a_fork_and_one_row(store):
    post(store, 0, 50)
    post(store, 0, 30)
    post(store, 0, 30)
    assert [(one.kind, one.proven) for one in store.evidence()] == [("older", False)]
    for forked in (7, 8, 9):
        post(store, 0, 30, forked=forked)
    (found,) = store.evidence()
    assert (found.kind, found.proven, found.size, found.our_size) == ("fork", True, 30, 30)
    files = proof_of(found, Mirror(store_folder(store)))
    ours, theirs = parse_note(files["ours.note"]), parse_note(files["theirs.note"])
    assert ours.check(LOG.key.verifier())
    assert theirs.check(LOG.key.verifier())
    assert ours.body != theirs.body


def test_of_what_was_cosigned_one_a_while_is_remembered_and_the_last(store):
    for size in range(1, 41):
        assert post(store, size - 1, size, at=Instant(NOW + size * MINUTE)).status == 200
    sizes = [row[0] for row in store._db.execute("select size from history order by size")]
    assert sizes[-1] == 40
    assert len(sizes) <= 6


def test_a_logs_key_does_not_change(store):
    with pytest.raises(Refused) as refused, store.writing():
        store.add_log(signer(ORIGIN, 4).vkey(), NOW)
    assert refused.value.kind is Kind.CONFLICT
    assert store.log(ORIGIN).vkeys == (LOG.key.vkey(),)


def test_a_log_keeps_what_was_cosigned_when_its_address_is_given_later(store):
    post(store, 0, 5)
    with store.writing():
        store.add_log(LOG.key.vkey(), NOW, url="https://police.test", token="token")
    found = store.log(ORIGIN)
    assert (found.size, found.url, found.token) == (5, "https://police.test", "token")


def test_trouble_says_since_when_and_goes(store):
    for told, at in (("silent", 10), ("silent", 20), ("answers 500", 30)):
        store.trouble("log", ORIGIN, told, Instant(at))
    assert (store.log(ORIGIN).trouble, store.log(ORIGIN).trouble_since) == ("answers 500", 10)
    store.trouble("log", ORIGIN, None, Instant(40))
    assert (store.log(ORIGIN).trouble, store.log(ORIGIN).trouble_since) == (None, None)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(Refused) as refused:
        Store(tmp_path / "nowhere")
    assert refused.value.kind is Kind.UNAVAILABLE


def test_a_file_that_is_no_record_is_refused(tmp_path):
    (tmp_path / FILE).write_bytes(b"not a database at all, but long enough to be looked at" * 20)
    with pytest.raises(Refused) as refused:
        Store(tmp_path)
    assert refused.value.kind is Kind.UNAVAILABLE
    assert isinstance(refused.value.__cause__, sqlite3.Error)


def test_a_witness_signs_nothing_but_what_it_was_asked(store):
    assert isinstance(WITNESS, Signer)
    reply = post(store, 0, 7)
    assert reply.text.count("\n") == 1
    assert reply.text.startswith("— witness.test/1 ")
