"""Logging in: what is given, what is refused, what ends it."""

import asyncio
from zoneinfo import ZoneInfo

import pytest
from tests.api import house as building
from tests.api.desks import DESKS
from tests.api.house import PASSWORD

from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.terms import Calendar
from saqtau.web.people import Person, add_person, disable_person, set_password
from saqtau.web.sessions import IDLE_CONSOLE, LIFE

pytestmark = pytest.mark.anyio


async def fresh_person(house, name):
    """An account of this test's own."""
    person = Person(name, "Временный", ("operator",), frozenset({2}))
    await add_person(house.owner, person, PASSWORD, house.parts.clock())
    return person


async def test_a_person_logs_in_and_is_told_who_he_is(house):
    client = await house.signed_in("operator")
    me = (await client.get("/api/me")).json()
    assert me["user"] == "operator"
    assert me["roles"] == ["operator"]
    assert me["regions"] == [2]
    assert len(me["csrf"]) == 43


async def test_a_screen_is_told_the_time_zone_of_the_authority(engine, database, streams, tmp_path):
    calendar = Calendar(zone=ZoneInfo("Asia/Almaty"))
    async with building.standing(engine, database, tmp_path, calendar=calendar) as house:
        await building.move_in(house.owner, house.parts.clock())
        client = await house.signed_in("operator")
        assert (await client.get("/api/me")).json()["zone"] == "Asia/Almaty"


async def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(house):
    client = await house.client()
    answer = await client.post("/api/login", json={"name": "operator", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie  # this house is on loopback
    assert answer.headers["cache-control"] == "no-store"


async def test_away_from_loopback_the_cookie_travels_only_over_tls(engine, database, streams, tmp_path):
    async with building.standing(engine, database, tmp_path, secure=True) as house:
        await building.move_in(house.owner, house.parts.clock())
        client = await house.client()
        answer = await client.post("/api/login", json={"name": "operator", "password": PASSWORD})
        cookie = answer.headers["set-cookie"]
        assert "secure" in cookie.lower()
        assert cookie.startswith("__Host-saqtau_session=")  # no other host sets it
        sent = {"cookie": cookie.partition(";")[0]}
        assert (await client.get("/api/me", headers=sent)).status_code == 200


async def test_the_database_holds_no_token_and_no_password(house):
    client = await house.signed_in("operator")
    token = client.cookies["saqtau_session"]
    rows = await house.owner.fetch("select * from sessions")
    assert rows
    assert all(token not in str(dict(row)) and token.encode() not in bytes(row["digest"]) for row in rows)
    kept = await house.owner.fetchval("select password from people where id = 'operator'")
    assert kept.startswith("$argon2id$")


@pytest.mark.parametrize(("name", "word"), [("operator", "wrong-password-1"), ("nobody", PASSWORD), ("nobody", "x")])
async def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(house, name, word):
    client = await house.client()
    answer = await client.post("/api/login", json={"name": name, "password": word})
    assert answer.status_code == 401
    assert answer.json() == {
        "kind": "unauthenticated",
        "fields": {"name": "wrong", "password": "wrong"},
        "message": "name or password is wrong",
    }
    assert "set-cookie" not in answer.headers


async def test_after_five_failures_from_one_address_even_the_right_password_waits(house):
    await fresh_person(house, "forgetful")
    client = await house.client()
    for _ in range(5):
        assert (await client.post("/api/login", json={"name": "forgetful", "password": "no"})).status_code == 401
    late = await client.post("/api/login", json={"name": "forgetful", "password": PASSWORD})
    assert late.status_code == 429
    assert 0 < int(late.headers["retry-after"]) <= 900
    house.parts.clock.ahead += 16 * 60_000
    assert (await client.post("/api/login", json={"name": "forgetful", "password": PASSWORD})).status_code == 200


async def test_failures_are_not_forgotten_by_a_restart(engine, database, streams, tmp_path):
    async with building.standing(engine, database, tmp_path) as house:
        await fresh_person(house, "patient")
        client = await house.client()
        for _ in range(5):
            await client.post("/api/login", json={"name": "patient", "password": "no"})
    async with building.standing(engine, database, tmp_path) as house:
        client = await house.client()
        assert (await client.post("/api/login", json={"name": "patient", "password": PASSWORD})).status_code == 429


async def test_many_guesses_at_once_are_counted_before_they_are_tried(house):
    await fresh_person(house, "besieged")
    client = await house.client()
    answers = await asyncio.gather(
        *(client.post("/api/login", json={"name": "besieged", "password": f"guess {n}"}) for n in range(12))
    )
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 7


async def test_a_success_takes_its_own_attempt_back(house):
    await fresh_person(house, "regular")
    client = await house.client()
    for _ in range(8):
        assert (await client.post("/api/login", json={"name": "regular", "password": PASSWORD})).status_code == 200


async def test_logging_out_ends_the_session_at_once(house):
    client = await house.signed_in("operator")
    token = client.cookies["saqtau_session"]
    assert (await client.post("/api/logout")).status_code == 204
    client.cookies.set("saqtau_session", token)
    assert (await client.get("/api/me")).status_code == 401


async def test_a_disabled_account_is_out_at_once_and_stays_out(house):
    await fresh_person(house, "leaver")
    client = await house.signed_in("leaver")
    await disable_person(house.owner, "leaver", house.parts.clock())
    assert (await client.get("/api/me")).status_code == 401
    assert (await client.post("/api/login", json={"name": "leaver", "password": PASSWORD})).status_code == 401


async def test_a_new_password_ends_every_session(house):
    await fresh_person(house, "changer")
    client = await house.signed_in("changer")
    await set_password(house.owner, "changer", "another-long-password", house.parts.clock())
    assert (await client.get("/api/me")).status_code == 401
    again = await client.post("/api/login", json={"name": "changer", "password": "another-long-password"})
    assert again.status_code == 200


async def test_a_session_ends_after_half_an_hour_of_silence(house):
    client = await house.signed_in("operator")
    house.parts.clock.ahead += IDLE_CONSOLE - 60_000
    assert (await client.get("/api/me")).status_code == 200
    house.parts.clock.ahead += IDLE_CONSOLE - 60_000
    assert (await client.get("/api/me")).status_code == 200
    house.parts.clock.ahead += IDLE_CONSOLE + 60_000
    assert (await client.get("/api/me")).status_code == 401


async def test_a_session_ends_after_twelve_hours_however_busy_it_was(house):
    client = await house.signed_in("operator")
    for _ in range(LIFE // IDLE_CONSOLE):
        house.parts.clock.ahead += IDLE_CONSOLE - 1_000
        await client.get("/api/me")
    house.parts.clock.ahead += IDLE_CONSOLE - 1_000
    assert (await client.get("/api/me")).status_code == 401


@pytest.mark.parametrize("cookie", ["", "x", "A" * 43, "é" * 43, "A" * 10_000])
async def test_a_made_up_cookie_opens_nothing(house, cookie):
    client = await house.client()
    answer = await client.get("/api/me", headers={"cookie": f"saqtau_session={cookie}".encode()})
    assert (answer.status_code, answer.json()["kind"]) == (401, "unauthenticated")


async def test_a_change_without_the_token_or_with_another_sessions_token_is_refused(house):
    client, other = await house.signed_in("patrol1"), await house.signed_in("patrol2")
    foreign = other.headers["x-csrf-token"]
    for headers in ({"x-csrf-token": ""}, {"x-csrf-token": foreign}, {"x-csrf-token": "é".encode()}):
        answer = await client.post("/api/tablet/duty", json={"on": True}, headers=headers)
        assert (answer.status_code, answer.json()["fields"]) == (403, {"csrf": "wrong"})
    assert (await client.post("/api/tablet/duty", json={"on": True})).status_code == 200


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
    ],
)
async def test_another_sites_page_changes_nothing_here(house, headers, allowed):
    client = await house.client()
    answer = await client.post("/api/login", json={"name": "operator", "password": PASSWORD}, headers=headers)
    assert answer.status_code == (200 if allowed else 403)


async def test_a_string_is_no_name_of_another_type_and_an_unknown_field_is_refused(house):
    client = await house.client()
    for body, field in (
        ({"name": 1, "password": "x"}, "name"),
        ({"name": "a"}, "password"),
        ({"name": "a", "password": "x", "remember": True}, "remember"),
        ({"name": "a" * 65, "password": "x"}, "name"),
        (["a"], "body"),
    ):
        answer = await client.post("/api/login", json=body)
        assert (answer.status_code, list(answer.json()["fields"])) == (400, [field]), answer.text
    patrol = await house.signed_in("patrol1")
    for wrong in ("true", 1, None):
        answer = await patrol.post("/api/tablet/duty", json={"on": wrong})
        assert (answer.status_code, list(answer.json()["fields"])) == (400, ["on"])


async def test_one_session_that_asks_too_much_waits_and_the_others_do_not(engine, database, streams, tmp_path):
    limits = building.Limits(session_rate=1, session_burst=5)
    async with building.standing(engine, database, tmp_path, limits=limits) as house:
        await building.move_in(house.owner, house.parts.clock())
        greedy, other = await house.signed_in("operator"), await house.signed_in("duty")
        statuses = [(await greedy.get("/api/me")).status_code for _ in range(7)]
        assert statuses == [200] * 5 + [429] * 2
        assert (await other.get("/api/me")).status_code == 200


async def test_an_account_is_checked_before_it_is_added(house):
    now = house.parts.clock()
    for person, field in (
        (Person("UPPER", "x", ("operator",)), "id"),
        (Person("a", "", ("operator",)), "name"),
        (Person("a", "x", ("king",)), "roles"),
        (Person("a", "x", ("operator",), frozenset({0})), "regions"),
        (Person("a", "x", ("patrol",)), "unit"),
        (Person("a", "x", ("operator",), unit="U1"), "unit"),
        (Person("a", "x", ("administrator", "operator")), "roles"),
    ):
        with pytest.raises(Refused) as refused:
            await add_person(house.owner, person, None, now)
        assert (refused.value.kind, list(refused.value.fields)) == (Kind.INVALID, [field])
    with pytest.raises(Refused) as short:
        await add_person(house.owner, Person("a", "x", ("operator",)), "short", now)
    assert list(short.value.fields) == ["password"]


async def test_a_made_password_is_told_once_and_works(house):
    made = await add_person(house.owner, Person("newcomer", "Новая", ("duty_officer",), frozenset({2})), None, 1)
    client = await house.client()
    assert (await client.post("/api/login", json={"name": "newcomer", "password": made})).status_code == 200
    with pytest.raises(Refused) as taken:
        await add_person(house.owner, Person("newcomer", "Новая", ("operator",)), None, 1)
    assert taken.value.kind is Kind.CONFLICT


async def test_every_desk_is_told_as_data_with_its_forms(house):
    client = await house.signed_in("operator")
    desks = {desk["name"]: desk for desk in (await client.get("/api/desks")).json()}
    assert set(desks) == set(DESKS.current)
    refuse = next(edge for edge in desks["dispatch"]["edges"] if edge["name"] == "refuse")
    assert refuse["from"] == "offered"
    assert refuse["form"]["properties"]["reason"]["enum"]
    assert "$ref" not in str(desks)
