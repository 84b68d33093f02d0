"""Password and a code of an application as the second way in; codes of paper; sessions that serve to set one up."""

import asyncio
import re

import msgspec
import pyotp
import pytest
from tests.api import house as building
from tests.api.authenticator import Authenticator
from tests.api.house import ACCOUNTS, PASSWORD
from tests.api.test_passkeys import add, newcomer

from saqtau.kernel.clock import MINUTE, SECOND
from saqtau.kernel.errors import Refused
from saqtau.web import totp
from saqtau.web.document import openapi as document
from saqtau.web.people import set_password
from saqtau.web.throttle import free

pytestmark = pytest.mark.anyio


@pytest.fixture
async def strict(engine, database, streams, tmp_path):
    """A house in which a second factor is required."""
    accounts = msgspec.structs.replace(ACCOUNTS, second_factor="required")
    async with building.standing(engine, database, tmp_path, accounts=accounts) as house:
        await building.move_in(house.owner, house.parts.clock())
        yield house


def shown(house, secret, steps=0):
    """What the application shows, `steps` half minutes from now."""
    return pyotp.TOTP(secret).at((house.parts.clock() // SECOND) + 30 * steps)


async def set_up(house, client):
    """Codes for whoever is logged in; the secret, and the codes of paper."""
    made = (await client.post("/api/codes/begin")).json()
    answer = await client.post("/api/codes/confirm", json={"code": shown(house, made["secret"])})
    assert answer.status_code == 200, answer.text
    client.headers["X-CSRF-Token"] = answer.json()["me"]["csrf"]
    return made["secret"], answer.json()["codes"]


async def first(house, name, client=None):
    """The password, right; what comes after it."""
    client = client or await house.client()
    answer = await client.post("/api/login", json={"name": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return client, answer.json()["ticket"]


async def with_codes(house, name):
    client = await newcomer(house, name)
    return client, *await set_up(house, client)


async def second(house, name, code):
    client, ticket = await first(house, name)
    return await client.post("/api/login/code", json={"ticket": ticket, "code": code})


async def test_a_password_opens_nothing_where_codes_are_set_up_and_the_code_does(house):
    _, secret, _ = await with_codes(house, "codes.both")
    client, ticket = await first(house, "codes.both")
    assert (await client.get("/api/me")).status_code == 401
    house.parts.clock.ahead += 30 * SECOND
    answer = await client.post("/api/login/code", json={"ticket": ticket, "code": shown(house, secret)})
    assert (answer.status_code, answer.json()["methods"]) == (200, ["password", "code"])
    assert (await client.get("/api/me")).status_code == 200


async def test_a_code_is_taken_once_even_within_its_half_minute(house):
    _, secret, _ = await with_codes(house, "codes.once")
    house.parts.clock.ahead += 30 * SECOND
    code = shown(house, secret)
    answers = await asyncio.gather(*(second(house, "codes.once", code) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401]


@pytest.mark.parametrize(("steps", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
async def test_a_clock_may_be_off_by_one_step_and_not_by_two(house, steps, taken):
    _, secret, _ = await with_codes(house, f"codes.drift{steps + 2}")
    house.parts.clock.ahead += 5 * MINUTE
    answer = await second(house, f"codes.drift{steps + 2}", shown(house, secret, steps))
    assert (answer.status_code == 200) is taken


async def test_an_older_code_is_not_taken_after_a_newer_one(house):
    _, secret, _ = await with_codes(house, "codes.older")
    house.parts.clock.ahead += 5 * MINUTE
    assert (await second(house, "codes.older", shown(house, secret))).status_code == 200
    assert (await second(house, "codes.older", shown(house, secret, -1))).status_code == 401


async def test_guesses_of_codes_wait_as_guesses_of_passwords_do_and_can_be_freed(house):
    _, secret, _ = await with_codes(house, "codes.guessed")
    house.parts.clock.ahead += 5 * MINUTE
    assert [(await second(house, "codes.guessed", f"{n:06}")).status_code for n in range(7)] == [401] * 5 + [429] * 2
    assert await free(house.owner, "codes.guessed", None) > 0
    assert (await second(house, "codes.guessed", shown(house, secret))).status_code == 200


async def test_fifty_wrong_codes_in_a_row_close_this_way_until_somebody_frees_it(house):
    _, secret, _ = await with_codes(house, "codes.besieged")
    house.parts.clock.ahead += 5 * MINUTE
    await house.owner.execute("update code_makers set failures = $2 where person = $1", "codes.besieged", 49)
    assert (await second(house, "codes.besieged", "000000")).status_code == 401
    closed = await second(house, "codes.besieged", shown(house, secret))
    assert (closed.status_code, closed.json()["fields"]) == (403, {"code": "blocked"})


async def test_a_ticket_opens_nothing_without_a_code_and_dies_when_it_was_used(house):
    _, secret, _ = await with_codes(house, "codes.ticket")
    house.parts.clock.ahead += 5 * MINUTE
    client, ticket = await first(house, "codes.ticket")
    assert (await client.post("/api/login/code", json={"ticket": ticket, "code": "000000"})).status_code == 401
    taken = await client.post("/api/login/code", json={"ticket": ticket, "code": shown(house, secret)})
    assert taken.status_code == 200
    again = await client.post("/api/login/code", json={"ticket": ticket, "code": shown(house, secret, 1)})
    assert (again.status_code, again.json()["fields"]) == (401, {"challenge": "begin_again"})
    made_up = await client.post("/api/login/code", json={"ticket": "A" * 43, "code": "000000"})
    assert made_up.status_code == 401


async def test_a_code_of_paper_opens_once_however_it_is_typed(house):
    _, _, paper = await with_codes(house, "codes.paper")
    assert len(paper) == len(set(paper)) == 10
    answer = await second(house, "codes.paper", paper[0].lower().replace("-", " "))
    assert (answer.status_code, answer.json()["methods"]) == (200, ["password", "recovery"])
    assert (await second(house, "codes.paper", paper[0])).status_code == 401
    assert (await second(house, "codes.paper", paper[1])).status_code == 200


async def test_a_fresh_set_of_paper_ends_the_old_one(house):
    client, _, paper = await with_codes(house, "codes.reprinted")
    fresh = (await client.post("/api/codes/recovery")).json()["codes"]
    assert set(fresh).isdisjoint(paper)
    assert (await second(house, "codes.reprinted", paper[3])).status_code == 401
    assert (await second(house, "codes.reprinted", fresh[3])).status_code == 200


async def test_the_database_holds_neither_the_secret_nor_a_code_of_paper(house):
    _, secret, paper = await with_codes(house, "codes.stolen")
    sealed = await house.owner.fetchval("select sealed from code_makers where person = 'codes.stolen'")
    assert secret.encode() not in bytes(sealed)
    assert totp.unseal(ACCOUNTS.key, "codes.stolen", bytes(sealed)) == secret
    with pytest.raises(Refused):
        totp.unseal(ACCOUNTS.key, "codes.other", bytes(sealed))  # bound to its person
    with pytest.raises(Refused):
        totp.unseal(b"another key that is long enough too", "codes.stolen", bytes(sealed))
    rows = [dict(row) for row in await house.owner.fetch("select * from recovery_codes where person = 'codes.stolen'")]
    assert len(rows) == 10
    assert not any(word.replace("-", "") in str(rows) for word in paper)


async def test_the_secret_is_told_once_and_counts_only_after_its_first_code(house):
    client = await newcomer(house, "codes.unsure")
    made = (await client.post("/api/codes/begin")).json()
    assert made["uri"].startswith("otpauth://totp/")
    assert made["picture"].startswith("data:image/svg+xml")
    assert (await client.post("/api/codes/confirm", json={"code": "000000"})).status_code == 400
    assert (await client.get("/api/account")).json()["codes"] is None
    await house.signed_in("codes.unsure")  # the password alone still does
    await set_up(house, client)
    assert (await client.post("/api/codes/begin")).status_code == 409


async def test_what_is_set_up_is_asked_for_when_a_person_proves_himself_again(house):
    client, secret, _ = await with_codes(house, "codes.again")
    house.parts.clock.ahead += 10 * MINUTE
    assert (await client.post("/api/codes/remove")).json()["fields"] == {"fresh": "prove_again"}
    for missing in ({"password": PASSWORD}, {"code": shown(house, secret)}):
        assert (await client.post("/api/account/prove", json=missing)).status_code == 400
    wrong = await client.post("/api/account/prove", json={"password": "not it at all", "code": shown(house, secret)})
    assert wrong.status_code == 401
    proof = {"password": PASSWORD, "code": shown(house, secret)}
    proved = await client.post("/api/account/prove", json=proof)
    assert proved.status_code == 200
    client.headers["X-CSRF-Token"] = proved.json()["csrf"]
    assert (await client.post("/api/codes/remove")).status_code == 200
    await house.signed_in("codes.again")
    assert (await client.get("/api/account")).json()["recovery"] == 0


async def test_without_a_second_factor_a_session_serves_only_to_set_one_up(strict):
    client = await newcomer(strict, "codes.obliged")
    assert (await client.get("/api/me")).json()["limited"] is True
    for path in ("/api/overview", "/api/items", "/api/desks", "/api/registers/units"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["fields"]) == (403, {"second_factor": "set_up_first"}), path
    await client.post("/api/account/prove", json={"password": PASSWORD})
    assert (await client.get("/api/me")).json()["limited"] is True  # the password again is no second factor
    client.headers["X-CSRF-Token"] = (await client.get("/api/me")).json()["csrf"]
    await set_up(strict, client)
    assert (await client.get("/api/me")).json()["limited"] is False
    assert (await client.get("/api/items")).status_code == 200


async def test_a_passkey_ends_the_limit_too_and_the_last_second_factor_stays(strict):
    client, stick = await newcomer(strict, "codes.obliged2"), Authenticator()
    assert (await add(client, stick)).json()["limited"] is False
    [key] = (await client.get("/api/account")).json()["passkeys"]
    last = await client.post("/api/passkeys/remove", json={"id": key["id"]})
    assert (last.status_code, last.json()["fields"]) == (409, {"second_factor": "the_last"})
    await set_up(strict, client)
    assert (await client.post("/api/passkeys/remove", json={"id": key["id"]})).status_code == 200


async def test_who_only_knows_the_password_adds_nothing_once_there_is_a_second_factor(strict):
    thief, other, mine = await newcomer(strict, "codes.victim"), Authenticator(), Authenticator()
    options = (await thief.post("/api/passkeys/question")).json()  # asked in time, answered too late
    me = await strict.signed_in("codes.victim")
    assert (await add(me, mine)).json()["limited"] is False
    late = await thief.post("/api/passkeys", json={"name": "Stick", "made": other.make(options)})
    assert (late.status_code, late.json()["fields"]) == (401, {"session": "none"})
    for path in ("/api/codes/begin", "/api/passkeys/question"):
        assert (await thief.post(path)).status_code == 401, path
    assert (await thief.get("/api/me")).status_code == 401
    assert len((await me.get("/api/account")).json()["passkeys"]) == 1
    assert (await me.get("/api/items")).status_code == 200


async def test_of_two_that_set_one_up_at_once_only_one_does(strict):
    first, again = await newcomer(strict, "codes.race"), await strict.signed_in("codes.race")
    asked = [(client, (await client.post("/api/passkeys/question")).json()) for client in (first, again)]
    answers = await asyncio.gather(
        *(
            client.post("/api/passkeys", json={"name": "Stick", "made": Authenticator().make(it)})
            for client, it in asked
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 401]
    assert await strict.owner.fetchval("select count(*) from passkeys where person = 'codes.race'") == 1


async def test_codes_end_the_sessions_of_the_password_alone_too(strict):
    thief, me = await newcomer(strict, "codes.victim2"), await strict.signed_in("codes.victim2")
    await set_up(strict, me)
    assert (await thief.post("/api/codes/begin")).status_code == 401
    left = await strict.owner.fetchval("select count(*) from sessions where person = 'codes.victim2'")
    assert left == 1
    assert (await me.get("/api/items")).status_code == 200


async def test_a_session_is_ended_from_elsewhere_at_once_and_nobody_ends_anothers(house):
    here, there = await newcomer(house, "codes.here"), await house.signed_in("codes.here")
    lines = (await here.get("/api/account")).json()["sessions"]
    [other] = [line["id"] for line in lines if not line["current"]]
    stranger = await newcomer(house, "codes.stranger")
    assert (await stranger.post("/api/account/sessions/end", json={"session": other})).status_code == 404
    assert (await here.post("/api/account/sessions/end", json={"session": other})).json() == {"ended": 1}
    assert (await there.get("/api/me")).status_code == 401
    third = await house.signed_in("codes.here")
    assert (await here.post("/api/account/sessions/end", json={})).json() == {"ended": 1}
    assert (await third.get("/api/me")).status_code == 401
    assert (await here.get("/api/me")).status_code == 200


async def test_a_new_password_of_my_own_ends_my_other_sessions_and_keeps_this_one(house):
    here, there = await newcomer(house, "codes.reset"), await house.signed_in("codes.reset")
    assert (await here.post("/api/account/password", json={"password": "another-long-password"})).status_code == 200
    assert (await there.get("/api/me")).status_code == 401
    assert (await here.get("/api/me")).status_code == 200
    house.parts.clock.ahead += 10 * MINUTE
    stale = await here.post("/api/account/password", json={"password": "a-third-long-password"})
    assert stale.json()["fields"] == {"fresh": "prove_again"}
    await set_password(house.owner, "codes.reset", PASSWORD, house.parts.clock())
    assert (await here.get("/api/me")).status_code == 401


async def test_what_takes_two_people_is_approved_only_after_a_proof_of_the_last_minutes(house):
    prosecutor = await house.signed_in("prosecutor")
    house.parts.clock.ahead += 6 * MINUTE
    asked = 0
    for path, methods in document()["paths"].items():
        for call in methods.values():
            if call["operationId"] in {"approveExport", "approvePolicy", "liftHold"}:
                answer = await prosecutor.post(re.sub(r"\{[^}]*\}", "x", path), json={})
                assert (answer.status_code, answer.json()["fields"]) == (403, {"fresh": "prove_again"}), path
                asked += 1
    assert asked == 3
