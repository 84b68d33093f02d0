"""`saqtau verify log|entry|export|paper`: anywhere, without configuration, database or this house."""

import contextlib
import functools
import http.server
import json
import sys
import threading

import pytest
from tests.growing import LOG, ORIGIN, POLICY, Grown, leaf, signer
from tests.unit.ledger.packages import made

from saqtau import cli
from saqtau.ledger.package import pack
from saqtau.ledger.tiles import entries_path
from saqtau.ledger.verify.http import http_reader


@pytest.fixture
def log(tmp_path):
    grown = Grown(tmp_path / "log").to(300).to(700)
    (tmp_path / "oversight.policy").write_bytes(POLICY)
    return grown


@pytest.fixture
def typed(monkeypatch, capfd, tmp_path):
    """(exit code, lines of output, lines of standard error), in a folder whose configuration is broken."""
    (tmp_path / "saqtau.toml").write_text("this is no configuration")
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["saqtau", "verify", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, error = capfd.readouterr()
        return ended.value.code, out.splitlines(), error.splitlines()

    return run


@pytest.fixture
def address(log):
    """The folder of the log behind a plain web server, as any mirror may be."""
    with serving(functools.partial(_Quiet, directory=str(log.folder))) as url:
        yield url


@contextlib.contextmanager
def serving(handler):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass


def test_a_whole_log_holds_from_a_folder_and_over_http(typed, log, address):
    for where in ("log", address):
        code, said, _ = typed("log", where, "--policy", "oversight.policy")
        assert (code, said[-1]) == (0, "everything holds")
        assert any("all 700 entries" in line for line in said)
    assert typed("log", "log", "--vkey", LOG.vkey())[0] == 0


def test_a_server_that_asks_for_patience_gets_it(log):
    class Busy(_Quiet):
        asked = 0

        def do_GET(self):
            Busy.asked += 1
            if Busy.asked % 2:
                self.send_response(429)
                self.send_header("Retry-After", "7")
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                super().do_GET()

    rested = []
    with (
        serving(functools.partial(Busy, directory=str(log.folder))) as url,
        http_reader(url, rest=rested.append) as read,
    ):
        assert read("checkpoint") == log.note
        assert read("tile/0/000") == log.read("tile/0/000")
    assert rested == [7, 7]


def test_a_changed_entry_ends_with_one_and_its_number(typed, log, address):
    bundle = [leaf(9_000) if number == 400 else log.leaves[number] for number in range(256, 512)]
    log.write(entries_path(1), b"".join(len(one).to_bytes(2, "big") + one for one in bundle))
    for where in ("log", address):
        code, said, _ = typed("log", where, "--policy", "oversight.policy")
        assert code == 1
        assert said[-2].startswith("DOES NOT HOLD  entry 400: was changed")
        assert said[-1] == "one thing does not hold"


def test_what_was_seen_is_kept_only_when_the_log_holds_and_begins_with_it(typed, log, tmp_path):
    whole = log.note
    log.write("checkpoint", log.notes[300])
    asked = ("log", "log", "--policy", "oversight.policy", "--seen", "seen")
    assert typed(*asked)[0] == 0
    assert (tmp_path / "seen").read_bytes() == log.notes[300]
    log.write("checkpoint", whole)
    assert typed(*asked)[0] == 0
    assert (tmp_path / "seen").read_bytes() == whole
    log.write("checkpoint", log.notes[300])
    code, said, _ = typed(*asked)
    assert (code, "the log shows only 300" in said[-2]) == (1, True)
    assert (tmp_path / "seen").read_bytes() == whole


def test_another_checkpoint_may_be_a_file_or_an_address(typed, log, address, tmp_path):
    (tmp_path / "older").write_bytes(log.notes[300])
    for other in ("older", f"{address}/checkpoint"):
        assert typed("log", "log", "--policy", "oversight.policy", "--against", other)[0] == 0
    code, _, error = typed("log", "log", "--policy", "oversight.policy", "--against", address)
    assert (code, len(error), "ends with /checkpoint" in error[0]) == (1, 1, True)


def test_an_entry_and_a_printed_checkpoint(typed, log, tmp_path):
    (tmp_path / "400.json").write_bytes(log.entry(400))
    (tmp_path / "400.tlog-proof").write_text(log.proof(400))
    for file in ("400.json", "400.tlog-proof"):
        assert typed("entry", file, "--policy", "oversight.policy")[0] == 0
    (tmp_path / "400.json").write_bytes(log.entry(400).replace(b"picture", b"portrait", 1))
    assert typed("entry", "400.json", "--policy", "oversight.policy")[0] == 1
    paper = ("paper", "log", "--policy", "oversight.policy", "--origin", ORIGIN, "--size", "300")
    assert typed(*paper, "--root", log.reader().root(300).hex())[0] == 0
    code, said, _ = typed(*paper, "--root", log.reader().root(301).hex())
    assert (code, "rewritten" in said[-2]) == (1, True)


def test_an_export_from_its_zip_and_from_the_folder_it_was_unpacked_into(typed, tmp_path):
    files = made({"content/a.txt": b"a"})
    (tmp_path / "package.zip").write_bytes(pack(files))
    for name, data in files.items():
        (tmp_path / "unpacked" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "unpacked" / name).write_bytes(data)
    for where in ("package.zip", "unpacked"):
        assert typed("export", where)[0] == 0
    (tmp_path / "unpacked" / "content/a.txt").write_bytes(b"b")
    code, said, _ = typed("export", "unpacked")
    assert (code, "content/a.txt" in said[-2]) == (1, True)


def test_nothing_that_was_handed_over_writes_on_the_screen_as_it_likes(typed, tmp_path):
    trick = "x\neverything holds\x1b[2J\u202e"
    files = made({"content/a.txt": b"a"})
    manifest = json.loads(files["manifest.json"])
    manifest["about"]["item"] = trick
    files["manifest.json"] = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    (tmp_path / "package.zip").write_bytes(pack(files))
    code, said, _ = typed("export", "package.zip")
    assert code == 1
    assert "everything holds" not in said
    assert not any("\x1b" in line or "\u202e" in line for line in said)
    assert any("x\\u000aeverything holds\\u001b[2J\\u202e" in line for line in said)


def test_a_link_in_an_unpacked_package_is_not_followed(typed, tmp_path):
    for name, data in made({"content/a.txt": b"a"}).items():
        (tmp_path / "unpacked" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "unpacked" / name).write_bytes(data)
    (tmp_path / "elsewhere").write_bytes(b"a")
    (tmp_path / "unpacked/content/a.txt").unlink()
    (tmp_path / "unpacked/content/a.txt").symlink_to(tmp_path / "elsewhere")
    code, said, _ = typed("export", "unpacked")
    assert (code, "content/a.txt: leads elsewhere" in said[-2]) == (1, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("log", "nowhere", "--policy", "oversight.policy"), "nowhere: no folder of a log"),
        (("log", "log"), "say whose signatures count"),
        (("log", "log", "--policy", "none"), "none"),
        (("log", "log", "--vkey", "a+b+c"), "vkey: not base64"),
        (("log", "http://127.0.0.1:1/x", "--policy", "oversight.policy"), "http://127.0.0.1:1/x/checkpoint"),
        (("paper", "log", "--policy", "oversight.policy", "--origin", "x", "--size", "1", "--root", "00"), "root"),
    ],
)
def test_what_cannot_be_checked_is_one_line_and_no_verdict(typed, log, words, told):
    code, said, error = typed(*words)
    assert (code, len(error)) == (1, 1), error
    assert told in error[0]
    assert "everything holds" not in said


def test_a_log_without_a_key_among_those_given_is_not_said_to_be_wrong(typed, log, tmp_path):
    (tmp_path / "400.json").write_bytes(log.entry(400))
    other = signer("saqtau.example/09/access/2026").vkey()
    for words in (("entry", "400.json"), ("log", "log")):
        code, said, _ = typed(*words, "--vkey", other)
        assert (code, "not hold" in "\n".join(said)) == (1, False)
        assert said[-2].startswith("CANNOT BE CHECKED  checkpoint: the key of the log")
