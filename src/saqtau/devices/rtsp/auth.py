"""Proving a password to a camera: digest (RFC 7616, RFC 2617) and, where nothing better is offered, basic.

The password never leaves this process with digest. Basic shows it to everyone on the way unless the line is TLS:
`weak` tells it, and without TLS it is used only where the credentials allow it.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import unquote

import msgspec

from saqtau.kernel.errors import Kind, Refused

_PART = re.compile(r'([A-Za-z0-9_-]{1,40})\s*=\s*(?:"((?:[^"\\]|\\.){0,1000})"|([^\s,"]{0,1000}))')
_HASHES: Mapping[str, Callable[[bytes], str]] = {
    "SHA-512-256": lambda data: hashlib.new("sha512_256", data).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}
"""Best first. MD5 is what nearly every camera has."""


class Login(msgspec.Struct, frozen=True):
    """Who we are to the camera. basic: the password may be shown to those on the way."""

    user: str
    password: str
    basic: bool = False

    def __repr__(self) -> str:  # a password gets into no log
        return f"Login({self.user!r})"


class Challenge(msgspec.Struct, frozen=True):
    """What a camera asks for. scheme: "digest" or "basic"; the rest is of digest."""

    scheme: str
    realm: str
    nonce: str = ""
    algorithm: str = "MD5"
    session: bool = False  # the -sess variants
    qop: bool = False  # qop="auth" is offered
    opaque: str | None = None
    stale: bool = False

    @property
    def weak(self) -> bool:
        """Whether the answer shows the password to those on the way."""
        return self.scheme == "basic"


def parse_login(text: str) -> Login:
    """`user:password`, each percent-decoded; a second line `basic` allows that way of proving it without TLS.

    Raises `Refused(INVALID)` without a colon, with control characters, or with another second line.
    """
    first, *more = text.strip("\r\n").splitlines() or [""]
    user, colon, password = first.partition(":")
    user, password = unquote(user), unquote(password)
    if not colon or not user or not (user + password).isprintable() or ":" in user or more not in ([], ["basic"]):
        raise Refused(
            Kind.INVALID, "credentials of a camera: user:password on its first line", credentials="rtsp.login"
        )
    return Login(user, password, bool(more))


def choose(headers: Iterable[str]) -> Challenge | None:
    """The strongest of the challenges in `WWW-Authenticate` headers that we can answer; None without one."""
    found: list[Challenge] = []
    for header in headers:
        scheme, _, rest = header.strip().partition(" ")
        parts = {name.lower(): quoted or plain for name, quoted, plain in _PART.findall(rest)}
        match scheme.lower():
            case "basic":
                found.append(Challenge("basic", parts.get("realm", "")))
            case "digest" if parts.get("nonce"):
                named = parts.get("algorithm", "MD5").upper()
                algorithm, session = named.removesuffix("-SESS"), named.endswith("-SESS")
                offered = {one.strip().lower() for one in parts.get("qop", "").split(",")}
                # auth-int would hash the body, which is empty in all we send: "auth" is always offered beside it
                if algorithm in _HASHES and offered & {"auth", ""}:
                    found.append(
                        Challenge(
                            "digest",
                            parts.get("realm", ""),
                            parts["nonce"],
                            algorithm,
                            session,
                            "auth" in offered,
                            parts.get("opaque"),
                            parts.get("stale", "").lower() == "true",
                        )
                    )
            case _:
                pass
    order = list(_HASHES)
    return min(found, key=lambda one: len(order) if one.weak else order.index(one.algorithm), default=None)


def answer(challenge: Challenge, login: Login, method: str, address: str, *, count: int, cnonce: str) -> str:
    """The `Authorization` header for one request.

    count: how many requests answered this nonce, this one included (nc). cnonce: fresh random hex.
    """
    if challenge.scheme == "basic":
        return "Basic " + b64encode(f"{login.user}:{login.password}".encode()).decode()
    hashed = _HASHES[challenge.algorithm]
    first = hashed(f"{login.user}:{challenge.realm}:{login.password}".encode())
    if challenge.session:
        first = hashed(f"{first}:{challenge.nonce}:{cnonce}".encode())
    second = hashed(f"{method}:{address}".encode())
    middle = f"{challenge.nonce}:{count:08x}:{cnonce}:auth" if challenge.qop else challenge.nonce
    parts = {
        "username": _quoted(login.user),
        "realm": _quoted(challenge.realm),
        "nonce": _quoted(challenge.nonce),
        "uri": _quoted(address),
        "response": _quoted(hashed(f"{first}:{middle}:{second}".encode())),
    }
    if challenge.algorithm != "MD5" or challenge.session:
        parts["algorithm"] = challenge.algorithm + ("-sess" if challenge.session else "")
    if challenge.opaque is not None:
        parts["opaque"] = _quoted(challenge.opaque)
    if challenge.qop or challenge.session:
        parts["cnonce"] = _quoted(cnonce)
    if challenge.qop:
        parts |= {"qop": "auth", "nc": f"{count:08x}"}
    return "Digest " + ", ".join(f"{name}={value}" for name, value in parts.items())


def _quoted(text: str) -> str:
    # the realm's own backslashes came quoted and go back as they came
    return '"' + re.sub(r'(?<!\\)"', r"\"", text) + '"'
