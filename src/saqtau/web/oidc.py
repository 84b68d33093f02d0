"""Logging in at the authority's own identity provider: OpenID Connect, authorization code with PKCE.

It says who somebody is; whether he has an account here was decided before, by hand.
State, nonce and verifier are derived from a token that only the browser has, so that nothing kept here opens anything.
"""

import asyncio
import base64
import hashlib
import hmac
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import httpx
import msgspec

from saqtau.kernel.clock import HOUR, MINUTE, SECOND, Clock, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.web.accounts import Issuer
from saqtau.web.oidc_token import Identity, keys_of, read_token

LARGEST: Final = 256 * 1024
"""Bytes of the largest answer of a provider."""
PATIENCE: Final = 8.0  # s
_KEPT: Final = HOUR
_AWAY: Final = 15 * SECOND
"""How long a provider that did not answer is not asked what it is: whoever knocks here must not knock there."""
_AGAIN: Final = MINUTE
"""Keys are asked for again at most this often when a token names one that is not known."""


class Metadata(msgspec.Struct, frozen=True):
    """What the provider says of itself (OpenID Connect Discovery 1.0)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(msgspec.Struct):
    id_token: str


class Provider:
    """The identity provider, its keys remembered for an hour."""

    def __init__(self, issuer: Issuer, clock: Clock) -> None:
        self.issuer = issuer
        self._clock = clock
        self._known: tuple[Instant, Metadata, Any] | None = None
        self._failed: tuple[Instant, Refused] | None = None
        self._asking = asyncio.Lock()

    async def address(self, token: str, *, prove: bool) -> str:
        """Where the browser goes. token: what only the browser has; prove: the provider must ask for proof anew.

        Raises Refused(UNAVAILABLE) when the provider does not answer or is not the one it says.
        """
        told, _ = await self._metadata()
        asked = {
            "response_type": "code",
            "client_id": self.issuer.client,
            "redirect_uri": self.issuer.redirect,
            "scope": "openid",
            "state": part(token, "state"),
            "nonce": part(token, "nonce"),
            "code_challenge": _spelled(hashlib.sha256(part(token, "verifier").encode()).digest()),
            "code_challenge_method": "S256",
        }
        if prove:
            asked |= {"prompt": "login", "max_age": "0"}
        joint = "&" if urlsplit(told.authorization_endpoint).query else "?"
        return f"{told.authorization_endpoint}{joint}{urlencode(asked)}"

    async def identity(self, token: str, code: str, issuer: str | None, since: Instant | None) -> Identity:
        """Whom the provider vouches for, for a code that it gave this browser.

        issuer: what the answer says of its sender (RFC 9207). Raises Refused: UNAUTHENTICATED, UNAVAILABLE.
        """
        told, keys = await self._metadata()
        if issuer != told.issuer and (issuer is not None or told.authorization_response_iss_parameter_supported):
            raise Refused(Kind.UNAUTHENTICATED, "the answer is of another identity provider", token="iss")  # noqa: S106
        given = await self._redeem(told, token, code)
        try:
            return read_token(given, keys, self.issuer, part(token, "nonce"), self._clock(), since)
        except Refused as refused:
            if refused.fields.get("token") != "token" or not self._may_ask_again():
                raise
        self._known = None  # it may have changed its keys
        _, keys = await self._metadata()
        return read_token(given, keys, self.issuer, part(token, "nonce"), self._clock(), since)

    def _may_ask_again(self) -> bool:
        return self._known is not None and self._clock() - self._known[0] > _AGAIN

    async def _metadata(self) -> tuple[Metadata, Any]:
        async with self._asking:  # one question at a time, however many wait for its answer
            now = self._clock()
            if self._known is not None and now - self._known[0] <= _KEPT:
                return self._known[1:]
            if self._failed is not None and now - self._failed[0] < _AWAY:
                raise Refused(Kind.UNAVAILABLE, self._failed[1].message, **self._failed[1].fields)
            try:
                told, keys = await self._ask()
            except Refused as refused:
                self._failed = (self._clock(), refused)
                raise
            self._known, self._failed = (now, told, keys), None
            return told, keys

    async def _ask(self) -> tuple[Metadata, Any]:
        async with _client() as client:
            url = f"{self.issuer.issuer.rstrip('/')}/.well-known/openid-configuration"
            told = checked(await _json(client.build_request("GET", url), client), self.issuer)
            return told, keys_of(await _json(client.build_request("GET", told.jwks_uri), client))

    async def _redeem(self, told: Metadata, token: str, code: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.issuer.redirect,
            "code_verifier": part(token, "verifier"),
        }
        headers = {}
        if self.issuer.secret is None:
            form["client_id"] = self.issuer.client
        else:
            pair = f"{quote(self.issuer.client, safe='')}:{quote(self.issuer.secret, safe='')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        async with _client() as client:
            request = client.build_request("POST", told.token_endpoint, data=form, headers=headers)
            answer = await _json(request, client)
        try:
            return msgspec.convert(answer, _Tokens).id_token
        except msgspec.ValidationError as error:
            raise Refused(Kind.UNAVAILABLE, f"the identity provider's answer: {error}", issuer="answer") from error


def part(token: str, use: str) -> str:
    """State, nonce or verifier of a browser's token: 43 characters; none tells another."""
    return _spelled(hmac.digest(token.encode(), f"saqtau oidc {use} v1".encode(), "sha256"))


def _spelled(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def checked(answer: Any, issuer: Issuer) -> Metadata:
    """What a provider says of itself. Raises Refused(UNAVAILABLE): another issuer, or an address without TLS."""
    try:
        told = msgspec.convert(answer, Metadata)
    except msgspec.ValidationError as error:
        raise Refused(Kind.UNAVAILABLE, f"the identity provider's description: {error}", issuer="answer") from error
    if told.issuer != issuer.issuer:
        raise Refused(Kind.UNAVAILABLE, f"{issuer.issuer} says that it is {told.issuer}", issuer="other")
    for address in (told.authorization_endpoint, told.token_endpoint, told.jwks_uri):
        if not is_safe(address):
            raise Refused(Kind.UNAVAILABLE, f"{address}: not https", issuer="not_https")
    return told


def is_safe(address: str) -> bool:
    """Whether nobody on the way can read or change it: https, or this machine."""
    try:
        parts = urlsplit(address)
        if parts.scheme == "https":
            return bool(parts.hostname)
        return parts.scheme == "http" and (
            parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
        )
    except ValueError:
        return False


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=PATIENCE, follow_redirects=False, trust_env=False)


async def _json(request: httpx.Request, client: httpx.AsyncClient) -> Any:
    """The JSON of an answer. Raises Refused: UNAVAILABLE; UNAUTHENTICATED for a code that it does not take."""
    try:
        answer = await client.send(request, stream=True)
        try:
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > LARGEST:
                    raise Refused(Kind.UNAVAILABLE, "the identity provider's answer is too large", issuer="answer")
        finally:
            await answer.aclose()
    except (httpx.HTTPError, OSError) as error:
        raise Refused(
            Kind.UNAVAILABLE, f"the identity provider does not answer: {type(error).__name__}", issuer="away"
        ) from error
    if request.method == "POST" and answer.status_code in {400, 401}:
        raise Refused(Kind.UNAUTHENTICATED, "the identity provider does not take this code", token="code")  # noqa: S106
    if answer.status_code != 200:
        raise Refused(Kind.UNAVAILABLE, f"the identity provider answers {answer.status_code}", issuer="answer")
    try:
        return msgspec.json.decode(bytes(body))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Refused(Kind.UNAVAILABLE, "the identity provider's answer is not JSON", issuer="answer") from error
