"""Our client at our looping server: what a camera shows, and each way it can fail."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import pairwise

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.unit.devices.rtsp.playing import now, played, refused, until

from saqtau.devices.rtsp.auth import Login
from saqtau.simulate.clip import scene
from saqtau.simulate.loop import move_plug, serving
from saqtau.video.access_unit import Audio, AudioCodec, Codec

pytestmark = pytest.mark.anyio


@pytest.fixture
async def server():
    async with serving(clock=now, commanded=True) as one:
        yield one


@pytest.mark.parametrize("path", ["street/1", "street265/1"])
async def test_pictures_come_as_the_camera_coded_them_with_both_clocks(server, path):
    stream = server.stream(path)
    stream.skew = 7_000
    async with played(server.address(path)) as one:
        await one.more(30)
    clip = stream.clip
    assert one.units[0] == clip.parameters
    assert [unit.nals for unit in one.pictures] == list(clip.pictures[: len(one.pictures)])
    assert one.pictures[0].key
    assert {b.ts - a.ts for a, b in pairwise(one.pictures)} == {round(90_000 / clip.fps)}
    assert not one.losses
    told = [unit.ntp - unit.received for unit in one.pictures if unit.ntp is not None]
    assert told
    # the camera's own clock is ahead; a slow machine can only make the difference smaller
    assert 5_000 < max(told) <= 7_050


@pytest.mark.parametrize(("codec", "rate"), [("aac", 16_000), ("pcma", 8_000), ("pcmu", 8_000)])
async def test_sound_comes_as_a_second_track_where_it_is_wanted(server, codec, rate):
    async with played(server.address(f"yard/{codec}/1"), audio=True) as one:
        await until(lambda: len(one.sounds) > 8)
    heard = server.stream(f"yard/{codec}/1").sound
    assert one.parameters[0].audio == heard.audio
    assert isinstance(heard.audio, Audio)
    assert heard.audio.codec is AudioCodec(codec)
    assert heard.audio.rate == rate
    assert {b.ts - a.ts for a, b in pairwise(one.sounds)} == {heard.samples}
    whole = [payload[4:] if codec == "aac" else payload for payload in heard.payloads]
    first = whole.index(one.sounds[0].data)
    assert [one.data for one in one.sounds] == [whole[(first + k) % len(whole)] for k in range(len(one.sounds))]


async def test_a_sound_that_nobody_asked_for_is_not_set_up(server):
    async with played(server.address("yard/aac/1")) as one:
        await one.more(5)
    assert one.parameters[0].audio is None
    assert not one.sounds
    assert server.requests["SETUP"] == 1


async def test_each_lost_packet_is_counted_and_none_is_invented(server):
    stream = server.stream("street/1")
    async with played(server.address("street/1")) as one:
        await one.more(10)
        stream.lose(3)
        await until(lambda: stream.lost == 3)
        await one.more(3)
        assert sum(loss.packets for loss in one.losses) == 3
        stream.lose_share(0.2)
        await until(lambda: stream.lost > 12)
        stream.lose_share(0)
        await one.more(2)
        assert sum(loss.packets for loss in one.losses) == stream.lost
    clip = stream.clip
    assert all(unit.nals in clip.pictures for unit in one.pictures)


async def test_parameters_that_change_in_the_middle_are_told_before_their_key_picture(server):
    stream = server.stream("street/1")
    async with played(server.address("street/1")) as one:
        await one.more(3)
        stream.change(scene("cell"))
        await until(lambda: len(one.parameters) == 2)
        await one.more(3)
    assert one.parameters == [scene("street").parameters, scene("cell").parameters]
    following = one.units[one.units.index(one.parameters[1]) + 1]
    assert following.key
    assert following.nals == scene("cell").pictures[0]
    assert not one.losses
    assert all(a.ts < b.ts for a, b in pairwise(one.pictures))


async def test_parameter_sets_that_stand_only_in_the_stream_are_found_there(server):
    for path, codec in (("street/1", Codec.H264), ("street265/1", Codec.H265)):
        server.stream(path).described = False
        async with played(server.address(path)) as one:
            await one.more(2)
        assert one.parameters[0].codec is codec
        assert one.pictures[0].key


async def test_a_camera_that_begins_anew_is_told_and_time_goes_on(server):
    stream = server.stream("street/1")
    async with played(server.address("street/1")) as one:
        await one.more(5)
        stream.restart()
        await until(lambda: one.losses)
        await one.more(5)
    assert [loss.packets for loss in one.losses] == [None]
    steps = [b.ts - a.ts for a, b in pairwise(one.pictures)]
    # the wait for the machine is in it, a leap of the source's stamps is not
    assert min(steps) > 0
    assert max(steps) < 60 * 90_000


async def test_a_pulled_plug_is_noticed_and_the_camera_is_not_to_be_had_until_it_is_in_again(server):
    address = server.address("street/1")
    async with played(address) as one:
        await one.more(2)
        await move_plug(address, out=True)
        assert (await one.ending()).fields["stream"] == "lost"
    assert (await refused(address))[0] == "lost"
    await move_plug(address, out=False)
    async with played(address) as one:
        await one.more(2)


async def test_a_camera_that_says_nothing_more_is_given_up_after_the_silence_agreed(server):
    async with played(server.address("street/1"), silence=0.5) as one:
        await one.more(2)
        server.stream("street/1").silent = True
        assert (await one.ending()).fields["stream"] == "silent"
    assert (await refused(server.address("street/1"), silence=0.5))[0] == "silent"


async def test_nobody_there_no_such_path_and_a_wrong_address_are_told_apart(server):
    assert (await refused(server.address("nowhere/1")))[0] == "not_found"
    for address in (
        "rtsp://",
        "rtsp://user:word@127.0.0.1/x",
        "rtsp://127.0.0.1:0/x",
        "rtsp://127.0.0.1:99999/x",
        "gopher://x/",
    ):
        assert (await refused(address))[0] == "address"
    listening = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    listening.close()
    await listening.wait_closed()
    assert (await refused(f"rtsp://127.0.0.1:{port}/street"))[0] == "unreachable"


@pytest.mark.parametrize("digests", [("MD5",), ("SHA-256",), ("SHA-256", "MD5")])
async def test_the_password_is_proven_by_digest(digests):
    async with serving(clock=now, login=Login("admin", 'p:ä"x'), digests=digests) as server:
        address = server.address("street/1")
        async with played(address, credentials='admin:p%3A%C3%A4"x') as one:
            await one.more(2)
        assert (await refused(address))[0] == "denied"
        assert (await refused(address, credentials="admin:wrong"))[0] == "denied"
        # a camera locks out who guesses: a wrong password is tried once
        asked = server.requests["DESCRIBE"]
        assert (await refused(address, credentials="other:wrong"))[0] == "denied"
        assert server.requests["DESCRIBE"] == asked + 2


async def test_a_password_is_shown_in_the_clear_only_where_that_was_allowed():
    async with serving(clock=now, login=Login("admin", "word"), digests=(), basic=True) as server:
        word, message = await refused(server.address("street/1"), credentials="admin:word")
        assert word == "denied"
        assert "in the clear" in message
        async with played(server.address("street/1"), credentials="admin:word\nbasic\n") as one:
            await one.more(2)


async def test_the_session_is_kept_alive():
    async with serving(clock=now, patience=3.0) as server, played(server.address("street/1")) as one:
        await until(lambda: server.requests["GET_PARAMETER"] >= 2 or one.task.done())
        await one.more(2)
        assert not one.task.done()


async def test_the_camera_is_left_with_a_goodbye(server):
    async with played(server.address("street/1")) as one:
        await one.more(2)
    await until(lambda: server.requests["TEARDOWN"] == 1 and server.stream("street/1").viewers == 0)


def certificate(folder):
    """A certificate of 127.0.0.1 by itself: the server's context and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "camera")])
    began = datetime.now(UTC) - timedelta(days=1)
    made = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), began, began + timedelta(9)
    )
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "both.pem").write_bytes(private + pem)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(folder / "both.pem")
    return served, ssl.create_default_context(cadata=pem.decode())


async def test_over_tls_a_camera_is_believed_by_its_certificate_only(tmp_path):
    served, trust = certificate(tmp_path)
    async with serving(clock=now, tls=served, login=Login("a", "b"), digests=(), basic=True) as server:
        address = server.address("street/1")
        assert address.startswith("rtsps://")
        async with played(address, trust=trust, credentials="a:b") as one:
            await one.more(2)
        word, message = await refused(address, credentials="a:b")
        assert word == "denied"
        assert "certificate" in message


async def said(lines, **how):
    """The refusal at a server that answers each request with the next of `lines`."""
    answers = iter(lines)

    async def serve(reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                number = head.split(b"CSeq: ")[1].split(b"\r\n")[0]
                writer.write(next(answers, b"RTSP/1.0 500 X\r\nCSeq: %d\r\n\r\n").replace(b"%d", number))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        return await refused(f"rtsp://127.0.0.1:{port}/x", **how), port


OK = b"RTSP/1.0 200 OK\r\nCSeq: %d\r\n\r\n"


async def test_what_is_no_rtsp_is_refused_and_not_waited_for():
    for rubbish in (b"\0" * 10, b"HTTP/1.1 400 Bad\r\n\r\n", b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n"):
        (word, _), _ = await said([rubbish])
        assert word == "broken"


async def test_a_camera_may_send_us_to_another_path_and_to_no_other_machine():
    elsewhere = b"RTSP/1.0 302 Moved\r\nCSeq: %d\r\nLocation: rtsp://192.0.2.1/y\r\n\r\n"
    (word, message), _ = await said([OK, elsewhere])
    assert word == "denied"
    assert "not followed" in message


async def test_a_camera_sends_us_to_no_other_port_of_its_address():
    asked, port = [], 0

    async def other(_, writer):
        asked.append("other")
        writer.close()

    server = await asyncio.start_server(other, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        moved = b"RTSP/1.0 302 Moved\r\nCSeq: %d\r\nLocation: rtsp://127.0.0.1:" + str(port).encode() + b"/y\r\n\r\n"
        (word, _), _ = await said([OK, moved])
    assert (word, asked) == ("denied", [])


async def test_a_description_without_pictures_is_refused_by_its_name():
    body = b"v=0\r\nm=audio 0 RTP/AVP 0\r\nm=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n"
    described = b"RTSP/1.0 200 OK\r\nCSeq: %d\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
    (word, message), _ = await said([OK, described])
    assert word == "no_video"
    assert "audio" in message


async def test_a_camera_that_asks_and_reads_no_answer_does_not_fill_our_memory():
    question = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n" * 1_000
    asked = 0

    async def serve(reader, writer):
        nonlocal asked
        try:
            while asked < 2_000:
                writer.write(question)
                await writer.drain()
                asked += 1
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1)
    async with server:
        word, message = await refused(f"rtsp://127.0.0.1:{server.sockets[0].getsockname()[1]}/x")
    assert word == "broken"
    assert "reads none" in message
    assert asked < 2_000
