"""Fetching from a camera over HTTP/1.1: by a connection of our own to an address that was looked at.

What fetches for us elsewhere (FFmpeg, a library) follows redirects and looks names up by itself, past what we checked.
"""

import http.client
import io
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any, Final, cast
from urllib.parse import urlsplit

from saqtau.devices.reach import PORTS, find, own_path
from saqtau.devices.rtsp.auth import Login, answer, choose
from saqtau.kernel.errors import Kind, Refused

PATIENCE: Final = 10.0
"""Seconds to connect and to be answered."""
TURN: Final = 0.2
"""Seconds after which who waits looks whether he should stop."""
REDIRECTS: Final = 3
PIECE: Final = 1 << 16
_REFUSED = {401: "denied", 403: "denied", 404: "not_found", 410: "not_found"}


class Wait:
    """How long is waited for bytes: until `until` (monotonic seconds), or until somebody says stop."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop
        self.until = 0.0

    def allow(self, seconds: float) -> None:
        """From now on so long."""
        self.until = time.monotonic() + seconds

    def turn(self) -> float:
        """Seconds to wait at a time. Raises TimeoutError when the time is over, or when it is to stop."""
        left = self.until - time.monotonic()
        if left <= 0 or self.stop.is_set():
            raise TimeoutError
        return min(left, TURN)


class Fetcher:
    """Files and streams of one camera, one at a time: what is fetched ends what was. trust: whom TLS is believed by."""

    def __init__(self, login: Login | None, trust: ssl.SSLContext | None, wait: Wait) -> None:
        self._login = login
        self._trust = trust
        self._wait = wait
        self._line: socket.socket | None = None

    def close(self) -> None:
        """Fetch nothing more."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def get(self, address: str) -> tuple[str, Iterator[bytes]]:
        """Where it was found in the end, and its bytes as they come.

        Raises Refused: stream="unreachable", "denied", "not_found", "address", "lost"; so do the bytes ("lost").
        """
        proof: str | None = None
        for _ in range(REDIRECTS + 2):
            self._wait.allow(PATIENCE)
            self._wait.turn()
            self.close()
            self._line = line = _connect(address, self._trust)
            try:
                reply = self._ask(line, address, proof)
                status, told = reply.status, reply.getheader("Location")
                if status == 200:
                    return address, _bytes(reply, address)
                if status in {301, 302, 303, 307, 308} and told:
                    address, proof = own_path(address, told), None
                elif status == 401 and proof is None:
                    proof = self._prove(reply, address)
                else:
                    word = _REFUSED.get(status, "unreachable")
                    raise Refused(Kind.UNAVAILABLE, f"{_host(address)}: answers {status}", stream=word)
            except (OSError, http.client.HTTPException) as error:
                why = f"no answer in {PATIENCE:g} s" if isinstance(error, TimeoutError) else str(error)[:200]
                raise Refused(Kind.UNAVAILABLE, f"{_host(address)}: {why}", stream="unreachable") from error
        raise Refused(Kind.INVALID, f"{_host(address)}: sends from place to place", stream="not_found")

    def _ask(self, line: socket.socket, address: str, proof: str | None) -> http.client.HTTPResponse:
        head = [
            f"GET {_target(address)} HTTP/1.1", f"Host: {urlsplit(address).netloc}", "User-Agent: Saqtau",
            "Accept: */*", "Connection: close",
        ]  # fmt: skip
        if proof is not None:
            head.append(f"Authorization: {proof}")
        line.settimeout(PATIENCE)
        line.sendall("\r\n".join([*head, "", ""]).encode("latin-1"))
        reply = http.client.HTTPResponse(cast("socket.socket", _Wire(line, self._wait)), method="GET")
        reply.begin()
        return reply

    def _prove(self, reply: http.client.HTTPResponse, address: str) -> str:
        host, login = _host(address), self._login
        if login is None:
            raise Refused(Kind.UNAVAILABLE, f"{host}: wants a password", stream="denied")
        challenge = choose(reply.headers.get_all("WWW-Authenticate", []))
        if challenge is None:
            raise Refused(Kind.UNAVAILABLE, f"{host}: wants a proof that we do not know", stream="denied")
        if challenge.weak and not login.basic and urlsplit(address).scheme != "https":
            told = f"{host}: wants the password in the clear (basic); allow it in its credentials, or use https"
            raise Refused(Kind.UNAVAILABLE, told, stream="denied")
        return answer(challenge, login, "GET", _target(address), count=1, cnonce=secrets.token_hex(8))


class _Wire(io.RawIOBase):
    """A socket as `http.client` reads it, that gives up when `Wait` says so."""

    def __init__(self, line: socket.socket, wait: Wait) -> None:
        self._line = line
        self._wait = wait

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What `http.client` asks of a socket."""
        return io.BufferedReader(self, PIECE)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Bytes that came, 0 at the end."""
        while True:
            self._line.settimeout(self._wait.turn())
            try:
                return self._line.recv_into(buffer)
            except TimeoutError:
                continue


def _connect(address: str, trust: ssl.SSLContext | None) -> socket.socket:
    parts = urlsplit(address)
    host, failed = parts.hostname or "", OSError("no address")
    for family, kind, protocol, _, where in find(host, parts.port or PORTS[parts.scheme]):
        line = socket.socket(family, kind, protocol)
        line.settimeout(PATIENCE)
        try:
            line.connect(where)
            if parts.scheme == "https":
                line = (trust or ssl.create_default_context()).wrap_socket(line, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            line.close()
            message = f"{host}: its certificate is not trusted: {error.verify_message}"
            raise Refused(Kind.UNAVAILABLE, message, stream="denied") from error
        except OSError as error:
            line.close()
            failed = error
        else:
            return line
    raise Refused(Kind.UNAVAILABLE, f"{host}: {str(failed) or 'no answer'}", stream="unreachable") from failed


def _bytes(reply: http.client.HTTPResponse, address: str) -> Iterator[bytes]:
    try:
        while piece := reply.read1(PIECE):
            yield piece
    except TimeoutError:
        raise
    except (OSError, http.client.HTTPException) as error:
        raise Refused(Kind.UNAVAILABLE, f"{_host(address)}: {str(error)[:200]}", stream="lost") from error


def whole(pieces: Iterator[bytes], largest: int) -> bytes:
    """All of a short file. Raises Refused(TOO_LARGE, stream="broken")."""
    found = bytearray()
    for piece in pieces:
        found += piece
        if len(found) > largest:
            raise Refused(Kind.TOO_LARGE, f"a playlist of more than {largest} bytes", stream="broken")
    return bytes(found)


def _host(address: str) -> str:
    return urlsplit(address).hostname or ""


def _target(address: str) -> str:
    parts = urlsplit(address)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
