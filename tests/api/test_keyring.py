"""What an administrator does about how people log in: freeing, linking, taking away."""

import pytest
from tests.api.test_codes import second, with_codes
from tests.api.test_passkeys import log_in, newcomer, with_passkey

from saqtau.kernel.clock import MINUTE
from saqtau.kernel.errors import Kind, Refused
from saqtau.web import keyring

pytestmark = pytest.mark.anyio


async def test_an_account_that_was_guessed_at_is_freed_from_every_address(house):
    await newcomer(house, "ring.guessed")
    client = await house.client()
    for _ in range(6):
        last = await client.post("/api/login", json={"name": "ring.guessed", "password": "no"})
    assert last.status_code == 429
    assert await keyring.unblock(house.owner, "ring.guessed", None) > 0
    await house.signed_in("ring.guessed")
    assert await keyring.unblock(house.owner, None, "192.0.2.1") == 0


async def test_fifty_wrong_codes_are_forgotten(house):
    _, _, paper = await with_codes(house, "ring.codes")
    await house.owner.execute("update code_makers set failures = 50 where person = 'ring.codes'")
    house.parts.clock.ahead += MINUTE
    assert (await second(house, "ring.codes", "000000")).json()["fields"] == {"code": "blocked"}
    assert await keyring.unblock(house.owner, "ring.codes", None) > 0
    assert (await second(house, "ring.codes", "000000")).status_code == 401
    assert (await second(house, "ring.codes", paper[0])).status_code == 200


async def test_keys_that_were_lost_open_nothing_more_and_the_sessions_end(house):
    client, stick = await with_passkey(house, "ring.lost")
    await keyring.take_all(house.owner, "ring.lost")
    assert (await client.get("/api/me")).status_code == 401
    assert (await log_in(await house.client(), stick)).status_code == 401
    await house.signed_in("ring.lost")  # the password alone does again, where a second factor is only offered


async def test_an_identity_opens_one_account_until_it_is_taken_away(house):
    client = await newcomer(house, "ring.linked")
    await keyring.link(house.owner, "ring.linked", "https://id.example", "s-1", house.parts.clock())
    assert (await client.get("/api/account")).json()["identities"] == ["https://id.example"]
    for account, subject, kind in (
        ("operator", "s-1", Kind.CONFLICT),
        ("nobody.here", "s-2", Kind.NOT_FOUND),
        ("operator", "", Kind.INVALID),
        ("operator", "x" * 256, Kind.INVALID),
    ):
        with pytest.raises(Refused) as refused:
            await keyring.link(house.owner, account, "https://id.example", subject, house.parts.clock())
        assert refused.value.kind is kind
    assert await keyring.unlink(house.owner, "ring.linked") == 1
    assert (await client.get("/api/me")).status_code == 401
