"""An export package is the same bytes for the same files, and any other byte is no package."""

import contextlib
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saqtau.kernel.errors import Refused
from saqtau.ledger.package import (
    PackageStanding,
    entry_file,
    entry_name,
    file_name,
    manifest,
    pack,
    unpack,
)

FILES = {"content/item.json": b"{}", "README.en.txt": b"read me", "policies/case.cedar": b"permit"}

names = st.from_regex(r"(?:[a-z][a-z0-9_.-]{0,8}/){0,2}[a-z][a-z0-9_.-]{0,8}", fullmatch=True)
contents = st.dictionaries(names, st.binary(max_size=60), max_size=6)


def read(data):
    """The files, or None: whatever else was raised would fail the test."""
    with contextlib.suppress(Refused):
        return unpack(data)
    return None


def test_the_manifest_lists_every_file_with_its_hash_in_order():
    made = manifest("e1", PackageStanding.PROVISIONAL, {"item": "i1"}, ["a#1"], FILES)
    read = json.loads(made)
    assert list(read["files"]) == sorted(FILES)
    assert read["files"]["README.en.txt"] == {"sha256": hashlib.sha256(b"read me").hexdigest(), "bytes": 7}
    assert (read["standing"], read["export"], read["v"]) == ("PROVISIONAL", "e1", 1)
    assert made == manifest("e1", PackageStanding.PROVISIONAL, {"item": "i1"}, ["a#1"], dict(reversed(FILES.items())))


@pytest.mark.parametrize("name", ["manifest.json", "ledger/checkpoint"])
def test_what_proves_itself_is_not_listed(name):
    with pytest.raises(Refused):
        manifest("e1", PackageStanding.WITNESSED, {}, [], {name: b""})


def test_a_provisional_package_says_so_in_its_name():
    assert file_name("e1", PackageStanding.PROVISIONAL) == "saqtau-export-e1-PROVISIONAL.zip"
    assert file_name("e1", PackageStanding.WITNESSED) == "saqtau-export-e1.zip"


@given(contents)
def test_a_package_is_one_spelling_of_its_files(files):
    made = pack(files)
    assert made == pack(dict(reversed(files.items())))
    assert unpack(made) == files


@given(contents.filter(bool), st.data())
def test_a_byte_changed_anywhere_is_another_package_or_none(files, data):
    made = bytearray(pack(files))
    at = data.draw(st.integers(0, len(made) - 1))
    made[at] ^= data.draw(st.integers(1, 255))
    assert read(bytes(made)) != files


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data):
    read(data)


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up", "a//b", "a b", "ä", "", "a/../b", ".hidden", "a" * 121, "a\\b"]
)
def test_no_name_leads_out_of_the_package(name):
    with pytest.raises(Refused) as refused:
        pack({name: b""})
    assert dict(refused.value.fields) == {"file": "invalid"}


def test_an_entry_says_null_where_it_may_not_be_opened():
    assert json.loads(entry_file("a#1", "proof\n", None, None)) == {
        "v": 1, "entry": "a#1", "proof": "proof\n", "record": None, "dek": None,
    }  # fmt: skip
    assert json.loads(entry_file("a#1", "p", b'{"a":1}', b"\x01" * 32))["dek"] == "01" * 32
    assert entry_name(7) == "ledger/entries/00007.json"
