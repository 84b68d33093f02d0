"""Whatever is lost or cut on the way from a camera: whole pictures bit for bit, and losses counted exactly."""

import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from saqtau.devices.rtsp.assemble import VideoTrack
from saqtau.devices.rtsp.assemble_sound import SoundTrack
from saqtau.devices.rtsp.auth import Login, answer, choose, parse_login
from saqtau.devices.rtsp.connection import Connection
from saqtau.devices.rtsp.messages import parse_head, reply, request
from saqtau.devices.rtsp.rtcp import parse_reports, receiver_report
from saqtau.devices.rtsp.sdp import Heard, control_address, parse_description
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.simulate.clip import payloads_of, scene
from saqtau.video.access_unit import AccessUnit, Audio, AudioCodec, Codec, Loss, Parameters

CLIPS = {Codec.H264: scene("street"), Codec.H265: scene("street265")}
NOW = Instant(1_795_165_387_412)
STEP = 3600


def sliced(codec, kind, first, body):
    head = bytes([0x60 | kind]) if codec is Codec.H264 else bytes([kind << 1, 1])
    return head + bytes([0x80 if first else 0x40]) + body


@st.composite
def streams(draw):
    """A codec and some pictures of it, the first of them a key with its parameter sets."""
    codec = draw(st.sampled_from(Codec))
    bodies = st.binary(min_size=1, max_size=40) | st.integers(1300, 4500).map(lambda n: bytes([n & 0xFF]) * n)
    sets = CLIPS[codec].parameters.sets
    note = b"\x06\x05\x04abcd\x80" if codec is Codec.H264 else b"\x4e\x01\x05\x04abcd\x80"
    begin = b"\x09\xf0" if codec is Codec.H264 else b"\x46\x01\x50"
    pictures = []
    for number in range(draw(st.integers(1, 12))):
        key = number == 0 or draw(st.booleans())
        kind = (5 if key else 1) if codec is Codec.H264 else (19 if key else 1)
        before = ([begin] if draw(st.booleans()) else []) + (list(sets) if key else [])
        before += [note] if draw(st.booleans()) else []
        slices = [
            sliced(codec, kind, k == 0, body) for k, body in enumerate(draw(st.lists(bodies, min_size=1, max_size=3)))
        ]
        pictures.append((key, tuple(before + slices), len(before)))
    return codec, pictures


def packets_of(codec, pictures, number=65_530, ts=(1 << 32) - 5 * STEP, ssrc=7):
    """RTP packets with the picture each belongs to; numbers and time stamps go over their ends on the way."""
    out = []
    for index, (_, nals, _) in enumerate(pictures):
        payloads = payloads_of(codec, nals)
        for place, payload in enumerate(payloads):
            head = bytes([0x80, 96 | (0x80 if place == len(payloads) - 1 else 0)])
            stamp = (ts + index * STEP) & 0xFFFFFFFF
            head += (number & 0xFFFF).to_bytes(2, "big") + stamp.to_bytes(4, "big") + ssrc.to_bytes(4, "big")
            out.append((index, head + payload))
            number += 1
    return out


def fed(track, packets):
    out = []
    for _, packet in packets:
        track.take(bytearray(packet), 0, len(packet), NOW, out)
    return out


def named(refused, field=None, word=None):
    """The refusal is about what came, and names it."""
    assert refused.kind is Kind.INVALID
    assert refused.fields
    assert field is None or refused.fields[field] == word


@given(streams())
def test_a_whole_stream_comes_out_bit_for_bit(stream):
    codec, pictures = stream
    out = fed(VideoTrack(codec, (), None), packets_of(codec, pictures))
    units = [unit for unit in out if isinstance(unit, AccessUnit)]
    assert [(unit.key, unit.nals) for unit in units] == [(key, nals) for key, nals, _ in pictures]
    assert [b.ts - a.ts for a, b in pairwise(units)] == [STEP] * (len(units) - 1)
    assert isinstance(out[0], Parameters)
    assert out[0].sets == CLIPS[codec].parameters.sets
    assert not [unit for unit in out if isinstance(unit, Loss)]


@given(streams(), st.data())
def test_every_loss_is_counted_none_is_invented_and_only_damaged_pictures_are_left_out(stream, data):
    codec, pictures = stream
    packets = packets_of(codec, pictures)
    kept = data.draw(
        st.lists(st.booleans(), min_size=len(packets), max_size=len(packets)).map(lambda l: [True, *l[1:]])
    )
    track, out, counted, since = VideoTrack(codec, CLIPS[codec].parameters.sets, None), [], 0, 0
    lost = 0
    for (_, packet), keep in zip(packets, kept, strict=True):
        if not keep:
            since += 1
            continue
        lost += since
        if track.pictures:
            counted += since
        since = 0
        track.take(bytearray(packet), 0, len(packet), NOW, out)
    assert track.lost == lost
    assert sum(unit.packets for unit in out if isinstance(unit, Loss)) == counted

    whole = {index for index, _ in packets} - {i for (i, _), keep in zip(packets, kept, strict=True) if not keep}
    base = (1 << 32) - 5 * STEP
    given = {(unit.ts - base) % (1 << 32) // STEP: unit for unit in out if isinstance(unit, AccessUnit)}
    began = min(given, default=len(pictures))
    for index, (key, nals, before) in enumerate(pictures):
        unit = given.get(index)
        if index in whole and index >= began:
            assert unit is not None
            assert (unit.key, unit.nals) == (key, nals)
        elif unit is not None:
            # only notes and sets before the picture may be missing: the picture itself is whole
            assert nals[-len(unit.nals) :] == unit.nals
            assert len(unit.nals) >= len(nals) - before


@given(streams(), st.data())
def test_how_the_bytes_are_cut_into_reads_changes_nothing(stream, data):
    codec, pictures = stream
    packets = [packet for packet in packets_of(codec, pictures) if data.draw(st.integers(0, 9)) or packet[0] == 0]
    whole = b"".join(
        b"$\0" + len(packet).to_bytes(2, "big") + packet + (b"\r\n" if index % 3 == 0 else b"")
        for index, packet in packets
    )
    whole += reply(200, "OK", 1, {"Session": "1"}, b"$$$$")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=30)))

    async def read(pieces):
        got = []
        connection = Connection(None, lambda: NOW, got.extend)
        connection.tracks(0, VideoTrack(codec, (), None), None, None)
        for piece in pieces:
            for at in range(0, len(piece), 100_000):
                part = piece[at : at + 100_000]
                connection.get_buffer(-1)[: len(part)] = part
                connection.buffer_updated(len(part))
        assert not connection._ended.done()
        connection.close()
        return got

    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    one_by_one = fed(VideoTrack(codec, (), None), packets)
    assert asyncio.run(read(pieces)) == asyncio.run(read([whole])) == one_by_one


@given(st.sampled_from(Codec), st.lists(st.binary(max_size=60), max_size=30), st.booleans())
def test_rubbish_in_packets_is_units_or_a_refusal(codec, payloads, headed):
    track, out = VideoTrack(codec, (), None), []
    sound = SoundTrack(Heard(Audio(AudioCodec.AAC, 16_000, 1, b"\x14\x08"), 97, ""))
    try:
        for number, payload in enumerate(payloads):
            head = bytes([0x80, 96]) + number.to_bytes(2, "big") + bytes(8) if headed else b""
            packet = bytearray(b"before" + head + payload + b"behind")
            track.take(packet, 6, len(packet) - 6, NOW, out)
            sound.take(packet, 6, len(packet) - 6, NOW, out)
    except Refused as refused:
        named(refused, "stream", "broken")


@given(st.binary(max_size=300))
def test_rubbish_for_messages_and_reports_is_read_or_refused(data):
    parse_reports(data)
    for text in (data, b"RTSP/1.0 200 OK\r\n" + data):
        try:
            head = parse_head(text)
        except Refused as refused:
            named(refused)
        else:
            assert head.length >= 0


@given(st.text(max_size=300), st.text(max_size=100))
def test_rubbish_for_descriptions_and_challenges_is_read_or_refused(text, more):
    choose([text, f"Digest {text}", f'Digest nonce="{more}", {text}'])
    for description in (text, f"m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n{text}", f"m=audio 0 RTP/AVP 0\n{text}"):
        try:
            control_address("rtsp://camera/path", parse_description(description).video.control)
        except Refused as refused:
            named(refused, "stream", "no_video")
    try:
        parse_login(text)
    except Refused as refused:
        named(refused, "credentials", "rtsp.login")


names = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters=":"), min_size=1, max_size=20)


@given(names, names, st.sampled_from(["MD5", "SHA-256", "SHA-512-256", "MD5-sess"]), st.booleans())
def test_no_proof_holds_the_password_and_none_breaks_its_line(user, password, algorithm, qop):
    offered = f'Digest realm="cam", nonce="abc", algorithm={algorithm}' + (', qop="auth"' if qop else "")
    challenge = choose([offered])
    proof = answer(challenge, Login(user, f"~~{password}~~"), "DESCRIBE", "rtsp://c/1", count=1, cnonce="00ff")
    assert f"~~{password}~~" not in proof
    assert request("DESCRIBE", "rtsp://c/1", 1, {"Authorization": proof}).count(b"\r\n\r\n") == 1


@given(
    st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 32) - 1), st.integers(0, 1 << 40)
)
def test_a_report_of_ours_is_a_lawful_compound(own, source, highest, lost):
    data, at, kinds = receiver_report(own, source, highest, lost), 0, []
    while at < len(data):
        assert data[at] >> 6 == 2
        kinds.append(data[at + 1])
        at += 4 + 4 * int.from_bytes(data[at + 2 : at + 4], "big")
    assert at == len(data)
    assert kinds == [201, 202]
