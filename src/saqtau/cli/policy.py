"""`saqtau policy`: what is in force, and how it changes. Who types logs in: nobody approves in somebody else's name."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from saqtau.cli.asking import HERE, Asking, Name, PasswordFile, Url, signed_in
from saqtau.kernel.errors import Kind, Refused

verbs = typer.Typer(no_args_is_help=True, help="The policies: which are in force, proposals, approvals.")
_out = Console(soft_wrap=True, markup=False, highlight=False, emoji=False)
_err = Console(soft_wrap=True, markup=False, highlight=False, emoji=False, stderr=True)
_FILES: Final[Any] = {"exists": True, "dir_okay": False, "readable": True}
LARGEST: Final = 64 * 1024
NOT_FOUND: Final = "WARNING: what changes for whom could not be found by asking; read the changed lines"
Files = Annotated[list[Path], typer.Argument(help="Cedar files that change, by their names.", **_FILES)]
Remove = Annotated[list[str] | None, typer.Option("--remove", help="A file to take away.")]
Which = Annotated[str | None, typer.Argument(metavar="[ID]", help="Default: the set that is in force.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@verbs.command("list")
def listed(name: Name, url: Url = HERE, password_file: PasswordFile = None) -> None:
    """Every set there was or is proposed, newest first."""
    with signed_in(url, name, password_file) as asking:
        for one in asking.get("/api/policies")["sets"]:
            _out.print(_line(one))


@verbs.command("show")
def show(
    name: Name,
    which: Which = None,
    texts: Annotated[Path | None, typer.Option(help="Write the Cedar files into this folder.")] = None,
    url: Url = HERE,
    password_file: PasswordFile = None,
) -> None:
    """What a set says, policy by policy, in words; with --texts its files, to be changed and proposed."""
    with signed_in(url, name, password_file) as asking:
        seen = _seen(asking, which)
    _out.print(_line(seen["line"]))
    for rule in seen["rules"]:
        _out.print(f"  {rule['effect']:6} {rule['id']}: {rule['sentences']['en']}")
    if texts is not None:
        texts.mkdir(parents=True, exist_ok=True)
        for file, text in seen["texts"].items():
            (texts / Path(file).name).write_text(text, "utf-8")
        _out.print(f"{len(seen['texts'])} files written to {texts}")


@verbs.command("diff")
def diff(
    name: Name,
    what: Annotated[list[str], typer.Argument(help="A proposal's id, or Cedar files that change.")],
    remove: Remove = None,
    url: Url = HERE,
    password_file: PasswordFile = None,
) -> None:
    """What a proposal, or a change that is not proposed yet, means: who may do what now, and the lines."""
    files = [Path(one) for one in what if Path(one).is_file()]
    with signed_in(url, name, password_file) as asking:
        if files or remove:
            if len(files) != len(what):
                raise Refused(Kind.INVALID, "some of these are no files", files="missing")
            found = asking.post("/api/policies/check", {"texts": _patch(files, remove)})
        else:
            found = _seen(asking, what[0])["diff"]
    for line in told(found):
        _out.print(line)


@verbs.command("propose")
def propose(
    name: Name,
    files: Files,
    why: Annotated[str, typer.Option(help="Why, in a sentence: the prosecutor reads it.")],
    remove: Remove = None,
    url: Url = HERE,
    password_file: PasswordFile = None,
) -> None:
    """Propose a change. It is checked against the schema and the laws of the house; another person approves it."""
    with signed_in(url, name, password_file) as asking:
        base = _force(asking)["hash"]
        body = {"texts": _patch(files, remove), "base": base, "why": why}
        seen = asking.post("/api/policies", body)
    for line in told(seen["diff"]):
        _out.print(line)
    _out.print(f"proposed as {seen['line']['id']}; another person puts it in force: saqtau policy approve")


@verbs.command("approve")
def approve(
    name: Name,
    proposal: Annotated[str, typer.Argument(metavar="ID")],
    url: Url = HERE,
    password_file: PasswordFile = None,
    *,
    yes: Yes = False,
) -> None:
    """Read what a proposal means, and put it in force: everywhere within a second."""
    with signed_in(url, name, password_file) as asking:
        seen = _seen(asking, proposal)
        _out.print(f"{seen['line']['asked_by']}: {seen['line']['why']}")
        for line in told(seen["diff"]):
            _out.print(line)
        if not yes and not typer.confirm("Put this in force?"):
            raise typer.Exit(1)
        done = asking.post(f"/api/policies/{proposal}/approve")
    _out.print(f"in force: {done['hash']}")


@verbs.command("refuse")
def refuse(
    name: Name,
    proposal: Annotated[str, typer.Argument(metavar="ID")],
    why: Annotated[str, typer.Option(help="Why not.")],
    url: Url = HERE,
    password_file: PasswordFile = None,
) -> None:
    """Say no to a proposal; who made it takes it back this way."""
    with signed_in(url, name, password_file) as asking:
        asking.post(f"/api/policies/{proposal}/refuse", {"why": why})
    _out.print(f"{proposal} is refused")


def told(diff: dict[str, Any] | None) -> Iterator[str]:
    """A diff as lines: first what it means, then the texts."""
    if diff is None:
        yield "the policies of the release: nothing to compare them with"
        return
    for rule in diff["rules"]:
        sentence = rule["after"].get("en") or rule["before"].get("en", "")
        yield f"{rule['what'].upper()} {rule['effect']} {rule['id']}: {sentence}"
        if rule["what"] in {"changed", "reworded"} and rule["before"] != rule["after"]:
            yield f"  said before: {rule['before'].get('en', '')}"
        if _is_silent(rule):
            yield "  WARNING: its condition changed and its sentence did not: it may not say what the rule does"
    for shift in diff["shifts"]:
        may = "MAY NOW" if shift["allowed"] else "MAY NO LONGER"
        where = f" ({shift['where']})" if shift.get("where") else ""
        yield f"{may} {shift['role']}: {shift['action']} for {shift['purpose']}{where}"
    if not diff["shifts"]:
        words = all(rule["what"] == "reworded" for rule in diff["rules"])
        yield "only words change: no condition does" if words else NOT_FOUND
    yield from diff["lines"]


def _is_silent(rule: dict[str, Any]) -> bool:
    """Whether the rule means something else now, and some language says the same of it as before."""
    if rule["what"] != "changed":
        return False
    return any(rule["before"].get(one) == rule["after"].get(one) for one in ("kk", "ru", "en"))


def _line(one: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(one["asked_at"] / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    mark = "IN FORCE " if one["in_force"] else ""
    signed = ", ".join(signature["by"] for signature in one["signatures"])
    agreed = f", approved by {signed}" if signed else ""
    return f"{one['id']} {mark}{one['standing']} {at} by {one['asked_by']}{agreed}: {one['why']} [{one['hash'][:16]}]"


def _force(asking: Asking) -> dict[str, Any]:
    for one in asking.get("/api/policies")["sets"]:
        if one["in_force"]:
            return dict(one)
    raise Refused(Kind.NOT_FOUND, "no policies are in force yet", policies="none")


def _seen(asking: Asking, which: str | None) -> dict[str, Any]:
    return dict(asking.get(f"/api/policies/{which or _force(asking)['id']}"))


def _patch(files: list[Path], remove: list[str] | None) -> dict[str, str | None]:
    patch: dict[str, str | None] = dict.fromkeys(remove or ())
    for file in files:
        if file.stat().st_size > LARGEST:
            raise Refused(Kind.TOO_LARGE, f"{file.name}: larger than {LARGEST >> 10} KiB", files="too_large")
        try:
            patch[file.name] = file.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise Refused(Kind.INVALID, f"{file.name}: not UTF-8", files="not_text") from error
    return patch
