"""Someone with full rights on the database, and with the log's key where it says so, against those outside.

Each test does it for real and names the command by which an outsider finds it, and after how many checkpoints or feeds.
docs/oversee/attacks.md is the table of these tests.
"""

import contextlib
import hashlib
import json
import secrets
import time
from urllib.parse import urlsplit

import pytest
from tests.engine.door import opened
from tests.witnessing import RunningWitness
from typer.testing import CliRunner

from saqtau import cli
from saqtau.bootstrap import witness as office
from saqtau.engine import ledger_read, migrate, postgres
from saqtau.engine.journal import LATE
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.late import Late
from saqtau.engine.ledger import ACCESS, EVIDENCE, Draft, Ledger
from saqtau.engine.ledger_open import read_open
from saqtau.kernel.clock import DAY, HOUR, MINUTE, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.checkpoint import parse
from saqtau.ledger.leaf import Leaf, LeafClass, canonical, encode_leaf
from saqtau.ledger.note import ED25519, cosign, parse_note
from saqtau.ledger.policy import of_keys
from saqtau.ledger.tiles import ENTRIES, TilePath, pack_entries, unpack_entries
from saqtau.ledger.tree import WIDTH, leaf_hashes, row_widths, subtree_root
from saqtau.ledger.witness import opened as overseers
from saqtau.ledger.witness.mirror import Mirror
from saqtau.ledger.witness.request import compose_request

pytestmark = pytest.mark.anyio

SEED = bytes(range(32))
SIZE = 700


def now():
    return Instant(time.time_ns() // 1_000_000)


def draft(number):
    return Draft(ACCESS, 2, LeafClass.VIEW, "access_3y", {"viewer": "a.b", "object": f"item {number}"}, None)


@pytest.fixture(scope="module")
def witness(tmp_path_factory):
    """The prosecutor's: a process of its own with its own folder and key."""
    made = RunningWitness(tmp_path_factory.mktemp("prosecutor"))
    yield made.start()
    made.kill()


class House:
    """The police's side: a database and the key of its log, and what leaves it: feeds and what is served."""

    def __init__(self, server, folder, witness, authority, kind=ACCESS):
        self.server, self.folder, self.witness = server, folder, witness
        self.signers = Signers(authority, SEED)
        self.origin = f"{authority}/02/{kind}/{time.gmtime().tm_year}"
        self.vkey = self.signers.signer(self.origin).vkey(ED25519)
        self.policy = folder / "oversight.policy"
        self.policy.write_bytes(of_keys({self.vkey: None}, {witness.vkey: None}, 1).text())
        self.witnessed_at = hashlib.sha256(self.origin.encode()).hexdigest()

    @contextlib.asynccontextmanager
    async def at_work(self, clock=now):
        """A process of the house, with the ledger that appends."""
        async with postgres.pool(self.server, postgres.WORKER, 4) as pool:
            ledger = Ledger(pool, self.signers, Keys(self.folder / "keys"), clock, secrets.token_bytes, patience=1)
            try:
                yield pool, ledger
            finally:
                await ledger.close()

    async def grow(self, count, clock=now):
        async with self.at_work(clock) as (_, ledger):
            await ledger.append_all([draft(number) for number in range(count)])

    async def feed(self, old):
        """One feed: the newest checkpoint is shown to the witness, as one that saw `old`; the answer's status."""
        async with self.at_work() as (pool, _):
            note = (await ledger_read.checkpoint(pool, self.origin)).encode()
            size = parse(parse_note(note)).size
            proof = await ledger_read.Proofs(pool).consistency(self.origin, old, size) if old <= size else []
            answer = self.witness.post(compose_request(old, proof, note))
            if answer.status_code == 200:
                await self.admin(
                    "insert into ledger_cosigned select id, $2, $3, $4, 1, $5 from ledger_log where origin = $1",
                    self.origin, size, self.witness.verifier.name, answer.text, hashlib.sha256(note).digest(),
                )  # fmt: skip
            return answer.status_code

    async def admin(self, sql, *values):
        """As the database's administrator, who switches the guards off first."""
        pg = await postgres.connect(self.server, postgres.ADMIN)
        try:
            await pg.execute("set session_replication_role = replica")
            return await pg.fetch(sql, *values)
        finally:
            await pg.close()

    async def served(self, name="served"):
        """What an outsider gets from the house: the folder that HTTP would serve, or a mirror would keep."""
        folder = self.folder / name
        async with self.at_work() as (pool, _):
            note = await ledger_read.checkpoint(pool, self.origin)
            size = parse(parse_note(note.encode())).size
            paths = [
                TilePath(level, index, min(WIDTH, (size >> (8 * max(level, 0))) - index * WIDTH))
                for level in (ENTRIES, *range(len(row_widths(size))))
                for index in range(-(-(size >> (8 * max(level, 0))) // WIDTH))
            ]
            for path in paths:
                place = folder / path.text
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(await ledger_read.tile(pool, self.origin, path))
        (folder / "checkpoint").write_text(note)
        return folder

    def cosigned(self):
        """The address where the witness shows to anybody what it cosigned last."""
        return f"{self.witness.url}/{self.witnessed_at}/checkpoint"

    def evidence(self):
        return [one for one in self.witness.evidence() if one.origin == self.origin]


@pytest.fixture
def fresh(engine):
    return engine.fresh_database()


@pytest.fixture
async def house(fresh, witness, tmp_path):
    """A log of 700 entries in three steps; the witness cosigned each."""
    made = House(fresh, tmp_path, witness, f"{secrets.token_hex(4)}.test")
    witness.watch(made.vkey)
    seen = 0
    for size in (1, 300, SIZE):
        await made.grow(size - seen)
        assert await made.feed(seen) == 200
        seen = size
    assert outsider("log", await made.served("whole"), "--policy", made.policy) == ["everything holds"]
    assert made.evidence() == []
    return made


def outsider(*words):
    """`saqtau verify …` as anybody types it: what does not hold, or that everything does."""
    done = CliRunner().invoke(cli.app, ["verify", *map(str, words)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    said = done.stdout.splitlines()
    assert (done.exit_code == 0) == (said[-1] == "everything holds")
    return [line.removeprefix("DOES NOT HOLD  ") for line in said if "DOES NOT HOLD" in line] or [said[-1]]


def other_leaf():
    return encode_leaf(
        Leaf(secrets.token_bytes(32), LeafClass.VIEW, time.strftime("%Y-%m-%d", time.gmtime()), "access_3y")
    )


async def change_entry(house, index):
    """Put another leaf in the place of this one, in the row that holds it."""
    sql = (
        "select p.* from ledger_pack p join ledger_log l on l.id = p.log "
        "where l.origin = $1 and first <= $2 order by first desc limit 1"
    )
    (row,) = await house.admin(sql, house.origin, index)
    entries = unpack_entries(row["leaves"])
    entries[index - row["first"]] = other_leaf()
    sql = "update ledger_pack set leaves = $1 where log = $2 and first = $3"
    await house.admin(sql, pack_entries(entries), row["log"], row["first"])
    return row["log"]


async def put_back(house, size):
    """Cut the log to an earlier size: whatever lies beyond goes, and the head is the one that was signed then."""
    (row,) = await house.admin("select * from ledger_log where origin = $1", house.origin)
    (kept,) = await house.admin("select note from ledger_checkpoint where log = $1 and size = $2", row["id"], size)
    sql = "select leaves from ledger_pack where log = $1 and first < $2 order by first"
    leaves = [leaf for pack in await house.admin(sql, row["id"], size) for leaf in unpack_entries(pack["leaves"])]
    assert len(leaves) == size
    for table in ("ledger_pack", "ledger_records"):
        await house.admin(f"delete from {table} where log = $1 and first >= $2", row["id"], size)
    for table in ("ledger_checkpoint", "ledger_cosigned"):
        await house.admin(f"delete from {table} where log = $1 and size > $2", row["id"], size)
    await house.admin("delete from ledger_tile where log = $1 and level = 0 and index >= $2", row["id"], size // WIDTH)
    # the edge as the house keeps it: full tiles of the leaves up to the last multiple of 256
    edge = b"".join(subtree_root(leaf_hashes(leaves[at : at + WIDTH])) for at in range(0, size - size % WIDTH, WIDTH))
    sql = "update ledger_log set size = $2, root = $3, note = $4, edge = $5 where id = $1"
    await house.admin(sql, row["id"], size, parse(parse_note(kept["note"].encode())).root, kept["note"], edge)


async def copied(server):
    """A backup of the whole database, as a database that can be used."""
    name = f"copy_{secrets.token_hex(4)}"
    await migrate.create_database(server, name, urlsplit(server.dsn).path.removeprefix("/"))
    return server.at(name)


def mirror(house, served):
    """The copy that the witness's office made of what was served."""
    note = (served / "checkpoint").read_bytes()
    size = parse(parse_note(note)).size
    kept = Mirror(house.folder / "prosecutor")
    draft = kept.begin(house.origin, 0)
    for index in range(-(-size // WIDTH)):
        path = TilePath(ENTRIES, index, min(WIDTH, size - index * WIDTH))
        draft.add((served / path.text).read_bytes(), path.width)
    assert draft.finish(parse(parse_note(note)).root, note)
    return kept.place(house.origin)


def office_key(witness):
    """The witness's own key, as its keeper has it."""
    store, key = office.opened(witness.folder)
    store.close()
    return key


# one row


async def test_an_entry_edited_in_its_row(house):
    await change_entry(house, 100)
    (told,) = outsider("log", await house.served(), "--policy", house.policy)
    assert told == "entry 100: was changed: the signed root and tile/0/000 hold the hash of another"


async def test_an_entry_edited_together_with_its_tile(house):
    log = await change_entry(house, 100)
    rows = await house.admin("select leaves from ledger_pack where log = $1 and first < 256 order by first", log)
    leaves = [leaf for row in rows for leaf in unpack_entries(row["leaves"])]
    tile = b"".join(leaf_hashes(leaves))
    await house.admin("update ledger_tile set hashes = $2 where log = $1 and level = 0 and index = 0", log, tile)
    told = outsider("log", await house.served(), "--policy", house.policy)
    assert told[-1].startswith("checkpoint: was not made over these entries")


async def test_an_entry_of_the_last_bundle_edited_before_the_house_starts_again(house):
    await change_entry(house, SIZE - 1)
    told = outsider("log", await house.served(), "--policy", house.policy)
    assert told[-1].startswith("checkpoint: was not made over these entries")
    async with house.at_work() as (_, ledger):
        with pytest.raises(Refused) as refused:
            await ledger.append(draft(0))
    assert refused.value.kind is Kind.UNAVAILABLE


async def test_an_entry_deleted_with_its_row(house):
    mirrored = mirror(house, await house.served("before"))
    sql = "delete from ledger_pack where first = 1 and log = (select id from ledger_log where origin = $1)"
    await house.admin(sql, house.origin)
    told = outsider("log", await house.served(), "--policy", house.policy)
    assert told[0].startswith("tile/entries/000: holds")
    assert outsider("log", mirrored, "--policy", house.policy) == ["everything holds"]


# what waits in the journal while the ledger cannot write


async def letters(house, js, count):
    """Help's entries that the ledger could not take, durable in the journal."""
    late = Late(js, bytes(32), secrets.token_bytes)
    names = [secrets.token_hex(8) for _ in range(count)]
    for name in names:
        record = {"v": 1, "id": name, "at": now(), "kind": "open", "action": "queue.watch", "viewer": "a.b"}
        await late.put(name, Draft(ACCESS, 2, LeafClass.VIEW, "access_3y", record))
    return names


async def drained(house, js):
    async with house.at_work() as (pool, ledger):
        return await Late(js, bytes(32), secrets.token_bytes).drain(pool, ledger, now)


async def told(house, action):
    """What the overseer finds under an action."""
    async with opened(house.server, house.folder, now) as door:
        return await door.lines(action=action)


async def test_a_late_entry_taken_out_of_the_journal(house, js):
    assert await drained(house, js) == 0
    await letters(house, js, 3)
    await js.purge_stream(LATE.name)
    assert await drained(house, js) == 0
    (gap,) = await told(house, "late_gap")
    assert (gap["klass"], await told(house, "queue.watch")) == ("admin", [])
    await letters(house, js, 2)
    await js.delete_msg(LATE.name, 4)
    assert await drained(house, js) == 1
    assert len(await told(house, "late_gap")) == 2


async def test_a_late_entry_said_to_stand_in_the_ledger(house, js):
    assert await drained(house, js) == 0
    (name,) = await letters(house, js, 1)
    await house.admin("insert into late_done values ($1, $2, $3)", f"{house.origin}#0", name, now())
    assert await drained(house, js) == 1
    (line,) = await told(house, "queue.watch")
    assert (line["id"], line["late"]) == (f"late:{name}", True)


# the tail, with the log's key


async def test_the_tail_rewritten_and_signed_anew(house):
    await put_back(house, 300)
    await house.grow(500)
    assert await house.feed(SIZE) == 422
    (kept,) = house.evidence()
    assert (kept.size, kept.our_size) == (800, SIZE)
    served = await house.served()
    told = outsider("log", served, "--policy", house.policy, "--against", house.cosigned())
    assert any("the log was rewritten, or it is a fork" in one for one in told)
    assert any("not witnessed as the policy asks" in one for one in told)


async def test_yesterdays_backup_restored(house, fresh):
    backup = await copied(fresh)
    await house.grow(100)
    assert await house.feed(SIZE) == 200
    house.server = backup
    told = outsider("log", await house.served(), "--policy", house.policy, "--against", house.cosigned())
    (only,) = told
    assert only.startswith(f"{house.cosigned()}: says 800 entries, the log shows only 700: it was rolled back")
    await house.grow(1)
    assert await house.feed(SIZE) == 409
    await house.grow(200)
    assert await house.feed(800) == 422
    assert [one.size for one in house.evidence() if one.kind == "unexplained"] == [901]


async def test_two_logs_one_for_the_witness_and_one_for_the_auditor(house, fresh):
    other = await copied(fresh)
    await house.grow(50)
    assert await house.feed(SIZE) == 200
    (house.folder / "second").mkdir()
    shown = House(other, house.folder / "second", house.witness, house.origin.partition("/")[0])
    await shown.grow(60)
    served = await shown.served()
    assert outsider("log", served, "--policy", house.policy) == [
        "checkpoint: not witnessed as the policy asks: 0 known witnesses cosigned it"
    ]
    told = outsider("log", served, "--policy", house.policy, "--against", house.cosigned())
    assert any("the log was rewritten, or it is a fork" in one for one in told)
    assert await shown.feed(750) == 422
    assert {one.size for one in house.evidence()} == {760}


async def test_the_clock_turned_back(house):
    await house.grow(10, clock=lambda: Instant(now() - 3 * DAY))
    assert await house.feed(SIZE) == 200
    (told,) = outsider("log", await house.served(), "--policy", house.policy)
    assert told.startswith(f"entry {SIZE}: bears the day")
    assert told.endswith("a clock was turned back")


async def test_an_old_checkpoint_shown_again(house):
    old = await house.served("old")
    await house.grow(100)
    assert await house.feed(SIZE) == 200
    assert outsider("log", old, "--policy", house.policy) == ["everything holds"]
    (told,) = outsider("log", old, "--policy", house.policy, "--against", house.cosigned())
    assert "says 800 entries, the log shows only 700" in told
    assert house.witness.post(compose_request(0, [], (old / "checkpoint").read_bytes())).status_code == 409
    assert not any(one.proven for one in house.evidence())


async def test_the_cosignatures_taken_away(house):
    await house.admin(
        "delete from ledger_cosigned where log = (select id from ledger_log where origin = $1)", house.origin
    )
    assert outsider("log", await house.served(), "--policy", house.policy) == [
        "checkpoint: not witnessed as the policy asks: 0 known witnesses cosigned it"
    ]


async def test_a_record_put_in_the_place_of_another(house):
    async with house.at_work() as (pool, _):
        proof = await ledger_read.Proofs(pool).proof_of(house.origin, 100)
    forged, dek = canonical({"viewer": "somebody else", "object": "item 100"}), secrets.token_bytes(32)
    file = house.folder / "100.json"
    file.write_text(
        json.dumps(
            {"v": 1, "entry": f"{house.origin}#100", "proof": proof, "record": forged.decode(), "dek": dek.hex()}
        )
    )
    told = outsider("entry", file, "--policy", house.policy)
    assert told == ["entry 100: the record is not the one that the log committed to: record or key was changed"]


# police and witness together


async def test_police_and_witness_together_are_found_only_by_whoever_kept_a_checkpoint(house, tmp_path_factory):
    async with house.at_work() as (pool, _):
        printed = parse(parse_note((await ledger_read.checkpoint(pool, house.origin)).encode()))
    await put_back(house, 300)
    await house.grow(500)
    served = await house.served()
    body = parse_note((served / "checkpoint").read_bytes()).body
    key = office_key(house.witness)
    with (served / "checkpoint").open("a") as file:
        file.write(cosign(key, body, int(time.time())))
    assert outsider("log", served, "--policy", house.policy, "--within", 1) == ["everything holds"]
    (told,) = outsider(
        "paper", served, "--policy", house.policy, "--origin", house.origin, "--size", printed.size, "--root",
        printed.root.hex(),
    )  # fmt: skip
    assert "the log was rewritten, or it is a fork" in told


# cameras that watch the police


class Films:
    """A colony whose recorder enters its minutes, and the overseer's copy of them."""

    def __init__(self, house):
        self.house = house
        self.began = Instant(now() // HOUR * HOUR - DAY)
        self.seen = 0

    def at(self, number):
        return Instant(self.began + number * MINUTE)

    def minute(self, number, recorded=MINUTE, last=None, chain="a"):
        line = {
            "camera": "c1", "last": number if last is None else last, "chain": chain * 64, "bytes": 1, "frames": 1,
            "recorded_ms": recorded,
        }  # fmt: skip
        record = {
            "v": 1, "kind": "minute", "at": self.at(number), "until": self.at(number + 1), "region": 2,
            "site": "colony", "cameras": [line],
        }  # fmt: skip
        return Draft(EVIDENCE, 2, LeafClass.SEGMENT, "evidence_1y", record, None)

    async def enter(self, *drafts):
        """The police enter minutes; the witness cosigns."""
        async with self.house.at_work() as (_, ledger):
            await ledger.append_all(drafts)
        assert await self.house.feed(self.seen) == 200
        self.seen += len(drafts)

    async def copy(self, when):
        """What the witness's office copies at that instant: leaves, and the records that are open."""
        served = await self.house.served(f"served {self.seen}")
        place = mirror(self.house, served)
        overseers.arrived(place, when, self.seen)
        async with self.house.at_work() as (pool, _):
            keys = Keys(self.house.folder / "keys")
            first = overseers.next_of(place)
            records = await read_open(pool, keys, self.house.origin, first) if first < self.seen else []
        overseers.keep(place, first, self.seen, records)
        return place

    def counted(self, place):
        """`saqtau verify dark` as the overseer types it: its lines."""
        since = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(self.began / 1000))
        words = ["verify", "dark", str(place), "--policy", str(self.house.policy), "--since", since]
        return CliRunner().invoke(cli.app, words).stdout.splitlines()


@pytest.fixture
async def films(fresh, witness, tmp_path):
    """Ten whole minutes of a camera in a cell, cosigned and copied."""
    house = House(fresh, tmp_path, witness, f"{secrets.token_hex(4)}.test", EVIDENCE)
    witness.watch(house.vkey)
    made = Films(house)
    await made.enter(*(made.minute(number) for number in range(10)))
    place = await made.copy(made.at(10))
    assert "10 minutes, 10 recorded, 0 partly, 0 DARK, 0 WITHOUT A WORD" in "\n".join(made.counted(place))
    return made


async def test_dark_minutes_painted_over_in_the_account(films):
    await films.enter(films.minute(10, 0, last=9), films.minute(11, 0, last=9), films.minute(12))
    await films.house.admin("insert into site (id, name, region, lat, lon) values ('colony', 'Colony', 2, 51.2, 71.4)")
    await films.house.admin(
        """insert into video_camera (id, site, name, region, place, lat, lon, address, keep_days, added, added_by)
           values ('c1', 'colony', 'Cell', 2, 'penal_colony', 51.2, 71.4, 'rtsp://camera.example', 90, $1, 'a.b')""",
        films.began,
    )
    await films.house.admin(
        "insert into video_hour (camera, hour, minutes) values ('c1', $1, $2)", films.began, bytes([1]) * 13 + bytes(47)
    )
    said = "\n".join(films.counted(await films.copy(films.at(13))))
    assert "13 minutes, 11 recorded, 0 partly, 2 DARK" in said


async def test_an_outage_about_which_nothing_was_entered(films):
    await films.enter(films.minute(40))
    said = "\n".join(films.counted(await films.copy(films.at(41))))
    assert "41 minutes, 11 recorded, 0 partly, 0 DARK, 30 WITHOUT A WORD" in said


async def test_minutes_entered_when_the_story_is_ready(films):
    await films.enter(films.minute(200))
    await films.copy(films.at(201))
    await films.enter(*(films.minute(number, last=9) for number in range(10, 12)), films.minute(202))
    told = [line for line in films.counted(await films.copy(films.at(203))) if "DOES NOT HOLD" in line]
    assert len(told) == 2
    assert all("was not entered yet at" in line for line in told)


async def test_a_recording_thrown_away_and_begun_anew(films):
    await films.enter(films.minute(10, last=3, chain="b"))
    (told,) = [line for line in films.counted(await films.copy(films.at(11))) if "DOES NOT HOLD" in line]
    assert told.endswith("entry 10: camera c1: its recording goes back from link 9 to 3")


async def test_the_record_of_a_dark_minute_withheld_from_the_copy(films):
    await films.enter(films.minute(10, 0, last=9))
    newest = "select max(first) from ledger_records where log = (select id from ledger_log where origin = $1)"
    await films.house.admin(
        f"delete from ledger_records where first = ({newest}) and log = (select id from ledger_log where origin = $1)",
        films.house.origin,
    )
    said = "\n".join(films.counted(await films.copy(films.at(11))))
    assert "open: 1 accounts of cameras are not in this copy" in said
    assert "CANNOT BE CHECKED" in said
