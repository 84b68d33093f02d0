"""Whatever a log sends, what was cosigned is one history; whatever a witness answers, the notary survives it."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.witnessing import ORIGIN, GrownLog, signer

from saqtau.engine.feeding import LONGEST_PAUSE, Says, longer, understand
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.note import check_cosignature, parse_note
from saqtau.ledger.witness.acting import add_checkpoint, judge_open
from saqtau.ledger.witness.loglist import compose_list, parse_list
from saqtau.ledger.witness.request import compose_request, parse_request
from saqtau.ledger.witness.state import Known, consider
from saqtau.ledger.witness.store import Store

LOG = GrownLog()
THIEF = signer(ORIGIN, 3)
WITNESS = signer("witness.test/1", 9)
MOST = 40
sizes = st.integers(0, MOST)
forks = st.none() | st.integers(0, MOST)
hashes = st.lists(st.binary(min_size=32, max_size=32), max_size=5)


def refusal(function, data):
    try:
        function(data)
    except Refused as refused:
        return refused
    return None


def root(size, forked=None):
    return LOG.tree(size, forked)[0].root()


@given(old=sizes, new=st.integers(1, MOST), forked=forks, proof=st.none() | hashes, seen=sizes, seen_fork=forks)
def test_only_a_continuation_of_what_was_cosigned_gets_200(old, new, forked, proof, seen, seen_fork):
    known = Known(ORIGIN, (LOG.key.verifier(),), seen, root(seen, seen_fork))
    answer = consider(known, parse_request(LOG.request(old, new, forked, proof=proof)))
    if answer.status == 200:
        assert old == seen <= new
        assert root(seen, forked) == known.root
    else:
        assert answer.status in {400, 409, 422}
    if answer.status == 409:
        assert (answer.size, old) != (old, seen)


@given(old=sizes, new=st.integers(1, MOST), forked=forks, seen=sizes)
def test_what_another_key_signed_never_counts(old, new, forked, seen):
    known = Known(ORIGIN, (LOG.key.verifier(),), seen, root(seen))
    answer = consider(known, parse_request(LOG.request(old, new, forked, key=THIEF)))
    assert (answer.status, answer.doubt) == (403, None)


@given(data=st.binary(max_size=400))
def test_a_request_of_any_bytes_is_understood_or_refused_by_name(data):
    refused = refusal(parse_request, data)
    assert refused is None or (refused.kind is Kind.INVALID and refused.fields)


@given(old=st.integers(0, 2**63 - 1), proof=st.lists(st.binary(min_size=32, max_size=32), max_size=63), size=sizes)
def test_what_is_composed_is_read_the_same(old, proof, size):
    request = parse_request(compose_request(old, proof, LOG.note(size)))
    assert (request.old, list(request.proof), request.note.text.encode()) == (old, proof, LOG.note(size))


@given(status=st.integers(100, 599), media=st.sampled_from(["text/x.tlog.size", "text/plain", ""]), text=st.text())
def test_no_answer_of_a_witness_is_believed_beyond_its_size(status, media, text):
    note = parse_note(LOG.note(5))
    heard = understand(WITNESS.verifier(4), note, 5, status, media, text)
    assert heard.says is not Says.COSIGNED
    assert 0 <= heard.size < 2**63
    assert len(heard.told) <= 200


@given(st.integers(1, 2**36))
def test_a_cosignature_of_the_witness_is_taken_from_among_others(seconds):
    note = parse_note(LOG.note(5))
    line, other = WITNESS.cosign(note.body, seconds), signer("other.test", 8).cosign(note.body, seconds)
    assert understand(WITNESS.verifier(4), note, 5, 200, "", other + line).line == line
    wrong = WITNESS.cosign(f"{note.body}x\n", seconds)
    assert understand(WITNESS.verifier(4), note, 5, 200, "", other + wrong).says is Says.NO


@given(st.integers(0, 40))
def test_pauses_grow_and_end(times):
    pause = 0.0
    for _ in range(times):
        assert longer(pause) >= pause
        pause = longer(pause)
    assert pause <= LONGEST_PAUSE


@given(data=st.binary(max_size=300))
def test_a_list_of_any_bytes_is_refused_by_name(data):
    refused = refusal(parse_list, data)
    assert refused is None or refused.fields


@given(st.sets(st.integers(0, 99), max_size=10))
def test_a_list_is_read_as_it_was_written(regions):
    authority = signer("police.test", 1)
    vkeys = sorted(signer(f"police.test/{region:02d}/access/2026", 2).vkey() for region in regions)
    found = parse_list(compose_list(authority, vkeys).encode(), authority.verifier())
    assert [one.vkey for one in found.logs] == vkeys


class OneHistory(RuleBasedStateMachine):
    """A log that may lie in every way, and a witness that is killed at any moment."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp())
        self.store = Store(self.folder)
        self.cosigned = []
        self.mirrored = {}
        with self.store.writing():
            self.store.add_log(LOG.key.vkey(), Instant(1))
        self.now = 1_795_500_000_000

    def post(self, old, size, forked, **options):
        self.now += 60_000
        request = parse_request(LOG.request(old, size, forked, **options))
        reply = add_checkpoint(self.store, WITNESS, request, Instant(self.now), lambda _o, n: self.mirrored.get(n))
        if reply.status == 200:
            note = parse_note(LOG.note(size, forked) + reply.text.encode())
            assert check_cosignature(WITNESS.verifier(4), note) == self.now // 1000
            self.cosigned.append((size, forked, root(size, forked)))
        return reply

    @rule(size=st.integers(1, MOST), forked=forks)
    def send_as_the_witness_wants_it(self, size, forked):
        known = self.store.log(ORIGIN).size
        reply = self.post(known, size, forked)
        if size < known:
            assert reply.status == 400

    @rule(old=sizes, size=st.integers(1, MOST), forked=forks, proof=st.none() | hashes)
    def send_anything(self, old, size, forked, proof):
        self.post(old, size, forked, proof=proof)

    @rule()
    def kill(self):
        self.store.close()
        self.store = Store(self.folder)

    @precondition(lambda self: self.cosigned)
    @rule()
    def mirror(self):
        size, forked, _ = self.cosigned[-1]
        self.mirrored = {n: root(n, forked) for n in range(size + 1)}
        judge_open(self.store, ORIGIN, lambda _o, n: self.mirrored.get(n))

    @invariant()
    def what_was_cosigned_is_one_history(self):
        before = 0
        for size, forked, found in getattr(self, "cosigned", ()):
            assert size >= before
            last = self.cosigned[-1]
            assert root(size, last[1]) == found
            assert root(size, forked) == found
            before = size

    @invariant()
    def what_is_remembered_is_what_was_answered(self):
        if hasattr(self, "store"):
            log = self.store.log(ORIGIN)
            assert (log.size, log.root) == (self.cosigned[-1][::2] if self.cosigned else (0, root(0)))

    @invariant()
    def what_is_proven_against_the_log_is_true(self):
        if hasattr(self, "store") and self.cosigned:
            last = self.cosigned[-1]
            for one in self.store.evidence(proven=True):
                # either it is no part of what was cosigned, or the log signed two roots for one size and both are kept
                two = one.our_size == one.size and one.our_root != one.root and one.our_note is not None
                assert one.root != root(one.size, last[1]) or two
                assert not two or parse_note(one.our_note).check(LOG.key.verifier())
                assert parse_note(one.note).check(LOG.key.verifier())

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)


TestOneHistory = OneHistory.TestCase
