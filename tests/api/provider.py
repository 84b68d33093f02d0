"""An identity provider that lies on request. It checks PKCE and takes each code once, as an honest one does."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import time
from urllib.parse import parse_qs, urlsplit

import uvicorn
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import RSAKey
from tests.running import free_ports

from saqtau.web.accounts import Issuer

CLIENT = "saqtau"


def spelled(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class LyingProvider:
    """What it says is in `claims`, `header`, `told`; how it signs in `sign`."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"
        self.key = RSAKey.generate_key(2048, parameters={"kid": "one"})
        self.codes, self.claims, self.header, self.told = {}, {}, {}, {}
        self.sign = self.sign_well
        self.redeemed, self.paths = [], []

    @property
    def issuer(self):
        redirect = "http://localhost:8470/api/oidc/callback"
        return Issuer(issuer=self.url, client=CLIENT, secret="a secret/with: signs", redirect=redirect, name="Ministry")

    def agree(self, address):
        """The person agreed on the provider's page: the query with which the browser comes back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return {"state": asked["state"], "code": code}

    def sign_well(self, header, claims):
        return jwt.encode({"alg": "RS256", "kid": "one"} | header, claims, self.key)

    def sign_not_at_all(self, _header, claims):
        head = spelled(json.dumps({"alg": "none", "typ": "JWT"}).encode())
        return f"{head}.{spelled(json.dumps(claims).encode())}."

    def sign_with_the_public_key(self, _header, claims):
        """HS256 with what everybody knows."""
        public = self.key.raw_value.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        head = spelled(json.dumps({"alg": "HS256", "kid": "one"}).encode())
        text = f"{head}.{spelled(json.dumps(claims).encode())}"
        return f"{text}.{spelled(hmac.digest(public, text.encode(), 'sha256'))}"

    def sign_with_another_key(self, header, claims):
        return jwt.encode({"alg": "RS256", "kid": "one"} | header, claims, RSAKey.generate_key(2048))

    def answer(self, path, form, authorization):
        self.paths.append(path)
        match path:
            case "/.well-known/openid-configuration":
                return 200, {
                    "issuer": self.url,
                    "authorization_endpoint": f"{self.url}/authorize",
                    "token_endpoint": f"{self.url}/token",
                    "jwks_uri": f"{self.url}/keys",
                } | self.told
            case "/keys":
                return 200, {"keys": [self.key.as_dict(private=False), {"kty": "oct", "k": "AAAA"}]}
            case "/token":
                return self.redeem(form, authorization)
        return 404, {}

    def redeem(self, form, authorization):
        asked = self.codes.pop(form.get("code", ""), None)
        self.redeemed.append((form, authorization))
        verifier = form.get("code_verifier", "")
        if asked is None or spelled(hashlib.sha256(verifier.encode()).digest()) != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": CLIENT, "sub": "person-1", "exp": now + 300, "iat": now, "nonce": asked["nonce"],
            **self.claims,
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        return 200, {"token_type": "Bearer", "access_token": "x", "id_token": self.sign(self.header, claims)}

    async def __call__(self, scope, receive, send):
        body = (await receive()).get("body", b"").decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        status, told = self.answer(scope["path"], form, headers.get("authorization"))
        content = json.dumps(told).encode()
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]}
        )
        await send({"type": "http.response.body", "body": content})


@contextlib.asynccontextmanager
async def lying_provider():
    """One on a port of its own."""

    [port] = free_ports(1)
    provider = LyingProvider(port)
    server = uvicorn.Server(uvicorn.Config(provider, port=port, lifespan="off", log_level="warning"))
    task = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield provider
    finally:
        server.should_exit = True
        await task
