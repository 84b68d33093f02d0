"""A person's own session with a running Saqtau, for verbs that must know who types."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from saqtau.kernel.errors import Kind, Refused

PATIENCE: Final = 60.0
Url = Annotated[str, typer.Option("--url", help="Where the console is served.")]
Name = Annotated[str, typer.Option("--as", help="Your account.", prompt="Account")]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", help="A file (0600) with your password; else it is asked for.")
]
HERE: Final = "http://127.0.0.1:8470"


class Asking:
    """Calls of the API in one session."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def get(self, path: str) -> Any:
        """The answer of a call that reads. Raises Refused as the API refuses."""
        return _answer(self._client.get(path))

    def post(self, path: str, body: Any = None) -> Any:
        """The answer of a call that changes something. Raises Refused as the API refuses."""
        return _answer(self._client.post(path, json=body))


@contextmanager
def signed_in(url: str, name: str, password_file: Path | None) -> Iterator[Asking]:
    """A session of this person; it ends with the block. Raises Refused (the log-in, the password file)."""
    word = _password(password_file)
    try:
        with httpx.Client(base_url=url, timeout=PATIENCE, follow_redirects=False) as client:
            me = _answer(client.post("/api/login", json={"name": name, "password": word}))
            if "ticket" in me:
                code = typer.prompt("Code", hide_input=True)
                me = _answer(client.post("/api/login/code", json={"ticket": me["ticket"], "code": code}))
            client.headers["X-CSRF-Token"] = me["csrf"]
            try:
                yield Asking(client)
            finally:
                client.post("/api/logout")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Refused(Kind.UNAVAILABLE, f"{url}: {error}", url="unavailable") from error


def _password(file: Path | None) -> str:
    if file is None:
        return str(typer.prompt("Password", hide_input=True))
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise Refused(Kind.INVALID, f"{file}: others can read it; chmod 600", password_file="mode")  # noqa: S106
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(Kind.INVALID, f"{file}: cannot be read", password_file="not_readable") from error  # noqa: S106


def _answer(answer: httpx.Response) -> Any:
    try:
        told: Any = answer.json() if answer.content else {}
    except ValueError:
        raise Refused(Kind.UNAVAILABLE, f"{answer.url.host} does not answer as Saqtau does", url="other") from None
    if answer.is_success:
        return told
    try:
        kind, message = Kind(told["kind"]), str(told["message"])
        fields = {str(name): str(value) for name, value in told["fields"].items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Refused(Kind.UNAVAILABLE, f"{answer.url.host} answers {answer.status_code}", url="unavailable") from None
    raise Refused(kind, message, **fields)
