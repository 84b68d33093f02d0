"""A file a topic; each call is a thin function that opens a grant, asks the engine and shapes the answer."""

from typing import Any, Final

from saqtau.web.api import access, account, desks, entry, items, keys, live, plates, registers, session, tablet, units

API: Final[list[Any]] = [
    session.login,
    session.logout,
    session.me,
    entry.ways,
    entry.question,
    entry.by_passkey,
    entry.second,
    account.account,
    account.question,
    account.prove_by_passkey,
    account.prove,
    account.change_password,
    account.end_sessions,
    keys.question,
    keys.add_passkey,
    keys.remove_passkey,
    keys.begin_codes,
    keys.confirm_codes,
    keys.remove_codes,
    keys.make_recovery,
    desks.desks,
    live.overview,
    live.live,
    items.items,
    items.item,
    items.take,
    items.picture,
    units.near,
    plates.plate_reads,
    registers.register,
    tablet.tablet,
    tablet.duty,
    tablet.enrol_tablet,
    tablet.code,
    tablet.revoke,
    access.access,
]
