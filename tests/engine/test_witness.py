"""The witness as a process: it cosigns what grows, refuses what does not, and forgets nothing when it is killed."""

import hashlib
import random
import signal
import socket
import threading

import httpx
import pytest
from tests.witnessing import ORIGIN, GrownLog, RunningWitness, signer
from typer.testing import CliRunner

from saqtau import cli
from saqtau.bootstrap import witness as office
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.note import check_cosignature, parse_note
from saqtau.ledger.policy import NONE, parse_policy

LOG = GrownLog()


@pytest.fixture
def witness(tmp_path):
    made = RunningWitness(tmp_path / "w")
    made.watch(LOG.key.vkey())
    yield made.start()
    made.kill()


def command(*words):
    """What a verb answers in this process: its code and words; a refusal as `main` tells it, with code 1."""
    found = CliRunner().invoke(cli.app, ["witness", *words], input="n\n")
    refused = found.exception if isinstance(found.exception, Refused) else None
    return found.exit_code, found.output, "" if refused is None else refused.message


def cosigned(witness, note, answer):
    return check_cosignature(witness.verifier, parse_note(note + answer.content))


def test_it_cosigns_what_grows_and_shows_it_to_everybody(witness):
    assert httpx.get(f"{witness.url}/").text == f"{witness.vkey}\n"
    page = f"{witness.url}/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
    assert httpx.get(page).status_code == 404
    for old, size in ((0, 3), (3, 300), (300, 300)):
        answer = witness.post(LOG.request(old, size))
        assert answer.status_code == 200
        assert cosigned(witness, LOG.note(size), answer) is not None
    note = parse_note(httpx.get(page).content)
    assert note.check(LOG.key.verifier())
    assert check_cosignature(witness.verifier, note) is not None
    assert httpx.get(f"{witness.url}/nowhere").status_code == 404
    assert httpx.post(page).status_code == 404


def test_it_refuses_rollback_fork_and_foreign_keys_and_keeps_the_proof(witness, tmp_path):
    assert witness.post(LOG.request(0, 300)).status_code == 200
    conflict = witness.post(LOG.request(0, 301))
    assert (conflict.status_code, conflict.text, conflict.headers["content-type"]) == (409, "300\n", "text/x.tlog.size")
    assert witness.post(LOG.request(300, 200)).status_code == 400
    assert witness.post(LOG.request(300, 300, forked=7)).status_code == 422
    assert witness.post(LOG.request(300, 400, forked=7)).status_code == 422
    assert witness.post(LOG.request(300, 400, key=signer(ORIGIN, 5))).status_code == 403
    assert witness.post(GrownLog(signer("other.test/02/access/2026")).request(0, 1)).status_code == 404
    assert witness.post(b"old 0\n\nnonsense").status_code == 400
    assert witness.post(b"x" * 200_000).status_code == 413

    code, told, _ = command("evidence", "--folder", str(witness.folder))
    assert code == 1
    assert f"PROVEN fork: {ORIGIN} signed size 300" in told
    assert f"open unexplained: {ORIGIN} signed size 400" in told
    number = str(next(one.id for one in witness.evidence() if one.kind == "fork"))
    out = tmp_path / "case"
    assert command("evidence", "--folder", str(witness.folder), "--number", number, "--out", str(out))[0] == 0
    ours, theirs = (parse_note((out / name).read_bytes()) for name in ("ours.note", "theirs.note"))
    assert ours.check(LOG.key.verifier())
    assert theirs.check(LOG.key.verifier())
    assert ours.body != theirs.body
    assert witness.post(LOG.request(300, 400)).status_code == 200


def test_killed_at_any_moment_it_signs_one_history(witness):
    """Somebody sends growth without pause; each answer that came is remembered, and nothing is signed twice over."""
    dice = random.Random(5)
    acknowledged = [0]

    def grow(stop):
        size = 0
        while not stop.is_set():
            try:
                answer = witness.post(LOG.request(size, size + 1))
            except httpx.HTTPError:
                continue
            if answer.status_code == 200:
                size += 1
                acknowledged.append(size)
            elif answer.status_code == 409:
                assert size <= int(answer.text) <= size + 1  # an answer that was lost on its way
                size = int(answer.text)

    stop = threading.Event()
    growing = threading.Thread(target=grow, args=(stop,))
    growing.start()
    try:
        for _ in range(3):
            reached = len(acknowledged) + dice.randrange(3, 30)
            while len(acknowledged) < reached and growing.is_alive():
                stop.wait(0.01)
            before = acknowledged[-1]
            witness.kill()
            witness.start()
            assert witness.log().size >= before
            assert witness.post(LOG.request(before - 1, before, forked=0)).status_code in {400, 409, 422}
    finally:
        stop.set()
        growing.join()
    assert acknowledged == sorted(set(acknowledged))
    assert witness.log().root == LOG.tree(witness.log().size)[0].root()


def test_one_witness_a_folder_and_it_stops_when_it_is_told(witness):
    code, _, why = command("run", "--folder", str(witness.folder), "--listen", "127.0.0.1:0")
    assert (code, "runs in" in why) == (1, True)
    witness.process.send_signal(signal.SIGTERM)
    assert witness.process.wait(20) == 0
    assert "Traceback" not in (witness.folder / "said").read_text()


def test_a_head_that_does_not_end_is_cut_off(witness):
    with socket.create_connection(witness.listen.split(":"), 20) as far:
        far.sendall(b"POST /add-checkpoint HTTP/1.1\r\nx: " + b"y" * 40_000)
        assert far.recv(100).startswith(b"HTTP/1.1 4")
    assert witness.post(LOG.request(0, 1)).status_code == 200


def test_it_asks_before_it_trusts_and_refuses_another_key_than_on_paper(tmp_path):
    witness = RunningWitness(tmp_path / "w")
    for words in (("--vkey", "nonsense"), ("--vkey", witness.vkey), ()):
        code, _, why = command("add-log", "--folder", str(witness.folder), *words)
        assert (code, bool(why)) == (1, True)
    code, _, why = command("add-log", "http://127.0.0.1:1", "--folder", str(witness.folder))
    assert (code, "127.0.0.1:1" in why) == (1, True)
    assert command("add-log", "--folder", str(witness.folder), "--vkey", LOG.key.vkey())[0] == 0
    assert f"{ORIGIN}: size 0, cosigned -" in command("logs", "--folder", str(witness.folder))[1]
    with pytest.raises(Refused) as refused:
        office.watch_log(witness.folder, signer(ORIGIN, 5).vkey(), None, None)
    assert refused.value.kind is Kind.CONFLICT


def test_its_policy_has_the_keys_of_all_it_watches_and_its_own(tmp_path):
    folder = tmp_path / "w"
    vkey = office.make(folder, "w.example")
    assert command("policy", "--folder", str(folder))[0::2] == (1, "no log is watched: saqtau witness add-log")
    keys = [LOG.key.vkey(), signer("saqtau.example/02/evidence/2026", 2).vkey()]
    for one in keys:
        office.watch_log(folder, one, None, None)
    code, said, _ = command("policy", "--folder", str(folder))
    policy = parse_policy(said.encode())
    assert (code, sorted(log.verifier.vkey for log in policy.logs)) == (0, sorted(keys))
    assert [one.verifier.vkey for one in policy.witnesses] == [vkey]
    assert policy.quorum != NONE
