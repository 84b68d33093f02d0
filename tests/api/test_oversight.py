"""The overseer's page: who opened what, how it is counted, and one entry that an outsider's check accepts."""

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.api import house as building
from tests.api.desks import DESKS, furnish, open_hit

from saqtau.engine.ledger_read import read_records
from saqtau.kernel.access import AccessRequest, Action, Purpose
from saqtau.kernel.clock import DAY, MINUTE
from saqtau.ledger.leaf import LeafClass
from saqtau.ledger.note import COSIGNATURE, Signer
from saqtau.ledger.verify.entry import check_entry
from saqtau.ledger.verify.signed import keys_of

pytestmark = pytest.mark.anyio

WITNESS = Signer("prosecutor.test/witness", Ed25519PrivateKey.from_private_bytes(bytes(32)))


@pytest.fixture
async def house(engine, database, streams, tmp_path):
    async with building.standing(engine, database, tmp_path, desks=DESKS) as standing:
        await building.move_in(standing.owner, standing.parts.clock())
        await furnish(standing.owner, standing.parts.clock())
        yield standing


async def looked_at(house, name="operator"):
    """An item whose picture this person has looked at."""
    item, _ = await open_hit(house)
    client = await house.signed_in(name)
    answer = await client.get(f"/api/items/{item.id}/pictures/crop", params={"purpose": "incident"})
    assert answer.status_code == 200, answer.text
    await house.parts.access.settle()
    return item


async def found(house, client, **asked):
    await house.parts.access.settle()
    now = house.parts.clock()
    answer = await client.get("/api/oversight/entries", params={"from": now - DAY, "to": now + MINUTE} | asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def board(client):
    answer = await client.get("/api/oversight")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def cosign(house, origin, seconds=None):
    """What the notary does with a witness's answer to the newest checkpoint."""
    row = await house.owner.fetchrow("select id, size, note, at from ledger_log where origin = $1", origin)
    body = row["note"].partition("\n\n")[0] + "\n"
    at = row["at"] if seconds is None else seconds * 1000
    await house.owner.execute(
        "select ledger_cosign($1, $2, $3, $4, $5), ledger_witnessed($1, $3, $6, 'http://w', $2, null, $5)",
        row["id"], row["size"], WITNESS.name, WITNESS.cosign(body, at // 1000), at, WITNESS.vkey(COSIGNATURE),
    )  # fmt: skip
    return row["size"]


async def test_a_look_at_a_picture_is_found_by_person_object_kind_and_purpose(house):
    item = await looked_at(house)
    prosecutor = await house.signed_in("prosecutor")
    for asked in (
        {"object": item.id, "viewer": "operator"},
        {"object": item.id, "class": "view", "purpose": "incident"},
    ):
        (line, *_) = [
            one for one in (await found(house, prosecutor, **asked))["entries"] if one["action"] == "picture.read"
        ]
        assert (line["viewer"], line["role"], line["purpose"]) == ("operator", "operator", "incident")
        assert (line["decision"], line["object"], line["late"]) == ("allow", item.id, False)
        assert line["delivered"] > 0
        assert line["closed"] >= line["at"]
        assert line["policies"]
        assert len(line["policy_set"]) == 64
        assert line["told"] == {"picture": "crop"}
    for asked in ({"viewer": "inspector"}, {"class": "search"}, {"purpose": "case"}, {"object": "other"}):
        mine = (await found(house, prosecutor, **({"object": item.id} | asked)))["entries"]
        assert [one for one in mine if one["action"] == "picture.read"] == []


async def test_what_the_overseer_reads_is_an_entry_that_the_next_one_finds(house):
    prosecutor, auditor = await house.signed_in("prosecutor"), await house.signed_in("auditor")
    await found(house, prosecutor, viewer="operator")
    await board(prosecutor)
    lines = (await found(house, auditor, viewer="prosecutor"))["entries"]
    assert {"operator", ""} <= {line["object"] for line in lines if line["action"] == "access.read"}


async def test_an_overseer_leaves_out_his_own_reading(house):
    await looked_at(house)
    prosecutor = await house.signed_in("prosecutor")
    await found(house, prosecutor)
    viewers = {line["viewer"] for line in (await found(house, prosecutor, without="prosecutor"))["entries"]}
    assert "operator" in viewers
    assert "prosecutor" not in viewers
    (entry, *_) = reversed(await house.entries(viewer="prosecutor", action="access.read"))
    assert entry["told"] == {}  # what was asked for is more than a word: it stands in the entry itself


async def test_an_act_of_administration_tells_whom_it_concerned_and_from_where_it_was_done(house):
    told = {"account": "operator", "at": "command line", "by": "root"}
    await house.parts.access.tell(LeafClass.ADMIN, "account.add", told)
    prosecutor = await house.signed_in("prosecutor")
    (line, *_) = (await found(house, prosecutor, **{"class": "admin"}))["entries"]
    assert (line["action"], line["told"]) == ("account.add", told)


async def test_a_log_that_is_contradicted_says_so_on_the_board(house):
    await looked_at(house)
    prosecutor = await house.signed_in("prosecutor")
    (log, *_) = (await board(prosecutor))["logs"]
    assert not log["contradicted"]
    await house.owner.execute(
        "select ledger_witnessed(id, 'w', 'vkey', 'http://w', null, 'has seen 9 entries', 1, 'seen_more') "
        "from ledger_log where origin = $1", log["origin"],
    )  # fmt: skip
    after = next(one for one in (await board(prosecutor))["logs"] if one["origin"] == log["origin"])
    assert after["contradicted"]
    assert [one["against"] for one in after["witnesses"]] == ["seen_more"]


async def test_the_entry_about_a_search_says_all_that_was_searched_for(house):
    prosecutor = await house.signed_in("prosecutor")
    now = house.parts.clock()
    asked = {"viewer": "operator", "object": "an item", "purpose": "incident", "class": "view"}
    await found(house, prosecutor, **asked | {"from": now - 5, "to": now + 5})
    (entry, *_) = reversed(await house.entries(viewer="prosecutor", action="access.read", object="an item"))
    wish = AccessRequest(action=Action.READ_ACCESS, purpose=Purpose.OVERSIGHT)
    grant = await house.parts.access.open(building.LOOKER, wish)
    origin, index = entry["entry"].split("#")
    (one,) = [one async for one in read_records(grant, house.parts.pg, house.parts.keys, origin, int(index), 1, now)]
    assert one.record["told"] == {
        "asked": {
            "from": now - 5, "to": now + 5, "viewer": "operator", "object": "an item", "class": "view",
            "purpose": "incident",
        }
    }  # fmt: skip


async def test_asking_for_the_board_again_and_again_is_one_entry(house):
    prosecutor, auditor = await house.signed_in("prosecutor"), await house.signed_in("auditor")
    for _ in range(5):
        await board(prosecutor)
    lines = (await found(house, auditor, viewer="prosecutor"))["entries"]
    begun = max(line["at"] for line in lines if line["action"] != "access.read")
    assert sum(line["action"] == "access.read" and line["at"] >= begun for line in lines) == 1


async def test_the_board_counts_by_kind_purpose_and_role(house):
    prosecutor = await house.signed_in("prosecutor")

    def views(seen):
        rows = [
            one
            for one in seen["counts"]
            if (one["kind"], one["purpose"], one["role"]) == ("view", "incident", "operator")
        ]
        return [(one["today"], one["week"], one["month"]) for one in rows] or [(0, 0, 0)]

    before = views(await board(prosecutor))[0]
    await looked_at(house)
    assert views(await board(prosecutor))[0] == tuple(count + 1 for count in before)


async def test_a_denial_is_counted_and_found(house):
    item, _ = await open_hit(house)
    operator = await house.signed_in("operator7")
    assert (await operator.get(f"/api/items/{item.id}", params={"purpose": "incident"})).status_code in {403, 404}
    prosecutor = await house.signed_in("prosecutor")
    lines = (await found(house, prosecutor, **{"class": "deny", "viewer": "operator7"}))["entries"]
    assert {line["decision"] for line in lines} == {"deny"}
    assert any(one["kind"] == "denied" and one["role"] == "operator" for one in (await board(prosecutor))["counts"])


async def test_a_log_is_unwitnessed_since_its_oldest_entry_that_nobody_cosigned(house):
    await looked_at(house)
    prosecutor = await house.signed_in("prosecutor")
    (origin,) = {
        log["origin"] for log in (await board(prosecutor))["logs"] if log["region"] == 2 and log["kind"] == "access"
    }

    async def state():
        return next(log for log in (await board(prosecutor))["logs"] if log["origin"] == origin)

    await house.parts.access.settle()
    size = await cosign(house, origin)
    seen = await state()
    assert seen["witnessed"] == size
    assert [one["name"] for one in seen["witnesses"]] == [WITNESS.name]
    assert seen["since"] is None or seen["size"] > size
    await looked_at(house)
    later = await state()
    assert later["size"] > later["witnessed"] == size
    assert later["since"] <= later["at"]


async def test_a_time_without_a_witness_is_a_gap_while_it_lasts_and_afterwards(house):
    prosecutor = await house.signed_in("prosecutor")
    await looked_at(house)
    origin = next(log["origin"] for log in (await board(prosecutor))["logs"] if log["region"] == 2)
    await cosign(house, origin)
    item = await looked_at(house)
    house.parts.clock.ahead += 5 * MINUTE
    lasting = [gap for gap in (await board(prosecutor))["gaps"] if gap["origin"] == origin]
    assert [(gap["kind"], gap["end"]) for gap in lasting] == [("unwitnessed", None)]
    await house.parts.access.settle()
    now = house.parts.clock()
    await cosign(house, origin, now // 1000)
    over = [gap for gap in (await board(prosecutor))["gaps"] if gap["origin"] == origin]
    assert [gap["end"] for gap in over] == [now // 1000 * 1000]
    assert over[0]["begin"] == lasting[0]["begin"]
    assert over[0]["entries"] >= 1
    await house.owner.execute("select ledger_thin(id, $1) from ledger_log", now + DAY)
    assert [gap for gap in (await board(prosecutor))["gaps"] if gap["origin"] == origin] == over
    assert item.id


async def test_what_somebody_damaged_cannot_be_read_and_the_rest_can(house):
    item = await looked_at(house)
    prosecutor = await house.signed_in("prosecutor")
    before = await found(house, prosecutor, viewer="operator")
    assert any(line["object"] == item.id for line in before["entries"])
    await house.owner.execute("alter table ledger_pack disable trigger user")
    log, first = await house.owner.fetchrow(
        "select p.log, max(p.first) from ledger_pack p join ledger_log l on l.id = p.log "
        "where l.origin = 'saqtau.test/02/access/2026' group by p.log"
    )
    where = f"log = {log} and first = {first}"
    flip = f"update ledger_pack set leaves = set_byte(leaves, 9, get_byte(leaves, 9) # 1) where {where}"
    await house.owner.execute(flip)
    try:
        after = await found(house, prosecutor, viewer="operator")
        assert after["unreadable"] > before["unreadable"]
        lines = (await found(house, prosecutor, viewer="prosecutor"))["entries"]
        assert any(line["action"] == "access.read" for line in lines)
    finally:
        await house.owner.execute(flip)
        await house.owner.execute("alter table ledger_pack enable trigger user")
    assert len((await found(house, prosecutor, viewer="operator"))["entries"]) == len(before["entries"])


async def test_one_entry_is_handed_out_so_that_an_outsiders_check_accepts_it(house):
    item = await looked_at(house)
    prosecutor = await house.signed_in("prosecutor")
    line = next(
        one for one in (await found(house, prosecutor, object=item.id))["entries"] if one["action"] == "picture.read"
    )
    origin = line["entry"].partition("#")[0]
    await cosign(house, origin)
    answer = await prosecutor.get("/api/oversight/entry", params={"entry": line["entry"]})
    assert answer.status_code == 200, answer.text
    log = next(one for one in (await board(prosecutor))["logs"] if one["origin"] == origin)
    said = []
    assert check_entry(answer.content, keys_of(log["vkey"], None), said.append) == []
    assert any("its record is the one the log committed to" in one for one in said)
    assert WITNESS.name in answer.json()["proof"]
    record = msgspec.json.decode(answer.json()["record"])
    assert (record["viewer"], record["object"]) == ("operator", item.id)
    forged = answer.json() | {"record": answer.json()["record"].replace("operator", "inspector")}
    assert check_entry(msgspec.json.encode(forged), keys_of(log["vkey"], None), said.append) != []


async def test_time_is_paged_without_losing_or_repeating_an_entry(house):
    item = await looked_at(house)
    operator = await house.signed_in("operator")
    for _ in range(230):
        await operator.get(f"/api/items/{item.id}", params={"purpose": "incident"})
    prosecutor = await house.signed_in("prosecutor")
    first = await found(house, prosecutor, object=item.id)
    assert 200 <= len(first["entries"]) < 230
    assert first["next"] == first["entries"][-1]["at"]
    second = await found(house, prosecutor, object=item.id, to=first["next"])
    seen = [line["entry"] for page in (first, second) for line in page["entries"]]
    assert len(seen) == len(set(seen))
    assert sum(line["action"] == "item.read" for page in (first, second) for line in page["entries"]) == 230


@pytest.mark.parametrize("name", ["operator", "duty", "inspector", "administrator", "patrol1"])
async def test_nobody_else_oversees(house, name):
    client = await house.signed_in(name)
    now = house.parts.clock()
    for path, asked in (
        ("/api/oversight", {}),
        ("/api/oversight/entries", {"from": now - 1, "to": now}),
        ("/api/oversight/entry", {"entry": "saqtau.test/02/access/2026#0"}),
    ):
        assert (await client.get(path, params=asked)).status_code == 403, path


async def test_what_cannot_be_an_entry_is_refused_by_its_field(house):
    prosecutor = await house.signed_in("prosecutor")
    for entry, status in (
        ("x", 400),
        ("a#b", 400),
        ("nobody/00/access/2026#0", 404),
        ("saqtau.test/02/access/2026#9999999", 404),
    ):
        answer = await prosecutor.get("/api/oversight/entry", params={"entry": entry})
        assert (answer.status_code, bool(answer.json()["fields"])) == (status, True), answer.text
    for asked in (
        {"from": 5, "to": 5},
        {"from": 0, "to": 10**13},
        {"class": "nothing"},
        {"purpose": "x"},
        {"viewer": "\x01"},
    ):
        answer = await prosecutor.get("/api/oversight/entries", params={"from": 0, "to": 10} | asked)
        assert answer.status_code == 400, asked
