"""What `make run` says of the demonstration's witness: where it answers, what to type here, where to read on."""

from pathlib import Path
from types import SimpleNamespace

import msgspec

from saqtau.bootstrap.demonstration import witness_told
from saqtau.config import Config


def told(folder):
    ledger = msgspec.structs.replace(Config().ledger, witnesses=("w.example+00+AA http://127.0.0.1:43471",))
    config = msgspec.structs.replace(Config(), ledger=ledger)
    return witness_told(SimpleNamespace(place=SimpleNamespace(folder=folder), config=config))


def test_the_witness_is_told_with_its_address_and_a_command_that_works_where_one_stands(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    said = told(tmp_path / ".saqtau")
    assert "http://127.0.0.1:43471" in said
    assert "saqtau witness logs --folder .saqtau-witness\n" in said
    assert str(tmp_path / "far-witness") not in said
    assert str(Path("/elsewhere/far-witness")) in told(Path("/elsewhere/far"))


def test_it_leads_to_a_page_that_is_there(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    page = told(tmp_path / ".saqtau").rsplit(" ", 1)[-1]
    assert (Path(__file__).parents[2] / page).is_file()
