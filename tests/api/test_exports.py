"""The whole way of an export: asked, agreed to by another, fetched, checked by the program inside it."""

import asyncio
import contextlib
import io
import json
import subprocess
import sys
import time
import zipfile

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.api.desks import CROP, open_hit

from saqtau.bootstrap.web import watch_policies
from saqtau.engine import postgres
from saqtau.engine.blobs import keep_pictures
from saqtau.kernel.signal import Picture
from saqtau.ledger.note import COSIGNATURE, Signer, parse_note
from saqtau.ledger.verify import export as verifier

pytestmark = pytest.mark.anyio

CASE = "УД-12/2026"
ASK = {"case": CASE, "recipient": "Алматы қалалық соты", "reason": "for the trial of 1 December"}
WITNESS = Signer("prosecutor.test/witness", Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))


@pytest.fixture
async def ruled(house):
    """A house whose policies stand in the record, as the web process puts them there."""
    await watch_policies(house.parts.pg, house.parts.access)
    return house


@contextlib.asynccontextmanager
async def witnessing(house):
    """A witness that cosigns whatever the logs sign, until the end."""

    async def cosign():
        while True:
            for log, size, note in await house.owner.fetch("select id, size, note from ledger_log"):
                line = WITNESS.cosign(parse_note(note.encode()).body, int(time.time()))
                await house.owner.execute("select ledger_cosign($1, $2, $3, $4, $5)", log, size, WITNESS.name, line, 1)
                vkey = WITNESS.vkey(COSIGNATURE)
                await house.owner.execute(
                    "select ledger_witnessed($1, $2, $3, 'http://w', $4, null, 1)", log, WITNESS.name, vkey, size
                )
            await asyncio.sleep(0.05)

    task = asyncio.create_task(cosign())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def asked(house, item_id, **more):
    inspector = await house.signed_in("inspector")
    answer = await inspector.post("/api/exports", json={"item": item_id, **ASK, **more})
    return inspector, answer


async def approved(house, item):
    inspector, answer = await asked(house, item)
    assert answer.status_code == 201, answer.text
    name = answer.json()["id"]
    duty = await house.signed_in("duty")
    done = await duty.post(f"/api/exports/{name}/approve")
    assert (done.status_code, done.json()["standing"]) == (200, "approved"), done.text
    return inspector, name


def opened(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def findings(tmp_path, data):
    place = tmp_path / "package.zip"
    place.write_bytes(data)
    return [str(one) for one in verifier.check(place, None, lambda _: None)]


async def test_nothing_leaves_before_another_person_agreed(ruled):
    item, _ = await open_hit(ruled)
    inspector, answer = await asked(ruled, item.id)
    wish = answer.json()
    assert (answer.status_code, wish["standing"], wish["asked_by"]) == (201, "requested", "inspector")
    early = await inspector.get(f"/api/exports/{wish['id']}/package")
    assert (early.status_code, early.json()["fields"]) == (409, {"standing": "requested"})
    own = await inspector.post(f"/api/exports/{wish['id']}/approve")
    assert own.status_code == 403
    assert await ruled.entries(viewer="inspector", action="export.approve", decision="deny")
    duty = await ruled.signed_in("duty")
    done = (await duty.post(f"/api/exports/{wish['id']}/approve")).json()
    assert (done["standing"], [one["by"] for one in done["signatures"]]) == ("approved", ["duty"])
    assert (await duty.post(f"/api/exports/{wish['id']}/approve")).status_code == 409
    strangers = await duty.get(f"/api/exports/{wish['id']}/package")
    assert strangers.status_code == 403, "only who asked fetches it"


async def test_without_a_witness_the_package_is_provisional_and_holds(ruled, tmp_path):
    item, _ = await open_hit(ruled)
    operator = await ruled.signed_in("operator")
    await operator.get(f"/api/items/{item.id}/pictures/crop")
    await ruled.parts.access.settle()
    inspector, name = await approved(ruled, item.id)
    answer = await inspector.get(f"/api/exports/{name}/package")
    assert answer.status_code == 200, answer.text
    assert f"saqtau-export-{name}-PROVISIONAL.zip" in answer.headers["content-disposition"]
    files = opened(answer.content)
    manifest = json.loads(files["manifest.json"])
    assert manifest["standing"] == "PROVISIONAL"
    assert manifest["about"]["recipient"] == ASK["recipient"]
    assert [one["by"] for one in manifest["about"]["agreed"]] == ["duty"]
    assert files["content/pictures/crop.jpg"] == CROP
    assert json.loads(files["content/item.json"])["log"][0]["edge"] == "open"
    assert {"README.kk.txt", "README.ru.txt", "README.en.txt", "verify.py", "policies/limits.cedar"} <= files.keys()
    custody = [json.loads(json.loads(files[one])["record"]) for one in files if one.startswith("ledger/entries/")]
    told = [(one.get("viewer"), one.get("action")) for one in custody if one.get("kind") == "open"]
    assert ("operator", "picture.read") in told
    assert ("inspector", "export.request") in told
    assert ("duty", "export.approve") in told
    assert findings(tmp_path, answer.content) == []
    again = await inspector.get(f"/api/exports/{name}/package")
    assert again.content == answer.content
    (first, second) = await ruled.closed(2, viewer="inspector", action="export.receive", object=name)
    assert (first["delivered"], second["delivered"]) == (len(answer.content),) * 2


async def test_with_a_witness_it_is_witnessed_and_the_program_inside_says_so(ruled, tmp_path):
    item, _ = await open_hit(ruled)
    inspector, name = await approved(ruled, item.id)
    provisional = await inspector.get(f"/api/exports/{name}/package")
    assert "PROVISIONAL" in provisional.headers["content-disposition"]
    async with witnessing(ruled):
        answer = await inspector.get(f"/api/exports/{name}/package")
        again = await inspector.get(f"/api/exports/{name}/package")
    assert f'filename="saqtau-export-{name}.zip"' in answer.headers["content-disposition"]
    assert answer.content == again.content == (await inspector.get(f"/api/exports/{name}/package")).content
    files = opened(answer.content)
    assert json.loads(files["manifest.json"])["standing"] == "witnessed"
    assert WITNESS.name.encode() in files["ledger/checkpoint"]
    place = tmp_path / "package.zip"
    place.write_bytes(answer.content)
    (tmp_path / "verify.py").write_bytes(files["verify.py"])
    ask = [sys.executable, "-I", "verify.py", "package.zip"]
    done = subprocess.run(ask, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "every checkpoint is cosigned as the policy asks" in done.stdout
    changed = bytearray(answer.content)
    changed[answer.content.index(CROP) + 1000] ^= 1
    place.write_bytes(bytes(changed))
    done = subprocess.run(ask, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "DOES NOT HOLD" in done.stdout) == (1, True)


async def test_minors_and_custody_need_the_prosecutor_besides(ruled):
    item, _ = await open_hit(ruled, data={"minor": True})
    inspector, answer = await asked(ruled, item.id)
    wish = answer.json()
    assert wish["sensitive"] == ["minors"]
    duty, prosecutor = await ruled.signed_in("duty"), await ruled.signed_in("prosecutor")
    assert (await prosecutor.post(f"/api/exports/{wish['id']}/approve")).json()["fields"] == {"prosecutor": "not_yet"}
    assert (await duty.post(f"/api/exports/{wish['id']}/approve")).json()["standing"] == "awaits_prosecutor"
    assert (await inspector.get(f"/api/exports/{wish['id']}/package")).status_code == 409
    done = (await prosecutor.post(f"/api/exports/{wish['id']}/approve")).json()
    assert (done["standing"], [one["role"] for one in done["signatures"]]) == (
        "approved", ["duty_officer", "prosecutor"],
    )  # fmt: skip
    assert (await inspector.get(f"/api/exports/{wish['id']}/package")).status_code == 200


async def about_children(house, item):
    """Afterwards it is known that children are concerned."""
    await house.owner.execute(
        """update item set data = (data::jsonb || '{"minors": 2}')::json, rev = rev + 1 where id = $1""", item
    )


async def moved_on(house, item):
    await house.owner.execute("update item set rev = rev + 1 where id = $1", item)


async def another_picture(house, item):
    async with house.owner.transaction():
        picture = [Picture("child", "image/jpeg", b"\xff\xd8 child" * 100)]
        await keep_pictures(house.owner, house.parts.blobs, item, 2, picture, house.parts.clock())


async def a_child_of_it(house, item):
    await house.owner.execute(
        """insert into item (id, desk, spec, state, rev, region, priority, opened, changed, opened_by, parent,
               retention, data)
           select gen_random_uuid()::text, desk, spec, state, 0, region, priority, opened, changed, opened_by, id,
               retention, '{}' from item where id = $1""",
        item,
    )


@pytest.mark.parametrize("change", [moved_on, another_picture, a_child_of_it], ids=lambda one: one.__name__)
async def test_what_came_to_the_item_after_it_was_agreed_to_does_not_leave(ruled, change):
    item, _ = await open_hit(ruled, picture=False)
    inspector, name = await approved(ruled, item.id)
    await change(ruled, item.id)
    late = await inspector.get(f"/api/exports/{name}/package")
    assert (late.status_code, late.json()["fields"]) == (409, {"content": "changed"})
    inspector, again = await approved(ruled, item.id)
    assert (await inspector.get(f"/api/exports/{again}/package")).status_code == 200, "asked for anew"


async def test_what_was_issued_already_is_given_again_but_nothing_new_is_issued(ruled):
    item, _ = await open_hit(ruled, picture=False)
    inspector, name = await approved(ruled, item.id)
    first = await inspector.get(f"/api/exports/{name}/package")
    await another_picture(ruled, item.id)
    async with witnessing(ruled):
        again = await inspector.get(f"/api/exports/{name}/package")
    assert "PROVISIONAL" in again.headers["content-disposition"]
    assert again.content == first.content


async def test_what_concerns_minors_by_now_does_not_leave_without_the_prosecutor(ruled):
    item, _ = await open_hit(ruled, picture=False)
    inspector, name = await approved(ruled, item.id)
    assert (await inspector.get(f"/api/exports/{name}/package")).status_code == 200
    await about_children(ruled, item.id)
    late = await inspector.get(f"/api/exports/{name}/package")
    assert (late.status_code, late.json()["fields"]) == (409, {"prosecutor": "not_agreed"})


async def test_a_wish_that_concerns_minors_by_now_goes_to_the_prosecutor_and_he_can_agree(ruled):
    item, _ = await open_hit(ruled, picture=False)
    inspector, answer = await asked(ruled, item.id)
    name = answer.json()["id"]
    await about_children(ruled, item.id)
    duty, prosecutor = await ruled.signed_in("duty"), await ruled.signed_in("prosecutor")
    half = (await duty.post(f"/api/exports/{name}/approve")).json()
    assert (half["standing"], half["sensitive"]) == ("awaits_prosecutor", ["minors"])
    done = await prosecutor.post(f"/api/exports/{name}/approve")
    assert (done.status_code, done.json()["standing"]) == (200, "approved"), done.text
    package = await inspector.get(f"/api/exports/{name}/package")
    assert json.loads(opened(package.content)["manifest.json"])["about"]["concerns"] == ["minors"]


async def test_the_prosecutor_does_not_agree_to_another_state_than_the_officer_before_him(ruled):
    item, _ = await open_hit(ruled, picture=False, data={"minor": True})
    _, answer = await asked(ruled, item.id)
    name = answer.json()["id"]
    duty, prosecutor = await ruled.signed_in("duty"), await ruled.signed_in("prosecutor")
    assert (await duty.post(f"/api/exports/{name}/approve")).status_code == 200
    await another_picture(ruled, item.id)
    late = await prosecutor.post(f"/api/exports/{name}/approve")
    assert (late.status_code, late.json()["fields"]) == (409, {"content": "changed"})
    assert (await prosecutor.post(f"/api/exports/{name}/refuse", json={"why": "it has changed"})).status_code == 200


async def test_whoever_takes_over_the_web_process_approves_in_the_name_of_nobody(ruled, database):
    item, _ = await open_hit(ruled, data={"minors": 1})
    inspector, answer = await asked(ruled, item.id)
    name = answer.json()["id"]
    pg = await postgres.connect(database, postgres.APP)
    sql = "insert into signature values ('export', $1, $2, $3, 1, $4, sha256('x'))"
    entry = answer.json()["entry"]
    try:
        for who, role, under in (
            ("nobody.1", "duty_officer", entry),
            ("duty", "prosecutor", entry),
            ("duty", "duty_officer", "no entry"),
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await pg.execute(sql, name, who, role, under)
        await pg.execute("set app.regions = '{2}'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pg.execute("update export_wish set standing = 'approved' where id = $1", name)
    finally:
        await pg.close()
    assert (await inspector.get(f"/api/exports/{name}/package")).status_code == 409


NOT_HELD = (
    ({"case": "УД-99/2026"}, 403, "policy"),  # stands in no register
    ({"case": "УД-7/2026"}, 403, "policy"),  # of another region
    ({"reason": "because"}, 400, "reason"),
    ({"recipient": ""}, 400, "recipient"),
    ({"item": "00000000-0000-7000-8000-000000000000"}, 404, "item"),
    ({"more": 1}, 400, "more"),
)


async def test_a_wish_that_does_not_hold_is_refused_by_its_field(ruled):
    item, _ = await open_hit(ruled)
    for change, status, field in NOT_HELD:
        _, answer = await asked(ruled, item.id, **change)
        assert (answer.status_code, list(answer.json()["fields"])) == (status, [field]), answer.text


async def test_an_operator_may_not_even_ask_and_that_is_an_entry(ruled):
    item, _ = await open_hit(ruled)
    operator = await ruled.signed_in("operator")
    assert (await operator.post("/api/exports", json={"item": item.id, **ASK})).status_code == 403
    assert await ruled.entries(viewer="operator", action="export.request", decision="deny")


async def test_who_asked_takes_it_back_and_another_may_say_no(ruled):
    item, _ = await open_hit(ruled)
    inspector, answer = await asked(ruled, item.id)
    first = answer.json()["id"]
    back = await inspector.post(f"/api/exports/{first}/refuse", json={"why": "a mistake"})
    assert (back.status_code, back.json()["standing"], back.json()["closed_by"]) == (200, "refused", "inspector")
    second = (await asked(ruled, item.id))[1].json()["id"]
    duty = await ruled.signed_in("duty")
    no = await duty.post(f"/api/exports/{second}/refuse", json={"why": "the court has it already"})
    assert no.json()["closed_why"] == "the court has it already"
    listed = (await duty.get(f"/api/exports?item={item.id}")).json()["exports"]
    assert [one["standing"] for one in listed] == ["refused", "refused"]


async def test_after_two_weeks_the_package_is_gone(ruled):
    item, _ = await open_hit(ruled)
    inspector, name = await approved(ruled, item.id)
    ruled.parts.clock.ahead = 14 * 24 * 3600 * 1000
    inspector = await ruled.signed_in("inspector")
    late = await inspector.get(f"/api/exports/{name}/package")
    assert (late.status_code, late.json()["fields"]) == (409, {"standing": "approved"})
