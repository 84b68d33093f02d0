"""RTSP requests and replies as bytes (RFC 2326). Pure: the connection is in `client`."""

from collections.abc import Mapping

import msgspec

from saqtau.kernel.errors import Kind, Refused

LARGEST_HEAD = 16 << 10
LARGEST_BODY = 64 << 10
MOST_HEADERS = 64


class Head(msgspec.Struct, frozen=True):
    """The head of a request or reply.

    first: the three parts of its first line. headers: lower-case names, in the order they came, repeats kept.
    length: bytes of the body that follows.
    """

    first: tuple[str, str, str]
    headers: tuple[tuple[str, str], ...]
    length: int

    @property
    def status(self) -> int | None:
        """The status of a reply; None for a request."""
        return int(self.first[1]) if self.first[0].startswith("RTSP/") else None

    def get(self, name: str, default: str = "") -> str:
        """The first header of that (lower-case) name."""
        return next((value for key, value in self.headers if key == name), default)

    def all(self, name: str) -> list[str]:
        """Every header of that (lower-case) name."""
        return [value for key, value in self.headers if key == name]

    @property
    def number(self) -> int | None:
        """The sequence number that ties a reply to its request; None where it is missing or no number."""
        text = self.get("cseq")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def parse_head(data: bytes) -> Head:
    """A head, given without its empty last line. Raises `Refused(INVALID)` naming what is wrong in it."""
    if len(data) > LARGEST_HEAD:
        raise _invalid("its head is too long", head="rtsp.head")
    lines = data.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ", 2)
    # a reply may come without its reason
    first = (parts[0], parts[1], parts[2] if len(parts) == 3 else "") if len(parts) >= 2 else None
    if first is None or not _is_first(first):
        raise _invalid("its first line is not of RTSP", head="rtsp.first_line")
    headers: list[tuple[str, str]] = []
    for line in lines[1:]:
        if line[:1] in {" ", "\t"} and headers:  # folded: goes on
            name, value = headers[-1]
            headers[-1] = (name, f"{value} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        if not colon or not name.strip() or len(headers) >= MOST_HEADERS:
            raise _invalid("a header that cannot be read, or too many", head="rtsp.headers")
        headers.append((name.strip().lower(), value.strip()))
    length = next((value for key, value in headers if key == "content-length"), "0")
    if not (length.isascii() and length.isdigit() and len(length) < 8) or int(length) > LARGEST_BODY:
        raise _invalid(f"a body of {length[:20]} bytes", content_length="rtsp.content_length")
    return Head(first, tuple(headers), int(length))


def request(method: str, address: str, number: int, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """A request. Raises `Refused(INVALID)` when a line break would get into its head."""
    return _compose(f"{method} {address} RTSP/1.0", number, headers, body)


def reply(status: int, reason: str, number: int, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """A reply. Raises `Refused(INVALID)` when a line break would get into its head."""
    return _compose(f"RTSP/1.0 {status} {reason}", number, headers, body)


def _compose(first: str, number: int, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [first, f"CSeq: {number}", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    if any("\r" in line or "\n" in line for line in lines):
        raise _invalid("a line break in a header", head="rtsp.headers")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _is_first(first: tuple[str, str, str]) -> bool:
    if first[0].startswith("RTSP/"):
        return len(first[1]) == 3 and first[1].isascii() and first[1].isdigit()
    return first[0].isascii() and first[0].replace("_", "").isalpha() and first[2].startswith("RTSP/")


def _invalid(message: str, **fields: str) -> Refused:
    return Refused(Kind.INVALID, f"RTSP: {message}", **fields)
