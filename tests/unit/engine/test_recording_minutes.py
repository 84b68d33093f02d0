"""Minutes: what cameras recorded, and what they did not, a leaf a site."""

from saqtau.engine.ledger import EVIDENCE
from saqtau.engine.recording_minutes import LARGEST, Minutes
from saqtau.engine.recording_start import gaps_of
from saqtau.kernel.clock import MINUTE, Instant
from saqtau.kernel.register import PlaceKind, VideoCamera
from saqtau.ledger.leaf import MAX_RECORD, LeafClass, canonical
from saqtau.video.chain import LinkKind
from saqtau.video.fragment import Fragment, gap_link
from saqtau.video.gap import Gap, GapKind
from saqtau.video.segment import LinkAt

NOW = Instant(1_790_000_000_000 // MINUTE * MINUTE)
CHAIN = b"\x07" * 32


def camera(code, site="s1", region=3):
    return VideoCamera(
        id=code, site=site, name=code, region=region, lat=51, lon=71, place=PlaceKind.COLONY, address="rtsp://h/a",
        keep_days=90,
    )  # fmt: skip


def fragment(seq, millis=200):
    return Fragment(seq, Instant(NOW + seq * 200), 0, millis, seq == 0, 5, b"x" * 100)


def lines(drafts):
    return {line["camera"]: line for draft in drafts for line in draft.record["cameras"]}


def test_a_minute_is_told_when_it_is_over_and_once():
    minutes = Minutes(NOW)
    minutes.enter(camera("a"), -1, bytes(32))
    for seq in range(300):
        minutes.add("a", fragment(seq), 100, CHAIN)
    assert minutes.cut(Instant(NOW + MINUTE - 1)) == []
    (draft,) = minutes.cut(Instant(NOW + MINUTE))
    assert (draft.kind, draft.region, draft.klass) == (EVIDENCE, 3, LeafClass.SEGMENT)
    assert (draft.record["site"], draft.record["at"], draft.record["until"]) == ("s1", NOW, NOW + MINUTE)
    assert lines([draft])["a"] == {
        "camera": "a", "last": 299, "chain": CHAIN.hex(), "bytes": 30_000, "frames": 1500, "recorded_ms": 60_000
    }  # fmt: skip
    assert minutes.cut(Instant(NOW + MINUTE + 1)) == []


def test_a_dark_camera_is_told_with_nothing_and_its_gap_in_every_minute():
    minutes = Minutes(NOW)
    minutes.enter(camera("a"), 41, CHAIN)
    minutes.add("a", gap_link(42, NOW, Gap("a", NOW, None, GapKind.SILENT)), 50, CHAIN)
    for number in (1, 2, 3):
        line = lines(minutes.cut(Instant(NOW + number * MINUTE)))["a"]
        assert (line["recorded_ms"], line["gaps"]) == (0, [{"began": NOW, "kind": "source_silent"}])
        assert (line["last"], line["chain"]) == (42, CHAIN.hex())


def test_a_gap_that_no_file_took_is_told_too():
    minutes = Minutes(NOW)
    minutes.enter(camera("a"), -1, bytes(32))
    minutes.wait("a", "disk_full", NOW)
    assert lines(minutes.cut(Instant(NOW + MINUTE)))["a"]["gaps"] == [{"began": NOW, "kind": "disk_full"}]


def test_each_site_has_its_leaf_in_the_log_of_its_region_and_a_large_site_several():
    minutes = Minutes(NOW)
    for number in range(LARGEST + 1):
        minutes.enter(camera(f"a{number}"), -1, bytes(32))
    minutes.enter(camera("b", "s2", 7), -1, bytes(32))
    drafts = minutes.cut(Instant(NOW + MINUTE))
    assert [(draft.region, draft.record["site"], len(draft.record["cameras"])) for draft in drafts] == [
        (3, "s1", LARGEST), (3, "s1", 1), (7, "s2", 1)
    ]  # fmt: skip


def test_the_worst_minute_still_fits_into_a_record():
    minutes = Minutes(NOW)
    for number in range(LARGEST):
        code = f"{number:032}"
        minutes.enter(camera(code), -1, bytes(32))
        for seq in range(100):
            lost = Gap(code, NOW, Instant(NOW + 10), GapKind.LOSS, 1_000_000)
            minutes.add(code, gap_link(seq, NOW, lost), 50, CHAIN)
    for draft in minutes.cut(Instant(NOW + MINUTE)):
        assert len(canonical(draft.record)) <= MAX_RECORD
        assert all(line["more_gaps"] > 0 for line in draft.record["cameras"])


def test_a_camera_that_was_left_is_told_once_more():
    minutes = Minutes(NOW)
    minutes.enter(camera("a"), -1, bytes(32))
    minutes.add("a", fragment(0), 100, CHAIN)
    minutes.leave("a")
    assert lines(minutes.cut(Instant(NOW + MINUTE)))["a"]["frames"] == 5
    assert minutes.cut(Instant(NOW + 2 * MINUTE)) == []


def test_nobody_stands_in_a_leaf():
    minutes = Minutes(NOW)
    minutes.enter(camera("a"), -1, bytes(32))
    off = Gap("a", NOW, None, GapKind.DISABLED, by="anna", why="the wall is painted")
    minutes.add("a", gap_link(0, NOW, off), 50, CHAIN)
    assert b"anna" not in canonical(minutes.cut(Instant(NOW + MINUTE))[0].record)


def at(seq, gap=None, when=0):
    kind = LinkKind.FRAGMENT if gap is None else LinkKind.GAP
    return LinkAt(seq, Instant(NOW + when), 0, 10, kind, False, 200, 5, gap, b"")


def test_a_gap_keeps_the_name_of_the_link_that_opened_it():
    silent = Gap("a", NOW, None, GapKind.SILENT)
    closed = Gap("a", NOW, Instant(NOW + 500), GapKind.SILENT)
    off = Gap("a", Instant(NOW + 900), None, GapKind.DISABLED)
    found = gaps_of("a", [at(0), at(1, silent), at(2, closed), at(3), at(4, off, 900), at(5, when=1500)])
    assert [(one.name, one.gap.kind, one.gap.ended) for one in found] == [
        ("a/1", GapKind.SILENT, NOW + 500), ("a/4", GapKind.DISABLED, NOW + 1500)
    ]  # fmt: skip


def test_a_gap_that_another_one_follows_ends_where_that_begins():
    silent = Gap("a", NOW, None, GapKind.SILENT)
    down = Gap("a", Instant(NOW + 700), Instant(NOW + 900), GapKind.DOWN)
    found = gaps_of("a", [at(1, silent), at(2, down, 900)])
    assert [(one.name, one.gap.ended) for one in found] == [("a/1", NOW + 700), ("a/2", NOW + 900)]
