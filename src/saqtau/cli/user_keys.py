"""`saqtau user unblock | link | unlink | take-keys`: how people log in, for when something is lost or locked."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

_out = Console(soft_wrap=True, markup=False, highlight=False, emoji=False)
ConfigFile = Annotated[Path | None, typer.Option("--config", help="The TOML file; default saqtau.toml if it is there.")]
Folder = Annotated[Path | None, typer.Option("--folder", help="The data folder; overrides the file's.")]


def unblock(
    name: Annotated[str | None, typer.Argument(help="The account.")] = None,
    address: Annotated[str | None, typer.Option(help="An address that guessed too often.")] = None,
    config: ConfigFile = None,
    folder: Folder = None,
) -> None:
    """Forget wrong passwords and codes of an account, from wherever, or of an address."""
    from saqtau import bootstrap

    gone = bootstrap.unblock_user(bootstrap.configured(config, folder), name, address)
    who = " and ".join(one for one in (name, address) if one)
    _out.print(f"{who} may try again" if gone else f"nothing was counted against {who}")


def link(
    name: str,
    subject: Annotated[str, typer.Argument(help="What the provider calls the person: the value of the claim.")],
    config: ConfigFile = None,
    folder: Folder = None,
) -> None:
    """Let an identity of the configured provider open an account. No provider makes an account by itself."""
    from saqtau import bootstrap

    issuer = bootstrap.link_user(bootstrap.configured(config, folder), name, subject)
    _out.print(f"{name} is opened by an identity of {issuer}")


def unlink(name: str, config: ConfigFile = None, folder: Folder = None) -> None:
    """No identity of a provider opens an account any more; its sessions end."""
    from saqtau import bootstrap

    gone = bootstrap.unlink_user(bootstrap.configured(config, folder), name)
    _out.print(f"{gone} identities open {name} no more")


def take_keys(name: str, config: ConfigFile = None, folder: Folder = None) -> None:
    """Take the passkeys and codes of a person who lost them; every session of theirs ends."""
    from saqtau import bootstrap

    bootstrap.take_keys_of_user(bootstrap.configured(config, folder), name)
    _out.print(f"passkeys and codes of {name} open nothing more; the next log-in sets up new ones")


def add_to(user: typer.Typer) -> None:
    """Put the verbs under `saqtau user`."""
    for name, verb in (("unblock", unblock), ("link", link), ("unlink", unlink), ("take-keys", take_keys)):
        user.command(name)(verb)
