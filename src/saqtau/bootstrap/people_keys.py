"""What an administrator does at the keyboard about how people log in. Each act is an entry before it is done."""

import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from saqtau.bootstrap.engine import engine_up
from saqtau.bootstrap.ground import Ground, now
from saqtau.engine import broker, postgres
from saqtau.engine.postgres import APP
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.leaf import LeafClass
from saqtau.web import keyring


@asynccontextmanager
async def entered(ground: Ground, action: str, told: dict[str, Any]) -> AsyncIterator[Any]:
    """A connection to the record, once the act is in the ledger. Raises Refused(UNAVAILABLE) when it cannot be."""
    async with engine_up(ground), postgres.pool(ground.server(APP), APP, 3) as pool:
        nc = await broker.connect(ground.broker(), "saqtau-user")
        ledger = ground.open_ledger(pool)
        access = ground.open_access(ledger, broker.context(nc), pool)
        try:
            await access.tell(LeafClass.ADMIN, action, told | {"at": "command line", "by": getpass.getuser()})
            async with pool.acquire() as pg:
                yield pg
        finally:
            await access.stop()
            await ledger.close()
            await nc.close()


async def unblock(ground: Ground, account: str | None, address: str | None) -> int:
    """Forget wrong passwords and codes of an account or an address; how many counts went. Raises Refused(INVALID)."""
    if account is None and address is None:
        raise Refused(Kind.INVALID, "name an account, an --address, or both", name="missing")
    async with entered(ground, "account.unblock", {"account": account, "address": address}) as pg:
        return await keyring.unblock(pg, account, address)


async def link(ground: Ground, account: str, subject: str) -> str:
    """Let an identity of the configured provider open an account; its issuer. Raises Refused: INVALID, NOT_FOUND."""
    issuer = ground.config.identity.issuer
    if issuer is None:
        raise Refused(Kind.INVALID, "no identity provider is configured", **{"identity.issuer": "missing"})
    async with entered(ground, "account.link", {"account": account, "issuer": issuer}) as pg:
        await keyring.link(pg, account, issuer, subject, now())
    return issuer


async def unlink(ground: Ground, account: str) -> int:
    """No identity of a provider opens an account any more; how many did. Raises Refused(NOT_FOUND)."""
    async with entered(ground, "account.unlink", {"account": account}) as pg:
        return await keyring.unlink(pg, account)


async def take_keys(ground: Ground, account: str) -> None:
    """Passkeys and codes of a person who lost them open nothing more, and his sessions end. Raises Refused(NOT_FOUND).

    The next log-in with the password sets up new ones.
    """
    async with entered(ground, "account.take_keys", {"account": account}) as pg:
        await keyring.take_all(pg, account)
