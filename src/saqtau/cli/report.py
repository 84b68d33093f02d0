"""`saqtau report`: the public report of a month, and the overseer's recount of it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

_out = Console(soft_wrap=True, markup=False, highlight=False, emoji=False)


def report(
    month: Annotated[str, typer.Option("--month", help="YYYY-MM; its days are UTC's, as those of the ledger.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the files; made if it is not there.")] = Path(),
    config: Annotated[
        Path | None, typer.Option("--config", help="The TOML file; default saqtau.toml if it is there.")
    ] = None,
    folder: Annotated[Path | None, typer.Option("--folder", help="The data folder; overrides the file's.")] = None,
    *,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Write nothing: count the month again out of the log, and compare.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="A new edition: count anew and enter the new figures besides the old.")
    ] = False,
) -> None:
    """The public transparency report: kk, ru, en, HTML and PDF. The same figures make the same bytes.

    With --recompute: every entry of the month is opened and counted; exits 1 when the report says anything else.
    """
    from saqtau import bootstrap

    found = bootstrap.configured(config, folder)
    if not recompute:
        for file in bootstrap.make_report(found, month, out, _out.print, again=again):
            _out.print(str(file))
        return
    counted = bootstrap.recompute_report(found, month, _out.print)
    _out.print(
        f"{counted.entries} entries of {month}: {counted.opened} opened, {counted.unreadable} erased or unreadable"
    )
    _out.print(f"not in the log, and not compared: {', '.join(counted.not_in_log)}")
    for one in counted.differences:
        _out.print(f"{one.what}: the report says {one.reported}, the log says {one.counted}", style="yellow")
    if counted.differences:
        raise typer.Exit(1)
    _out.print("the report says what the log says")
