"""`saqtau witness`: for the prosecutor's office, on a machine of its own. Needs nothing of the police's."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from saqtau.kernel.errors import Kind, Refused

verbs = typer.Typer(no_args_is_help=True, help="The witness of a log, kept by another office than the log.")
_out = Console(soft_wrap=True, markup=False, highlight=False, emoji=False)
_PLAIN: Final[Any] = {"exists": True, "dir_okay": False, "readable": True}
Folder = Annotated[Path, typer.Option("--folder", help="The witness's own folder.")]
Url = Annotated[str | None, typer.Option("--url", help="Where the log is served, e.g. https://saqtau.police.example.")]
Token = Annotated[
    Path | None,
    typer.Option("--token-file", help="File (0600) with the mirror token that the log's keeper gave.", **_PLAIN),
]
Demonstration = Annotated[
    bool, typer.Option("--demonstration", help="Allow it in the log's own folder: such a witness proves nothing.")
]


@verbs.command("init")
def init(
    folder: Folder,
    name: Annotated[str, typer.Option(help="Name of its key, like a host with a path: witness.prosecutor.example/1.")],
    *,
    demonstration: Demonstration = False,
) -> None:
    """Make a witness: folder, key (file 0600), record. Prints the key that logs and verifiers are told."""
    from saqtau.bootstrap import witness

    _out.print(witness.make(folder, name, demonstration=demonstration))


@verbs.command("add-log")
def add_log(
    folder: Folder,
    offer: Annotated[
        str | None, typer.Argument(metavar="[URL]", help="Where the log's keeper serves: its list of logs is read.")
    ] = None,
    vkey: Annotated[str | None, typer.Option(help="Instead of a URL: the key of one log, as on paper.")] = None,
    authority_key: Annotated[
        str | None, typer.Option(help="The authority's key as on paper: then nothing is asked.")
    ] = None,
    url: Url = None,
    token_file: Token = None,
) -> None:
    """Watch an authority's logs, or one log. Compare the keys with those you were given on paper."""
    from saqtau.bootstrap import witness

    if (offer is None) == (vkey is None):
        raise Refused(Kind.INVALID, "give a URL, or --vkey with the key of one log", offer="missing")
    if vkey is not None:
        _out.print(f"{witness.watch_log(folder, vkey, url, token_file)} is watched")
        return
    offered = witness.look(offer or "")
    _out.print(f"{offer} offers the logs of {offered.authority.name}, whose key is\n\n  {offered.authority.vkey}\n")
    for log in offered.listed.logs:
        _out.print(f"  {log.vkey}")
    _out.print(
        "\nLogs that this key names later (next year, another region) are watched without asking; it can take none off "
        "and change no key.\nCompare it with the paper that the authority handed over, letter by letter."
    )
    if authority_key is not None and authority_key != offered.authority.vkey:
        raise Refused(Kind.DENIED, "that is not the key you gave: nothing was added", authority_key="other")
    if authority_key is None and not typer.confirm("Is it the same?", default=False):
        raise Refused(Kind.DENIED, "nothing was added", authority_key="not_confirmed")
    added = witness.watch_authority(folder, offered, url or offer, token_file)
    _out.print(f"{added} logs added")


@verbs.command("run")
def run(
    folder: Folder,
    listen: Annotated[str, typer.Option(help="Address to answer at; put TLS in front of it.")] = "127.0.0.1:8473",
    *,
    demonstration: Demonstration = False,
) -> None:
    """Cosign the logs that are watched, refuse what rewrites them, keep the proof, mirror; Ctrl-C stops it."""
    from saqtau.bootstrap import witness
    from saqtau.bootstrap.gone import be_gone

    witness.run(folder, listen, _out.print, demonstration=demonstration)
    be_gone()


@verbs.command("key")
def key(folder: Folder) -> None:
    """Print the witness's key, for `witnesses` under `ledger` in the log's configuration, and for verifiers."""
    from saqtau.bootstrap import witness

    _out.print(witness.key(folder))


@verbs.command("policy")
def policy(folder: Folder) -> None:
    """Print the keys of all that is watched and the witness's own: the oversight.policy of verifiers and courts."""
    from saqtau.bootstrap import witness

    _out.print(witness.policy(folder).decode("utf-8", "surrogateescape"), end="")


@verbs.command("logs")
def logs(folder: Folder) -> None:
    """What is watched: the size and time last cosigned, how much is mirrored and where, and what is wrong."""
    from saqtau.bootstrap import witness

    found, troubles, place = witness.watched(folder)
    for log in found:
        _out.print(f"{log.origin}: size {log.size}, cosigned {witness.told(log.at)}")
        _out.print(
            f"  mirrored {log.mirrored} in {place(log.origin)}" if log.url else "  not mirrored: no URL was given"
        )
        if log.trouble:
            _out.print(f"  TROUBLE since {witness.told(log.trouble_since)}: {log.trouble}")
    for trouble in troubles:
        _out.print(f"TROUBLE with the list of {trouble}")
    if not found:
        _out.print("no log is watched: saqtau witness add-log")


@verbs.command("evidence")
def evidence(
    folder: Folder,
    out: Annotated[Path | None, typer.Option(help="New folder to write the files of one piece to.")] = None,
    number: Annotated[int | None, typer.Option(help="Which piece.")] = None,
) -> None:
    """What a log signed that does not fit what was cosigned; exits 1 when there is any."""
    from saqtau.bootstrap import witness

    if out is not None:
        for path in witness.write_evidence(folder, number or 0, out):
            _out.print(str(path))
        return
    found = [one for one in witness.evidence(folder) if number in {None, one.id}]
    for one in found:
        _out.print(
            f"{one.id}: {'PROVEN' if one.proven else 'open'} {one.kind}: {one.origin} signed size {one.size}, "
            f"received {witness.told(one.at)}; cosigned then: size {one.our_size}"
        )
    beyond = witness.unkept(folder) if number is None else []
    for full in beyond:
        _out.print(
            f"FULL: {full.count} more of {full.origin} came when no more is kept, the last {witness.told(full.last)}: "
            "find out why that log cannot be mirrored (saqtau witness logs)"
        )
    if found or beyond:
        raise typer.Exit(1)
    _out.print("nothing: every log only grew")
