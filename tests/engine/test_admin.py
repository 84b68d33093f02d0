"""The command in a folder of its own: what it imports is there, what it refuses is told, its engine ends with it."""

import os
import signal
from contextlib import suppress

import pytest
from tests.engine.commanded import Home
from tests.running import short_folder

from saqtau.simulate.city import make_city
from saqtau.simulate.pbf import write_pbf

SITES = "id,name,region,lat,lon\ns1,Street,10,50.43,65.15\n"
LISTED = "plate,ground,authority,basis,expires\n777AAA02,stolen,Police,case 1,2099-01-01\n"


@pytest.fixture(scope="module")
def home():
    with short_folder() as folder:
        made = Home(folder)
        yield made
        for pid in made.processes():  # only after a failure; they are ours by their folder
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def write(home, name, text):
    (home.outside / name).write_text(text)
    return name


def test_a_map_is_imported_without_an_engine_and_told_in_one_sentence(home):
    write_pbf(make_city(7), home.outside / "city.osm.pbf")
    out, error = home.do("map", "import", "city.osm.pbf")
    assert "directed edges" in out
    assert error == ""
    assert {path.name for path in (home.folder / "map").iterdir()} == {"roads.npz", "city.pmtiles", "bounds.json"}
    assert not home.processes()


def test_registers_lists_and_accounts_are_imported_into_the_same_folder_by_one_command_after_another(home):
    assert "1 imported, 0 refused" in home.do("register", "import", write(home, "sites.csv", SITES))[0]
    bad = write(home, "more.csv", SITES + "s2,,99999,500,x\n[/s3],[bold]x,10,50.43,65.15\n")
    out, _ = home.do("register", "import", bad, "--kind", "sites", code=1)
    lines = out.splitlines()
    assert {line.split(":")[0] for line in lines if line.startswith("row ")} >= {"row 3", "row 4"}
    assert "0 imported" in out
    assert "--accept-good" in lines[-1]
    assert "1 imported, 0 refused" in home.do("watchlist", "import", write(home, "list.csv", LISTED))[0]
    out, _ = home.do("verify")
    assert out.splitlines()[-1] == "everything holds"
    assert not home.processes(), "the engine ends with the command"
    assert not (home.folder / "run" / "supervisor.pid").exists()


def test_who_is_locked_out_is_freed_and_who_lost_his_keys_loses_them_here_too_with_an_entry_each(home):
    home.do("user", "add", "locked.out", "--role", "auditor")
    assert "nothing was counted" in home.do("user", "unblock", "locked.out", "--address", "192.0.2.7")[0]
    assert "sets up new ones" in home.do("user", "take-keys", "locked.out")[0]
    for words, told in (
        (("unblock",), "name an account"),
        (("take-keys", "nobody.here"), "no account nobody.here"),
        (("link", "locked.out", "subject"), "no identity provider"),
    ):
        _, error = home.do("user", *words, code=1)
        assert told in error
        assert len(error.splitlines()) == 1
    assert not home.processes()


def test_what_is_no_register_is_refused_in_one_line(home):
    _, error = home.do("register", "import", "list.csv", "--kind", "[people]", code=1)
    assert len(error.splitlines()) == 1
    assert "[people]" in error
    assert not home.processes()


def test_a_camera_is_added_listed_switched_off_with_a_reason_and_never_where_the_law_forbids_it(home):
    home.do("register", "import", write(home, "sites.csv", SITES))
    (home.outside / "login.txt").write_text("viewer:a long secret\n")
    where = ("--site", "s1", "--place", "penal_colony")
    out, _ = home.do(
        "camera", "add", "C-1", "rtsp://10.0.0.9/1", *where, "--room", "cell", "--credentials", "login.txt"
    )
    assert "for 90 days" in out
    kept = home.folder / "secrets" / "cameras" / "C-1"
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == ("viewer:a long secret", 0o600)
    _, error = home.do("camera", "add", "C-2", "rtsp://10.0.0.9/2", *where, "--room", "lawyer", code=1)
    assert "article 70" in error
    _, error = home.do("camera", "add", "C-2", "rtsp://me:secret@10.0.0.9/2", *where, code=1)
    assert "address" in error
    assert "secret" not in error
    home.do("camera", "disable", "C-1", "--reason", "the wall is painted")
    out, _ = home.do("camera", "list")
    assert out.splitlines()[1].split()[:4] == ["C-1", "penal_colony", "s1", "disabled"]
    home.do("camera", "enable", "C-1")
