"""Six digits from an application (RFC 6238), and codes on paper for the day when everything else is lost."""

import asyncio
import hmac
import os
import secrets
from typing import Any, Final

import msgspec
import pyotp
import segno
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.web.accounts import derived

STEP: Final = 30
"""Seconds that a code lasts; the one before and the one after are taken too, for clocks that are off."""
FAILURES: Final = 50
"""Wrong codes in a row after which codes are not taken any more until somebody frees the account."""
CODES: Final = 10
_NONCE: Final = 12
_LETTERS: Final = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
_LENGTH: Final = 16  # 79 bits, in four groups


class Maker(msgspec.Struct, frozen=True):
    """What an application needs, shown once: the secret, the address in the picture, the picture as a data: address."""

    secret: str
    uri: str
    picture: str


def seal(key: bytes, person: str, secret: str) -> bytes:
    """The secret as it is kept: nonce, then AES-256-GCM bound to its person."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(derived(key, "totp")).encrypt(nonce, secret.encode(), person.encode())


def unseal(key: bytes, person: str, sealed: bytes) -> str:
    """The secret. Raises Refused(UNAVAILABLE) when the key is another one than it was sealed under."""
    try:
        return AESGCM(derived(key, "totp")).decrypt(sealed[:_NONCE], sealed[_NONCE:], person.encode()).decode()
    except InvalidTag:
        raise Refused(Kind.UNAVAILABLE, "the key of the accounts is not the one codes were set up under") from None


def step_of(secret: str, code: str, now: Instant, last: int) -> int | None:
    """The step whose code this is: now's, the one before or after, but none that is not newer than `last`."""
    at = int(now) // SECOND // STEP
    maker = pyotp.TOTP(secret, interval=STEP)
    found, typed = None, code.encode(errors="replace")
    for step in (at - 1, at, at + 1):  # all three are computed, so that time tells nothing
        if step >= 0 and hmac.compare_digest(maker.generate_otp(step).encode(), typed) and step > last:
            found = step
    return found


async def begin(pg: Any, key: bytes, person: str, now: Instant) -> Maker:
    """A fresh secret, not in force until a code of it has come. Raises Refused(CONFLICT) when one is in force."""
    secret = pyotp.random_base32()
    kept = await pg.fetchval(
        """insert into code_makers as m (person, sealed, made) values ($1, $2, $3)
           on conflict (person) do update set sealed = $2, made = $3, step = 0, failures = 0
           where m.confirmed is null returning true""",
        person, seal(key, person, secret), now,
    )  # fmt: skip
    if not kept:
        raise Refused(Kind.CONFLICT, "codes are set up already: remove them first", code="set_up_already")
    uri = pyotp.TOTP(secret, interval=STEP).provisioning_uri(name=person, issuer_name="Saqtau")
    picture = segno.make(uri, error="m").svg_data_uri(scale=5, border=4, dark="#000", light="#fff")
    return Maker(secret, uri, picture)


async def confirm(pg: Any, key: bytes, person: str, code: str, now: Instant) -> None:
    """The application shows what we compute: its codes count from now on. Raises Refused: CONFLICT, INVALID."""
    async with pg.transaction():
        row = await pg.fetchrow(
            "select sealed, step from code_makers where person = $1 and confirmed is null for update", person
        )
        if row is None:
            raise Refused(Kind.CONFLICT, "begin first", code="begin_first")
        step = step_of(unseal(key, person, bytes(row["sealed"])), code, now, row["step"])
        if step is None:
            raise Refused(Kind.INVALID, "not the code of this moment: is the telephone's clock right?", code="wrong")
        await pg.execute("update code_makers set confirmed = $2, step = $3 where person = $1", person, now, step)


async def check(pg: Any, key: bytes, person: str, code: str, now: Instant) -> None:
    """A code is taken once. Raises Refused: UNAUTHENTICATED (`code`: wrong), DENIED (`code`: blocked)."""
    async with pg.transaction():
        row = await pg.fetchrow(
            "select sealed, step, failures from code_makers where person = $1 and confirmed is not null for update",
            person,
        )
        if row is not None and row["failures"] >= FAILURES:
            raise Refused(Kind.DENIED, "too many wrong codes: saqtau user unblock frees it", code="blocked")
        step = None if row is None else step_of(unseal(key, person, bytes(row["sealed"])), code, now, row["step"])
        if step is not None:
            await pg.execute("update code_makers set step = $2, failures = 0 where person = $1", person, step)
        elif row is not None:
            await pg.execute("update code_makers set failures = failures + 1 where person = $1", person)
    if step is None:
        raise Refused(Kind.UNAUTHENTICATED, "the code is wrong or was used", code="wrong")


async def must_be_set_up(pg: Any, person: str) -> None:
    """Raise Refused(CONFLICT) unless codes are in force."""
    if not await pg.fetchval("select true from code_makers where person = $1 and confirmed is not null", person):
        raise Refused(Kind.CONFLICT, "no codes are set up", code="none")


async def remove(pg: Any, person: str) -> None:
    """Codes count no more, those of paper with them. Raises Refused(NOT_FOUND)."""
    if not await pg.fetchval("delete from code_makers where person = $1 returning true", person):
        raise Refused(Kind.NOT_FOUND, "no codes are set up", code="none")
    await pg.execute("delete from recovery_codes where person = $1", person)


def _spelled(code: str) -> bytes:
    return code.upper().replace("-", "").replace(" ", "").encode()


def _digest(code: str, salt: bytes) -> bytes:
    return hash_secret_raw(_spelled(code), salt, 2, 64 * 1024, 1, 32, Type.ID)


async def make_recovery(pg: Any, person: str, now: Instant) -> list[str]:
    """A fresh set of codes for paper, told once; the old set opens nothing more."""
    codes = ["".join(secrets.choice(_LETTERS) for _ in range(_LENGTH)) for _ in range(CODES)]
    salt = os.urandom(16)
    digests = await asyncio.to_thread(lambda: [_digest(code, salt) for code in codes])
    async with pg.transaction():
        await pg.execute("delete from recovery_codes where person = $1", person)
        await pg.executemany(
            "insert into recovery_codes (person, digest, salt, made) values ($1, $2, $3, $4)",
            [(person, digest, salt, now) for digest in digests],
        )
    return ["-".join(code[at : at + 4] for at in range(0, _LENGTH, 4)) for code in codes]


async def spend_recovery(pg: Any, person: str, code: str) -> None:
    """A code of paper is taken once. Raises Refused(UNAUTHENTICATED, `code`)."""
    salt = await pg.fetchval("select salt from recovery_codes where person = $1 limit 1", person)
    digest = await asyncio.to_thread(_digest, code, salt or b"\0" * 16)
    if not await pg.fetchval(
        "delete from recovery_codes where person = $1 and digest = $2 returning true", person, digest
    ):
        raise Refused(Kind.UNAUTHENTICATED, "the code is wrong or was used", code="wrong")


async def recovery_left(pg: Any, person: str) -> int:
    """How many codes of paper are left."""
    left: int = await pg.fetchval("select count(*) from recovery_codes where person = $1", person)
    return left
