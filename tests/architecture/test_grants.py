"""No grant, no data: nobody makes a grant beside access, and nothing protected is read without one."""

import ast
import re

import pytest
from tests.architecture.source import SOURCE, called, modules, name, names_used, texts, tree

MAKERS = {"engine/access.py", "kernel/access.py"}

OPEN = {
    "read_map": "the streets of the city: public data",
    "read_migrations": "our own SQL files",
    "read_secret": "our own secrets, from their files",
    "read_rows": "a file the authority imports; nothing comes out of the record",
    "read_packer": "makes the packer of reads; reads nothing",
}
"""Functions of the engine that read nothing protected."""

INTERNAL = {
    "read_offsets": "how far a partition has come",
    "read_recent": "keyed hashes of the window, for the worker that compares the next read",
    "read_registers": "cameras and list in memory, for the worker that matches reads",
    "read_revisions": "which registers have changed, for the same worker",
}
"""Functions that workers need; the web does not reach them."""

STATUS = {"read_units": "status and holder of a unit by its code: no position, no person"}

WITHOUT_CONTENT = {
    ("web/api/access.py", "access_entry"): "how many entries there are of a kind, for the overseer, under his grant",
    ("web/items.py", "item"): "where an item stands, for one who may move it but not read it",
    ("web/items.py", "picture"): "which item has a picture of that name; its bytes need a grant",
}
"""SQL of the web over a protected table, which takes nothing of what is protected in it."""

PROTECTED = (
    "item", "entry", "picture", "read_recent", "read_history", "position", "unit_position", "listed_vehicle",
    "access_entry", "officer", "sealed_file", "quarantine",
)  # fmt: skip
_READS = re.compile(rf"\b(?:from|join|into|update)\s+(?:only\s+)?({'|'.join(PROTECTED)})\b(?!\()", re.IGNORECASE)


def test_only_access_makes_a_grant():
    for path in modules():
        if name(path) not in MAKERS:
            assert "granted" not in names_used(tree(path)), f"{name(path)} makes a grant of its own"
            assert "Grant" not in set(called(tree(path))), f"{name(path)} builds a Grant"


def test_nobody_goes_round_the_seal():
    for path in modules():
        if name(path) == "kernel/access.py":
            continue
        for node in ast.walk(tree(path)):
            round_it = isinstance(node, ast.Attribute) and node.attr in {"__new__", "_seal"}
            forged = round_it and isinstance(node.value, ast.Name) and node.value.id in {"Grant", "object", "access"}
            assert not forged, f"{name(path)}:{node.lineno} goes round the seal of a Grant"


def readers():
    for path in modules("engine"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("read_"):
                yield path, node


def takes_a_grant(function):
    first = [*function.args.posonlyargs, *function.args.args][:1]
    return bool(first) and isinstance(first[0].annotation, ast.Name) and first[0].annotation.id == "Grant"


def test_whatever_the_engine_reads_for_somebody_takes_a_grant_first():
    allowed = OPEN.keys() | INTERNAL.keys() | STATUS.keys()
    bare = [
        f"{name(path)}: {node.name}" for path, node in readers() if not takes_a_grant(node) and node.name not in allowed
    ]
    assert bare == []


def test_the_exceptions_are_still_there_and_still_needed():
    without = {node.name for _, node in readers() if not takes_a_grant(node)}
    assert without == OPEN.keys() | INTERNAL.keys() | STATUS.keys()


def test_something_is_read_with_a_grant():
    found = {node.name for _, node in readers() if takes_a_grant(node)}
    assert {"read_item", "read_queue", "read_picture", "read_positions"} <= found


@pytest.mark.parametrize("reader", INTERNAL)
def test_the_web_does_not_reach_what_workers_read(reader):
    for path in modules("web", "devices"):
        assert reader not in names_used(tree(path)), f"{name(path)} reads with {reader}, which asks for no grant"


def test_the_web_asks_the_record_for_nothing_protected_in_sql_of_its_own():
    for path in modules("web", "devices", "simulate"):
        for text in texts(tree(path)):
            found = _READS.search(text)
            if found is not None and (name(path), found[1]) in WITHOUT_CONTENT:
                assert not re.search(r"\b(?:data|lat|lon|plate|object|viewer|\*)\b|select \*", text), name(path)
                continue
            assert found is None, f"{name(path)} goes to the table {found[1]} by itself"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("select 1 from item where id = $1", True),
        ("select * FROM  unit_position p", True),
        ("insert into entry (item) values ($1)", True),
        ("select 1 from people", False),
        ("an item from itemised lists", False),
    ],
)
def test_the_search_for_such_sql_can_find_some(text, found):
    assert (_READS.search(text) is not None) is found


def test_the_whole_source_was_looked_at():
    assert len(list(modules())) > 50
    assert (SOURCE / "engine" / "access.py").is_file()
