"""An overseer counts dark minutes from his own copy: of a log made here, signed, mirrored, with its open records."""

import datetime as dt

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from saqtau import cli
from saqtau.kernel.clock import HOUR, MINUTE, SECOND, Instant
from saqtau.kernel.errors import Refused
from saqtau.ledger.checkpoint import Checkpoint
from saqtau.ledger.leaf import Leaf, LeafClass, canonical, commitment, encode_leaf
from saqtau.ledger.note import Signer, compose_note
from saqtau.ledger.open_records import OpenRecord, encode, parse_lines
from saqtau.ledger.tiles import pack_entries
from saqtau.ledger.tree import Edge, leaf_hashes
from saqtau.ledger.verify.dark import recount, tell
from saqtau.ledger.verify.finding import silent
from saqtau.ledger.verify.folder import folder_reader
from saqtau.ledger.verify.signed import keys_of
from saqtau.ledger.witness import opened
from saqtau.ledger.witness.mirror import Mirror

ORIGIN = "saqtau.test/02/evidence/2026"
KEY = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32))
T = Instant(1_795_000_000_000 // HOUR * HOUR)
DAY = dt.datetime.fromtimestamp(T // 1000, dt.UTC).date().isoformat()


def at(minute, second=0):
    return Instant(T + minute * MINUTE + second * SECOND)


def line(camera, last, recorded=MINUTE, gaps=(), chain="a"):
    made = {"camera": camera, "last": last, "chain": chain * 64, "bytes": 1, "frames": 1, "recorded_ms": recorded}
    return made | {"gaps": list(gaps)} if gaps else made


def minute(number, *cameras, site="colony", length=1):
    return LeafClass.SEGMENT, {
        "v": 1, "kind": "minute", "at": at(number), "until": at(number + length), "region": 2, "site": site,
        "cameras": list(cameras),
    }  # fmt: skip


def health(number, camera, before, verdict):
    return LeafClass.HEALTH, {
        "v": 1, "kind": "health", "at": at(number), "camera": camera, "site": "colony", "region": 2,
        "place": "penal_colony", "verdict": verdict, "before": before, "since": at(number), "short_days": 0,
    }  # fmt: skip


class Copy:
    """A witness's folder, filled by the mirror's own code."""

    def __init__(self, folder):
        self.mirror = Mirror(folder)
        self.place = self.mirror.place(ORIGIN)
        self.leaves, self.records = [], []

    def enter(self, *records, other=0):
        """Entries; and so many of persons, whose records nobody copies."""
        for klass, record in records:
            data = canonical(record)
            dek = (len(self.leaves) + 1).to_bytes(32, "big")
            self.leaves.append(encode_leaf(Leaf(commitment(dek, data), klass, DAY, "evidence_1y")))
            self.records.append(OpenRecord(len(self.leaves) - 1, data, dek))
        for _ in range(other):
            self.leaves.append(encode_leaf(Leaf(bytes(32), LeafClass.PICTURE, DAY, "evidence_1y")))
        return self

    def fetch(self, now=T, *, withheld=()):
        """As a witness does: leaves, then records."""
        have = int((self.place / "checkpoint").read_text().splitlines()[1]) if self.place.exists() else 0
        draft = self.mirror.begin(ORIGIN, have)
        for first in range(have - have % 256, len(self.leaves), 256):
            some = self.leaves[first : first + 256]
            draft.add(pack_entries(some), len(some))
        root = Edge().append(leaf_hashes(self.leaves))[0].root()
        body = Checkpoint(ORIGIN, len(self.leaves), root).body()
        assert draft.finish(root, compose_note(body, [KEY.sign(body)]).encode())
        opened.arrived(self.place, now, len(self.leaves))
        first = opened.next_of(self.place)
        while first < len(self.leaves):
            stop = min(first - first % 256 + 256, len(self.leaves))
            served = [one for one in self.records if first <= one.index < stop and one.index not in withheld]
            opened.keep(self.place, first, stop, served)
            first = stop
        return self

    def count(self, **more):
        return recount(
            folder_reader(self.place), lambda bundle: opened.read_lines(self.place, bundle),
            (self.place / opened.ARRIVALS).read_bytes(), keys_of(KEY.vkey(), None), silent, now=at(2000), **more,
        )  # fmt: skip


@pytest.fixture
def copy(tmp_path):
    return Copy(tmp_path)


def figures(found):
    return {one.camera: (one.minutes, one.recorded, one.partly, one.dark, one.off, one.silent) for one in found.cameras}


def test_what_was_recorded_is_counted_from_the_entries_alone(copy):
    for n in range(10):
        copy.enter(minute(n, line("c1", n * 300 + 299), line("c2", n * 300 + 299, MINUTE - 300)), other=2)
    found = copy.fetch().count()
    assert found.findings == []
    assert figures(found) == {"c1": (10, 10, 0, 0, 0, 0), "c2": (10, 10, 0, 0, 0, 0)}
    assert (found.began, found.ended) == (at(0), at(10))


def test_a_pulled_plug_is_dark_whatever_it_is_called_and_an_off_switch_is_not(copy):
    silent_ = {"began": at(2, 20), "kind": "source_silent"}
    off = {"began": at(1), "kind": "disabled"}
    copy.enter(
        minute(0, line("c1", 1), line("c2", 1)),
        minute(1, line("c1", 2), line("c2", 2, 0, [off])),
        minute(2, line("c1", 3, 20_000, [silent_]), line("c2", 2, 0, [off])),
        minute(3, line("c1", 3, 0, [silent_]), line("c2", 9, 56_000, [off | {"began": at(3), "ended": at(3, 4)}])),
        minute(4, line("c1", 9, 56_000, [{"began": at(4), "ended": at(4, 4), "kind": "reconnect"}]), line("c2", 10)),
    )  # fmt: skip
    found = copy.fetch().count()
    assert figures(found) == {"c1": (5, 2, 1, 2, 0, 0), "c2": (5, 2, 1, 0, 2, 0)}
    assert [(one.began, one.ended, one.kind, one.why) for one in found.cameras[0].stretches] == [
        (at(2), at(4), "dark", "source_silent")
    ]


def test_an_institution_that_says_nothing_is_not_believed(copy):
    copy.enter(minute(0, line("c1", 1), line("c2", 1)), minute(1, line("c1", 2)))
    copy.enter(minute(9, line("x1", 1), site="square"))
    found = copy.fetch().count()
    assert figures(found) == {"c1": (10, 2, 0, 0, 0, 8), "c2": (10, 1, 0, 0, 0, 9), "x1": (1, 1, 0, 0, 0, 0)}
    words = list(tell(found))
    assert any("c2: 10 minutes, 1 recorded, 0 partly, 0 DARK, 9 WITHOUT A WORD" in one for one in words)


def test_who_was_told_of_before_the_count_begins_is_counted_though_nothing_is_told_since(copy):
    copy.enter(minute(0, line("c1", 1)), minute(30, line("c2", 1)))
    found = copy.fetch().count(began=at(20), ended=at(40))
    assert figures(found) == {"c2": (1, 1, 0, 0, 0, 0), "c1": (11, 0, 0, 0, 0, 11)}


def test_the_minute_in_which_a_camera_was_entered_had_begun_without_it(copy):
    copy.enter(minute(0, line("c1", 1, 20_000)), minute(1, line("c1", 2, 20_000)), minute(2, line("c1", 3)))
    assert figures(copy.fetch().count()) == {"c1": (2, 1, 0, 1, 0, 0)}


def test_a_minute_that_is_to_come_is_no_minute_and_nobody_counts_for_ever(copy):
    copy.enter(minute(0, line("c1", 1)), minute(2**30, line("c1", 2)), minute(1, line("c1", 2)))
    found = copy.fetch().count()
    assert figures(found) == {"c1": (2, 2, 0, 0, 0, 0)}
    assert [str(one)[:45] for one in found.findings] == ["entry 1: speaks of a minute that is to come: "]
    copy.enter(minute(-T // MINUTE + 1, line("c2", 1))).fetch()
    assert figures(copy.count(camera="c2"))["c2"][0] <= 366 * 24 * 60


def test_two_recorders_tell_of_one_minute_while_a_camera_is_handed_over(copy):
    copy.enter(
        minute(0, line("c1", 10)),
        minute(1, line("c1", 20, 25_000), site="colony"),
        minute(1, line("c1", 15, 34_800), site="colony"),
        minute(2, line("c1", 30)),
    )
    found = copy.fetch().count()
    assert found.findings == []
    assert figures(found) == {"c1": (3, 3, 0, 0, 0, 0)}


def test_a_recording_that_goes_back_or_has_two_histories_is_found(copy):
    copy.enter(minute(0, line("c1", 100)), minute(1, line("c1", 40)))
    copy.enter(minute(2, line("c2", 7, chain="b")), minute(3, line("c2", 7, 0, chain="c")))
    words = [str(one) for one in copy.fetch().count().findings]
    assert words == [
        "entry 1: camera c1: its recording goes back from link 100 to 40",
        "entry 3: camera c2: two recordings have the link 7",
    ]


def test_what_was_entered_hours_later_is_late(copy):
    copy.enter(minute(0, line("c1", 1))).fetch(at(1, 20))
    for n in range(2, 200, 2):
        copy.enter(minute(n, line("x1", n), site="square")).fetch(at(n + 1))
    copy.enter(minute(1, line("c1", 2))).fetch(at(201))
    (found,) = copy.count().findings
    assert str(found) == (
        "entry 100: the minute 2026-11-18 11:01:00 UTC of colony was not entered yet at 2026-11-18 14:19:00 UTC; "
        "it was there at 2026-11-18 14:21:00 UTC"
    )


def test_a_copy_that_was_away_itself_accuses_nobody(copy):
    copy.enter(minute(0, line("c1", 1))).fetch(at(1, 20))
    copy.enter(minute(1, line("c1", 2)), minute(2, line("c1", 3))).fetch(at(200))
    assert copy.count().findings == []


def test_an_account_that_is_withheld_is_missed(copy):
    copy.enter(minute(0, line("c1", 1)), minute(1, line("c1", 2)), minute(2, line("c1", 3))).fetch(withheld={1})
    found = copy.count()
    assert figures(found) == {"c1": (3, 2, 0, 0, 0, 1)}
    assert [(one.where, one.unknown) for one in found.findings] == [("open", True)]
    assert "1 accounts of cameras are not in this copy" in str(found.findings[0])


def test_a_record_of_another_leaf_is_neither_kept_nor_counted(copy):
    copy.enter(minute(0, line("c1", 1)), minute(1, line("c1", 2))).fetch(withheld={0, 1})
    good = copy.records[0]
    lie = OpenRecord(0, canonical(minute(0, line("c1", 1, MINUTE - 1))[1]), good.dek)
    for records in ([lie], [OpenRecord(5, good.record, good.dek)]):
        with pytest.raises(Refused) as refused:
            opened.keep(copy.place, 0, 2, records)
        assert refused.value.fields == {"open": "false"}
    (copy.place / "open" / "0").write_bytes(encode([lie]))
    words = [str(one) for one in copy.count().findings]
    assert "entry 0: entry 0: the record is not the one that the leaf committed to" in words


def test_leaves_that_were_changed_do_not_lead_to_the_signed_root(copy):
    copy.enter(minute(0, line("c1", 1)), other=3).fetch()
    path = next((copy.place / "tile" / "entries").rglob("4"))
    data = bytearray(path.read_bytes())
    data[30] ^= 1
    path.write_bytes(data)
    assert any(one.where == "checkpoint" for one in copy.count().findings)


def test_changes_of_health_are_told_beside_the_minutes(copy):
    copy.enter(minute(0, line("c1", 1)), health(0, "c1", "ok", "covered"), minute(1, line("c1", 2)))
    found = copy.fetch().count()
    assert [(one.before, one.verdict) for one in found.cameras[0].changes] == [("ok", "covered")]
    assert any("ok -> covered" in one for one in tell(found))


def test_more_than_one_bundle_and_a_copy_that_grows(copy):
    for n in range(400):
        copy.enter(minute(n, line("c1", n)), other=1)
        if n % 90 == 0:
            copy.fetch(at(n + 1))
    found = copy.fetch(at(401)).count()
    assert figures(found) == {"c1": (400, 400, 0, 0, 0, 0)}
    assert found.findings == []
    kept = sorted(path.name for path in (copy.place / "open").iterdir())
    assert kept == ["0.gz", "1.gz", "2.gz", "3", "next"], "a full bundle is packed"
    whole = (copy.place / "open" / "1.gz").read_bytes()
    for damaged in (whole[:-9], whole[:60] + b"x" + whole[61:], b""):
        (copy.place / "open" / "1.gz").write_bytes(damaged)
        assert copy.count().findings != []


def test_a_line_torn_by_a_crash_is_left_out_and_a_line_twice_counts_once(copy):
    copy.enter(minute(0, line("c1", 1)), minute(1, line("c1", 2))).fetch()
    path = copy.place / "open" / "0"
    whole = path.read_bytes()
    path.write_bytes(whole + whole + whole[:50])
    assert figures(copy.count()) == {"c1": (2, 2, 0, 0, 0, 0)}
    assert len(parse_lines(path.read_bytes())) == 4
    copy.enter(minute(2, line("c1", 3))).fetch()
    assert figures(copy.count()) == {"c1": (3, 3, 0, 0, 0, 0)}, "the torn line spoils no other"


def test_the_verb_counts_a_camera_of_a_day_and_says_what_it_found(copy):
    copy.enter(minute(0, line("c1", 1), line("c2", 1)), minute(1, line("c1", 1, 0), line("c2", 2))).fetch()
    when = dt.datetime.fromtimestamp(T // 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M")
    words = ["verify", "dark", str(copy.place), "--vkey", KEY.vkey(), "--since", when]
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == 0, done.output
    assert "c1: 2 minutes, 1 recorded, 0 partly, 1 DARK" in done.output
    assert "1 min dark: no reason was told" in done.output
    done = CliRunner().invoke(cli.app, [*words, "--camera", "c2"])
    assert "c1:" not in done.output
    for wrong in (["--since", "yesterday"], ["--until", "2020-01-01T00:00"]):
        done = CliRunner().invoke(cli.app, [*words, *wrong])
        assert isinstance(done.exception, Refused)
