"""Enrol the simulated tablets as real ones are: a code from the administrator, a key that never leaves the device."""

import base64
from collections.abc import Mapping, Sequence

from saqtau.devices.tablet.compose import new_key
from saqtau.simulate.api import Api
from saqtau.simulate.drive import Tablet
from saqtau.simulate.register import Account


async def enrol_tablets(
    web: str, administrator: tuple[str, str], accounts: Sequence[Account], passwords: Mapping[str, str]
) -> list[Tablet]:
    """One fresh device a patrol account, through the API; older devices of these accounts are revoked by it.

    administrator: name and password. Raises Refused (a code or a login is refused) or one of `wire.BROKEN`.
    """
    admin = Api(web)
    await admin.log_in(*administrator)
    tablets = []
    for account in accounts:
        if account.unit is None:
            continue
        code = await admin.post("/api/tablet/codes", unit=account.unit, officer=account.name)
        crew = Api(web)
        await crew.log_in(account.name, passwords[account.name])
        key, public = new_key()
        told = await crew.post("/api/tablet/enrol", code=code["code"], public_key=base64.b64encode(public).decode())
        tablets.append(Tablet(account.unit, told["device"], key))
        crew.close()
    admin.close()
    return tablets
