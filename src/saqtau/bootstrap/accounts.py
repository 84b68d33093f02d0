"""The ways in, from the configuration and the folder's secrets: people's keys and the authority of tablets."""

import os
from typing import Literal, cast
from urllib.parse import urlsplit

from saqtau.bootstrap.ground import Ground, now
from saqtau.config import Config
from saqtau.engine.place import SECRET, Place, password, read_secret
from saqtau.kernel.errors import Kind, Refused
from saqtau.web.accounts import Accounts, Issuer
from saqtau.web.device_certs import Authority, load_authority, make_authority
from saqtau.web.oidc import is_safe


def accounts_of(ground: Ground) -> Accounts:
    """The settings of the ways in. Raises Refused(INVALID) naming the key of the configuration."""
    origin = origin_of(ground.config)
    wanted = ground.config.accounts.second_factor
    return Accounts(
        second_factor=cast("Literal['required', 'offered']", wanted),
        rp=urlsplit(origin).hostname or "",
        origins=(origin,),
        key=password(ground.place, "accounts").encode(),
        issuer=_issuer(ground, origin),
    )


def origin_of(config: Config) -> str:
    """Where browsers find the console. A passkey needs a name, which an address like 127.0.0.1 is not."""
    origin = config.accounts.origin or f"http://localhost:{config.web.port}"
    parts = urlsplit(origin)
    plain = f"{parts.scheme}://{parts.netloc}" == origin and parts.username is None
    if not (plain and is_safe(origin) and any(letter.isalpha() for letter in parts.hostname or "")):
        told = "https://NAME or http://localhost:PORT, nothing behind it"
        raise Refused(Kind.INVALID, f"[accounts] origin: {told}", **{"accounts.origin": "invalid"})
    return origin


def _issuer(ground: Ground, origin: str) -> Issuer | None:
    wanted = ground.config.identity
    if wanted.issuer is None:
        return None
    if not is_safe(wanted.issuer):
        raise Refused(Kind.INVALID, "[identity] issuer: https, or this machine", **{"identity.issuer": "not_https"})
    if wanted.client is None:
        raise Refused(Kind.INVALID, "[identity] client: what the provider calls us", **{"identity.client": "missing"})
    return Issuer(
        issuer=wanted.issuer,
        client=wanted.client,
        secret=None if wanted.secret is None else read_secret(wanted.secret),
        redirect=f"{origin}/api/oidc/callback",
        name=wanted.name,
        claim=wanted.claim,
        second=wanted.second,
    )


def device_authority(place: Place) -> Authority:
    """The authority of tablets, in `secrets/device-authority`; made by whichever process asks first."""
    path = place.secrets / "device-authority"
    if not path.is_file():
        fresh = place.secrets / f"device-authority.{os.getpid()}"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, SECRET)
        with os.fdopen(descriptor, "wb") as file:
            file.write(make_authority(now()))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass  # another process was faster: its key is the one
        finally:
            fresh.unlink()
    return load_authority(read_secret(path).encode())
