"""What `verify.py` reads of a recording and of a time-stamp: name, function of bytes, the bytes to begin with.

Whatever the bytes are, it names what does not hold, raises nothing, and a changed recording never holds.
"""

import hashlib
import json
import subprocess
import tempfile
from pathlib import Path

import msgspec
from tests import stamping
from tests.recorded import record

from saqtau.engine.recording_content import describe, links_name, listed, sources
from saqtau.ledger import timestamp
from saqtau.ledger.verify import export
from saqtau.ledger.verify.finding import silent
from saqtau.video.export import cut

CAMERA, MANIFEST = "cam-1", b'{"v":2}'
ROOM = tempfile.TemporaryDirectory(prefix="sq-fuzz-")


def _recording():
    """The recording of four seconds with a gap: what the manifest says of it, and its parts."""
    (segment,) = record(Path(ROOM.name) / "volume", CAMERA, 4, lost={2})
    done = cut([segment], segment.began, segment.ended)
    lying = sources(done)
    content = {one.name: b"".join(one.pieces()) for one in [*(one.streamed() for one in lying), listed(CAMERA, lying)]}
    return json.loads(msgspec.json.encode(describe(done, done.gaps, ()))), content


TOLD, CONTENT = _recording()
LINKS = links_name(CAMERA)
(PART,) = [name for name in CONTENT if name != LINKS]


def _parts(content):
    return {name: export.Part(name, len(data), lambda data=data: iter([data])) for name, data in content.items()}


def _found(content, told=TOLD):
    return [*export._recordings(_parts(content), {"video": [told]}, [], silent)]


def links(data: bytes) -> None:
    assert _found({**CONTENT, PART: data}) or data == CONTENT[PART], "a changed recording holds"


def lines(data: bytes) -> None:
    assert _found({**CONTENT, LINKS: data}) or data == CONTENT[LINKS], "a changed list of links holds"


def _places(value, way=()):
    """Every value within, as the way to it."""
    if way:
        yield way
    for step in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from _places(value[step], (*way, step))


PLACES = [*_places(TOLD)]


def told(data: bytes) -> None:
    """Another manifest over the same bytes, one value of which is another: a number of the place, and JSON."""
    number, _, text = data.partition(b" ")
    try:
        value, other = json.loads(text), json.loads(json.dumps(TOLD))
        *way, last = PLACES[int(number) % len(PLACES)]
    except (ValueError, RecursionError):
        return
    at = other
    for step in way:
        at = at[step]
    at[last] = value
    _found(CONTENT, other)


def token(data: bytes) -> None:
    try:
        export._timestamp(data, MANIFEST, None, silent)
    except export.Wrong:
        return
    assert hashlib.sha256(MANIFEST).digest() in data, "a token over something else holds"


def _token() -> bytes:
    """What `openssl ts` answers; without openssl, the beginning of one."""
    if stamping.OPENSSL is None:
        return bytes.fromhex("300a3003020100300306012a")
    folder = stamping.authority(Path(ROOM.name) / "authority")
    (folder / "query").write_bytes(timestamp.ask(MANIFEST).data)
    ask = ["ts", "-reply", "-config", "ts.cnf", "-section", "ts", "-queryfile", "query", "-out", "answer"]
    subprocess.run([stamping.OPENSSL, *ask], cwd=folder, check=True, capture_output=True)
    return (folder / "answer").read_bytes()


RECORDINGS = {
    "export_links": (links, [CONTENT[PART]]),
    "export_lines": (lines, [CONTENT[LINKS]]),
    "export_told": (
        told,
        [b"%d %b" % (at, value) for at in range(len(PLACES)) for value in (b"null", b"-1", b"1e400", b'"x"', b"[[1]]")],
    ),
    "export_token": (token, [_token()]),
}
