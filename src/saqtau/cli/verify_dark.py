"""`saqtau verify dark`: the dark minutes of cameras, counted again from an overseer's own copy of the evidence log."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from saqtau.kernel.clock import HOUR, MINUTE, SECOND, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.witness.opened import ARRIVALS, read_lines

Time = Annotated[
    str | None, typer.Option(metavar="TIME", help="UTC, as 2026-11-24T14:00; without it the last 24 hours.")
]


def dark(
    mirror: Annotated[
        Path,
        typer.Argument(
            exists=True, file_okay=False, help="A mirrored evidence log: a folder below `logs` of the witness's own."
        ),
    ],
    vkey: Annotated[str | None, typer.Option("--vkey", help="The log's verifier key: name+id+key.")] = None,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", exists=True, help="A tlog-policy file, as `saqtau witness policy` prints it."),
    ] = None,
    since: Time = None,
    until: Time = None,
    camera: Annotated[str | None, typer.Option("--camera", help="Only this camera.")] = None,
) -> None:
    """Count each camera's minutes again, offline: recorded, dark, switched off, without a word. Needs no police.

    Exits 1 when something does not hold: an account that was withheld, entered late, or contradicts an earlier one.
    """
    from saqtau.cli import verify
    from saqtau.ledger.verify.dark import recount, tell
    from saqtau.ledger.verify.folder import folder_reader
    from saqtau.ledger.verify.signed import keys_of

    now = verify.now()
    begun = _instant(since, "since") if since is not None else Instant((now - 24 * HOUR) // MINUTE * MINUTE)
    ended = _instant(until, "until") if until is not None else None
    if ended is not None and ended <= begun:
        raise Refused(Kind.INVALID, "it ends before it begins", until="invalid")
    keys = keys_of(vkey, verify.file_of(policy))
    found = recount(
        folder_reader(mirror), lambda bundle: _lines(mirror, bundle), _arrivals(mirror), keys, verify.say,
        now=now, began=begun, ended=ended, camera=camera,
    )  # fmt: skip
    for line in tell(found):
        verify.say(line)
    verify.end(found.findings)


def _arrivals(folder: Path) -> bytes:
    path = folder / ARRIVALS
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise Refused(Kind.UNAVAILABLE, f"{path}: {error.strerror}", arrivals="not_readable") from error


def _lines(folder: Path, bundle: int) -> bytes:
    try:
        return read_lines(folder, bundle)
    except OSError as error:
        raise Refused(Kind.UNAVAILABLE, f"open/{bundle}: {error.strerror}", open="not_readable") from error


def _instant(text: str, name: str) -> Instant:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(Kind.INVALID, f"--{name}: a time like 2026-11-24T14:00", **{name: "invalid"}) from error
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return Instant(round(at.timestamp()) * SECOND // MINUTE * MINUTE)
