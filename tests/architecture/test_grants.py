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
    "read_head": "where a log stands: sizes and hashes",
    "read_open": "what cameras recorded and how they were: records in which no person is",
}
"""Functions of the engine that read nothing protected."""

INTERNAL = {
    "read_offsets": "how far a partition has come",
    "read_recent": "keyed hashes of the window, for the worker that compares the next read",
    "read_registers": "cameras and list in memory, for the worker that matches reads",
    "read_revisions": "which registers have changed, for the same worker",
    "read_cameras": "the register of recorded cameras, for the recorder",
    "read_retired": "cameras that are gone, for the recorder that keeps and deletes what they left",
    "read_off": "which cameras are switched off, for the recorder",
    "read_heads": "where the chains of cameras stand, for the recorder that goes on with them",
}
"""Functions that workers need; the web does not reach them."""

STATUS = {"read_units": "status and holder of a unit by its code: no position, no person"}

WITHOUT_CONTENT = {
    ("web/items.py", "item"): "where an item stands, for one who may move it but not read it",
    ("web/items.py", "picture"): "which item has a picture of that name; its bytes need a grant",
}
"""SQL of the web over a protected table, which takes nothing of what is protected in it."""

PROTECTED = (
    "item", "entry", "picture", "read_recent", "read_history", "position", "unit_position", "listed_vehicle",
    "officer", "sealed_file", "quarantine", "cases", "shifts", "ledger_records", "ledger_held", "export_wish",
    "export_package", "broken_glass",
)  # fmt: skip
OPENERS = {
    "engine/ledger_read.py": "read_records and read_sealed, which take a grant",
    "engine/ledger_open.py": "two classes of the evidence log in which no person is, for who copies the log",
}
"""Who opens records of the ledger."""

DRAFTERS = {
    "engine/entries.py": "entries of access",
    "engine/late.py": "an entry that came late and cannot be opened",
    "engine/erasure.py": "what the end of a term erased",
    "engine/forgetting.py": "a key that was destroyed",
    "engine/holds.py": "holds",
    "engine/picture_entries.py": "pictures, in the log of evidence",
    "engine/card_entering.py": "what was fetched from a camera's card, in the log of evidence",
    "engine/recording_minutes.py": "what the cameras of a site recorded in a minute, in the log of evidence",
    "engine/video_retention.py": "recordings whose days were over, in the log of evidence",
    "engine/video_health.py": "cameras that were covered, turned, are well again, in the log of evidence",
    "engine/video_told.py": "what cameras tell of themselves, in the log of evidence",
    "engine/export_package.py": "the issue of an export, whose entry holds its manifest",
    "engine/recording_package.py": "the issue of an export of a recording, whose entry holds its manifest",
}
"""Who writes entries of his own. Whoever shows something to a person does so through access."""

BLOB_READERS = {
    "engine/reading.py: read_picture": "takes a grant",
    "engine/verify.py: _pictures": "compares hashes, shows nothing",
    "engine/export_package.py: _unlock": "sealed bytes, with a key that read functions with a grant fetch",
    "engine/recording_package.py: _unlock": "as above",
}

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


def test_nobody_vouches_for_himself():
    """What the record says of a wish is found by access alone; the kernel asks about all that could be said."""
    for path in modules():
        if name(path) != "engine/access.py" and not name(path).startswith("kernel/"):
            assert "Facts" not in set(called(tree(path))), f"{name(path)} brings facts of its own"


def test_records_are_opened_by_readers_with_a_grant_only():
    found = {name(path) for path in modules("engine", "web") if "open_committed" in names_used(tree(path))}
    assert found == OPENERS.keys()
    functions = [node for node in ast.walk(tree(SOURCE / "engine" / "ledger_read.py")) if is_function(node)]
    openers = [node for node in functions if {"_open", "_unseal"} & names_used(node)]
    assert {"read_records"} <= {node.name for node in openers}
    assert all(takes_a_grant(node) for node in openers), [node.name for node in openers]


def test_entries_are_drafted_in_few_places_and_the_web_is_none_of_them():
    found = {name(path) for path in modules("engine", "web", "bootstrap", "cli") if "Draft" in set(called(tree(path)))}
    assert found == DRAFTERS.keys()
    for path in modules("web"):
        assert not {"append_all", "ledger_append"} & names_used(tree(path)), f"{name(path)} writes by itself"


def test_a_live_audience_is_made_after_its_grants():
    for path in modules():
        if "Audience" in set(called(tree(path))):
            assert name(path) == "web/stream.py"
    (watch,) = [
        node for node in ast.walk(tree(SOURCE / "web" / "stream.py")) if is_function(node) and node.name == "open"
    ]
    lines = {kind: [node.lineno for node in ast.walk(watch) if is_call(node, kind)] for kind in ("open", "Audience")}
    assert lines["open"]
    assert min(lines["Audience"]) > max(lines["open"])


def is_function(node):
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def is_call(node, wanted):
    return isinstance(node, ast.Call) and wanted in {getattr(node.func, "attr", None), getattr(node.func, "id", None)}


def blob_readers():
    """Functions that take bytes out of the store of pictures."""
    for path in modules():
        for function in ast.walk(tree(path)):
            if is_function(function) and any(reads_blob(node) for node in ast.walk(function)):
                yield path, function


def reads_blob(node):
    if not is_call(node, "get"):
        return False
    holder = getattr(node.func, "value", None)
    return (getattr(holder, "attr", None) or getattr(holder, "id", None)) == "blobs"


def test_pictures_leave_the_store_under_a_grant_only():
    bare = {f"{name(path)}: {function.name}" for path, function in blob_readers() if not takes_a_grant(function)}
    allowed = {one for one, why in BLOB_READERS.items() if why != "takes a grant"}
    assert bare <= allowed, "bytes leave without a grant"
    assert "engine/reading.py: read_picture" in {f"{name(path)}: {node.name}" for path, node in blob_readers()}


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
