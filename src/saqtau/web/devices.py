"""Tablets: a code that enrols one, once; the key that signs its positions; who may send for which unit."""

import hashlib
import secrets
from typing import Any, Final

import msgspec
from cryptography import x509

from saqtau.devices.tablet.renewal import Renewal, renewal_text
from saqtau.devices.tablet.server import Enrolled, must_hold
from saqtau.devices.tablet.signature import load_key, verify
from saqtau.kernel.clock import DAY, MINUTE, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import Ids
from saqtau.web.device_certs import Authority, Certified, issue, vouched_until
from saqtau.web.people import Person
from saqtau.web.sessions import end_of_crew, end_others

CODE_LIFE: Final = 10 * MINUTE
FRESH: Final = 6 * DAY
"""A certificate with more than this left is not renewed."""
RENEWAL_AGE: Final = DAY
_TOLD: Final = 30 * DAY
"""How long a revoked device is told that it is."""
_MOST_KNOWN: Final = 100_000
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


class Issued(msgspec.Struct, frozen=True):
    """A device under the certificate it has now."""

    device: str
    certified: Certified


async def enrol(
    pg: Any, authority: Authority, person: Person, code: str, public_key: bytes, now: Instant, ids: Ids,
    *, session: bytes | None = None,
) -> tuple[Issued, list[bytes]]:  # fmt: skip
    """A fresh device. The code is spent, and other devices of this officer are revoked: one tablet at a time.

    What he had opened elsewhere ends with a tablet that is replaced, so that the old one shows nothing more: the
    digests of those sessions. session: the one in which he enrols, which goes on.
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
        replaced = await pg.fetch(
            "update devices set revoked = $2 where officer = $1 and revoked is null returning id", person.id, now
        )
        gone = await end_others(pg, person.id, session) if replaced else []
        device = ids()
        given = issue(authority, device, row["unit"], public_key, now)
        await pg.execute(
            """insert into devices (id, unit, officer, public_key, enrolled, certificate, ends)
               values ($1, $2, $3, $4, $5, $6, $7)""",
            device, row["unit"], person.id, public_key, now, given.certificate, given.ends,
        )  # fmt: skip
    return Issued(device, given), gone


async def renew(pg: Any, authority: Authority, wish: Renewal, now: Instant) -> tuple[Issued, str, bool]:
    """The next certificate of a device, its unit, and whether it is a fresh one: one that was just given stays.

    Raises Refused: UNAUTHENTICATED (`signature`: not this device's; `certificate`: expired or revoked, so that it must
    be enrolled again), INVALID (`at`: the request is of another day).
    """
    if abs(now - wish.at) > RENEWAL_AGE:
        raise Refused(Kind.INVALID, "the request is of another day: is the clock right?", at="not_now")
    async with pg.transaction():
        row = await pg.fetchrow(
            """select d.*, p.disabled from devices d join people p on p.id = d.officer where d.id = $1
               for update of d""",
            wish.device,
        )
        if row is None or not verify(bytes(row["public_key"]), renewal_text(wish.device, wish.at), wish.signature):
            raise Refused(Kind.UNAUTHENTICATED, "no enrolled device signed this", signature="wrong")
        revoked = row["revoked"] is not None or row["disabled"] is not None
        ends = Vouched(authority.certificate).until(row)
        must_hold(ends, revoked=revoked, now=now)
        if ends > now + FRESH:
            known = Certified(bytes(row["certificate"]), ends)
            return Issued(wish.device, known), row["unit"], False
        given = issue(authority, wish.device, row["unit"], bytes(row["public_key"]), now)
        await pg.execute(
            "update devices set certificate = $2, ends = $3 where id = $1", wish.device, given.certificate, given.ends
        )
    return Issued(wish.device, given), row["unit"], True


async def holder_of(pg: Any, device: str) -> tuple[str, str]:
    """The unit and the officer a device was enrolled for. Raises Refused(NOT_FOUND)."""
    row = await pg.fetchrow("select unit, officer from devices where id = $1", device)
    if row is None:
        raise Refused(Kind.NOT_FOUND, f"no device {device}", device="unknown")
    return row["unit"], row["officer"]


async def revoke_device(pg: Any, device: str, now: Instant) -> list[bytes]:
    """Nothing this device signs is taken any more, and it shows nothing: the digests of the sessions that ended.

    A session does not say on which tablet it was opened, so that those of the whole crew end: who still has his tablet
    logs in again. Raises Refused(NOT_FOUND).
    """
    async with pg.transaction():
        row = await pg.fetchrow(
            "update devices set revoked = coalesce(revoked, $2) where id = $1 returning unit, officer", device, now
        )
        if row is None:
            raise Refused(Kind.NOT_FOUND, f"no device {device}", device="unknown")
        return await end_of_crew(pg, row["unit"], row["officer"])


class Vouched:
    """Which certificates were checked already: a signature is checked once, not once a second."""

    def __init__(self, authority: x509.Certificate) -> None:
        self._authority = authority
        self._known: dict[bytes, Instant | None] = {}

    def until(self, row: Any) -> Instant:
        """Until when a device may speak, by its certificate; at once over without one that the authority signed."""
        if row["certificate"] is None:  # enrolled before there were certificates
            return Instant(0)
        certificate, key = bytes(row["certificate"]), bytes(row["public_key"])
        about = hashlib.sha256(b"\0".join((row["id"].encode(), row["unit"].encode(), key, certificate))).digest()
        if about not in self._known:
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
            self._known[about] = vouched_until(self._authority, certificate, row["id"], row["unit"], key)
        return self._known[about] or Instant(0)


async def read_devices(pg: Any, vouched: Vouched, now: Instant) -> dict[str, Enrolled]:
    """Devices by id, also those that were revoked of late, so that they are told; what the intake of tablets asks.

    pg: app or worker.
    """
    rows = await pg.fetch(
        """select d.id, d.unit, d.public_key, d.certificate, d.ends,
                  d.revoked is not null or p.disabled is not null as revoked
           from devices d join people p on p.id = d.officer where coalesce(d.revoked, $1) >= $1 - $2""",
        now,
        _TOLD,
    )
    return {
        row["id"]: Enrolled(row["unit"], bytes(row["public_key"]), vouched.until(row), row["revoked"]) for row in rows
    }
