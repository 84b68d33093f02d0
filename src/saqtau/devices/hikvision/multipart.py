"""Parts of a multipart body, as cameras write it.

RFC 7578 and 2046 with what firmware does to them: LF instead of CRLF, an unquoted boundary with any character,
a boundary that is not declared or not the declared one, parts with Content-Length, no closing delimiter.
Pure; the bytes of a part are never decoded. Raises only `Refused`.
"""

import re

import msgspec

from saqtau.kernel.errors import Kind, Refused

MOST_PARTS = 32
LONGEST_HEAD = 8 * 1024
LONGEST_BOUNDARY = 200

_BOUNDARY = re.compile(r"""boundary\s*=\s*(?:"([^"]*)"|'([^']*)'|([^;\r\n]*))""", re.IGNORECASE)
_DECLARED = re.compile(rb"content-length\s*:\s*(\d{1,9})\s*$", re.IGNORECASE | re.MULTILINE)
_NAME = re.compile(r"""(?<![\w*])(filename|name)\s*=\s*(?:"([^"\r\n]*)"|([^;\s]+))""", re.IGNORECASE)
_MEDIA = re.compile(r"^content-type\s*:\s*([^;\r\n]*)", re.IGNORECASE | re.MULTILINE)
_HEAD_END = re.compile(rb"\r?\n\r?\n")


class Part(msgspec.Struct, frozen=True):
    """One part. `name`: the file name, or else the field name; empty when the device gave neither."""

    name: str
    media: str
    data: bytes


def split(content_type: str, body: bytes) -> list[Part]:
    """The parts of a body, in order. A body that is not multipart is one part with the type of the whole.

    content_type: the request's header, "" when there was none. Raises Refused INVALID (`boundary`, `parts`,
    `head`) when it calls itself multipart and no part can be found.
    """
    if not _is_multipart(content_type, body):
        media = content_type.partition(";")[0].strip().lower()
        return [Part("", media, body)] if body else []
    delimiter = _delimiter(content_type, body)
    parts: list[Part] = []
    start = _find(body, delimiter, 0)
    while 0 <= start < len(body):
        if len(parts) == MOST_PARTS:
            raise Refused(Kind.INVALID, f"more than {MOST_PARTS} parts", parts="too_many")
        after = start + len(delimiter)
        if body.startswith(b"--", after):
            break
        part, start = _part(body, after, delimiter)
        if part is not None:
            parts.append(part)
    if not parts:
        raise Refused(Kind.INVALID, "a multipart body without a part", parts="missing")
    return parts


def _is_multipart(content_type: str, body: bytes) -> bool:
    declared = content_type.lower().lstrip()
    if declared.startswith("multipart/"):
        return True
    return body[:64].lstrip(b"\r\n").startswith(b"--") and b"content-" in body[:1024].lower()


def _delimiter(content_type: str, body: bytes) -> bytes:
    """The declared delimiter when the body has it, else the body's own first line."""
    if found := _BOUNDARY.search(content_type):
        declared = next(group for group in found.groups() if group is not None).strip()
        candidate = b"--" + declared.encode("latin-1", "replace")
        if declared and len(declared) <= LONGEST_BOUNDARY and _find(body, candidate, 0) >= 0:
            return candidate
    first = body[: LONGEST_BOUNDARY + 8].lstrip(b"\r\n").splitlines()
    line = first[0].rstrip() if first else b""
    if not line.startswith(b"--") or not 2 < len(line) <= LONGEST_BOUNDARY:
        raise Refused(Kind.INVALID, "a multipart body whose boundary is not found", boundary="missing")
    return line


def _find(body: bytes, delimiter: bytes, start: int) -> int:
    """Where the next delimiter stands at the beginning of a line, or -1."""
    place = body.find(delimiter, start)
    while place > 0 and body[place - 1] != 0x0A:
        place = body.find(delimiter, place + 1)
    return place


def _part(body: bytes, after: int, delimiter: bytes) -> tuple[Part | None, int]:
    """The part whose delimiter ends at `after`, and where the next delimiter stands (-1: nowhere)."""
    line_end = body.find(b"\n", after, after + LONGEST_HEAD)
    if line_end < 0:
        return None, -1
    begin = line_end + 1
    end = _HEAD_END.search(body, line_end, begin + LONGEST_HEAD)
    if end is None:
        raise Refused(Kind.INVALID, "the head of a part does not end", head="too_long")
    head = body[begin : end.start()] if end.start() >= begin else b""
    data = end.end()
    if (stop := _declared_end(head, body, data, delimiter)) is None:
        following = _find(body, delimiter, data)
        stop = len(body) if following < 0 else following
        # the line end before a delimiter belongs to the delimiter
        if following > data:
            stop -= 2 if body[stop - 2 : stop] == b"\r\n" and stop - 2 >= data else 1
    else:
        following = _find(body, delimiter, stop)
    text = head.decode("utf-8", "replace")
    names = {found[1].lower(): found[2] or found[3] or "" for found in _NAME.finditer(text)}
    media = found[1].strip().lower() if (found := _MEDIA.search(text)) else ""
    name = (names.get("filename") or names.get("name") or "")[:128]
    return Part(name, media, body[data:stop]), following


def _declared_end(head: bytes, body: bytes, data: int, delimiter: bytes) -> int | None:
    """Where the part ends by its own Content-Length, if a delimiter stands there. A picture may hold the boundary."""
    if not (found := _DECLARED.search(head)):
        return None
    stop = data + int(found[1])
    for line_end in (b"\r\n", b"\n", b""):
        if body.startswith(line_end + delimiter, stop) and (line_end or stop == data or body[stop - 1] == 0x0A):
            return stop
    return None
