"""A signed list adds logs of its own authority and of about this year, and can do nothing else."""

import pytest
from tests.witnessing import signer

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.witness.follow import take_list
from saqtau.ledger.witness.loglist import MOST, admit, compose_list, parse_list
from saqtau.ledger.witness.store import LISTS_LIMIT, Store

AUTHORITY = signer("police.test", 1)
NOW = Instant(1_795_500_000_000)  # November 2026


def log(name, seed=2):
    return signer(name, seed)


def listed(*logs, by=AUTHORITY):
    return compose_list(by, [one.vkey() for one in logs]).encode()


NEXT = log("police.test/07/access/2027")


def test_a_list_says_what_its_authority_signed():
    found = parse_list(listed(NEXT), AUTHORITY.verifier())
    assert found.authority == "police.test"
    assert [one.vkey for one in found.logs] == [NEXT.vkey()]
    assert parse_list(listed(), AUTHORITY.verifier()).logs == ()


@pytest.mark.parametrize(
    "data",
    [
        listed(NEXT, by=signer("police.test", 8)),
        listed(NEXT, by=signer("gendarmes.test", 1)),
        listed(NEXT).replace(b"/07/", b"/08/"),
    ],
)
def test_a_list_of_somebody_else_is_refused(data):
    with pytest.raises(Refused) as refused:
        parse_list(data, AUTHORITY.verifier())
    assert refused.value.kind in {Kind.DENIED, Kind.INVALID}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        listed(NEXT).replace(b"log-list@v1", b"log-list@v2"),
        compose_list(AUTHORITY, [NEXT.vkey(4)]).encode(),  # the key of a witness
        compose_list(AUTHORITY, [NEXT.vkey(), log(NEXT.name, 5).vkey()]).encode(),  # two keys of one log
        compose_list(AUTHORITY, ["nonsense"]).encode(),
        compose_list(AUTHORITY, [NEXT.vkey()] * (MOST + 1)).encode(),
    ],
)
def test_what_is_no_list_is_refused(data):
    with pytest.raises(Refused) as refused:
        parse_list(data)
    assert refused.value.kind is Kind.INVALID


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("police.test/07/access/2026", True),
        ("police.test/00/evidence/2025", True),
        ("police.test/07/access/2027", True),
        ("police.test/07/access/2028", False),
        ("police.test/07/access/2024", False),
        ("police.test/7/access/2026", False),
        ("police.test/07/secret/2026", False),
        ("gendarmes.test/07/access/2026", False),
        ("police.test/x/07/access/2026", False),
        ("police.test/07/access/2026/2", False),
    ],
)
def test_a_new_log_is_taken_when_it_is_the_authoritys_and_of_about_this_year(name, taken):
    found = admit({}, parse_list(listed(log(name))), 2026)
    assert [one.name for one in found.new] == ([name] if taken else [])
    assert [one.name for one in found.passed_over] == ([] if taken else [name])


def test_a_known_log_is_neither_taken_again_nor_changed():
    known = {NEXT.name: (NEXT.vkey(),)}
    assert admit(known, parse_list(listed(NEXT)), 2026).new == ()
    other = log(NEXT.name, 6)
    found = admit(known, parse_list(listed(other)), 2026)
    assert (found.new, [one.vkey for one in found.contradicted]) == ((), [other.vkey()])


def test_a_log_that_a_list_forgets_stays_and_one_with_another_key_is_evidence(tmp_path):
    store = Store(tmp_path)
    store.add_authority(AUTHORITY.vkey(), NOW, url="https://police.test")
    first, other = listed(NEXT), listed(log(NEXT.name, 6))
    assert take_list(store, parse_list(first), first, NOW) == 1
    assert take_list(store, parse_list(listed()), listed(), NOW) == 0
    assert take_list(store, parse_list(other), other, NOW) == 0
    (kept,) = store.logs()
    assert (kept.vkeys, kept.authority, kept.url) == ((NEXT.vkey(),), "police.test", "https://police.test")
    (evidence,) = store.evidence()
    assert (evidence.kind, evidence.proven, evidence.note) == ("other_key", True, other)
    store.close()


def test_an_authority_cannot_grow_the_witnesss_disk_with_lists(tmp_path):
    store = Store(tmp_path)
    store.add_authority(AUTHORITY.vkey(), NOW)
    names = [f"police.test/{region:02}/access/2026" for region in range(20)]
    first = listed(*(log(name) for name in names))
    assert take_list(store, parse_list(first), first, NOW) == 20
    for number in range(10, 20):
        other = listed(*(log(name, number) for name in names))
        take_list(store, parse_list(other), other, NOW)
        take_list(store, parse_list(other), other, NOW)
    assert len(store.evidence()) == 20 * LISTS_LIMIT
    assert all(one.kind == "other_key" and one.proven and one.note.startswith(b"saqtau") for one in store.evidence())
    assert store._db.execute("select count(*) from signed_list").fetchone() == (1 + LISTS_LIMIT,)
    assert {one.count for one in store.unkept()} == {2 * (10 - LISTS_LIMIT)}
    store.close()


def test_an_authoritys_key_does_not_change(tmp_path):
    store = Store(tmp_path)
    store.add_authority(AUTHORITY.vkey(), NOW)
    with pytest.raises(Refused) as refused:
        store.add_authority(signer("police.test", 8).vkey(), NOW)
    assert refused.value.kind is Kind.CONFLICT
    store.close()
