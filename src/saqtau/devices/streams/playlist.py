"""A playlist of HLS (RFC 8216) -> which files of the same camera to fetch. Pure.

What it names on other machines is refused, and so is what we do not take: encrypted segments and parts of files.
"""

import re
from typing import Final, NoReturn

import msgspec

from saqtau.devices.reach import own_path
from saqtau.kernel.errors import Kind, Refused

LARGEST: Final = 1 << 20
"""Bytes of a playlist."""
MOST: Final = 20_000
"""Lines of it."""
LONGEST: Final = 60.0
"""Seconds of a segment that are believed."""
_ATTRIBUTE = re.compile(r'([A-Z0-9-]{1,60})=("[^"]{0,4096}"|[^",]{0,4096})')


class Piece(msgspec.Struct, frozen=True):
    """A segment. head: the file that decoding begins with, of fragmented MP4. fresh: its time stamps begin anew."""

    sequence: int
    address: str
    head: str | None = None
    fresh: bool = False


class Media(msgspec.Struct, frozen=True):
    """What is there now. target: seconds a segment lasts at most; ended: nothing more will come."""

    target: float
    pieces: tuple[Piece, ...]
    ended: bool


class Choice(msgspec.Struct, frozen=True):
    """Playlists of one camera, the richest first."""

    addresses: tuple[str, ...]


def parse(text: str, base: str) -> Media | Choice:
    """base: where it was fetched. Raises Refused: stream="broken", "denied" (another machine), "no_video"."""
    lines = [line.strip() for line in text.lstrip("\ufeff").splitlines()]
    if not lines or lines[0] != "#EXTM3U" or len(lines) > MOST:
        _broken("no playlist")
    choices, pieces = list[tuple[int, str]](), list[Piece]()
    target, sequence, ended = 6.0, 0, False
    head: str | None = None
    bandwidth: int | None = None
    fresh = False
    for line in lines[1:]:
        tag, _, value = line.partition(":")
        match tag:
            case "#EXT-X-STREAM-INF":
                bandwidth = _number(_attributes(value).get("BANDWIDTH", "0"))
            case "#EXT-X-TARGETDURATION":
                target = min(max(1.0, float(_number(value))), LONGEST)
            case "#EXT-X-MEDIA-SEQUENCE":
                sequence = _number(value) - len(pieces)
            case "#EXT-X-DISCONTINUITY":
                fresh = True
            case "#EXT-X-ENDLIST":
                ended = True
            case "#EXT-X-KEY" if _attributes(value).get("METHOD") != "NONE":
                raise Refused(Kind.INVALID, "an encrypted HLS stream is not taken", stream="no_video")
            case "#EXT-X-BYTERANGE":
                raise Refused(Kind.INVALID, "an HLS stream of parts of files is not taken", stream="no_video")
            case "#EXT-X-MAP":
                told = _attributes(value)
                if "BYTERANGE" in told or not told.get("URI"):
                    raise Refused(Kind.INVALID, "an HLS stream of parts of files is not taken", stream="no_video")
                head = own_path(base, told["URI"])
            case _ if line and not line.startswith("#"):
                address = own_path(base, line)
                if bandwidth is not None:
                    choices.append((bandwidth, address))
                    bandwidth = None
                else:
                    pieces.append(Piece(sequence + len(pieces), address, head, fresh))
                    fresh = False
            case _:
                pass
    if choices:
        return Choice(tuple(address for _, address in sorted(choices, key=lambda one: -one[0])))
    return Media(target, tuple(pieces), ended)


def _attributes(value: str) -> dict[str, str]:
    return {name: told.strip('"') for name, told in _ATTRIBUTE.findall(value)}


def _number(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", value, re.ASCII):
        _broken(f"no number: {value[:20]!r}")
    return int(value)


def _broken(why: str) -> NoReturn:
    raise Refused(Kind.INVALID, f"a playlist of HLS that is not understood: {why}", stream="broken")
