"""A signed copy is accepted by a C2PA reader that nobody here wrote, plays, and is refused with one byte changed."""

import json
import os
import shutil
import subprocess

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests import stamping
from tests.foreign.conftest import FOREIGN, absent
from tests.recorded import record

from saqtau.kernel.errors import Refused
from saqtau.video.export import cut
from saqtau.video.signed_copy import load_signer, write_signed


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    folder = stamping.chain(tmp_path_factory.mktemp("signer"), ExtendedKeyUsageOID.EMAIL_PROTECTION, critical=False)
    return load_signer((folder / "chain.pem").read_bytes(), (folder / "leaf.key").read_bytes())


@pytest.fixture(scope="module")
def copy(tmp_path_factory, signer):
    folder = tmp_path_factory.mktemp("copy")
    segments = record(folder, seconds=12)
    done = cut(segments, segments[0].began + 3_000, segments[0].began + 9_000)
    with (folder / "film").open("x+b") as film, (folder / "copy.mp4").open("x+b") as out:
        write_signed(done, signer, {"export": "e1"}, "cam-1", film, out)
    return folder / "copy.mp4", sum(part.frames for part in done.parts)


def judged(path):
    node, program = shutil.which("node"), FOREIGN / "c2pa" / "check.mjs"
    if node is None or not (FOREIGN / "c2pa" / "node_modules").is_dir():
        absent("@trustnxt/c2pa-ts, a reader of C2PA")
    done = subprocess.run([node, program, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_foreign_reader_accepts_the_copy(copy):
    found = judged(copy[0])
    assert found["valid"] is True
    assert {"claimSignature.validated", "assertion.bmffHash.match"} <= set(found["codes"])


def test_a_foreign_reader_refuses_it_with_one_byte_of_a_picture_changed(copy, tmp_path):
    data = bytearray(copy[0].read_bytes())
    data[-2_000] ^= 1
    (tmp_path / "changed.mp4").write_bytes(data)
    found = judged(tmp_path / "changed.mp4")
    assert (found["valid"], "assertion.bmffHash.mismatch" in found["codes"]) == (False, True)


def test_ffprobe_counts_the_pictures_of_the_recording_in_the_copy(copy):
    ffprobe = shutil.which("ffprobe")
    if ffprobe is None and os.environ.get("CI") != "true":
        pytest.skip("ffprobe is not here: Debian's package ffmpeg brings it")
    path, frames = copy
    ask = [ffprobe, "-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", path]
    done = subprocess.run(ask, capture_output=True, text=True, check=True)
    assert (int(done.stdout.strip().rstrip(",")), done.stderr) == (frames, "")


def test_a_key_that_does_not_belong_to_its_certificate_is_refused(tmp_path, signer):
    other = stamping.chain(tmp_path, ExtendedKeyUsageOID.EMAIL_PROTECTION, critical=False)
    for certificate, key, field in (
        (signer.certificate, (other / "leaf.key").read_bytes(), "key"),
        (b"none", signer.key, "certificate"), (signer.certificate, b"none", "key"),
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            load_signer(certificate, key)
        assert field in refused.value.fields
