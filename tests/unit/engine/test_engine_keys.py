"""Keys come into being once, whole and on disk, and go for good."""

import multiprocessing
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saqtau.engine.keys import Keys, Signers, create_once, open_seed
from saqtau.kernel.errors import Kind, Refused


def test_a_key_is_made_once_private_and_found_again(tmp_path):
    keys = Keys(tmp_path / "keys")
    key = keys.kek("access_3y", "2026-11-24")
    file = tmp_path / "keys" / "access_3y" / "2026-11-24"
    assert (len(key), file.read_bytes()) == (32, key)
    assert Keys(tmp_path / "keys").kek("access_3y", "2026-11-24") == keys.find("access_3y", "2026-11-24") == key
    assert keys.kek("access_3y", "2026-11-25") != key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir() if path.name.startswith("2026-11-24")] == ["2026-11-24"]


def make(folder, ready, go, told):
    ready.release()
    go.wait()
    told.put([Keys(folder).kek("access_3y", f"2026-11-{day:02d}") for day in range(1, 21)] + [open_seed(folder)])


def test_many_processes_at_once_agree_on_every_key(tmp_path):
    context = multiprocessing.get_context("fork")
    ready, go, told = context.Semaphore(0), context.Event(), context.Queue()
    makers = [context.Process(target=make, args=(tmp_path, ready, go, told)) for _ in range(6)]
    for maker in makers:
        maker.start()
    for _ in makers:
        ready.acquire()
    go.set()
    first, *others = [told.get() for _ in makers]
    for maker in makers:
        maker.join()
    assert len(set(first)) == 21
    assert all(one == first for one in others)


def test_a_destroyed_key_is_overwritten_removed_and_never_made_again(tmp_path):
    keys = Keys(tmp_path)
    key = keys.kek("access_3y", "2026-11-24")
    other_name = tmp_path / "elsewhere"
    other_name.hardlink_to(tmp_path / "access_3y" / "2026-11-24")  # the same bytes on the disk
    assert keys.destroy("access_3y", "2026-11-24") is True
    assert other_name.read_bytes() == bytes(32)
    assert sorted(path.name for path in (tmp_path / "access_3y").iterdir()) == ["2026-11-24.gone"]
    assert keys.destroy("access_3y", "2026-11-24") is False
    for ask in (keys.kek, keys.find):
        with pytest.raises(Refused) as refused:
            ask("access_3y", "2026-11-24")
        assert (refused.value.kind, refused.value.fields["key"]) == (Kind.CONFLICT, "gone")
    assert key not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize("left", ["mark", "zeroes", "first name", "nothing"])
def test_a_destruction_that_was_broken_off_is_finished(tmp_path, left):
    keys = Keys(tmp_path)
    key = keys.kek("access_3y", "2026-11-24")
    folder = tmp_path / "access_3y"
    match left:
        case "mark":
            (folder / "2026-11-24.gone").touch()
        case "zeroes":
            (folder / "2026-11-24.gone").touch()
            (folder / "2026-11-24").write_bytes(bytes(32))
        case "first name":  # killed between the link and the removal of the name it was written under
            (folder / "2026-11-24.0011223344556677.new").hardlink_to(folder / "2026-11-24")
    if left in {"mark", "zeroes"}:
        with pytest.raises(Refused):
            keys.kek("access_3y", "2026-11-24")
    keys.destroy("access_3y", "2026-11-24")
    assert [path.name for path in folder.iterdir()] == ["2026-11-24.gone"]
    assert key not in b"".join(path.read_bytes() for path in folder.iterdir())


def test_a_key_that_is_destroyed_while_it_is_made_is_not_handed_out(tmp_path, monkeypatch):
    keys = Keys(tmp_path)

    def meanwhile(path, data, random):
        made = create_once(path, data, random)
        if path.name == "2026-11-24":
            (path.parent / "2026-11-24.gone").touch()  # the destroyer has marked it and has not looked yet
        return made

    monkeypatch.setattr("saqtau.engine.keys.create_once", meanwhile)
    with pytest.raises(Refused) as refused:
        keys.kek("access_3y", "2026-11-24")
    assert refused.value.fields["key"] == "gone"
    assert [path.name for path in (tmp_path / "access_3y").iterdir()] == ["2026-11-24.gone"]


def test_a_key_that_was_never_made_is_missing_not_gone(tmp_path):
    with pytest.raises(Refused) as refused:
        Keys(tmp_path).find("access_3y", "2026-11-24")
    assert (refused.value.kind, refused.value.fields["key"]) == (Kind.NOT_FOUND, "missing")
    assert not list(tmp_path.iterdir())


def test_the_days_are_those_whose_key_is_there(tmp_path):
    keys = Keys(tmp_path)
    assert keys.days() == []
    for retention, day in (
        ("b_1y", "2026-01-02"),
        ("a_1y", "2026-01-02"),
        ("b_1y", "2026-01-01"),
        ("a_1y", "2025-12-31"),
    ):
        keys.kek(retention, day)
    keys.hold("case-1")
    keys.destroy("b_1y", "2026-01-01")
    assert keys.days() == [("a_1y", "2025-12-31"), ("a_1y", "2026-01-02"), ("b_1y", "2026-01-02")]


@pytest.mark.parametrize("retention", ["", "hold", "../x", "A", "a/b", "x" * 33, ".", "é"])
def test_a_retention_code_is_no_path(tmp_path, retention):
    with pytest.raises(Refused) as refused:
        Keys(tmp_path).kek(retention, "2026-11-24")
    assert "retention" in refused.value.fields


@pytest.mark.parametrize("day", ["", "2026-11-24/..", "2026-11-24.gone", "24.11.2026", "٢٠٢٦-11-24"])
def test_a_day_is_no_path(tmp_path, day):
    with pytest.raises(Refused) as refused:
        Keys(tmp_path).kek("access_3y", day)
    assert "day" in refused.value.fields


@given(st.lists(st.text("KZ/АяҚ._-019", min_size=3, max_size=40), min_size=1, max_size=6, unique=True))
def test_every_case_number_has_a_hold_of_its_own_inside_the_folder(tmp_path_factory, cases):
    folder = tmp_path_factory.mktemp("holds")
    keys, made = Keys(folder), {}
    for case in cases:
        if case.strip("."):
            made[case] = keys.hold(case)
    assert len(set(made.values())) == len(made)
    assert all(path.parent == folder / "hold" for path in folder.rglob("*") if path.is_file())
    gone, *kept = made or [None]
    if gone is not None:
        keys.release(gone)
        assert [keys.find_hold(case) for case in kept] == [made[case] for case in kept]
        with pytest.raises(Refused):
            keys.find_hold(gone)
        assert keys.hold(gone) != made[gone]  # a case may hold again; what it held before stays shut


@pytest.mark.parametrize("case", ["..", "...", "ab", "a b c", "x" * 41, "a\0bc", "a\nbc"])
def test_a_hold_is_named_by_a_case_number(tmp_path, case):
    with pytest.raises(Refused) as refused:
        Keys(tmp_path).hold(case)
    assert "hold" in refused.value.fields


def test_a_disk_that_refuses_is_unavailable(tmp_path):
    (tmp_path / "keys").write_text("a file where the folder should be")
    with pytest.raises(Refused) as refused:
        Keys(tmp_path / "keys").kek("access_3y", "2026-11-24")
    assert refused.value.kind is Kind.UNAVAILABLE


def test_the_seed_is_kept_and_what_is_no_seed_is_refused(tmp_path):
    seed = open_seed(tmp_path)
    assert open_seed(tmp_path) == seed
    assert stat.S_IMODE((tmp_path / "ledger-seed").stat().st_mode) == 0o600
    (tmp_path / "ledger-seed").write_text("not hexadecimal")
    with pytest.raises(Refused) as refused:
        open_seed(tmp_path)
    assert refused.value.kind is Kind.INVALID


def test_every_log_has_its_own_key_and_the_same_again():
    signers = Signers("police.kz", os.urandom(32))
    origins = [
        signers.origin(kind, region, year) for kind in ("access", "evidence") for region in (0, 2) for year in (26, 27)
    ]
    assert origins[0] == "police.kz/00/access/26"
    assert len({signers.signer(origin).public for origin in origins}) == len(origins)
    fixed = Signers("saqtau.test", bytes(range(32)))
    assert fixed.signer("saqtau.test/02/access/2026").vkey() == Signers("saqtau.test", bytes(range(32))).signer(
        "saqtau.test/02/access/2026"
    ).vkey()  # fmt: skip


@pytest.mark.parametrize("authority", ["", "A.kz", "a/b", "a+b", "a b", "-a", "x" * 65])
def test_an_authority_is_a_name(authority):
    with pytest.raises(Refused) as refused:
        Signers(authority, bytes(32))
    assert "authority" in refused.value.fields
