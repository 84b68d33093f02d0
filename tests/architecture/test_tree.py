"""What the tree may hold: no trace of a machine, no open end, no file with two jobs, no licence that binds."""

import ast
import json
import re
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, files, metadata

import pytest
from tests.architecture.source import ROOT, called, modules, name, tree

LINES = 500
LONG = {
    "ledger/verify/export.py": 1600,  # lies in every export package as verify.py: an outsider gets one file, or none
}
"""Modules that may be longer, and how long, with the reason."""
PRINTS = {
    "bootstrap/demonstration.py",  # the log file of the simulation, which is a part of its own
}
"""Modules besides the command that print, with the reason."""

PUBLIC = {"https://pypi.org", "https://files.pythonhosted.org"}
LESSER = {
    "certifi": "MPL-2.0: a list of certificates, unchanged; osmium asks for it through requests",
}
"""LGPL or MPL packages of the run-time, each with the reason why they may stay: used unchanged, replaceable."""

_MACHINE = re.compile(r"(?<![\w.])/(?:work|root|home/\w+)/\w|(?<![\w.<>])/tmp/[\w-]+/")
_OPEN_END = re.compile(r"\b(?:TODO|FIXME|HACK)\b")
_BINDING = re.compile(r"\b(?:A?GPL|GNU (?:Affero )?General Public)", re.IGNORECASE)
_LESSER = re.compile(r"\b(?:LGPL|GNU Lesser|MPL|Mozilla Public)", re.IGNORECASE)


def listed():
    out = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / path for path in out.split("\0") if path and (ROOT / path).is_file()]


def texts():
    for path in listed():
        if path.name in {"uv.lock", "package-lock.json"} or "architecture" in path.parts:
            continue
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


@pytest.mark.parametrize(("what", "rule"), [("a path of a machine", _MACHINE), ("an open end", _OPEN_END)])
def test_no_file_of_the_tree_has(what, rule):
    found = [f"{path.relative_to(ROOT)}: {hit[0]}" for path, text in texts() for hit in rule.finditer(text)]
    assert not found, what


def test_the_rules_above_can_fail():
    for path in ("/work/" + "main", "/root/" + "x", "/home/" + "me/x", "/tmp/" + "a/b"):
        assert _MACHINE.search(f'"{path}"')
    assert not _MACHINE.search("src/work/main and /tmp alone")
    assert _OPEN_END.search("# TO" + "DO later")
    assert _BINDING.search("GNU General Public License v3")
    assert not _BINDING.search("GNU Lesser General Public License")


def test_every_source_file_has_one_job():
    found = {name(path): len(path.read_text().splitlines()) for path in modules()}
    assert not {path: lines for path, lines in found.items() if lines >= LONG.get(path, LINES)}


def test_nothing_prints_but_the_command():
    found = {
        name(path)
        for path in modules()
        if any(isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
               for node in ast.walk(tree(path)))
    }  # fmt: skip
    assert found == PRINTS
    assert "print" in called(tree(next(modules("cli"))))


def test_the_locks_name_public_registries_only():
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    places = set()
    for package in lock["package"]:
        source = package["source"]
        assert set(source) <= {"registry", "editable"}, package["name"]
        places |= {source["registry"]} if "registry" in source else set()
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        places |= {file["url"] for file in files}
        assert all(file["hash"].startswith("sha256:") for file in files), package["name"]
    assert {"/".join(place.split("/")[:3]) for place in places} == PUBLIC


def test_the_console_lock_names_the_public_registry_only():
    lock = json.loads((ROOT / "console" / "package-lock.json").read_text())
    resolved = {entry["resolved"] for entry in lock["packages"].values() if "resolved" in entry}
    assert {"/".join(place.split("/")[:3]) for place in resolved} <= {"https://registry.npmjs.org"}
    assert all("integrity" in entry for path, entry in lock["packages"].items() if path and not entry.get("link"))


def runtime():
    """Names of the locked packages that an installed Saqtau needs, on any machine."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    needs = {}
    for package in lock["package"]:
        wanted = [one["name"] for one in package.get("dependencies", [])]
        extras = [one["name"] for listed in package.get("optional-dependencies", {}).values() for one in listed]
        needs.setdefault(package["name"], set()).update(wanted if package["name"] == "saqtau" else wanted + extras)
    found, waiting = set(), ["saqtau"]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += sorted(needs.get(one, ()))
    return sorted(found - {"saqtau"})


def _first_words(package):
    """The heading of the licence file that a package carries."""
    carried = [file for file in files(package) or () if file.parent.name == "licenses" and file.name == "LICENSE"]
    return " ".join(carried[0].read_text(encoding="utf-8").split()[:4]) if carried else ""


def licence(package):
    """What a package says of its licence; None when this machine does not need the package."""
    try:
        about = metadata(package)
    except PackageNotFoundError:
        return None
    classifiers = [one for one in about.get_all("Classifier") or () if one.startswith("License ::")]
    text = about.get("License") or _first_words(package)
    return " ".join([about.get("License-Expression") or "", text.splitlines()[0] if text else "", *classifiers])


def test_no_package_of_the_run_time_has_a_licence_that_binds():
    found = {package: licence(package) for package in runtime()}
    assert {package for package, text in found.items() if text} > {"asyncpg", "numba", "osmium", "duckdb"}
    bound = {package: text for package, text in found.items() if text and _BINDING.search(text)}
    assert not bound
    lesser = {package for package, text in found.items() if text and _LESSER.search(text)}
    assert lesser == set(LESSER)


def test_every_package_of_the_run_time_says_what_its_licence_is():
    silent = {package for package in runtime() if licence(package) is not None and not licence(package).strip()}
    assert not silent
