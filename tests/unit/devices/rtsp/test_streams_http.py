"""Streams over HTTP: from the camera's own machine and no other, whatever it answers."""

import asyncio
import socket
import threading
from contextlib import asynccontextmanager, suppress
from hashlib import md5

import pytest
from tests.unit.devices.rtsp.playing import played, refused, until
from tests.unit.devices.rtsp.test_client import certificate
from tests.unit.devices.rtsp.test_streams import film, slices

from saqtau.devices.streams.srt import available
from saqtau.simulate.clip import scene

pytestmark = pytest.mark.anyio
LIST = "application/vnd.apple.mpegurl"


class Camera:
    """A web server that answers what a test wants. asked: the heads of the requests, in order."""

    def __init__(self, scheme):
        self.scheme = scheme
        self.answers = {}
        self.asked = []
        self.port = self.busy = 0
        self.over = asyncio.Event()
        self.over.set()  # cleared: lines stay open after their answer

    def address(self, path):
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"

    def gives(self, path, body, kind="video/mp2t"):
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.answers[path] = head.encode() + body

    def says(self, path, status, *headers):
        lines = [f"HTTP/1.1 {status} X", *headers, "Content-Length: 0", "", ""]
        self.answers[path] = "\r\n".join(lines).encode()

    async def serve(self, reader, writer):
        self.busy += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(head)
            path = head.split(" ")[1]
            found = self.answers.get(path, b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n")
            writer.write(found(head) if callable(found) else found)
            await writer.drain()
            await self.over.wait()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self.busy -= 1

    @property
    def paths(self):
        return [head.split(" ")[1] for head in self.asked]


@asynccontextmanager
async def serving(tls=None):
    one = Camera("http" if tls is None else "https")
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0, ssl=tls)
    one.port = server.sockets[0].getsockname()[1]
    async with server:
        yield one
        one.over.set()
        await until(lambda: not one.busy and not any(each.name.startswith("stream ") for each in threading.enumerate()))


@pytest.fixture
async def camera():
    async with serving() as one:
        yield one


@pytest.fixture
async def other():
    """Another machine, which must never be asked for anything."""
    async with serving() as one:
        yield one
        assert one.asked == []


async def seen(address, name, count=10, **how):
    """The pictures are those of the clip, bit for bit."""
    async with played(address, **how) as one:
        await until(lambda: len(one.pictures) >= count or one.task.done())
    assert len(one.pictures) >= count, one.task
    clip = scene(name)
    codec = clip.parameters.codec
    assert one.parameters[0] == clip.parameters
    wanted = [slices(codec, picture) for picture in clip.pictures]
    assert [slices(codec, unit.nals) for unit in one.pictures] == wanted[: len(one.pictures)]
    return one


@pytest.mark.parametrize(
    ("name", "kind"), [("cell", "ts"), ("street", "flv"), ("yard", "mkv"), ("street265", "ts"), ("street265", "mkv")]
)
async def test_a_file_over_http_is_played_as_it_is(camera, tmp_path, name, kind):
    film(name, tmp_path / f"film.{kind}")
    camera.gives("/live", (tmp_path / f"film.{kind}").read_bytes())
    one = await seen(camera.address("/live"), name)
    assert one.losses == []


async def test_a_camera_may_send_to_another_path_of_its_own(camera, tmp_path):
    film("cell", tmp_path / "film.ts")
    camera.says("/", 302, "Location: /elsewhere/live?x=1")
    camera.gives("/elsewhere/live?x=1", (tmp_path / "film.ts").read_bytes())
    await seen(camera.address("/"), "cell")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_camera_that_sends_to_another_machine_is_not_followed(camera, other, status):
    for target in (
        other.address("/live"), f"//127.0.0.1:{other.port}/live", f"http://localhost:{camera.port}/live",
        "file:///etc/passwd", f"http://me:word@127.0.0.1:{camera.port}/", f"https://127.0.0.1:{camera.port}/",
        "http://[", "rtmp://127.0.0.1/live",
    ):  # fmt: skip
        camera.says("/", status, f"Location: {target}")
        assert (await refused(camera.address("/")))[0] == "denied", target


async def test_one_that_sends_in_circles_is_given_up(camera):
    camera.says("/", 302, "Location: /")
    assert (await refused(camera.address("/")))[0] == "not_found"
    assert len(camera.asked) < 8


def listed(*lines, ended=True):
    tail = ["#EXT-X-ENDLIST"] if ended else []
    return "\n".join(["#EXTM3U", "#EXT-X-TARGETDURATION:2", *lines, *tail, ""]).encode()


async def test_a_playlist_is_played_from_its_own_machine(camera, tmp_path):
    film("cell", tmp_path / "film.ts")
    whole = (tmp_path / "film.ts").read_bytes()
    cut = 188 * (len(whole) // 188 // 3)
    camera.gives("/main.m3u8", listed('#EXT-X-STREAM-INF:BANDWIDTH=9,CODECS="a,b"', "sub/list.m3u8?a"), LIST)
    camera.gives("/sub/list.m3u8?a", listed("#EXTINF:1,", "1.ts", "#EXTINF:1,", "/2.ts"), LIST)
    camera.gives("/sub/1.ts", whole[:cut])
    camera.gives("/2.ts", whole[cut:])
    one = await seen(camera.address("/main.m3u8"), "cell", 20)
    assert camera.paths[:3] == ["/main.m3u8", "/sub/list.m3u8?a", "/sub/1.ts"]
    assert one.losses == []
    rate = float(scene("cell").fps)
    # what came in one lump is handed on when it is due
    assert one.pictures[15].received - one.pictures[0].received >= 15 * 1000 / rate - 60


async def test_a_playlist_that_goes_on_is_asked_again_and_what_went_meanwhile_is_a_loss(camera, tmp_path):
    film("cell", tmp_path / "film.ts")
    whole = (tmp_path / "film.ts").read_bytes()
    part = 188 * (len(whole) // 188 // 8)
    for number in range(1, 9):
        camera.gives(f"/{number}.ts", whole[(number - 1) * part : number * part])
    turn = iter([(1, 2), (1, 2), (6, 7)])
    at = [1]

    def answer(_head):
        at[:] = next(turn, at)
        lines = [f"#EXT-X-MEDIA-SEQUENCE:{at[0]}"]
        lines += [line for number in range(at[0], at[-1] + 1) for line in ("#EXTINF:1,", f"/{number}.ts")]
        body = listed(*lines, ended=False)
        return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    camera.answers["/list.m3u8"] = answer
    async with played(camera.address("/list.m3u8")) as one:
        await until(lambda: one.losses or one.task.done())
        assert not one.task.done()
    assert len(one.losses) == 1
    assert [path for path in camera.paths if path.endswith(".ts")][:3] == ["/1.ts", "/2.ts", "/6.ts"]


async def test_segments_of_fragmented_mp4_are_played_with_their_head(camera, tmp_path):
    film("street265", tmp_path / "film.mp4", movflags="frag_keyframe+empty_moov+default_base_moof")
    whole = (tmp_path / "film.mp4").read_bytes()
    cut = whole.index(b"moof") - 4
    again = whole.index(b"moof", cut + 8) - 4
    camera.gives("/list.m3u8", listed('#EXT-X-MAP:URI="head.mp4"', "#EXTINF:1,", "1.m4s", "#EXTINF:1,", "2.m4s"), LIST)
    camera.gives("/head.mp4", whole[:cut])
    camera.gives("/1.m4s", whole[cut:again])
    camera.gives("/2.m4s", whole[again:])
    await seen(camera.address("/list.m3u8"), "street265")
    assert camera.paths[:3] == ["/list.m3u8", "/head.mp4", "/1.m4s"]


async def test_over_tls_a_camera_is_believed_by_its_certificate_only(tmp_path):
    film("cell", tmp_path / "film.ts")
    served, trust = certificate(tmp_path)
    async with serving(tls=served) as camera:
        camera.says("/", 302, "Location: /live")
        camera.gives("/live", (tmp_path / "film.ts").read_bytes())
        await seen(camera.address("/"), "cell", trust=trust)
        assert (await refused(camera.address("/")))[0] == "denied"
        camera.says("/down", 302, f"Location: http://127.0.0.1:{camera.port}/live")
        assert (await refused(camera.address("/down"), trust=trust))[0] == "denied"


@pytest.mark.parametrize("where", ["segment", "list", "head"])
async def test_a_playlist_leads_to_no_other_machine(camera, other, where):
    lines = {
        "segment": ["#EXTINF:1,", other.address("/1.ts")],
        "list": ["#EXT-X-STREAM-INF:BANDWIDTH=9", other.address("/list.m3u8")],
        "head": [f'#EXT-X-MAP:URI="{other.address("/head.mp4")}"', "#EXTINF:1,", "1.m4s"],
    }[where]
    camera.gives("/list.m3u8", listed(*lines), LIST)
    assert (await refused(camera.address("/list.m3u8")))[0] == "denied"
    camera.gives("/list.m3u8", listed("#EXTINF:1,", "1.ts"), LIST)
    camera.says("/1.ts", 302, f"Location: {other.address('/1.ts')}")
    assert (await refused(camera.address("/list.m3u8")))[0] == "denied"


async def test_what_lies_in_a_stream_leads_nowhere(camera, other, tmp_path):
    """Lists of other kinds, which FFmpeg would open by itself."""
    film("street", tmp_path / "film.mp4")
    for body in (
        f"ffconcat version 1.0\nfile {tmp_path}/film.mp4\n",
        f"ffconcat version 1.0\nfile {other.address('/x.ts')}\n",
        f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd"><BaseURL>{other.address("/")}</BaseURL></MPD>',
        f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video {other.port} RTP/AVP 96\n",
    ):
        camera.gives("/live", body.encode() * 3)
        assert (await refused(camera.address("/live")))[0] in {"unreachable", "no_video", "broken"}


async def test_a_password_is_proven_and_not_shown(camera, tmp_path):
    film("cell", tmp_path / "film.ts")
    whole = (tmp_path / "film.ts").read_bytes()

    def answer(head):
        if "authorization: digest" not in head.lower():
            told = 'WWW-Authenticate: Digest realm="cam", nonce="n1"'
            return f"HTTP/1.1 401 X\r\n{told}\r\nContent-Length: 0\r\n\r\n".encode()
        return f"HTTP/1.1 200 OK\r\nContent-Length: {len(whole)}\r\n\r\n".encode() + whole

    camera.answers["/live"] = answer
    await seen(camera.address("/live"), "cell", credentials="user:word")
    first, second = (md5(text.encode()).hexdigest() for text in ("user:cam:word", "GET:/live"))
    assert md5(f"{first}:n1:{second}".encode()).hexdigest() in camera.asked[-1]
    assert not any("word" in head for head in camera.asked)
    assert (await refused(camera.address("/live")))[0] == "denied"
    camera.says("/basic", 401, 'WWW-Authenticate: Basic realm="cam"')
    assert (await refused(camera.address("/basic"), credentials="user:word"))[0] == "denied"
    assert not any("Basic" in head for head in camera.asked)
    await refused(camera.address("/basic"), credentials="user:word\nbasic")
    assert "Authorization: Basic dXNlcjp3b3Jk" in camera.asked[-1]


async def test_what_answers_nothing_or_rubbish_is_told(camera, tmp_path):
    assert (await refused(camera.address("/none")))[0] == "not_found"
    camera.says("/closed", 403)
    assert (await refused(camera.address("/closed")))[0] == "denied"
    camera.answers["/rubbish"] = b"\0\1\2" * 1000
    assert (await refused(camera.address("/rubbish")))[0] == "unreachable"
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert (await refused(f"http://127.0.0.1:{port}/"))[0] == "unreachable"
    film("cell", tmp_path / "film.ts")
    whole = (tmp_path / "film.ts").read_bytes()
    camera.answers["/silent"] = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + whole
    camera.over.clear()
    async with played(camera.address("/silent"), silence=1.0) as one:
        assert (await one.ending()).fields["stream"] == "silent"
        assert one.pictures


@pytest.mark.parametrize("scheme", ["http", "https", "rtmp", "rtsp", "rtsps", "srt"])
@pytest.mark.parametrize(("host", "where"), [
    ("2130706433", "127.0.0.1"), ("127.1", "127.0.0.1"), ("0x7f.1", "127.0.0.1"), ("0", "0.0.0.0"),
    ("2852039166", "169.254.169.254"), ("100.6579400", "100.100.100.200"),
])  # fmt: skip
async def test_a_name_leads_to_no_machine_that_only_we_can_reach(other, scheme, host, where):
    if scheme == "srt" and not available():
        pytest.skip("libsrt (Debian: libsrt1.5-openssl) calls cameras over SRT")
    port = other.port if where == "127.0.0.1" else 9
    word, told = await refused(f"{scheme}://{host}:{port}/live")
    assert (word, where in told) == ("address", True)


async def test_an_address_in_numbers_is_what_its_register_says(camera, tmp_path):
    film("cell", tmp_path / "film.ts")
    camera.gives("/live", (tmp_path / "film.ts").read_bytes())
    await seen(f"http://127.0.0.1:{camera.port}/live", "cell")
    await seen(f"http://localhost:{camera.port}/live", "cell")
