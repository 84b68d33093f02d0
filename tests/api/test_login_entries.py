"""Every way in, and every change of what opens an account, leaves an entry; and nothing secret stands in it."""

import pytest
from tests.api.authenticator import PRESENT
from tests.api.house import PASSWORD
from tests.api.test_codes import second, set_up, shown
from tests.api.test_passkeys import log_in, newcomer, with_passkey

from saqtau.kernel.clock import MINUTE

pytestmark = pytest.mark.anyio


async def told(house, person):
    """Actions of a person's entries, oldest first."""
    return [entry["action"] for entry in await house.entries(viewer=person)]


async def test_a_life_of_keys_is_told(house):
    client, stick = await with_passkey(house, "told.keys")
    await log_in(await house.client(), stick)
    secret, paper = await set_up(house, client)
    await client.post("/api/codes/recovery")
    await client.post("/api/account/password", json={"password": "another-long-password"})
    [key] = (await client.get("/api/account")).json()["passkeys"]
    await client.post("/api/account/sessions/end", json={})
    await client.post("/api/passkeys/remove", json={"id": key["id"]})
    await client.post("/api/codes/remove")
    await client.post("/api/logout")
    assert await told(house, "told.keys") == [
        "login",
        "account.add_passkey",
        "login.proved",
        "login",
        "account.set_up_codes",
        "account.make_recovery_codes",
        "account.change_password",
        "logout.elsewhere",
        "account.remove_passkey",
        "account.remove_codes",
        "logout",
    ]
    everything = str(await house.entries())
    for word in (secret, *paper, PASSWORD, "another-long-password"):
        assert word not in everything


async def test_every_way_that_fails_is_told(house):
    client, stick = await with_passkey(house, "told.fails")
    before = len(await house.entries(action="login.failed"))
    await log_in(await house.client(), stick, flags=PRESENT)
    secret, _ = await set_up(house, client)
    house.parts.clock.ahead += 5 * MINUTE
    await second(house, "told.fails", "000000")
    await client.post("/api/account/prove", json={"password": "not it", "code": shown(house, secret)})
    stranger = await house.client()
    await stranger.post("/api/login", json={"name": "told.fails", "password": "not it"})
    assert len(await house.entries(action="login.failed")) == before + 4


async def test_a_proof_is_told(house):
    client = await newcomer(house, "told.proof")
    assert (await client.post("/api/account/prove", json={"password": PASSWORD})).status_code == 200
    assert await told(house, "told.proof") == ["login", "login.proved"]
