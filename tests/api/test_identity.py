"""Logging in at an identity provider: a real one, run as a process; and one that lies in every way we know."""

import contextlib
import os
import subprocess
import sys
import time
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx
import msgspec
import pytest
from tests.api import house as building
from tests.api.house import ACCOUNTS, PASSWORD
from tests.api.provider import CLIENT, lying_provider
from tests.api.test_codes import set_up
from tests.running import free_ports

from saqtau.kernel.clock import MINUTE
from saqtau.web.accounts import Issuer
from saqtau.web.people import Person, add_person, disable_person

pytestmark = pytest.mark.anyio

REDIRECT = "http://localhost:8470/api/oidc/callback"


@contextlib.asynccontextmanager
async def house_with(issuer, engine, database, folder, **more):
    accounts = msgspec.structs.replace(ACCOUNTS, issuer=issuer, **more)
    async with building.standing(engine, database, folder, accounts=accounts) as house:
        await building.move_in(house.owner, house.parts.clock())
        await house.owner.execute("delete from identities")
        yield house


async def link(house, person, subject, issuer):
    await house.owner.execute("insert into identities values ($1, $2, $3, 0)", issuer, subject, person)


async def begin(client, to="console"):
    answer = await client.post("/api/oidc/begin", json={"to": to})
    assert answer.status_code == 200, answer.text
    return answer.json()["address"]


async def arrive(client, query):
    """The browser comes back from the provider's page; where it is sent on to."""
    answer = await client.get("/api/oidc/callback", params=query)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


# ---- a real provider, in a process of its own


@pytest.fixture
async def real():
    """The address of oidc-provider-mock, run as anybody runs it."""
    [port] = free_ports(1)
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ) as process:
        try:
            async with httpx.AsyncClient() as client:
                with anyio.fail_after(30):
                    while True:
                        with contextlib.suppress(httpx.HTTPError):
                            await client.get(f"http://127.0.0.1:{port}/.well-known/openid-configuration")
                            break
                        await anyio.sleep(0.05)
            yield Issuer(
                issuer=f"http://127.0.0.1:{port}", client=CLIENT, secret="secret", redirect=REDIRECT, name="Ministry"
            )
        finally:
            process.kill()


async def agree(address, subject):
    """The person logs in on the real provider's page; the query it sends the browser back with."""
    async with httpx.AsyncClient() as provider:
        answer = await provider.post(address, data={"sub": subject})
    assert answer.status_code == 302, answer.text
    place = answer.headers["location"]
    assert place.startswith(REDIRECT + "?")
    return {name: values[0] for name, values in parse_qs(urlsplit(place).query).items()}


async def test_a_real_provider_opens_the_account_that_was_linked_and_no_other(
    real, engine, database, streams, tmp_path
):
    async with house_with(real, engine, database, tmp_path) as house:
        await link(house, "operator", "aigul@ministry", real.issuer)
        client = await house.client()
        assert await arrive(client, await agree(await begin(client), "aigul@ministry")) == "/"
        me = (await client.get("/api/me")).json()
        assert (me["user"], me["methods"]) == ("operator", ["oidc"])
        people = await house.owner.fetchval("select count(*) from people")
        stranger = await house.client()
        place = await arrive(stranger, await agree(await begin(stranger), "stranger@ministry"))
        assert place == "/?refused=identity"
        assert (await stranger.get("/api/me")).status_code == 401
        assert await house.owner.fetchval("select count(*) from people") == people  # no account is made by a provider


async def test_a_real_providers_code_is_taken_once(real, engine, database, streams, tmp_path):
    async with house_with(real, engine, database, tmp_path) as house:
        await link(house, "operator", "aigul@ministry", real.issuer)
        client, thief = await house.client(), await house.client()
        query = await agree(await begin(client), "aigul@ministry")
        assert await arrive(client, query) == "/"
        assert await arrive(client, query) == "/?refused=state"
        stolen = {"code": query["code"], "state": parse_qs(urlsplit(await begin(thief)).query)["state"][0]}
        assert await arrive(thief, stolen) == "/?refused=token"
        assert (await thief.get("/api/me")).status_code == 401


async def test_a_person_who_says_no_at_the_provider_is_told_so(real, engine, database, streams, tmp_path):
    async with house_with(real, engine, database, tmp_path) as house:
        client = await house.client()
        state = parse_qs(urlsplit(await begin(client)).query)["state"][0]
        assert await arrive(client, {"error": "access_denied", "state": state}) == "/?refused=denied"


# ---- one that lies


@pytest.fixture
async def lies(engine, database, streams, tmp_path):
    """(house, lying provider), the operator linked to its person-1."""
    async with (
        lying_provider() as provider,
        house_with(provider.issuer, engine, database, tmp_path) as house,
    ):
        await link(house, "operator", "person-1", provider.url)
        yield house, provider


async def try_in(house, provider):
    """Where one attempt ends, and whether it opened a session."""
    client = await house.client()
    place = await arrive(client, provider.agree(await begin(client)))
    return place, (await client.get("/api/me")).status_code == 200


async def test_the_provider_opens_the_door_when_it_tells_the_truth(lies):
    house, provider = lies
    assert await try_in(house, provider) == ("/", True)
    [(form, authorization)] = provider.redeemed
    assert len(form["code_verifier"]) == 43
    assert form["redirect_uri"] == REDIRECT
    assert authorization.startswith("Basic ")


def lies_about(now):
    """Claims that are not for us now. now: Unix seconds of the moment at which they are told."""
    return [
        {"iss": "http://127.0.0.1:1"},
        {"iss": None},
        {"aud": "another-client"},
        {"aud": [CLIENT, "another-client"]},
        {"aud": CLIENT, "azp": "another-client"},
        {"aud": []},
        {"nonce": "of another browser"},
        {"nonce": None},
        {"exp": now - 120},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": now + 600},
        {"iat": now - 3600},
        {"nbf": now + 600},
        {"sub": None},
        {"sub": ""},
        {"sub": ["person-1"]},
        {"sub": "Person-1"},
        {"sub": "person-1\0"},
    ]


async def test_a_token_that_is_not_for_us_now_opens_nothing(lies):
    house, provider = lies
    for provider.claims in lies_about(int(time.time())):
        place, opened = await try_in(house, provider)
        assert place.startswith("/?refused="), provider.claims
        assert not opened, provider.claims


async def test_a_token_that_the_issuer_did_not_sign_opens_nothing(lies):
    house, provider = lies
    for way in (provider.sign_not_at_all, provider.sign_with_the_public_key, provider.sign_with_another_key):
        provider.sign = way
        assert await try_in(house, provider) == ("/?refused=token", False), way


async def test_what_is_no_token_opens_nothing(lies):
    house, provider = lies
    for text in ("", "x", "a.b.c", "e30.e30.", "." * 20_000, "é.é.é"):
        provider.sign = lambda *_, text=text: text
        assert await try_in(house, provider) == ("/?refused=token", False), text[:20]


async def test_a_clock_may_be_off_by_a_minute(lies):
    house, provider = lies
    provider.claims = {"iat": int(time.time()) + 45, "exp": int(time.time()) - 45}
    assert (await try_in(house, provider))[1]


async def test_keys_that_were_changed_are_asked_for_again(lies):
    house, provider = lies
    assert (await try_in(house, provider))[1]
    provider.key = type(provider.key).generate_key(2048, parameters={"kid": "one"})
    assert not (await try_in(house, provider))[1]  # at most once a minute
    house.parts.clock.ahead += 2 * MINUTE
    provider.claims = {"iat": int(time.time()) + 120, "exp": int(time.time()) + 400}
    assert (await try_in(house, provider))[1]


async def test_an_answer_that_was_not_asked_for_opens_nothing(lies):
    house, provider = lies
    client = await house.client()
    for change in ({"state": "A" * 43}, {"state": ""}, {"state": "é"}, {"code": ""}):
        query = provider.agree(await begin(client)) | change
        assert (await arrive(client, query)).startswith("/?refused="), change
        assert (await client.get("/api/me")).status_code == 401, change


async def test_an_attackers_answer_does_not_log_a_victim_in_as_the_attacker(lies):
    house, provider = lies
    attacker, victim = await house.client(), await house.client()
    query = provider.agree(await begin(attacker))
    assert await arrive(victim, query) == "/?refused=state"  # never began
    await begin(victim)
    assert await arrive(victim, query) == "/?refused=state"  # began another one
    assert (await victim.get("/api/me")).status_code == 401


async def test_a_stolen_answer_is_worth_nothing_in_another_browser(lies):
    house, provider = lies
    client, thief = await house.client(), await house.client()
    query = provider.agree(await begin(client))
    mine = parse_qs(urlsplit(await begin(thief)).query)["state"][0]
    assert await arrive(thief, query | {"state": mine}) == "/?refused=token"  # the verifier is another one
    assert (await thief.get("/api/me")).status_code == 401


async def test_an_answer_that_comes_too_late_opens_nothing(lies):
    house, provider = lies
    client = await house.client()
    query = provider.agree(await begin(client))
    house.parts.clock.ahead += 6 * MINUTE
    assert await arrive(client, query) == "/?refused=challenge"


async def test_an_answer_of_another_issuer_is_refused_before_its_code_is_shown_to_anybody(lies):
    house, provider = lies
    client = await house.client()
    query = provider.agree(await begin(client)) | {"iss": "https://other.example"}
    assert await arrive(client, query) == "/?refused=token"
    assert provider.redeemed == []


async def test_a_provider_that_is_not_the_one_it_says_is_not_used(lies):
    house, provider = lies
    client = await house.client()
    for provider.told in (
        {"issuer": "https://other.example"},
        {"token_endpoint": "http://other.example/token"},
        {"jwks_uri": "ftp://127.0.0.1/keys"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
    ):
        asked = len(provider.paths)
        for _ in range(3):  # who knocks here again and again does not knock there
            answer = await client.post("/api/oidc/begin", json={"to": "console"})
            assert (answer.status_code, answer.json()["kind"]) == (503, "unavailable"), provider.told
        assert len(provider.paths) == asked + 1
        house.parts.clock.ahead += MINUTE
    provider.told = {}
    await begin(client)


async def test_a_provider_that_is_away_is_told_and_passwords_go_on(lies):
    house, provider = lies
    house.app.state.provider.issuer = msgspec.structs.replace(provider.issuer, issuer="http://127.0.0.1:9")
    assert (await (await house.client()).post("/api/oidc/begin", json={"to": "console"})).status_code == 503
    await house.signed_in("operator")


async def test_an_answer_that_nobody_asked_for_leaves_no_entry_of_its_own(lies):
    house, _ = lies
    house.parts.clock.ahead += 20 * MINUTE
    client = await house.client()
    before = len(await house.entries(action="login.failed"))
    for _ in range(20):
        assert await arrive(client, {"state": "made-up", "code": "x"}) == "/?refused=state"
    assert len(await house.entries(action="login.failed")) == before + 1


async def test_nobody_is_sent_on_to_a_place_that_is_not_ours(lies):
    house, provider = lies
    client = await house.client()
    for place in ("https://evil.example", "//evil.example", "/x"):
        assert (await client.post("/api/oidc/begin", json={"to": place})).status_code == 400
    address = await begin(client, "tablet")
    assert parse_qs(urlsplit(address).query)["redirect_uri"] == [REDIRECT]
    assert await arrive(client, provider.agree(address)) == "/tablet"


async def test_a_disabled_account_is_not_opened_by_its_identity(lies):
    house, provider = lies
    await add_person(house.owner, Person("oidc.leaver", "x", ("operator",), frozenset({2})), PASSWORD, 0)
    await link(house, "oidc.leaver", "leaver", provider.url)
    await disable_person(house.owner, "oidc.leaver", house.parts.clock())
    provider.claims = {"sub": "leaver"}
    assert await try_in(house, provider) == ("/?refused=identity", False)


async def test_two_factors_at_the_provider_count_as_two_here(engine, database, streams, tmp_path):
    async with (
        lying_provider() as provider,
        house_with(provider.issuer, engine, database, tmp_path, second_factor="required") as house,
    ):
        await link(house, "operator", "person-1", provider.url)
        client = await house.client()
        await arrive(client, provider.agree(await begin(client)))
        assert (await client.get("/api/me")).json()["limited"] is True
        provider.claims = {"amr": ["pwd", "mfa"]}
        await arrive(client, provider.agree(await begin(client)))
        assert (await client.get("/api/me")).json()["limited"] is False


async def test_who_has_codes_here_is_asked_for_one_after_the_provider(lies):
    house, provider = lies
    await add_person(house.owner, Person("oidc.codes", "x", ("operator",), frozenset({2})), PASSWORD, 0)
    await set_up(house, await house.signed_in("oidc.codes"))
    await link(house, "oidc.codes", "coder", provider.url)
    provider.claims = {"sub": "coder"}
    place, opened = await try_in(house, provider)
    assert place.startswith("/#/second/")
    assert not opened


async def test_a_proof_must_be_younger_than_its_question_and_of_the_same_person(lies):
    house, provider = lies
    client = await house.client()
    await arrive(client, provider.agree(await begin(client)))
    house.parts.clock.ahead += 6 * MINUTE
    began = int(time.time())
    provider.claims = times = {"iat": began + 360, "exp": began + 900}
    assert (await client.post("/api/passkeys/question", headers=await token_of(client))).status_code == 403
    address = await begin(client, "proof")
    assert parse_qs(urlsplit(address).query)["prompt"] == ["login"]
    provider.claims = times | {"auth_time": began}
    assert await arrive(client, provider.agree(address)) == "/?refused=token"
    provider.claims = times | {"auth_time": began + 420, "sub": "person-2"}
    await link(house, "duty", "person-2", provider.url)
    assert await arrive(client, provider.agree(await begin(client, "proof"))) == "/?refused=identity"
    provider.claims = times | {"auth_time": began + 420}
    assert await arrive(client, provider.agree(await begin(client, "proof"))) == "/#/account"
    assert (await client.post("/api/passkeys/question", headers=await token_of(client))).status_code == 200


async def token_of(client):
    return {"x-csrf-token": (await client.get("/api/me")).json()["csrf"]}


async def test_without_a_provider_there_is_no_such_way(house):
    client = await house.client()
    assert (await client.post("/api/oidc/begin", json={"to": "console"})).status_code == 404
    assert (await client.get("/api/login/ways")).json()["issuer"] is None
    assert await arrive(client, {"code": "x", "state": "y"}) == "/?refused=issuer"
