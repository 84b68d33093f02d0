"""Accounts: adding, disabling, passwords. The command and the tests use these; the web only reads them."""

import asyncio
import re
import secrets
from collections.abc import Sequence
from typing import Any, Final

import argon2
import asyncpg
import msgspec

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused

ROLES: Final = frozenset(
    {
        "operator",
        "duty_officer",
        "patrol",
        "inspector",
        "school_officer",
        "custody_supervisor",
        "prosecutor",
        "auditor",
        "clerk",
        "case_officer",
        "personnel_officer",
        "analyst",
        "administrator",
    }
)
"""Roles that a person can hold. Machines and citizens have no account here."""
LANGUAGES: Final = frozenset({"kk", "ru", "en"})
SHORTEST, LONGEST = 12, 128
"""Characters of a password (NIST SP 800-63B: length counts, rules of composition do not)."""

FIRST_GUESSES: Final = (
    "saqtau", "сақтау", "сактау", "police", "polisia", "полиция", "kazakhstan", "qazaqstan", "казахстан", "қазақстан",
    "astana", "астана", "almaty", "алматы", "password", "parol", "пароль", "құпиясөз", "qwerty", "йцукен", "123456",
    "operator", "оператор", "inspector", "инспектор", "prosecutor", "прокурор", "patrol", "патруль", "admin", "админ",
)  # fmt: skip
"""What a guesser tries here first: the house, the country, its cities, the roles, the keyboard."""

_ACCOUNT = re.compile(r"[a-z0-9._-]{1,32}", re.ASCII)
_UNIT = re.compile(r"[A-Za-z0-9._-]{1,32}", re.ASCII)
_MAKE_OF_PASSWORDS = "abcdefghjkmnpqrstuvwxyz23456789"  # no letter that is mistaken for another one

_hasher = argon2.PasswordHasher(time_cost=2, memory_cost=64 * 1024, parallelism=1)
_NOBODY: Final = _hasher.hash(secrets.token_hex(16))
"""Checked for an unknown name, so that the answer takes as long."""


class Person(msgspec.Struct, frozen=True):
    """Who may log in, and what his duty is."""

    id: str
    name: str
    roles: tuple[str, ...]
    regions: frozenset[int] = frozenset()
    unit: str | None = None
    language: str = "kk"


def person_of(row: Any) -> Person:
    """From a row of `people`."""
    return Person(
        row["id"], row["name"], tuple(row["roles"]), frozenset(row["regions"]), row["unit"], row["language"]
    )  # fmt: skip


def check_person(person: Person) -> Person:
    """The person itself. Raises Refused(INVALID) naming each field that does not hold."""
    wrong: dict[str, str] = {}
    if not _ACCOUNT.fullmatch(person.id):
        wrong["id"] = "small_letters_digits_dots"
    if not 1 <= len(person.name.strip()) <= 120:
        wrong["name"] = "length"
    if not person.roles or len(person.roles) > 8 or not set(person.roles) <= ROLES:
        wrong["roles"] = "unknown"
    if not all(1 <= region <= 99 for region in person.regions):
        wrong["regions"] = "out_of_range"
    if ("patrol" in person.roles) != (person.unit is not None):
        wrong["unit"] = "a_patrol_has_a_unit_and_nobody_else"
    elif person.unit is not None and not _UNIT.fullmatch(person.unit):
        wrong["unit"] = "not_a_code"
    if "administrator" in person.roles and len(person.roles) > 1:
        wrong["roles"] = "an_administrator_has_no_other_role"
    if person.language not in LANGUAGES:
        wrong["language"] = "unknown"
    if wrong:
        raise Refused(Kind.INVALID, f"account {person.id!r}: {', '.join(wrong)}", **wrong)
    return person


def make_password() -> str:
    """A password to be shown once: five groups of four, 99 bits."""
    return "-".join("".join(secrets.choice(_MAKE_OF_PASSWORDS) for _ in range(4)) for _ in range(5))


def check_password(word: str, account: str) -> str:
    """The password itself.

    Raises Refused(INVALID): too short, too long, or easy: little is left without the words a guesser tries here first.
    """
    if not SHORTEST <= len(word) <= LONGEST:
        raise Refused(Kind.INVALID, f"a password has {SHORTEST} to {LONGEST} characters", password="length")  # noqa: S106
    rest = word.casefold()
    for known in sorted((*FIRST_GUESSES, *re.split(r"[._-]", account), account), key=len, reverse=True):
        rest = rest.replace(known, "") if len(known) > 2 else rest
    if len(rest) < SHORTEST // 2 or len(set(rest)) < 5:
        raise Refused(Kind.INVALID, "a password that is guessed first: more words, other ones", password="easy")  # noqa: S106
    return word


def hash_password(word: str) -> str:
    """The argon2id hash that is kept (64 MiB, 2 passes; about 50 ms)."""
    return _hasher.hash(word)


def password_holds(kept: str | None, word: str) -> bool:
    """Whether the word is the password. Takes as long for a person who has none, or who is not there."""
    try:
        _hasher.verify(kept or _NOBODY, word)
    except argon2.exceptions.VerificationError:
        return False
    return kept is not None


async def add_person(pg: Any, person: Person, password: str | None, now: Instant) -> str | None:
    """Add an account; returns the password when one was made (`password` None), to be shown once.

    Raises Refused: INVALID (naming the fields), CONFLICT when the name is taken.
    """
    check_person(person)
    made = make_password() if password is None else None
    kept = await asyncio.to_thread(hash_password, check_password(password or made or "", person.id))
    try:
        await pg.execute(
            """insert into people (id, name, roles, regions, unit, language, password, created, changed)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $8)""",
            person.id,
            person.name,
            list(person.roles),
            sorted(person.regions),
            person.unit,
            person.language,
            kept,
            now,
        )
    except asyncpg.UniqueViolationError:
        raise Refused(Kind.CONFLICT, f"there is an account {person.id} already", id="taken") from None
    return made


async def set_password(pg: Any, account: str, password: str, now: Instant, *, kept: bytes | None = None) -> list[bytes]:
    """Give an account a new password; its sessions end, but for the one `kept`; their digests.

    Raises Refused: INVALID, NOT_FOUND.
    """
    word = await asyncio.to_thread(hash_password, check_password(password, account))
    return await _change(pg, account, kept, "password = $2, changed = $3", word, now)


async def disable_person(pg: Any, account: str, now: Instant) -> None:
    """Nobody logs in with this account any more, and every session of it ends. Raises Refused(NOT_FOUND)."""
    await _change(pg, account, None, "disabled = $2, changed = $2", now)


async def _change(pg: Any, account: str, session: bytes | None, change: str, *values: object) -> list[bytes]:
    async with pg.transaction():
        done = await pg.fetchval(f"update people set {change} where id = $1 returning id", account, *values)  # noqa: S608
        if done is None:
            raise Refused(Kind.NOT_FOUND, f"there is no account {account}", id="unknown")
        rows = await pg.fetch(
            "delete from sessions where person = $1 and digest is distinct from $2 returning digest", account, session
        )
    return [bytes(row["digest"]) for row in rows]


async def read_people(pg: Any, roles: Sequence[str] = ()) -> list[Person]:
    """Every account that may log in, or those with one of these roles."""
    rows = await pg.fetch(
        "select * from people where disabled is null and ($1::text[] = '{}' or roles && $1) order by id", list(roles)
    )
    return [person_of(row) for row in rows]
