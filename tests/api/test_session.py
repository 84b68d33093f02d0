"""Logging in: what is given, what is refused, what ends it."""

import pytest

pytestmark = pytest.mark.anyio


async def test_a_person_logs_in_and_is_told_who_he_is(house):
    client = await house.signed_in("operator")
    me = (await client.get("/api/me")).json()
    assert me["user"] == "operator"
    assert me["roles"] == ["operator"]
    assert me["regions"] == [2]
    assert len(me["csrf"]) == 43
