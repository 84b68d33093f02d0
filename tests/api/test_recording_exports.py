"""The whole way of a recording out of the house: asked, agreed to, read while it leaves, checked by its program."""

import asyncio
import io
import json
import subprocess
import sys
import zipfile

import msgspec
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests import stamping
from tests.api.cameras import camera as camera_of
from tests.api.cameras import put_up
from tests.api.recordings import Recorded, approved, asked, recorded
from tests.api.test_exports import WITNESS, witnessing

from saqtau.bootstrap.web import watch_policies
from saqtau.engine.recording_package import Exporting
from saqtau.kernel.clock import HOUR, Instant
from saqtau.kernel.register import PlaceKind
from saqtau.ledger.verify import export as verifier
from saqtau.video.signed_copy import load_signer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def street(house, tmp_path):
    await watch_policies(house.parts.pg, house.parts.access)
    return await recorded(house, tmp_path / "volume")


def opened(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def findings(tmp_path, data, said=None):
    place = tmp_path / "package.zip"
    place.write_bytes(data)
    return [str(one) for one in verifier.check(place, None, (said if said is not None else []).append)]


async def test_nothing_leaves_before_another_person_agreed(street):
    inspector, answer = await asked(street)
    wish = answer.json()
    assert (answer.status_code, wish["standing"], wish["asked_by"]) == (201, "requested", "inspector")
    early = await inspector.get(f"/api/recording-exports/{wish['id']}/package")
    assert (early.status_code, early.json()["fields"]) == (409, {"standing": "requested"})
    assert (await inspector.post(f"/api/recording-exports/{wish['id']}/approve")).status_code == 403
    duty = await street.house.signed_in("duty")
    done = (await duty.post(f"/api/recording-exports/{wish['id']}/approve")).json()
    assert (done["standing"], [one["by"] for one in done["signatures"]]) == ("approved", ["duty"])
    assert (await duty.get(f"/api/recording-exports/{wish['id']}/package")).status_code == 403


async def test_the_package_carries_the_very_bytes_and_the_log_knows_their_chain(street, tmp_path):
    inspector, name = await approved(street)
    answer = await inspector.get(f"/api/recording-exports/{name}/package")
    assert answer.status_code == 200, answer.text
    files, said = opened(answer.content), []
    manifest = json.loads(files["manifest.json"])
    (told,) = manifest["video"]
    original = b"".join(one.path.read_bytes() for one in street.segments)
    for part in told["parts"]:
        assert files[part["name"]][part["head"]["bytes"] :] in original
    assert told["began"] <= street.began + 20_000 < street.began + 70_000 <= told["ended"]
    assert [gap[2] for gap in told["gaps"]] == ["packet_loss"]
    assert manifest["about"]["recipient"] == "Алматы қалалық соты"
    assert {"README.kk.txt", "README.ru.txt", "README.en.txt", "verify.py", "policies/limits.cedar"} <= files.keys()
    assert findings(tmp_path, answer.content, said) == []
    assert any("the one that entry" in line for line in said), said
    assert not any("bound by this package alone" in line for line in said)
    again = await inspector.get(f"/api/recording-exports/{name}/package")
    assert again.content == answer.content
    first, second = await street.house.closed(2, viewer="inspector", action="export.receive", object=name)
    assert (first["delivered"], second["delivered"]) == (len(answer.content),) * 2


async def test_the_program_inside_names_what_was_changed_with_the_network_off(street, tmp_path):
    inspector, name = await approved(street)
    async with witnessing(street.house):
        answer = await inspector.get(f"/api/recording-exports/{name}/package")
    assert f'filename="saqtau-export-{name}.zip"' in answer.headers["content-disposition"]
    files = opened(answer.content)
    assert WITNESS.name.encode() in files["ledger/checkpoint"]
    folder = tmp_path / "unpacked"
    for part, data in files.items():
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        (folder / part).write_bytes(data)
    ask = [sys.executable, "-I", "verify.py"]
    whole = subprocess.run(ask, cwd=folder, capture_output=True, text=True, check=False)
    assert whole.returncode == 0, whole.stdout
    assert "every checkpoint is cosigned as the policy asks" in whole.stdout
    recording = next(one for one in sorted(files) if one.startswith("video/"))
    changed = bytearray(files[recording])
    changed[-1000] ^= 1
    (folder / recording).write_bytes(changed)
    done = subprocess.run(ask, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (told,) = [line for line in done.stdout.splitlines() if line.startswith("DOES NOT HOLD")]
    assert told.startswith(f"DOES NOT HOLD  {recording}: link ")
    assert told.endswith("was changed")
    assert "bound by this package alone" not in done.stdout


async def test_a_school_needs_the_prosecutor_besides(house, tmp_path):
    await watch_policies(house.parts.pg, house.parts.access)
    school = await recorded(house, tmp_path / "volume", 30, PlaceKind.SCHOOL)
    inspector, answer = await asked(school, since=2_000, until=20_000)
    wish = answer.json()
    assert (answer.status_code, wish["sensitive"]) == (201, ["minors"])
    duty, prosecutor = await house.signed_in("duty"), await house.signed_in("prosecutor")
    path = f"/api/recording-exports/{wish['id']}"
    assert (await prosecutor.post(f"{path}/approve")).json()["fields"] == {"prosecutor": "not_yet"}
    assert (await duty.post(f"{path}/approve")).json()["standing"] == "awaits_prosecutor"
    assert (await inspector.get(f"{path}/package")).status_code == 409
    assert (await prosecutor.get("/api/waiting")).json()["waiting"] == 1
    assert (await prosecutor.post(f"{path}/approve")).json()["standing"] == "approved"
    assert (await inspector.get(f"{path}/package")).status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"since": 0, "until": 90_000_000}, "to"), ({"since": 9_000_000, "until": 9_100_000}, "to"),
        ({"keep": [], "until": 20_000 + 601_000}, "to"), ({"camera": "NOWHERE"}, "camera"),
        ({"keep": [{"at": 0, "left": 0.5, "top": 0, "right": 0.5, "bottom": 1}], "until": 30_000}, "keep"),
        ({"since": -9_000_000, "until": -8_000_000}, "recording"), ({"reason": "short"}, "reason"),
    ],
)  # fmt: skip
async def test_what_cannot_leave_is_refused_by_its_field(house, change, field):
    await put_up(house.owner, house.parts.clock(), camera_of("BARE"))
    bare = Recorded(house, "BARE", Instant(house.parts.clock() - HOUR), [])
    _, answer = await asked(bare, **change)
    assert answer.status_code in {400, 403, 404}, answer.text
    assert field in answer.json()["fields"]


async def test_a_redacted_copy_is_looked_at_whole_before_anybody_agrees(street, tmp_path):
    inspector, answer = await asked(street, since=20_000, until=22_000, keep=[])
    name = answer.json()["id"]
    path, duty = f"/api/recording-exports/{name}", await street.house.signed_in("duty")
    assert (await duty.post(f"{path}/approve")).json()["fields"] == {"draft": "not_made"}
    made = await inspector.post(f"{path}/redact")
    assert made.status_code == 200, made.text
    assert made.json()["draft"]
    assert (await duty.post(f"{path}/approve")).json()["fields"] == {"draft": "not_seen"}
    copy = await duty.get(f"{path}/draft")
    assert (copy.status_code, copy.headers["content-type"]) == (200, "video/webm")
    async with asyncio.timeout(10):
        while (done := await duty.post(f"{path}/approve")).status_code == 409:
            await asyncio.sleep(0.05)
    assert done.json()["standing"] == "approved"
    package = await inspector.get(f"{path}/package")
    files = opened(package.content)
    manifest = json.loads(files["manifest.json"])
    assert files["content/redacted.webm"] == copy.content
    assert "video" not in manifest
    parent = manifest["about"]["parent"]
    assert (parent["camera"], len(parent["chain"])) == (street.camera, 64)
    assert [one["by"] for one in manifest["about"]["checked"]] == ["duty"]
    assert findings(tmp_path, package.content) == []


async def test_with_an_authority_and_a_signer_a_time_stamp_and_a_copy_go_with_it(street, tmp_path):
    keys = stamping.chain(tmp_path / "signer", ExtendedKeyUsageOID.EMAIL_PROTECTION, critical=False)
    signer = load_signer((keys / "chain.pem").read_bytes(), (keys / "leaf.key").read_bytes())
    authority = stamping.authority(tmp_path / "tsa")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    async with stamping.answering(authority) as address:
        parts = msgspec.structs.replace(street.house.parts, exporting=Exporting(scratch, address, signer))
        street.house.app.state.parts = parts
        inspector, name = await approved(street)
        answer = await inspector.get(f"/api/recording-exports/{name}/package")
    assert answer.status_code == 200, answer.text
    files, said = opened(answer.content), []
    copy = f"video_signed/{street.camera}/00.mp4"
    assert {copy, "ledger/timestamp.tsr"} <= files.keys()
    assert findings(tmp_path, answer.content, said) == []
    assert any("existed at" in line for line in said)
    assert any("carries the same links" in line for line in said)
    assert list(scratch.iterdir()) == [], "nothing stays behind"


async def test_without_an_answer_of_the_authority_it_leaves_and_says_whom_it_asked(street, tmp_path):
    async with stamping.answering(stamping.authority(tmp_path / "tsa"), lambda _: b"no") as address:
        street.house.app.state.parts = msgspec.structs.replace(street.house.parts, exporting=Exporting(None, address))
        inspector, name = await approved(street)
        answer = await inspector.get(f"/api/recording-exports/{name}/package")
    files = opened(answer.content)
    assert "ledger/timestamp.tsr" not in files
    assert json.loads(files["manifest.json"])["about"]["timestamp"] == address
    said = []
    assert findings(tmp_path, answer.content, said) == []
    assert any("no time-stamp is in it" in line for line in said)
