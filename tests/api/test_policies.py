"""Policies over HTTP: everybody reads them, the administrator proposes, the prosecutor puts in force, all see it."""

import asyncio

import pytest
from tests.api.house import PASSWORD
from typer.testing import CliRunner

from saqtau.bootstrap.web import watch_policies
from saqtau.cli import app
from saqtau.engine.policy_change import PolicyWatch
from saqtau.policies import texts

pytestmark = pytest.mark.anyio

EXTRA = """@id("analyst-watches")
@sentence("Analysts watch the queue.")
permit (principal in Role::"operator", action == Action::"break_glass.read", resource)
when { context.purpose == "duty" };
"""
WHY = "operators shall see who broke the glass"


@pytest.fixture
async def ruled(house):
    """A house whose policies stand in the record, and its watch."""
    for table in ("policy_force", "signature", "policy_set"):
        await house.owner.execute(f"alter table {table} disable trigger user")
        await house.owner.execute(f"delete from {table}")
        await house.owner.execute(f"alter table {table} enable trigger user")
    house.watch = await watch_policies(house.parts.pg, house.parts.access)
    return house


async def force(client):
    sets = (await client.get("/api/policies")).json()["sets"]
    (found,) = [one for one in sets if one["in_force"]]
    return found


async def proposed(house, patch=None, who="administrator"):
    client = await house.signed_in(who)
    base = (await force(client))["hash"]
    body = {"texts": patch or {"extra.cedar": EXTRA}, "base": base, "why": WHY}
    return client, await client.post("/api/policies", json=body)


async def test_everybody_with_an_account_reads_what_binds_him(ruled):
    for who in ("operator", "patrol1", "administrator", "auditor"):
        client = await ruled.signed_in(who)
        found = await force(client)
        assert (found["asked_by"], found["standing"]) == ("installer", "approved")
        seen = (await client.get(f"/api/policies/{found['id']}")).json()
        assert "own-region" in {rule["id"] for rule in seen["rules"]}
        assert seen["texts"]["limits.cedar"] == texts()[0]["limits.cedar"]


async def test_a_change_is_proposed_shown_and_put_in_force_by_another(ruled):
    operator = await ruled.signed_in("operator")
    assert (await operator.get("/api/break-glass")).status_code == 403
    administrator, answer = await proposed(ruled)
    assert answer.status_code == 201, answer.text
    seen = answer.json()
    assert [(one["id"], one["what"]) for one in seen["diff"]["rules"]] == [("analyst-watches", "added")]
    assert [(one["role"], one["action"], one["allowed"]) for one in seen["diff"]["shifts"]] == [
        ("operator", "break_glass.read", True)
    ]
    name = seen["line"]["id"]
    own = await administrator.post(f"/api/policies/{name}/approve")
    assert own.status_code == 403
    assert (await operator.get("/api/break-glass")).status_code == 403, "proposed is not in force"
    prosecutor = await ruled.signed_in("prosecutor")
    done = await prosecutor.post(f"/api/policies/{name}/approve")
    assert (done.status_code, done.json()["in_force"]) == (200, True), done.text
    assert await ruled.watch.look()
    assert (await operator.get("/api/break-glass")).status_code == 200
    assert (await ruled.entries(viewer="prosecutor", action="policy.approve"))[0]["object"] == name
    other = PolicyWatch(ruled.parts.pg, texts()[1], lambda _: None)
    assert await other.look()
    assert other.id == name


NO_POLICIES = (
    ({"extra.cedar": "permit ("}, "extra.cedar"),
    ({"limits.cedar": None}, "policies"),
    ({"none.cedar": None}, "texts"),
    ({"../x": EXTRA}, "file"),
)


async def test_what_is_no_lawful_policy_is_refused_by_name(ruled):
    for patch, field in NO_POLICIES:
        client, answer = await proposed(ruled, patch)
        assert (answer.status_code, list(answer.json()["fields"])) == (400, [field]), answer.text
        checked = await client.post("/api/policies/check", json={"texts": patch})
        assert checked.status_code == 400
    assert (await force(client))["asked_by"] == "installer"


async def test_only_the_administrator_proposes_and_only_the_prosecutor_decides(ruled):
    _, answer = await proposed(ruled, who="inspector")
    assert answer.status_code == 403
    _, answer = await proposed(ruled)
    name = answer.json()["line"]["id"]
    for who in ("inspector", "auditor", "duty"):
        client = await ruled.signed_in(who)
        assert (await client.post(f"/api/policies/{name}/approve")).status_code == 403, who
        assert (await client.post(f"/api/policies/{name}/refuse", json={"why": "not so"})).status_code == 403, who
    prosecutor = await ruled.signed_in("prosecutor")
    no = await prosecutor.post(f"/api/policies/{name}/refuse", json={"why": "too wide"})
    assert (no.json()["standing"], no.json()["closed_by"]) == ("refused", "prosecutor")
    assert (await prosecutor.post(f"/api/policies/{name}/approve")).json()["fields"] == {"standing": "refused"}


async def test_a_proposal_over_policies_that_changed_meanwhile_is_made_anew(ruled):
    _, first = await proposed(ruled)
    _, second = await proposed(ruled, {"extra.cedar": EXTRA.replace("operator", "clerk")})
    prosecutor = await ruled.signed_in("prosecutor")
    assert (await prosecutor.post(f"/api/policies/{first.json()['line']['id']}/approve")).status_code == 200
    late = await prosecutor.post(f"/api/policies/{second.json()['line']['id']}/approve")
    assert (late.status_code, late.json()["fields"]) == (409, {"base": "changed"})


async def test_the_command_asks_as_the_person_who_types(ruled, tmp_path):
    words = {"url": ruled.url, "folder": tmp_path}
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)

    def run(*verb, who):
        asked = ["policy", *verb, "--as", who, "--url", words["url"], "--password-file", str(secret)]
        return CliRunner().invoke(app, asked)

    extra = tmp_path / "extra.cedar"
    extra.write_text(EXTRA)
    told = await asyncio.to_thread(run, "propose", str(extra), "--why", WHY, who="administrator")
    assert told.exit_code == 0, told.output
    assert "ADDED permit analyst-watches" in told.output
    assert "MAY NOW operator: break_glass.read for duty" in told.output
    sets = (await (await ruled.signed_in("prosecutor")).get("/api/policies")).json()["sets"]
    own = await asyncio.to_thread(run, "approve", sets[0]["id"], "--yes", who="administrator")
    assert own.exit_code == 1
    done = await asyncio.to_thread(run, "approve", sets[0]["id"], "--yes", who="prosecutor")
    assert (done.exit_code, "in force: " in done.output) == (0, True), done.output
    shown = await asyncio.to_thread(run, "show", "--texts", str(tmp_path / "texts"), who="auditor")
    assert (tmp_path / "texts" / "extra.cedar").read_text() == EXTRA
    assert "permit analyst-watches: Analysts watch the queue." in shown.output
    secret.chmod(0o644)
    assert (await asyncio.to_thread(run, "list", who="auditor")).exit_code == 1
