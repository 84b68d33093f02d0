"""Passkeys: how one is added, what it opens, and what never opens anything. Chromium's own: tests/e2e/test_keys.py."""

import pytest
from tests.api.authenticator import PRESENT, Authenticator
from tests.api.house import PASSWORD

from saqtau.kernel.clock import MINUTE
from saqtau.web.challenges import LIFE
from saqtau.web.people import Person, add_person, disable_person
from saqtau.web.throttle import free

pytestmark = pytest.mark.anyio


async def newcomer(house, name, role="operator"):
    """An account of this test's own, and a browser with its session."""
    await add_person(house.owner, Person(name, "Ключникова", (role,), frozenset({2})), PASSWORD, house.parts.clock())
    return await house.signed_in(name)


async def with_passkey(house, name):
    client, stick = await newcomer(house, name), Authenticator()
    assert (await add(client, stick)).status_code == 200
    return client, stick


async def add(client, stick, name="Stick", **lies):
    options = (await client.post("/api/passkeys/question")).json()
    answer = await client.post("/api/passkeys", json={"name": name, "made": stick.make(options, **lies)})
    if answer.status_code == 200:
        client.headers["X-CSRF-Token"] = answer.json()["csrf"]
    return answer


async def log_in(client, stick, **lies):
    options = (await client.post("/api/login/passkey/question")).json()
    return await client.post("/api/login/passkey", json=stick.show(options, **lies))


async def keys_of(client):
    return (await client.get("/api/account")).json()["passkeys"]


async def test_a_passkey_opens_a_session_without_a_name_and_without_a_password(house):
    _, stick = await with_passkey(house, "keys.first")
    answer = await log_in(await house.client(), stick)
    assert (answer.status_code, answer.json()["user"], answer.json()["methods"]) == (200, "keys.first", ["passkey"])


async def test_whoever_has_a_passkey_is_not_let_in_by_the_password_alone(house):
    await with_passkey(house, "keys.second")
    client = await house.client()
    answer = await client.post("/api/login", json={"name": "keys.second", "password": PASSWORD})
    assert (answer.status_code, answer.json()["ways"]) == (200, ["passkey"])
    assert "set-cookie" not in answer.headers
    assert (await client.get("/api/me")).status_code == 401


async def test_a_person_has_several_passkeys_and_each_opens(house):
    client, first = await with_passkey(house, "keys.several")
    second = Authenticator()
    assert (await add(client, second, "Telephone")).status_code == 200
    assert [key["name"] for key in await keys_of(client)] == ["Stick", "Telephone"]
    for stick in (first, second):
        assert (await log_in(await house.client(), stick)).status_code == 200


async def test_an_authenticator_that_did_not_check_its_holder_is_refused(house):
    client = await newcomer(house, "keys.unverified")
    answer = await add(client, Authenticator(), flags=PRESENT)
    assert (answer.status_code, answer.json()["fields"]) == (400, {"passkey": "refused"})
    _, stick = await with_passkey(house, "keys.unverified2")
    answer = await log_in(await house.client(), stick, flags=PRESENT)
    assert (answer.status_code, answer.json()["fields"]) == (401, {"passkey": "wrong"})


@pytest.mark.parametrize("lie", [{"origin": "https://sаqtau.example"}, {"rp": "evil.example"}])
async def test_a_passkey_used_at_another_site_opens_nothing_here(house, lie):
    client = await newcomer(house, f"keys.{next(iter(lie))}")
    assert (await add(client, Authenticator(**lie))).json()["fields"] == {"passkey": "refused"}
    stick = Authenticator()
    assert (await add(client, stick)).status_code == 200
    for name, value in lie.items():
        setattr(stick, name, value)
    assert (await log_in(await house.client(), stick)).status_code == 401


async def test_a_question_is_answered_once(house):
    _, stick = await with_passkey(house, "keys.replay")
    client = await house.client()
    shown = stick.show((await client.post("/api/login/passkey/question")).json())
    assert (await client.post("/api/login/passkey", json=shown)).status_code == 200
    again = await client.post("/api/login/passkey", json=shown)
    assert (again.status_code, again.json()["fields"]) == (401, {"challenge": "begin_again"})


async def test_a_question_dies_after_five_minutes(house):
    _, stick = await with_passkey(house, "keys.late")
    client = await house.client()
    shown = stick.show((await client.post("/api/login/passkey/question")).json())
    house.parts.clock.ahead += LIFE
    assert (await client.post("/api/login/passkey", json=shown)).json()["fields"] == {"challenge": "begin_again"}


async def test_a_copy_that_counts_backwards_opens_nothing(house):
    _, stick = await with_passkey(house, "keys.copy")
    assert (await log_in(await house.client(), stick, counts=7)).status_code == 200
    for counts in (0, -3):
        assert (await log_in(await house.client(), stick, counts=counts)).status_code == 401
    assert (await log_in(await house.client(), stick, counts=9)).status_code == 200


async def test_an_answer_for_somebody_elses_handle_opens_nothing(house):
    _, stick = await with_passkey(house, "keys.handle")
    _, other = await with_passkey(house, "keys.handle2")
    own, stick.handle = stick.handle, other.handle
    assert (await log_in(await house.client(), stick)).status_code == 401
    stick.handle = own
    assert (await log_in(await house.client(), stick)).status_code == 200


async def test_a_key_made_for_one_sessions_question_is_not_taken_in_another(house):
    mine, hers = await newcomer(house, "keys.mine"), await newcomer(house, "keys.hers")
    options = (await mine.post("/api/passkeys/question")).json()
    answer = await hers.post("/api/passkeys", json={"name": "Stick", "made": Authenticator().make(options)})
    assert (answer.status_code, answer.json()["fields"]) == (401, {"challenge": "begin_again"})


async def test_a_login_question_does_not_prove_a_session_and_the_other_way_round(house):
    client, stick = await with_passkey(house, "keys.mixed")
    options = (await client.post("/api/login/passkey/question")).json()
    assert (await client.post("/api/account/prove/passkey", json=stick.show(options))).status_code == 401
    options = (await client.post("/api/account/prove/question")).json()
    assert (await client.post("/api/login/passkey", json=stick.show(options))).status_code == 401


async def test_the_passkey_of_another_person_proves_nothing(house):
    client, _ = await with_passkey(house, "keys.owner")
    _, foreign = await with_passkey(house, "keys.foreign")
    options = (await client.post("/api/account/prove/question")).json()
    assert (await client.post("/api/account/prove/passkey", json=foreign.show(options))).status_code == 401


async def test_removing_needs_a_proof_of_the_last_minutes_and_ends_the_other_sessions(house):
    client, stick = await with_passkey(house, "keys.remover")
    elsewhere = await house.client()
    assert (await log_in(elsewhere, stick)).status_code == 200
    house.parts.clock.ahead += 6 * MINUTE
    [key] = await keys_of(client)
    refused = await client.post("/api/passkeys/remove", json={"id": key["id"]})
    assert (refused.status_code, refused.json()["fields"]) == (403, {"fresh": "prove_again"})
    options = (await client.post("/api/account/prove/question")).json()
    proved = await client.post("/api/account/prove/passkey", json=stick.show(options))
    assert proved.status_code == 200
    client.headers["X-CSRF-Token"] = proved.json()["csrf"]
    assert (await client.post("/api/passkeys/remove", json={"id": key["id"]})).status_code == 200
    assert (await elsewhere.get("/api/me")).status_code == 401
    assert (await client.get("/api/me")).status_code == 200
    assert (await log_in(await house.client(), stick)).status_code == 401


async def test_adding_needs_a_proof_of_the_last_minutes_too(house):
    client = await newcomer(house, "keys.absent")
    house.parts.clock.ahead += 6 * MINUTE
    assert (await client.post("/api/passkeys/question")).json()["fields"] == {"fresh": "prove_again"}


async def test_a_proof_gives_the_session_a_fresh_token_and_the_old_one_opens_nothing(house):
    client = await newcomer(house, "keys.renewed")
    before = client.cookies["saqtau_session"]
    answer = await client.post("/api/account/prove", json={"password": PASSWORD})
    assert answer.status_code == 200
    assert client.cookies["saqtau_session"] != before
    thief = await house.client()
    thief.cookies.set("saqtau_session", before)
    assert (await thief.get("/api/me")).status_code == 401


async def test_a_password_alone_does_not_prove_who_has_a_passkey(house):
    client, _ = await with_passkey(house, "keys.strong")
    answer = await client.post("/api/account/prove", json={"password": PASSWORD})
    assert (answer.status_code, answer.json()["fields"]) == (403, {"passkey": "required"})


async def test_nobody_removes_somebody_elses_passkey(house):
    client, _ = await with_passkey(house, "keys.victim")
    thief, _ = await with_passkey(house, "keys.thief")
    [key] = await keys_of(client)
    assert (await thief.post("/api/passkeys/remove", json={"id": key["id"]})).status_code == 404


async def test_the_passkey_of_a_disabled_account_opens_nothing(house):
    _, stick = await with_passkey(house, "keys.leaver")
    await disable_person(house.owner, "keys.leaver", house.parts.clock())
    assert (await log_in(await house.client(), stick)).status_code == 401


async def test_an_authenticator_knows_no_name(house):
    client = await newcomer(house, "keys.nameless")
    options = (await client.post("/api/passkeys/question")).json()
    assert len(options["user"]["id"]) == 22
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["attestation"] == "none"


async def test_a_person_has_at_most_ten_passkeys(house):
    client = await newcomer(house, "keys.many")
    for number in range(10):
        assert (await add(client, Authenticator(), f"Stick {number}")).status_code == 200
    assert (await client.post("/api/passkeys/question")).status_code == 409


@pytest.mark.parametrize("field", ["client_data", "authenticator_data", "signature", "id"])
@pytest.mark.parametrize("text", ["A", "AA", "_" * 400])
async def test_bytes_that_are_no_answer_of_an_authenticator_are_refused_not_broken(house, field, text):
    stick = Authenticator()
    client = await house.client()
    shown = stick.show((await client.post("/api/login/passkey/question")).json()) | {field: text}
    assert (await client.post("/api/login/passkey", json=shown)).status_code in {400, 401}


async def test_whoever_has_no_account_does_not_fill_the_log(house):
    before = len(await house.entries(action="login.failed"))
    client, stick = await house.client(), Authenticator()
    asked = (await client.post("/api/login/passkey/question")).json()
    made_up = await log_in(client, stick)
    assert made_up.status_code == 401
    shown = stick.show(asked | {"challenge": "AAAA"})
    answers = [await client.post("/api/login/passkey", json=shown) for _ in range(20)]
    assert [answer.status_code for answer in answers] == [401] * 20
    # one that answered a question of ours, and one for all that answered none
    assert len(await house.entries(action="login.failed")) == before + 2
    house.parts.clock.ahead += MINUTE
    assert (await client.post("/api/login/passkey", json=shown)).status_code == 401
    last = (await house.entries(action="login.failed"))[-1]
    assert last["told"] == {"way": "unasked", "count": "20"}
    await house.owner.execute("update login_throttle set failures = 120 where account is null")
    assert (await client.post("/api/login/passkey", json=shown)).status_code == 429
    assert await free(house.owner, None, "127.0.0.1") > 0


async def test_a_passkey_that_opens_takes_its_attempt_back(house):
    await free(house.owner, None, "127.0.0.1")
    _, stick = await with_passkey(house, "keys.often")
    client = await house.client()
    assert [(await log_in(client, stick)).status_code for _ in range(3)] == [200] * 3
    assert await house.owner.fetchval("select max(failures) from login_throttle where account is null") == 0
