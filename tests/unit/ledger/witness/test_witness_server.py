"""The witness over HTTP: bounded bodies, bounded waiting, and no answer that is not on disk."""

import asyncio
import sqlite3
import threading

import pytest
from tests.witnessing import ORIGIN, GrownLog, signer

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.witness import server
from saqtau.ledger.witness.server import WAITING, Witness
from saqtau.ledger.witness.store import Store

pytestmark = pytest.mark.anyio

LOG = GrownLog()


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path)
    made.add_log(LOG.key.vkey(), Instant(1))
    yield made
    made.close()


@pytest.fixture
def heard():
    return []


@pytest.fixture
def witness(store, heard):
    made = Witness(
        store,
        signer("witness.test/1", 9),
        lambda: Instant(1_795_500_000_000),
        asked=heard.append,
        cosigned=heard.append,
    )
    yield made
    made.close()


def body(data, size=1 << 20):
    """The body in pieces, as a server hands it on; then nothing more ever comes."""
    pieces = [data[start : start + size] for start in range(0, len(data), size)] or [b""]
    messages = [
        {"type": "http.request", "body": piece, "more_body": piece is not pieces[-1]} for piece in pieces
    ]  # fmt: skip

    async def receive():
        if messages:
            return messages.pop(0)
        return await asyncio.Event().wait()

    return receive


async def ask(app, method, path, receive=None):
    sent = []

    async def send(message):
        sent.append(message)

    await app({"type": "http", "method": method, "path": path}, receive or body(b""), send)
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent[1:]), dict(sent[0]["headers"])


async def test_a_body_may_come_in_pieces(witness, heard):
    status, text, headers = await ask(witness, "POST", "/add-checkpoint", body(LOG.request(0, 300), 7))
    assert (status, text.startswith("— witness.test/1".encode())) == (200, True)
    assert headers[b"cache-control"] == b"no-store"
    assert heard == [ORIGIN]


async def test_a_body_beyond_the_limit_is_cut_off_before_it_is_whole(witness):
    async def endless():
        return {"type": "http.request", "body": b"x" * 65_536, "more_body": True}

    status, _, headers = await ask(witness, "POST", "/add-checkpoint", endless)
    assert (status, headers[b"connection"]) == (413, b"close")


async def test_a_body_that_does_not_come_is_given_up(witness, monkeypatch):
    monkeypatch.setattr(server, "PATIENCE", 0.01)

    async def never():
        await asyncio.Event().wait()

    status, text, _ = await ask(witness, "POST", "/add-checkpoint", never)
    assert (status, b"did not come" in text) == (400, True)


async def test_a_sender_that_goes_away_is_no_fault(witness):
    async def gone():
        return {"type": "http.disconnect"}

    assert (await ask(witness, "POST", "/add-checkpoint", gone))[0] == 400


async def test_an_unknown_log_is_told_to_who_reads_lists(witness, heard):
    other = GrownLog(signer("police.test/07/access/2027"))
    assert (await ask(witness, "POST", "/add-checkpoint", body(other.request(0, 1))))[0] == 404
    assert heard == ["police.test/07/access/2027"]


async def test_when_the_file_fails_nothing_is_cosigned(witness, store, monkeypatch, heard):
    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(store, "keep", full)
    status, text, _ = await ask(witness, "POST", "/add-checkpoint", body(LOG.request(0, 300)))
    assert (status, b"cosig" in text, heard) == (503, False, [])
    assert store.log(ORIGIN).size == 0


async def test_what_waits_is_bounded(witness):
    hold, begun = threading.Event(), threading.Event()

    def slow():
        begun.set()
        hold.wait(60)

    waiting = [asyncio.create_task(witness.working(slow)) for _ in range(WAITING)]
    await asyncio.to_thread(begun.wait, 60)
    with pytest.raises(Refused) as refused:
        await witness.working(lambda: None)
    assert refused.value.kind is Kind.TOO_MANY
    assert (await ask(witness, "GET", "/" + "0" * 64 + "/checkpoint"))[0] == 429
    hold.set()
    await asyncio.gather(*waiting)
    assert await witness.working(lambda: 5) == 5


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/add-checkpoint"), ("PUT", "/"), ("GET", "/x/y/z"), ("POST", "/add-checkpoint/x"), ("GET", "/x")],
)
async def test_other_pages_are_not_there(witness, method, path):
    assert (await ask(witness, method, path))[0] == 404


async def test_a_head_has_no_body(witness):
    status, text, headers = await ask(witness, "HEAD", "/")
    assert (status, text) == (200, b"")
    assert int(headers[b"content-length"]) > 50
