"""Any request to any input gets one well-formed answer, and nothing but a refusing disk is a 5xx."""

import asyncio
import json

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from saqtau.devices.hikvision import server as hikvision
from saqtau.devices.http import serve, token_digest
from saqtau.devices.owntracks import server as owntracks
from saqtau.devices.tablet import server as tablet
from saqtau.devices.tablet.compose import compose, new_key
from saqtau.devices.tablet.parse import Fix
from saqtau.devices.taking import Taking
from saqtau.kernel.clock import Instant
from saqtau.kernel.register import Camera

NOW = Instant(1_795_165_387_000)
TOKEN = "t" * 40
KEY, PUBLIC = new_key()
CAMERA = Camera("kam-1", "s", "n", 2, 43.2, 76.9, 0.0, 60.0)


async def take(*_):
    return None


def inputs():
    shared = {"clock": lambda: NOW, "registry": CollectorRegistry()}
    return serve(
        {
            "/hikvision/": hikvision.pushes(
                cameras={token_digest(TOKEN): CAMERA}.get,
                taking=Taking(take, take, lambda: NOW, CollectorRegistry()),
            ),
            "/tablet/positions": tablet.positions(
                devices={"tab-1": tablet.Enrolled("u", PUBLIC, 2**53)}.get, take_positions=take, **shared
            ),
            "/owntracks/": owntracks.locations(
                phones={token_digest(TOKEN): owntracks.Phone("p", "u")}.get, take_positions=take, **shared
            ),
        }
    )


async def answer(app, method, path, headers, chunks, *, hangs_up):
    coming = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    coming.append({"type": "http.disconnect"} if hangs_up else {"type": "http.request"})
    sent = []

    async def receive():
        return coming.pop(0) if coming else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": headers, "client": ("127.0.0.1", 9)}
    await app(scope, receive, send)
    return sent


paths = st.sampled_from(
    [f"/hikvision/{TOKEN}", f"/owntracks/{TOKEN}", "/tablet/positions", "/hikvision/", "/", "", "/tablet/positions/x"]
) | st.text(max_size=60).map(lambda text: f"/hikvision/{text}")
headers = st.lists(
    st.tuples(
        st.sampled_from([b"content-type", b"content-length", b"Content-Length", b"x"]),
        st.binary(max_size=30)
        | st.sampled_from([b"multipart/form-data; boundary=b", b"99999999999999999999", b"\xb2"]),
    ),
    max_size=4,
)
good = [
    compose(KEY, "tab-1", [Fix(1, NOW, 43.25, 76.9)]),
    b'{"_type":"location","lat":43,"lon":76,"tst":1795165387}',
    b"--b\r\n\r\n<a><ANPR><licensePlate>1A</licensePlate></ANPR></a>\r\n--b--",
]
chunks = st.lists(st.binary(max_size=80) | st.sampled_from(good), max_size=4)


@given(st.sampled_from(["POST", "POST", "GET", "X"]), paths, headers, chunks, st.booleans())
@settings(max_examples=400, deadline=None)
def test_every_request_gets_one_well_formed_answer(method, path, head, body, hangs_up):
    sent = asyncio.run(answer(inputs(), method, path, head, body, hangs_up=hangs_up))
    if sent == []:
        assert hangs_up
        return
    start, end = sent
    assert start["status"] in {200, 400, 401, 403, 404, 405, 413, 429}
    assert dict(start["headers"])[b"content-length"] == str(len(end["body"])).encode()
    if start["status"] not in {200, 405}:
        assert set(json.loads(end["body"])) == {"kind", "fields", "message"}
    assert TOKEN.encode() not in end["body"]
