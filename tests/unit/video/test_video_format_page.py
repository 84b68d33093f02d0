"""docs/reference/video-format.md: its reader, which knows nothing of us, reads what we write; its example is right."""

import io
import re
import subprocess
import sys
import uuid
from base64 import b64decode
from pathlib import Path

import msgspec
import pytest
from tests.coded import G711, T0, pictures, sound, stream

from saqtau.kernel.clock import Instant
from saqtau.video.access_unit import Loss
from saqtau.video.boxes import CLOSE, GAP, SEGMENT
from saqtau.video.export import cut, write_mp4
from saqtau.video.fragment import Fragmenter, gap_link
from saqtau.video.gap import Gap, GapKind
from saqtau.video.segment import SegmentWriter, scan

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "video-format.md").read_text()
BLOCKS = re.findall(r"^```(python|text)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
READER = next(text for kind, text in BLOCKS if kind == "python")
FILE, PRINTED = [text for kind, text in BLOCKS if kind == "text"][1:]
NAMES = {"SEGMENT": SEGMENT, "GAP": GAP, "CLOSE": CLOSE}


@pytest.fixture(scope="module")
def links():
    names = {"__name__": "reader"}
    exec(compile(READER, "video-format.md", "exec"), names)
    return names["links"]


def recorded(folder):
    """Ten seconds with sound, a loss and an outage."""
    parameters, found = stream()
    fragmenter, writer = Fragmenter("kam-1"), SegmentWriter(folder, "kam-1", "street", seq=7, chain=b"\7" * 32)
    fragmenter.seq = 7
    units = sorted([*pictures(found, 120), *sound(G711, 4)], key=lambda unit: unit.received)
    units.insert(150, Loss(2, units[150].received))
    items = [
        item for unit in [msgspec.structs.replace(parameters, audio=G711), *units] for item in fragmenter.take(unit)
    ]
    items += fragmenter.interrupt(GapKind.SILENT, Instant(T0 + 6_000))
    items += [item for unit in pictures(found, 60, first=200) for item in fragmenter.take(unit)]
    for item in items:
        writer.append(item)
    return writer.close()


def test_the_reader_of_the_page_finds_the_links_and_the_chain_that_we_wrote(links, tmp_path):
    segment = recorded(tmp_path)
    found = list(links(segment.path.read_bytes()))
    ours = scan(segment.path).links
    assert [(seq, at, kind) for seq, at, kind, _ in found] == [(one.seq, one.at, one.kind.name.lower()) for one in ours]
    assert found[-1][3] == segment.chain.hex()
    assert {"fragment", "gap"} == {kind for _, _, kind, _ in found}


def test_the_reader_of_the_page_reads_a_film(links, tmp_path):
    segment = recorded(tmp_path)
    found = cut([segment], Instant(T0 + 1_000), Instant(T0 + 9_000))
    (part,), out = found.parts, io.BytesIO()
    write_mp4(found, out)
    read = list(links(out.getvalue(), "kam-1", part.first, bytes.fromhex(part.previous)))
    assert (read[0][0], read[-1][0], read[-1][3]) == (part.first, part.last, part.chain)


def test_the_reader_of_the_page_finds_a_changed_byte(links, tmp_path):
    data = bytearray(recorded(tmp_path).path.read_bytes())
    data[len(data) // 2] ^= 1
    with pytest.raises((AssertionError, ValueError)):
        list(links(bytes(data)))


def test_the_example_of_the_page_is_what_we_write_and_prints_what_it_says(tmp_path):
    writer = SegmentWriter(tmp_path, "kam-1", "school")
    writer.append(gap_link(0, Instant(T0 + 500), Gap("kam-1", T0, None, GapKind.RECONNECT)))
    writer.append(gap_link(1, Instant(T0 + 60_000), Gap("kam-1", T0, Instant(T0 + 60_000), GapKind.RECONNECT)))
    path, (front, *lines) = writer.close().path, FILE.splitlines()
    typed = b64decode(front)
    for line in lines:
        size, name, body = line.split(" ", 2)
        typed += int(size).to_bytes(4, "big") + b"uuid" + NAMES[name] + body.encode()
    assert path.read_bytes() == typed
    script = tmp_path / "reader.py"
    script.write_text(READER)
    done = subprocess.run([sys.executable, "-I", script, path], capture_output=True, text=True, check=True)
    assert done.stdout == PRINTED


@pytest.mark.parametrize("name", NAMES)
def test_the_page_names_the_boxes_as_we_do(name):
    assert f"`{uuid.UUID(bytes=NAMES[name])}`" in PAGE
