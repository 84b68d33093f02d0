"""The camera's input over real sockets."""

import asyncio
import socket
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from tests.unit.devices.served import served

from saqtau.devices.hikvision.compose import Capture, compose, heartbeat
from saqtau.devices.hikvision.device import DEVICE
from saqtau.devices.hikvision.server import pushes
from saqtau.devices.http import serve, token_digest
from saqtau.devices.limits import Rate
from saqtau.devices.taking import Taking
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import Camera
from saqtau.kernel.signal import Picture, Trust

pytestmark = pytest.mark.anyio

RECORDED = Path(__file__).parents[3] / "data" / "hikvision"
NOW = Instant(1_795_165_388_000)
TOKEN = "t" * 43
ELSEWHERE = "e" * 43


class Intake:
    """What stands behind the input: a journal, a quarantine, a register and a clock that can be set."""

    def __init__(self, rate=DEVICE.rate):
        camera = Camera("kam-1", "s", "n", 2, 43.2, 76.9, 0.0, 60.0, address="127.0.0.1")
        other = Camera("kam-2", "s", "n", 2, 43.2, 76.9, 0.0, 60.0, address="192.0.2.7")
        self.cameras = {token_digest(TOKEN): camera, token_digest(ELSEWHERE): other}
        self.reads, self.quarantined = [], []
        self.trouble = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.now = NOW
        self.registry = CollectorRegistry()
        handler = pushes(
            cameras=self.cameras.get,
            taking=Taking(self.take, self.keep, lambda: self.now, self.registry),
            rate=rate,
        )
        self.app = serve({DEVICE.path: handler})

    async def take(self, read):
        await self.gate.wait()
        if self.trouble:
            raise self.trouble
        self.reads.append(read)

    async def keep(self, camera, reason, raw):
        self.quarantined.append((camera, reason, raw))

    def counted(self, name, **labels):
        return self.registry.get_sample_value(name, labels)


def push(plate="123ABC02", uuid="u-1", **more):
    return compose(Capture(at=NOW, plate=plate, uuid=uuid, **more))


async def post(client, headers, body, token=TOKEN):
    return await client.post(f"/hikvision/{token}", content=body, headers=headers)


async def test_a_push_is_answered_when_the_read_is_taken():
    intake = Intake()
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        answer = await post(
            client, *compose(Capture(NOW, "123ABC02", "u"), [Picture("crop", "image/jpeg", b"\xff\xd8\xff")])
        )
    assert answer.status_code == 200
    (read,) = intake.reads
    assert (read.camera, read.plate, read.trust, read.received) == ("kam-1", "123ABC02", Trust.SURE, NOW)
    assert [picture.name for picture in read.pictures] == ["crop"]


async def test_every_recorded_push_is_answered_200_so_that_no_camera_waits_behind_it():
    intake = Intake()
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        for path in sorted(RECORDED.glob("*.http")):
            head, _, body = path.read_bytes().partition(b"\r\n\r\n")
            lines = [line for line in head.decode().split("\r\n") if line.lower().startswith("content-type:")]
            headers = {"Content-Type": lines[0].partition(":")[2].strip()} if lines else {}
            answer = await post(client, headers, body)
            assert (path.stem, answer.status_code) == (path.stem, 200)
    assert {reason for _, reason, _ in intake.quarantined} == {"not_xml", "picture", "declaration", "plate"}
    assert intake.counted("saqtau_camera_said_total", kind="heartbeat") == 1
    assert intake.counted("saqtau_camera_said_total", kind="unread") == 1


async def test_an_unknown_token_learns_nothing_and_its_body_is_not_read():
    intake = Intake()
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        answers = [await post(client, *push(), token=token) for token in ("x" * 43, "short")]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json()["kind"] == "unauthenticated"
    assert intake.reads == []


async def test_a_push_from_another_address_than_the_registered_one_is_denied():
    intake = Intake()
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        headers, body = push()
        answer = await post(client, headers | {"X-Forwarded-For": "192.0.2.7"}, body, token=ELSEWHERE)
    assert (answer.status_code, answer.json()["fields"]) == (403, {"address": "other"})
    assert intake.reads == []


async def test_a_declared_body_over_eight_mebibytes_is_refused():
    async with served(Intake().app) as base, httpx.AsyncClient(base_url=base) as client:
        answer = await post(client, {}, b"x" * ((8 << 20) + 1))
    assert (answer.status_code, answer.json()["fields"]) == (413, {"body": "too_large"})


async def test_a_chunked_body_over_eight_mebibytes_is_refused():
    async def chunks():
        for _ in range(130):
            yield b"x" * 65_536

    async with served(Intake().app) as base, httpx.AsyncClient(base_url=base) as client:
        answer = await post(client, {}, chunks())
    assert (answer.status_code, answer.json()["fields"]) == (413, {"body": "too_large"})


async def test_a_camera_that_hangs_up_in_the_middle_leaves_nothing():
    intake = Intake()
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        port = httpx.URL(base).port
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(f"POST /hikvision/{TOKEN} HTTP/1.1\r\nHost: h\r\nContent-Length: 900\r\n\r\nhalf".encode())
        answer = await post(client, *heartbeat(NOW))
    assert answer.status_code == 200
    assert (intake.reads, intake.quarantined) == ([], [])


async def test_the_same_event_again_is_taken_once():
    intake = Intake()
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        answers = [await post(client, *push()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len(intake.reads) == 1
    assert intake.counted("saqtau_camera_said_total", kind="repeat") == 2


async def test_a_repeat_during_the_first_waits_for_the_same_disk():
    intake = Intake()
    intake.gate.clear()
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        both = [asyncio.create_task(post(client, *push())) for _ in range(2)]
        done, _ = await asyncio.wait(both, timeout=0.3)
        assert done == set()
        intake.gate.set()
        assert [(await task).status_code for task in both] == [200, 200]
    assert len(intake.reads) == 1


async def test_when_the_disk_refuses_both_are_told_and_the_next_try_is_a_first_one():
    intake = Intake()
    intake.trouble = Refused(Kind.UNAVAILABLE, "disk full", disk="full")
    intake.gate.clear()
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        both = [asyncio.create_task(post(client, *push())) for _ in range(2)]
        await asyncio.sleep(0.2)
        intake.gate.set()
        answers = [await task for task in both]
        assert [answer.status_code for answer in answers] == [503, 503]
        assert answers[0].headers["retry-after"] == "5"
        intake.trouble = None
        assert (await post(client, *push())).status_code == 200
    assert len(intake.reads) == 1


async def test_our_own_trouble_is_kept_raw_and_never_told_to_the_camera(caplog):
    intake = Intake()
    intake.trouble = KeyError("a fault of ours")
    headers, body = push()
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        answer = await post(client, headers, body)
    assert answer.status_code == 200
    assert intake.quarantined == [("kam-1", "trouble", body)]
    assert "kam-1" in caplog.text
    assert TOKEN not in caplog.text


async def test_a_read_the_journal_will_not_take_is_kept_raw_too():
    intake = Intake()
    intake.trouble = Refused(Kind.INVALID, "a signal the journal does not know", signal="unknown")
    headers, body = push()
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        answer = await post(client, headers, body)
    assert answer.status_code == 200
    assert intake.quarantined == [("kam-1", "trouble", body)]


async def test_a_read_whose_pictures_are_too_large_is_taken_without_them():
    intake = Intake()

    async def take(read):
        if sum(len(picture.data) for picture in read.pictures) > 1000:
            raise Refused(Kind.TOO_LARGE, "a signal of many bytes", signal="too_large")
        intake.reads.append(read)

    handler = pushes(cameras=intake.cameras.get, taking=Taking(take, intake.keep, lambda: NOW, CollectorRegistry()))
    scene = Picture("scene", "image/jpeg", b"\xff\xd8\xff" + b"x" * 2000)
    async with served(serve({DEVICE.path: handler})) as base, httpx.AsyncClient(base_url=base) as client:
        answers = [await post(client, *compose(Capture(NOW, "123ABC02", "u"), [scene])) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [(read.plate, read.pictures) for read in intake.reads] == [("123ABC02", ())]
    assert intake.quarantined == []


async def test_a_token_that_is_too_short_is_no_token_even_if_it_is_registered():
    intake = Intake()
    intake.cameras[token_digest("short")] = intake.cameras[token_digest(TOKEN)]
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        assert (await post(client, *push(), token="short")).status_code == 401


async def test_a_camera_that_pushes_too_fast_is_slowed_and_the_others_are_not():
    intake = Intake(rate=Rate(per_second=1, burst=2))
    third = Camera("kam-3", "s", "n", 2, 43.2, 76.9, 0.0, 60.0)
    intake.cameras[token_digest("3" * 43)] = third
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        answers = [(await post(client, *push(uuid=f"u{n}"))).status_code for n in range(3)]
        other = (await post(client, *push(), token="3" * 43)).status_code
        intake.now = Instant(NOW + 1_000)
        later = (await post(client, *push(uuid="u3"))).status_code
    assert (answers, other, later) == ([200, 200, 429], 200, 200)


async def test_a_camera_that_sends_only_rubbish_does_not_fill_the_disk():
    intake = Intake()
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        answers = [(await post(client, {}, b"rubbish")).status_code for _ in range(32)]
    assert answers == [200] * 30 + [429] * 2
    assert len(intake.quarantined) == 30
    assert intake.counted("saqtau_camera_quarantine_full_total") == 2


async def test_a_clock_out_of_tolerance_is_counted_by_camera():
    intake = Intake()
    intake.now = Instant(NOW + 45_000)
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        await post(client, *push())
    assert intake.reads[0].trust is Trust.DOUBTFUL
    assert intake.counted("saqtau_camera_clock_off_total", camera="kam-1") == 1
    assert intake.counted("saqtau_camera_clock_seconds", camera="kam-1") == -45.0


async def test_other_paths_and_methods_are_refused_in_the_same_words():
    async with served(Intake().app) as base, httpx.AsyncClient(base_url=base) as client:
        unknown = await client.post("/nothing")
        wrong = await client.get(f"/hikvision/{TOKEN}")
    assert (unknown.status_code, unknown.json()["kind"]) == (404, "not_found")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
