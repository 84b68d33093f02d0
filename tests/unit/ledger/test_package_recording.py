"""A recording in a package: whatever is done to it is found, and the part is named; and it is never read whole."""

import io
import tracemalloc
import zipfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.recorded import BEGAN, record
from tests.unit.ledger.packages import LOG, WITNESS, made

from saqtau.engine.recording_content import copy_name, describe, lead_on, links_name, listed, listed_as, sources
from saqtau.kernel.errors import Refused
from saqtau.ledger.note import COSIGNATURE
from saqtau.ledger.package import COPY, MANIFEST, Streamed, stream
from saqtau.ledger.policy import of_keys
from saqtau.ledger.verify import export as verifier
from saqtau.video.chain import link
from saqtau.video.export import cut, read, write_mp4
from saqtau.video.segment import scan

OURS = of_keys({LOG.vkey(): None}, {WITNESS.vkey(COSIGNATURE): None}, 1).text()
CAMERA = "cam-1"
LINKS = links_name(CAMERA)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Parts, files and manifest of ten seconds out of two files, with three heads of its chain in the log."""
    folder = tmp_path_factory.mktemp("volume")
    segments = [*record(folder / "a", CAMERA, 205, lost={3})]
    assert len(segments) > 1, "the clip is long enough for two files"
    end = segments[0].ended
    done = cut(segments, end - 6_000, end + 4_000)
    assert len(done.parts) == 2
    heads, chain = {}, bytes(32)
    for segment in segments:
        for row in scan(segment.path).links:
            chain = link(chain, CAMERA, row.seq, row.at, row.kind, row.digest)
            heads[row.seq] = chain.hex()
    first, last = done.parts[0].first, done.parts[-1].last
    minutes = tuple(
        {"v": 1, "kind": "minute", "cameras": [{"camera": CAMERA, "last": seq, "chain": heads[seq]}]}
        for seq in (first + 10, last - 5, last + 3)
    )
    tail = lead_on([segments[-1].path], last, last + 3)
    told = describe(done, done.gaps, tail)
    lying = sources(done)
    parts = {one.name: one for one in [*(source.streamed() for source in lying), listed(CAMERA, lying)]}
    return Recording(done, told, minutes, {name: b"".join(one.pieces()) for name, one in parts.items()}, parts)


class Recording:
    def __init__(self, cut, told, minutes, content, parts):
        self.cut, self.told, self.minutes, self.content, self.parts = cut, told, minutes, content, parts

    @property
    def names(self):
        return [name for name in sorted(self.content) if name != LINKS]

    def links(self):
        """Number, place in the part and bytes of each link of the first part."""
        part = self.cut.parts[0]
        base = len(part.head) - part.start
        rows = [row for row in scan(part.path).links if part.first <= row.seq <= part.last]
        return [(row.seq, base + row.offset, row.size, row.at) for row in rows]

    def files(self):
        return made({"README.en.txt": b"Read"}, video=(self.told,), minutes=self.minutes)

    def package(self, folder, changed=None, more=()):
        """The zip, as it leaves; `changed`: other bytes for some parts, None takes one out."""
        content = {**self.content, **(changed or {})}
        parts = [Streamed(name, len(data), lambda data=data: iter([data])) for name, data in content.items() if data]
        _, pieces = stream(self.files(), parts, (lambda: more) if more else None)
        place = Path(folder) / "package.zip"
        place.write_bytes(b"".join(pieces))
        return place


def told(place, policy=OURS):
    said = []
    return [str(one) for one in verifier.check(place, policy, said.append)], said


def test_a_whole_recording_holds_and_the_log_has_its_chain(recording, tmp_path):
    found, said = told(recording.package(tmp_path))
    assert found == []
    assert sum("is the one that entry" in line for line in said) == 3
    assert any("video/cam-1: links" in line for line in said)


def test_it_is_an_ordinary_zip_whose_length_was_known_before(recording, tmp_path):
    place = recording.package(tmp_path)
    total, _ = stream(recording.files(), list(recording.parts.values()))
    assert place.stat().st_size == total
    with zipfile.ZipFile(place) as archive:
        assert archive.testzip() is None
        assert archive.read(recording.names[0]) == recording.content[recording.names[0]]


@given(st.data())
@settings(max_examples=60)
def test_a_byte_changed_anywhere_in_it_is_found_and_its_part_named(recording, tmp_path_factory, data):
    name = data.draw(st.sampled_from(sorted(recording.content)))
    at = data.draw(st.integers(0, len(recording.content[name]) - 1))
    changed = bytearray(recording.content[name])
    changed[at] ^= data.draw(st.integers(1, 255))
    found, _ = told(recording.package(tmp_path_factory.mktemp("p"), {name: bytes(changed)}))
    assert any(name in one for one in found), found


@given(st.data())
@settings(max_examples=60)
def test_a_byte_changed_anywhere_in_the_zip_is_found(recording, tmp_path_factory, data):
    place = recording.package(tmp_path_factory.mktemp("p"))
    changed = bytearray(place.read_bytes())
    at = data.draw(st.integers(0, len(changed) - 1))
    changed[at] ^= data.draw(st.integers(1, 255))
    place.write_bytes(bytes(changed))
    assert told(place)[0]


@given(st.data())
@settings(max_examples=60)
def test_a_changed_byte_is_told_to_the_link_its_time_and_its_place_and_nothing_else(recording, tmp_path_factory, data):
    name, links = recording.names[0], recording.links()
    seq, start, size, at = data.draw(st.sampled_from(links))
    changed = bytearray(recording.content[name])
    changed[start + data.draw(st.integers(0, size - 1))] ^= data.draw(st.integers(1, 255))
    found, said = told(recording.package(tmp_path_factory.mktemp("p"), {name: bytes(changed)}))
    assert found == [
        f"{name}: link {seq} (the pictures of {verifier._exact(at)}), bytes {start:,} to {start + size:,}, was changed"
    ]
    assert not any("bound by this package alone" in line for line in said)


def test_a_changed_byte_in_the_zip_itself_is_told_to_the_link_too(recording, tmp_path):
    """As with an editor of bytes: the zip's check sum is wrong as well, which nobody needs to hear."""
    place, name = recording.package(tmp_path), recording.names[1]
    data = bytearray(place.read_bytes())
    data[data.index(recording.content[name]) + len(recording.content[name]) - 9] ^= 1
    place.write_bytes(data)
    (one,) = told(place)[0]
    assert f"{name}: link {recording.told.last} (" in one


def test_two_changed_links_and_one_taken_out_are_three_findings_or_two_where_they_touch(recording, tmp_path):
    name, links = recording.names[0], recording.links()
    changed = bytearray(recording.content[name])
    for number in (3, 4):
        changed[links[number][1] + 90] ^= 1
    (_, start, size, _) = links[7]
    del changed[start : start + size]
    found, _ = told(recording.package(tmp_path, {name: bytes(changed)}))
    assert [one.partition(" (")[0] for one in found] == [
        f"{name}: links {links[3][0]} to {links[4][0]}",
        f"{name}: link {links[7][0]}",
    ]
    assert "were changed" in found[0]
    assert "was taken out" in found[1]


@given(st.data())
@settings(max_examples=40)
def test_bytes_put_in_or_taken_out_are_found_at_their_link(recording, tmp_path_factory, data):
    name, links = recording.names[0], recording.links()
    seq, start, size, _ = data.draw(st.sampled_from(links[:-2]))
    at, many = start + data.draw(st.integers(1, size - 1)), data.draw(st.integers(1, 40))
    whole = recording.content[name]
    changed = whole[:at] + (whole[at + many :] if data.draw(st.booleans()) else bytes(many) + whole[at:])
    (one, *_) = told(recording.package(tmp_path_factory.mktemp("p"), {name: changed}))[0]
    assert one.startswith((f"{name}: link {seq} (", f"{name}: from link {seq} ("))


def test_what_was_changed_before_the_export_is_named_between_two_minutes_of_the_log(recording, tmp_path):
    """Then the list of links was made of what was changed: it does not give the chain, and nobody believes it."""
    name = recording.names[0]
    changed = bytearray(recording.content[name])
    changed[-500] ^= 1
    lines = bytearray(recording.content[LINKS])
    row = verifier.LINE * (len(recording.links()) - 1)
    lines[row + 40 : row + 46] = b"abcdef"
    (one,) = told(recording.package(tmp_path, {name: bytes(changed), LINKS: bytes(lines)}))[0]
    assert f"{name}: something was changed in links {recording.told.first + 11} to " in one
    assert " UTC and " in one


def test_a_list_of_links_that_lies_is_named_and_the_recording_holds(recording, tmp_path):
    lines = bytearray(recording.content[LINKS])
    lines[verifier.LINE * 5 + 20 : verifier.LINE * 5 + 22] = b"00"
    found, said = told(recording.package(tmp_path, {LINKS: bytes(lines)}))
    assert found == [
        f"{LINKS}: says another thing than {recording.names[0]} about its links; the recording itself holds"
    ]
    assert any("is the one that entry" in line for line in said)
    more = recording.content[LINKS] + recording.content[LINKS][: verifier.LINE]
    assert told(recording.package(tmp_path, {LINKS: more}))[0] == [
        f"{LINKS}: goes on behind link {recording.told.last}"
    ]
    (one,) = told(recording.package(tmp_path, {LINKS: None}))[0]
    assert one.startswith(f"{LINKS}: is taken away")


def test_a_list_that_tells_of_times_before_all_time_breaks_nothing(recording, tmp_path):
    name = recording.names[0]
    changed = bytearray(recording.content[name])
    changed[recording.links()[3][1] + 60] ^= 1
    lines = bytearray(recording.content[LINKS])
    lines[13:26] = b"-000000000001"
    (one,) = told(recording.package(tmp_path, {name: bytes(changed), LINKS: bytes(lines)}))[0]
    assert one.startswith(f"{name}: something was changed in links {recording.told.first} to ")


@pytest.mark.parametrize("said", [{"first": -1}, {"last": 1 << 70}, {"tail": ((1 << 70, 0, 0, "00" * 32),)}])
def test_a_manifest_that_counts_beyond_all_numbers_is_a_finding(recording, tmp_path, said):
    lie = msgspec.structs.replace(recording.told, **said)
    place = Recording(recording.cut, lie, recording.minutes, recording.content, recording.parts).package(tmp_path)
    assert any(one.startswith(MANIFEST) for one in told(place)[0])


@pytest.mark.parametrize("folder", ["cam-2", "cam-1+card", "_", "cam-1 "])
def test_a_film_beside_the_copies_is_named_for_nothing_compares_it(recording, tmp_path, folder):
    name = f"{COPY}{folder}/00.mp4"
    strange = Streamed(name, 4, lambda: iter([b"film"]))
    assert told(recording.package(tmp_path, more=[strange]))[0] == [f"{name}: was added: the manifest does not know it"]


def test_the_list_of_links_of_a_file_that_was_damaged_has_its_length_all_the_same(recording, tmp_path):
    (one, other) = sources(recording.cut)
    data = bytearray(Path(one.path).read_bytes())
    data[(one.start + one.end) // 2 :] = bytes(400)
    (tmp_path / "damaged.cmf").write_bytes(data)
    lying = [msgspec.structs.replace(one, path=str(tmp_path / "damaged.cmf")), other]
    lines = listed(CAMERA, lying)
    assert len(b"".join(lines.pieces())) == lines.size == len(recording.content[LINKS])


@pytest.mark.parametrize("said", [None, {"fetched": BEGAN, "clock": 0, "gap": "cam-1/7"}])
def test_what_a_camera_had_kept_itself_is_not_told_as_bound_before_the_log_says_it_was_fetched(tmp_path, said):
    fetched, chain = BEGAN + 3_600_000, "cam-1+card"
    (segment,) = record(tmp_path / "card", chain, 4)
    done = cut([segment], segment.began, segment.ended)
    (one,) = sources(done)
    line = {"camera": chain, "last": segment.last, "chain": segment.chain.hex(), "fetched": fetched}
    minutes = ({"v": 1, "kind": "card", "cameras": [line]},)
    said_of, name, lines = describe(done, (), []), "video/cam-1_card/0.cmf", links_name("cam-1_card")
    content = {name: b"".join(one.streamed().pieces()), lines: b"".join(listed_as(lines, [one]).pieces())}
    right = msgspec.structs.replace(
        said_of, parts=(msgspec.structs.replace(said_of.parts[0], name=name),), links=lines,
        card={"fetched": fetched, "clock": 0, "gap": "cam-1/7"},
    )  # fmt: skip
    assert told(Recording(done, right, minutes, content, {}).package(tmp_path))[0] == []
    lie = Recording(done, msgspec.structs.replace(right, card=said), minutes, content, {})
    (found,) = told(lie.package(tmp_path))[0]
    assert found.startswith(f"{MANIFEST}: does not say that link {segment.last} of {chain} was fetched afterwards, at ")


def test_a_part_taken_away_is_named_with_its_time(recording, tmp_path):
    for name in recording.names:
        found, _ = told(recording.package(tmp_path, {name: None}))
        assert any(one.startswith(f"{name}: is taken away: links") for one in found), found


def test_parts_in_each_others_place_are_named(recording, tmp_path):
    first, second = recording.names
    found, _ = told(recording.package(tmp_path, {first: recording.content[second], second: recording.content[first]}))
    assert {first, second} <= {one.partition(":")[0] for one in found}


@pytest.mark.parametrize("less", [1, 7, 400, 20_000])
def test_a_part_that_was_cut_short_is_named(recording, tmp_path, less):
    name = recording.names[1]
    found, _ = told(recording.package(tmp_path, {name: recording.content[name][:-less]}))
    assert any(one.startswith(name) for one in found), found


def test_links_taken_out_or_put_into_another_order_are_named(recording, tmp_path):
    name, part = recording.names[0], recording.cut.parts[0]
    data = recording.content[name]
    links = [row for row in scan(part.path).links if part.first <= row.seq <= part.last]
    base = len(part.head) - part.start
    spans = [(base + row.offset, base + row.offset + row.size) for row in links]
    pieces = [data[low:high] for low, high in spans]
    head = data[: spans[0][0]]
    without = head + b"".join(pieces[:4] + pieces[5:])
    swapped = head + b"".join([*pieces[:4], pieces[5], pieces[4], *pieces[6:]])
    found, _ = told(recording.package(tmp_path, {name: without}))
    (one,) = found
    assert one.startswith(f"{name}: link {part.first + 4} (the pictures of ")
    assert one.endswith("was taken out")
    (one,) = told(recording.package(tmp_path, {name: swapped}))[0]
    assert f"{name}: link {part.first + 4} (" in one
    assert "stands in another order" in one
    (one,) = told(recording.package(tmp_path, {name: data + pieces[-1]}))[0]
    assert f"{name}: link {part.last} (" in one
    assert "is there twice" in one
    (one,) = told(recording.package(tmp_path, {name: head + b"".join(pieces[:-3])}))[0]
    assert f"{name}: its end was cut off: links {part.last - 2} to {part.last} (" in one


def test_a_part_that_nobody_named_is_named(recording, tmp_path):
    found, _ = told(recording.package(tmp_path, {"video/cam-1/0000000000.cmf": b"more"}))
    assert found == ["video/cam-1/0000000000.cmf: was added: the manifest does not know it"]


def test_a_head_that_the_log_does_not_have_is_named(recording, tmp_path):
    lie = Recording(recording.cut, recording.told, (forged(recording),), recording.content, recording.parts)
    found, _ = told(lie.package(tmp_path))
    assert any("entry 3 of" in one and "has another chain" in one for one in found), found


def forged(recording):
    line = {**recording.minutes[0]["cameras"][0], "chain": "00" * 32}
    return {**recording.minutes[0], "cameras": [line]}


def test_without_a_minute_behind_it_it_says_what_binds_its_end(recording, tmp_path):
    bare = Recording(recording.cut, recording.told, recording.minutes[:1], recording.content, recording.parts)
    found, said = told(bare.package(tmp_path))
    assert found == []
    assert any("bound by this package alone" in line for line in said)


def test_a_copy_with_the_same_links_holds_and_another_does_not(recording, tmp_path):
    film = io.BytesIO()
    write_mp4(recording.cut, film)
    data = film.getvalue()

    def late(data):
        return [Streamed(copy_name(CAMERA, 0), len(data), lambda: iter([data]))]

    found, said = told(recording.package(tmp_path, more=late(data)))
    assert found == []
    assert any(line.startswith(f"{COPY}{CAMERA}: carries the same links") for line in said)
    changed = bytearray(data)
    changed[-100] ^= 1
    found, _ = told(recording.package(tmp_path, more=late(bytes(changed))))
    assert found == [f"{copy_name(CAMERA, 0)}: does not carry the links of the originals under video/cam-1"]


def test_a_part_that_has_another_size_than_it_said_breaks_the_zip_off(recording):
    short = [Streamed("video/cam-1/0.cmf", 10, lambda: iter([b"123"]))]
    _, pieces = stream(recording.files(), short)
    with pytest.raises(ValueError, match="announced"):
        list(pieces)


def test_two_parts_of_one_name_are_refused(recording):
    one = Streamed(MANIFEST, 1, lambda: iter([b"1"]))
    with pytest.raises(Refused):
        stream(recording.files(), [one])


def test_a_large_recording_is_checked_and_packed_without_being_kept(recording, tmp_path):
    """Sixty-four megabytes of the same part; neither packing nor checking keeps more than some pieces of it."""
    part = recording.cut.parts[0]
    once = b"".join(read(part))
    times = (64 << 20) // len(once) + 1
    size = len(once) * times
    place = tmp_path / "package.zip"
    tracemalloc.start()
    try:
        _, pieces = stream(
            recording.files(), [Streamed(recording.names[0], size, lambda: (once for _ in range(times)))]
        )
        with place.open("wb") as out:
            for piece in pieces:
                out.write(piece)
        found, _ = told(place)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert place.stat().st_size > 64 << 20
    assert any(one.startswith(recording.names[0]) for one in found), "it is not what was exported"
    assert most < 24 << 20, f"{most >> 20} MiB"


def test_the_moment_of_the_first_link_is_the_cameras(recording):
    assert recording.told.began >= BEGAN
