"""Passkeys: keys that an authenticator makes and keeps, and uses only after it has checked who holds it.

WebAuthn Level 3 with discoverable credentials and user verification; the protocol's checks are py_webauthn's.
"""

import base64
from collections.abc import Sequence
from typing import Annotated, Any, Final

import asyncpg
import msgspec
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorAssertionResponse,
    AuthenticatorAttestationResponse,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    RegistrationCredential,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.web import challenges
from saqtau.web.accounts import Accounts
from saqtau.web.people import Person, person_of

MOST: Final = 10
"""Passkeys of one person."""
LARGEST_KEY: Final = 2048
"""Bytes of a public key (COSE): RSA with 4096 bits needs 550."""
_PATIENCE: Final = 120_000  # ms that the browser waits for a finger
_ALGORITHMS: Final = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
_TRANSPORTS: Final = {one.value: one for one in AuthenticatorTransport}

Base64Url = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]*\Z", max_length=24_000)]
CredentialId = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]+\Z", min_length=1, max_length=1364)]
Name = Annotated[str, msgspec.Meta(pattern=r"\A\S(.*\S)?\Z", min_length=1, max_length=60)]


class Made(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `navigator.credentials.create` gave; byte strings in base64url."""

    id: CredentialId
    client_data: Base64Url
    attestation: Base64Url
    transports: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=32)], ...], msgspec.Meta(max_length=8)
    ] = ()  # fmt: skip


class Shown(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `navigator.credentials.get` gave; byte strings in base64url."""

    id: CredentialId
    client_data: Base64Url
    authenticator_data: Base64Url
    signature: Base64Url
    user_handle: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]*\Z", max_length=88)] | None = None


class Passkey(msgspec.Struct, frozen=True):
    """A passkey in the list of its person. backed_up: it lives in more than one device."""

    id: str
    name: str
    made: Instant
    used: Instant | None
    backed_up: bool


class _ClientData(msgspec.Struct):
    challenge: str


def unspell(text: str, field: str) -> bytes:
    """The bytes of base64url without its end. Raises Refused(INVALID) naming the field."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError:
        raise Refused(Kind.INVALID, f"{field} is not base64url", **{field: "not_base64url"}) from None


def challenge_in(client_data: bytes) -> bytes:
    """The challenge that a browser says it answers. Raises Refused(INVALID, `client_data`)."""
    try:
        return unspell(msgspec.json.decode(client_data, type=_ClientData).challenge, "client_data")
    except (msgspec.MsgspecError, ValueError, UnicodeError, RecursionError):
        raise Refused(Kind.INVALID, "no client data of WebAuthn", client_data="invalid") from None


async def ask_to_make(pg: Any, accounts: Accounts, person: Person, session: bytes, now: Instant) -> bytes:
    """Options for `navigator.credentials.create`, as JSON. Raises Refused(CONFLICT) when there are too many keys."""
    rows = await pg.fetch("select id, transports from passkeys where person = $1", person.id)
    if len(rows) >= MOST:
        raise Refused(Kind.CONFLICT, f"a person has at most {MOST} passkeys", passkeys="too_many")
    challenge = await challenges.put(pg, "make", now, person=person.id, session=session)
    options = generate_registration_options(
        rp_id=accounts.rp,
        rp_name="Saqtau",
        user_id=bytes(await pg.fetchval("select handle from people where id = $1", person.id)),
        user_name=person.id,
        user_display_name=person.name,
        challenge=challenge,
        timeout=_PATIENCE,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[_known(row) for row in rows],
        supported_pub_key_algs=_ALGORITHMS,
    )
    return options_to_json(options).encode()


async def check_made(
    pg: Any, accounts: Accounts, person: Person, session: bytes, made: Made, now: Instant
) -> VerifiedRegistration:
    """The key that an authenticator made for this session's question, which is spent whatever comes of it.

    Raises Refused: INVALID (what came is not what was asked for), UNAUTHENTICATED (`challenge`).
    """
    challenge = challenge_in(unspell(made.client_data, "client_data"))
    asked = await challenges.spend(pg, "make", challenge, now)
    if asked.session != session or asked.person != person.id:
        raise Refused(Kind.UNAUTHENTICATED, "asked in another session", challenge="begin_again")
    return read_made(accounts, made, challenge)


def read_made(accounts: Accounts, made: Made, challenge: bytes) -> VerifiedRegistration:
    """The key in an authenticator's answer to a challenge, for our origin, its holder checked. Raises Refused."""
    key, client_data = unspell(made.id, "id"), unspell(made.client_data, "client_data")
    attestation = unspell(made.attestation, "attestation")
    try:
        found = verify_registration_response(
            credential=RegistrationCredential(made.id, key, AuthenticatorAttestationResponse(client_data, attestation)),
            expected_challenge=challenge,
            expected_rp_id=accounts.rp,
            expected_origin=list(accounts.origins),
            require_user_verification=True,
            supported_pub_key_algs=_ALGORITHMS,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError, IndexError) as error:
        raise Refused(Kind.INVALID, f"not the passkey that was asked for: {error}", passkey="refused") from error
    if len(found.credential_public_key) > LARGEST_KEY or found.credential_id != key:
        raise Refused(Kind.INVALID, "not the passkey that was asked for: its key or its id", passkey="refused")
    return found


async def keep(
    pg: Any, person: str, name: str, found: VerifiedRegistration, transports: Sequence[str], now: Instant
) -> None:
    """Keep a key that was checked, in the caller's transaction. Raises Refused(CONFLICT): too many, or here already."""
    await pg.execute("select from people where id = $1 for update", person)
    if await pg.fetchval("select count(*) from passkeys where person = $1", person) >= MOST:
        raise Refused(Kind.CONFLICT, f"a person has at most {MOST} passkeys", passkeys="too_many")
    try:
        await pg.execute(
            """insert into passkeys (id, person, name, public_key, counter, backed_up, transports, made)
               values ($1, $2, $3, $4, $5, $6, $7, $8)""",
            found.credential_id, person, name, found.credential_public_key, found.sign_count,
            found.credential_backed_up, [one for one in transports if one in _TRANSPORTS], now,
        )  # fmt: skip
    except asyncpg.UniqueViolationError:
        raise Refused(Kind.CONFLICT, "this passkey is here already", passkey="taken") from None


async def ask_to_show(
    pg: Any, accounts: Accounts, now: Instant, *, person: Person | None = None, session: bytes | None = None
) -> bytes:
    """Options for `navigator.credentials.get`, as JSON. person: whose keys will do; None: whoever has one."""
    rows = [] if person is None else await pg.fetch("select id, transports from passkeys where person = $1", person.id)
    if person is not None and not rows:
        raise Refused(Kind.CONFLICT, "there is no passkey", passkeys="none")
    challenge = await challenges.put(
        pg, "show", now, person=None if person is None else person.id, session=session
    )  # fmt: skip
    options = generate_authentication_options(
        rp_id=accounts.rp,
        challenge=challenge,
        timeout=_PATIENCE,
        allow_credentials=[_known(row) for row in rows],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json(options).encode()


async def check(pg: Any, accounts: Accounts, shown: Shown, now: Instant, *, session: bytes | None = None) -> Person:
    """Whose passkey answered the question, which was put in this session or, to log in, in none.

    Raises Refused: INVALID, UNAUTHENTICATED with one answer for a key that is not known, does not fit, has counted
    backwards (a copy of it is about), or is of somebody who may not log in.
    """
    key, client_data = unspell(shown.id, "id"), unspell(shown.client_data, "client_data")
    data, signature = (
        unspell(shown.authenticator_data, "authenticator_data"),
        unspell(shown.signature, "signature"),
    )
    handle = None if shown.user_handle is None else unspell(shown.user_handle, "user_handle")
    challenge = challenge_in(client_data)
    asked = await challenges.spend(pg, "show", challenge, now)
    row = await pg.fetchrow(
        """select k.id as key, k.public_key, k.counter, p.* from passkeys k join people p on p.id = k.person
           where k.id = $1 and p.disabled is null""",
        key,
    )
    if (
        row is None
        or asked.session != session
        or asked.person not in {None, row["id"]}
        or (handle is None and asked.person is None)
        or handle not in {None, bytes(row["handle"])}
    ):
        raise _wrong()
    try:
        found = verify_authentication_response(
            credential=AuthenticationCredential(
                shown.id,
                bytes(row["key"]),
                AuthenticatorAssertionResponse(client_data, data, signature, handle),
            ),
            expected_challenge=challenge,
            expected_rp_id=accounts.rp,
            expected_origin=list(accounts.origins),
            credential_public_key=bytes(row["public_key"]),
            credential_current_sign_count=row["counter"],
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError, IndexError):
        raise _wrong() from None
    # compared again: two answers with one count are a copy, though both were read before either was written
    kept = await pg.fetchval(
        """update passkeys set counter = $2, used = $3, backed_up = $4
           where id = $1 and (counter < $2 or counter = 0 and $2 = 0) returning true""",
        row["key"], found.new_sign_count, now, found.credential_backed_up,
    )  # fmt: skip
    if not kept:
        raise _wrong()
    return person_of(row)


def _wrong() -> Refused:
    return Refused(Kind.UNAUTHENTICATED, "this passkey opens nothing here", passkey="wrong")


def _known(row: Any) -> PublicKeyCredentialDescriptor:
    return PublicKeyCredentialDescriptor(
        bytes(row["id"]), transports=[_TRANSPORTS[one] for one in row["transports"] if one in _TRANSPORTS] or None
    )


async def read(pg: Any, person: str) -> list[Passkey]:
    """A person's passkeys, the oldest first."""
    rows = await pg.fetch(
        """select translate(encode(id, 'base64'), E'+/=\\n', '-_') as id, name, made, used, backed_up
           from passkeys where person = $1 order by made, id""",
        person,
    )
    return [Passkey(row["id"], row["name"], row["made"], row["used"], row["backed_up"]) for row in rows]


async def remove(pg: Any, person: str, id: str) -> None:  # noqa: A002 - the name of the field
    """A lost or old passkey opens nothing more. Raises Refused(NOT_FOUND)."""
    done = await pg.fetchval(
        "delete from passkeys where id = $1 and person = $2 returning true", unspell(id, "passkey"), person
    )
    if not done:
        raise Refused(Kind.NOT_FOUND, "there is no such passkey of yours", passkey="unknown")
