"""What a person types: every verb explains itself, every refusal is one line."""

import re
import socket
import sys

import pytest
import typer
from tests.running import free_ports
from typer.testing import CliRunner

from saqtau import cli

VERBS = (
    (), ("run",), ("simulate",), ("verify",), ("verify", "log"), ("verify", "entry"),
    ("verify", "dark"), ("verify", "export"), ("verify", "paper"), ("bench",), ("map",), ("map", "import"),
    ("register",),
    ("register", "import"), ("watchlist",), ("watchlist", "import"), ("user",), ("user", "add"), ("user", "password"),
    ("user", "disable"), ("user", "unblock"),
    ("user", "link"), ("user", "unlink"),
    ("user", "take-keys"), ("report",), ("witness",), ("witness", "init"), ("witness", "add-log"), ("witness", "run"),
    ("camera",), ("camera", "add"), ("camera", "list"), ("camera", "disable"), ("camera", "enable"),
    ("camera", "learn"), ("camera", "retire"), ("camera", "plug"), ("camera", "unplug"), ("camera", "find"),
    ("camera", "ask"),
    ("witness", "key"), ("witness", "policy"), ("witness", "logs"), ("witness", "evidence"),
    ("policy",), ("policy", "list"),
    ("policy", "show"), ("policy", "diff"), ("policy", "propose"), ("policy", "approve"), ("policy", "refuse"),
)  # fmt: skip


def typed(monkeypatch, capfd, *words):
    """(exit code, standard output, lines of standard error) of the command as it is installed."""
    monkeypatch.setattr(sys, "argv", ["saqtau", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, error = capfd.readouterr()
    return ended.value.code, out, error.splitlines()


def registered(app=cli.app, before=()):
    found = {before}
    for command in app.registered_commands:
        found.add((*before, command.name or command.callback.__name__))
    for group in app.registered_groups:
        found |= registered(group.typer_instance, (*before, group.name))
    return found


def test_every_verb_is_listed_here():
    assert registered() == set(VERBS)


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_every_verb_and_every_option_of_it_is_explained(words):
    found = CliRunner().invoke(cli.app, [*words, "--help"])
    assert found.exit_code == 0
    assert "Usage:" in found.output
    assert len(found.output.splitlines()) > 5


def test_no_help_loses_words_in_brackets_which_the_terminal_takes_for_markup():
    def texts(command):
        yield command.help or ""
        yield from (param.help or "" for param in command.params if hasattr(param, "help"))
        for one in getattr(command, "commands", {}).values():
            yield from texts(one)

    assert [text for text in texts(typer.main.get_command(cli.app)) if re.search(r"\[/?[a-z_]+\]", text)] == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("verify", "--config", "none.toml"), "none.toml"),
        (("bench", "nothing-of-the-kind"), "nothing-of-the-kind"),
        (("simulate", "{folder}/empty", "--folder", "{folder}/s"), "no city"),
        (("map", "import", "{folder}/broken.osm.pbf", "--folder", "{folder}/s"), "broken.osm.pbf"),
        (("verify", "--config", "{folder}/wrong.toml"), "`prt`"),
        (("user", "add", "a", "--role", "auditor", "--password-file", "{folder}/none"), "none"),
        (("user", "add", "a", "--role", "auditor", "--password-file", "{folder}/latin"), "latin"),
        (("run", "--folder", "{folder}/broken.osm.pbf"), "broken.osm.pbf"),
    ],
)
def test_a_refusal_is_one_line_and_ends_with_one(monkeypatch, capfd, tmp_path, words, told):
    (tmp_path / "broken.osm.pbf").write_text("no extract")
    (tmp_path / "wrong.toml").write_text("[web]\nprt = 1\n")
    (tmp_path / "latin").write_bytes(b"\xff\xfe pass")
    (tmp_path / "latin").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    code, _, error = typed(monkeypatch, capfd, *(word.format(folder=tmp_path) for word in words))
    assert code == 1
    assert len(error) == 1, error
    assert told in error[0]


@pytest.mark.parametrize("part", ["web", "intake"])
def test_a_port_in_use_is_told_with_the_key_that_changes_it_before_anything_is_started(
    monkeypatch, capfd, tmp_path, part
):
    free, taken = free_ports(2)
    ports = {"web": free, "intake": free, part: taken}
    text = "".join(f"[{name}]\nport = {port}\n" for name, port in ports.items())
    (tmp_path / "saqtau.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", taken)):
        code, _, error = typed(monkeypatch, capfd, "run", "--folder", "s")
    assert code == 1
    assert len(error) == 1, error
    assert f"127.0.0.1:{taken} is in use" in error[0]
    assert f"[{part}] port" in error[0]
    assert not list((tmp_path / "s" / "postgres").iterdir())


def test_one_port_for_both_parts_is_in_use_by_ourselves(monkeypatch, capfd, tmp_path):
    (port,) = free_ports(1)
    (tmp_path / "saqtau.toml").write_text(f"[web]\nport = {port}\n[intake]\nport = {port}\n")
    monkeypatch.chdir(tmp_path)
    code, _, error = typed(monkeypatch, capfd, "run", "--folder", "s")
    assert code == 1
    assert "[intake] port" in error[0]


def test_a_journal_that_does_not_fit_is_told_in_bytes_and_by_its_key(monkeypatch, capfd, tmp_path):
    web, intake = free_ports(2)
    ports = f"[web]\nport = {web}\n[intake]\nport = {intake}\n"
    (tmp_path / "saqtau.toml").write_text(f"{ports}[engine]\njournal_bytes = {64 << 20}\npostgres = 'postgres://h/d'\n")
    monkeypatch.chdir(tmp_path)
    code, _, error = typed(monkeypatch, capfd, "run", "--folder", "s")
    assert code == 1
    assert "13 GiB" in error[0]
    assert "[engine] journal_bytes" in error[0]


def test_what_is_missing_on_the_line_is_said_as_every_command_does(monkeypatch, capfd):
    code, _, error = typed(monkeypatch, capfd, "map", "import", "/none/such.osm.pbf")
    assert code == 2
    assert "Traceback" not in "".join(error)


def test_what_is_said_on_a_screen_is_data_and_no_markup(capfd):
    say = cli._steps()
    say("the end of web.log: [/nothing] [bold]:smile:")
    assert capfd.readouterr().out == "the end of web.log: [/nothing] [bold]:smile:\n"


def test_a_long_line_stays_one_line_where_no_screen_is(capfd):
    cli._steps()("word " * 100)
    assert len(capfd.readouterr().out.splitlines()) == 1
