"""`saqtau verify`: the record of this house, or, anywhere, a log, an entry, an export, a printed checkpoint.

The checks of the log need no configuration, no database and no network but the one of the address that is given.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.errors import Kind, Refused

verbs = typer.Typer()

_out = Console(soft_wrap=True, markup=False, highlight=False, emoji=False)
LARGEST: Final = 2 << 20
"""Bytes of a policy, an entry, a checkpoint that is given as a file."""

Where = Annotated[
    str,
    typer.Argument(help="The log: a folder with `checkpoint` and `tile/` (a mirror), or the address it is served at."),
]
Vkey = Annotated[str | None, typer.Option("--vkey", help="The log's verifier key: name+id+key.")]
PolicyFile = Annotated[
    Path | None,
    typer.Option("--policy", help="A tlog-policy file: keys of log and witnesses, and how many are enough."),
]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="A file with the token of those who may mirror a log over HTTP.")
]


@verbs.callback(invoke_without_command=True)
def record(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", help="The TOML file; default saqtau.toml if it is there.")
    ] = None,
    folder: Annotated[Path | None, typer.Option("--folder", help="The data folder; overrides the file's.")] = None,
) -> None:
    """Compare what is stored with what the records say of it; exits 1 when something does not hold.

    With a verb: check a log, an entry, an export or a printed checkpoint, anywhere, without this house.
    """
    if context.invoked_subcommand is not None:
        return
    from saqtau import bootstrap

    if bootstrap.verify(bootstrap.configured(config, folder), _out.print):
        raise typer.Exit(1)


@verbs.command("log")
def log(
    where: Where,
    vkey: Vkey = None,
    policy: PolicyFile = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            "--against", help="Another checkpoint of this log, a file or the witness's address; may be repeated."
        ),
    ] = None,
    seen: Annotated[
        Path | None,
        typer.Option("--seen", help="A file that keeps the last checkpoint seen: the log must begin with it."),
    ] = None,
    within: Annotated[
        float | None, typer.Option("--within", min=0, help="Hours ago that a witness must have cosigned it last.")
    ] = None,
    token_file: TokenFile = None,
) -> None:
    """Check a whole log: signatures, every entry, every tile computed anew, up to the root that was signed."""
    from saqtau.ledger.verify.audit import audit
    from saqtau.ledger.verify.signed import keys_of

    keys = keys_of(vkey, file_of(policy))
    others = [(one, _checkpoint(one, token_file)) for one in against or ()]
    if seen is not None and seen.exists():
        others.append((str(seen), file_of(seen) or b""))
    with _reading(where, token_file) as read:
        found = audit(read, keys, say, against=tuple(others), now=now(), within_hours=within)
    if seen is not None and found.signed is not None and not found.findings:
        _keep(seen, found.signed.note.text.encode())
    end(found.findings)


@verbs.command("entry")
def entry(
    file: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="A .tlog-proof, or the JSON of an entry with its record."),
    ],
    vkey: Vkey = None,
    policy: PolicyFile = None,
    leaf: Annotated[
        Path | None,
        typer.Option("--leaf", exists=True, help="The entry's bytes, for a proof that does not carry them."),
    ] = None,
) -> None:
    """Check one entry, offline: that it is in the log, and that its record is what the log committed to."""
    from saqtau.ledger.verify.entry import check_entry
    from saqtau.ledger.verify.signed import keys_of

    keys = keys_of(vkey, file_of(policy))
    end(check_entry(file_of(file) or b"", keys, say, file_of(leaf)))


@verbs.command("export")
def export(
    package: Annotated[
        Path, typer.Argument(exists=True, help="The package (.zip), or the folder it was unpacked into.")
    ],
    policy: Annotated[
        Path | None,
        typer.Option("--policy", exists=True, help="Your own copy of the oversight policy; else the package's."),
    ] = None,
    tsa: Annotated[
        Path | None,
        typer.Option("--tsa", exists=True, help="Certificates (PEM) of the time-stamping authority that you trust."),
    ] = None,
) -> None:
    """Check an export package, offline: files, the log's entry about it, the chain of custody. As its own verify.py."""
    from saqtau.ledger.verify.export import check

    end(check(package, file_of(policy), say, file_of(tsa)))


@verbs.command("paper")
def paper(
    where: Where,
    origin: Annotated[str, typer.Option("--origin", prompt="Name of the log", help="The log's name, as printed.")],
    size: Annotated[str, typer.Option("--size", prompt="Number of entries", help="Number of entries, as printed.")],
    root: Annotated[str, typer.Option("--root", prompt="Root", help="64 hexadecimal digits, spaces do not matter.")],
    vkey: Vkey = None,
    policy: PolicyFile = None,
    token_file: TokenFile = None,
) -> None:
    """Check that a log still begins with what a printed checkpoint said; asks for what is not given."""
    from saqtau.ledger.verify.paper import check_paper, parse_typed
    from saqtau.ledger.verify.signed import keys_of

    keys, typed = keys_of(vkey, file_of(policy)), parse_typed(origin, size, root)
    with _reading(where, token_file) as read:
        end(check_paper(read, keys, typed, say))


@contextmanager
def _reading(where: str, token_file: Path | None) -> Iterator[Callable[[str], bytes]]:
    from saqtau.ledger.verify.folder import folder_reader

    if not where.startswith(("http://", "https://")):
        yield folder_reader(Path(where))
        return
    from saqtau.ledger.verify.http import http_reader

    with http_reader(where, _token(token_file)) as read:
        yield read


def _checkpoint(where: str, token_file: Path | None) -> bytes:
    """Another checkpoint of the log: a file, or the address of exactly that checkpoint."""
    if not where.startswith(("http://", "https://")):
        return file_of(Path(where)) or b""
    prefix, _, name = where.rpartition("/")
    if name != "checkpoint":
        raise Refused(Kind.INVALID, f"{where}: the address of a checkpoint ends with /checkpoint", against="invalid")
    with _reading(prefix, token_file) as read:
        return read(name)


def _token(file: Path | None) -> str | None:
    data = file_of(file)
    return None if data is None else data.decode("ascii", "replace").strip()


def file_of(path: Path | None) -> bytes | None:
    """The bytes of a file that is given. Refused: INVALID (`file`), TOO_LARGE."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise Refused(Kind.INVALID, f"{path}: {error.strerror}", file="not_readable") from error
    if len(data) > LARGEST:
        raise Refused(Kind.TOO_LARGE, f"{path}: longer than {LARGEST} bytes", file="too_large")
    return data


def _keep(path: Path, data: bytes) -> None:
    """Replace the file in one step: it is never half a checkpoint."""
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def end(findings: Sequence[Any]) -> None:
    """Say how it ends; exits 1 where something does not hold, or cannot be known."""
    from saqtau.ledger.verify.export import DOES_NOT_HOLD, Unknown, ending

    unknown = [one for one in findings if isinstance(one, Unknown) or getattr(one, "unknown", False)]
    for line in ending([str(one) for one in findings if one not in unknown], [str(one) for one in unknown]):
        _out.print(_plain(line), style="red" if line.startswith(DOES_NOT_HOLD) else None)
    if findings:
        raise typer.Exit(1)


def say(line: str) -> None:
    """Print a line, whatever is in it, as text."""
    _out.print(_plain(line))


def _plain(line: str) -> str:
    from saqtau.ledger.verify.export import plain

    return plain(line)


def now() -> Instant:
    """What the clock of this machine says."""
    return Instant(round(time.time() * SECOND))
