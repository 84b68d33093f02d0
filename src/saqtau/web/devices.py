"""Tablets: a code that enrols one, once; the key that signs its positions; who may send for which unit."""

import hashlib
import secrets
from typing import Any, Final

import msgspec

from saqtau.devices.tablet.server import Enrolled
from saqtau.devices.tablet.signature import load_key
from saqtau.kernel.clock import DAY, MINUTE, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import Ids
from saqtau.web.people import Person

CODE_LIFE: Final = 10 * MINUTE
CERTIFIED: Final = 7 * DAY
_LETTERS: Final = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
_CODE_LENGTH: Final = 10  # 49 bits, for ten minutes, under the throttle


class EnrolmentCode(msgspec.Struct, frozen=True):
    """A code, shown once, and when it ends."""

    code: str
    unit: str
    officer: str
    ends: Instant


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.strip().upper().replace("-", "").encode()).digest()


async def make_code(pg: Any, unit: str, officer: str, made_by: str, now: Instant) -> EnrolmentCode:
    """A code for one device of a unit; an earlier unused one of this unit and officer ends.

    Raises Refused(NOT_FOUND) when the officer has no account as patrol of that unit.
    """
    code = "".join(secrets.choice(_LETTERS) for _ in range(_CODE_LENGTH))
    found = await pg.fetchval(
        "select id from people where id = $1 and unit = $2 and 'patrol' = any(roles) and disabled is null",
        officer,
        unit,
    )
    if found is None:
        raise Refused(Kind.NOT_FOUND, f"{officer} is no patrol of unit {unit}", officer="not_of_this_unit")
    made = EnrolmentCode(code, unit, officer, Instant(now + CODE_LIFE))
    async with pg.transaction():
        await pg.execute(
            "delete from enrolment_codes where ends < $1 or (unit = $2 and officer = $3)", now, unit, officer
        )
        await pg.execute(
            """insert into enrolment_codes (digest, unit, officer, made, made_by, ends)
               values ($1, $2, $3, $4, $5, $6)""",
            _digest(code), unit, officer, now, made_by, made.ends,
        )  # fmt: skip
    return made


async def enrol(pg: Any, person: Person, code: str, public_key: bytes, now: Instant, ids: Ids) -> str:
    """The id of a fresh device. The code is spent, and other devices of this officer are revoked: one tablet at a time.

    Raises Refused: INVALID (the key), DENIED (a wrong, spent or old code, or somebody else's).
    """
    load_key(public_key)
    async with pg.transaction():
        row = await pg.fetchrow(
            "delete from enrolment_codes where digest = $1 and officer = $2 and ends > $3 returning unit",
            _digest(code), person.id, now,
        )  # fmt: skip
        if row is None or row["unit"] != person.unit:
            raise Refused(Kind.DENIED, "the code is wrong, spent, or too old", code="wrong")
        if await pg.fetchval("select true from devices where public_key = $1", public_key):
            raise Refused(Kind.CONFLICT, "this key is enrolled already", public_key="taken")
        await pg.execute("update devices set revoked = $2 where officer = $1 and revoked is null", person.id, now)
        device = ids()
        await pg.execute(
            "insert into devices (id, unit, officer, public_key, enrolled, ends) values ($1, $2, $3, $4, $5, $6)",
            device, row["unit"], person.id, public_key, now, now + CERTIFIED,
        )  # fmt: skip
    return device


async def holder_of(pg: Any, device: str) -> tuple[str, str]:
    """The unit and the officer a device was enrolled for. Raises Refused(NOT_FOUND)."""
    row = await pg.fetchrow("select unit, officer from devices where id = $1", device)
    if row is None:
        raise Refused(Kind.NOT_FOUND, f"no device {device}", device="unknown")
    return row["unit"], row["officer"]


async def revoke_device(pg: Any, device: str, now: Instant) -> None:
    """Nothing this device signs is taken any more. Raises Refused(NOT_FOUND)."""
    done = await pg.fetchval(
        "update devices set revoked = coalesce(revoked, $2) where id = $1 returning id", device, now
    )
    if done is None:
        raise Refused(Kind.NOT_FOUND, f"no device {device}", device="unknown")


async def read_devices(pg: Any) -> dict[str, Enrolled]:
    """Every device whose positions are taken, by id; what the intake of tablets asks. pg: app or worker."""
    rows = await pg.fetch(
        """select d.id, d.unit, d.public_key from devices d join people p on p.id = d.officer
           where d.revoked is null and p.disabled is null"""
    )
    return {row["id"]: Enrolled(row["unit"], bytes(row["public_key"])) for row in rows}
