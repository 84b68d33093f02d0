"""Time-stamps by `openssl ts`, which nobody here wrote: accepted, checked by our program and by openssl."""

import subprocess

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client import VerifierBuilder, decode_timestamp_response
from tests import stamping
from tests.unit.ledger.packages import made

from saqtau.kernel.errors import Refused
from saqtau.ledger import timestamp
from saqtau.ledger.package import MANIFEST, TIMESTAMP, pack
from saqtau.ledger.verify import export as verifier

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(stamping.OPENSSL is None, reason="openssl is not here: Debian's package openssl brings it"),
]
FILES = made({"README.en.txt": b"Read"})


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return stamping.authority(tmp_path_factory.mktemp("tsa"))


async def stamped(authority, about=FILES[MANIFEST]):
    asked = timestamp.ask(about)
    return asked, await stamping.reply(authority, asked.data)


def told(tmp_path, token, tsa=None):
    place, said = tmp_path / "package.zip", []
    place.write_bytes(pack({**FILES, TIMESTAMP: token}))
    return [str(one) for one in verifier.check(place, None, said.append, tsa)], said


async def test_what_openssl_signs_is_accepted_and_openssl_verifies_it_over_the_manifest(authority, tmp_path):
    asked, answer = await stamped(authority)
    token = timestamp.accept(answer, asked, FILES[MANIFEST])
    (tmp_path / "token").write_bytes(token)
    (tmp_path / "manifest").write_bytes(FILES[MANIFEST])
    ask = ["openssl", "ts", "-verify", "-data", "manifest", "-in", "token", "-CAfile", str(authority / "ca.pem")]
    done = subprocess.run(ask, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "Verification: OK" in done.stdout + done.stderr) == (0, True)


async def test_the_program_says_when_and_by_whom_and_whether_he_is_trusted(authority, tmp_path):
    _, token = await stamped(authority)
    found, said = told(tmp_path, token)
    assert found == []
    assert any("existed at 20" in line and "CN=Leaf" in line for line in said)
    found, said = told(tmp_path, token, (authority / "ca.pem").read_bytes())
    assert found == []
    assert any("is one that you trust" in line for line in said)
    other = stamping.chain(tmp_path / "other", ExtendedKeyUsageOID.TIME_STAMPING)
    found, _ = told(tmp_path, token, (other / "ca.pem").read_bytes())
    assert len(found) == 1
    assert "no certificate you handed in vouches" in found[0]


async def test_a_byte_changed_in_what_is_signed_is_found(authority, tmp_path):
    _, token = await stamped(authority)
    digest = verifier.hashlib.sha256(FILES[MANIFEST]).digest()
    for at in (token.index(digest), len(token) - 3):
        changed = bytearray(token)
        changed[at] ^= 1
        assert told(tmp_path, bytes(changed))[0]


async def test_one_over_something_else_is_found(authority, tmp_path):
    _, token = await stamped(authority, b"something else")
    assert told(tmp_path, token)[0] == [f"{TIMESTAMP}: is over something else than {MANIFEST}"]


async def test_an_answer_to_another_request_and_one_that_is_none_are_refused(authority):
    asked, answer = await stamped(authority)
    with pytest.raises(Refused, match="another request"):
        timestamp.accept(answer, timestamp.ask(FILES[MANIFEST]), FILES[MANIFEST])
    for bad in (b"", b"0", answer[:-10], answer[:40], bytes(100), bytes(timestamp.LARGEST + 1)):
        with pytest.raises(Refused) as refused:
            timestamp.accept(bad, asked, FILES[MANIFEST])
        assert "timestamp" in refused.value.fields


async def test_a_certificate_for_something_else_signs_no_time(tmp_path):
    folder = stamping.authority(tmp_path / "tsa")
    _, token = await stamped(folder)
    mail = stamping.chain(tmp_path / "mail", ExtendedKeyUsageOID.EMAIL_PROTECTION)
    done = subprocess.run(
        ["openssl", "cms", "-sign", "-binary", "-nodetach", "-econtent_type", "1.2.840.113549.1.9.16.1.4", "-signer",
         str(mail / "leaf.pem"), "-inkey", str(mail / "leaf.key"), "-outform", "DER", "-in", "-"],
        input=tst_info(token), capture_output=True, check=True,
    )  # fmt: skip
    body = b"\x30\x03\x02\x01\x00" + done.stdout
    made_up = b"\x30\x82" + len(body).to_bytes(2, "big") + body
    assert told(tmp_path, made_up)[0] == [f"{TIMESTAMP}: is signed with a key that is not for time-stamps"]


def tst_info(token):
    """What a token signs."""
    begins = token.index(bytes.fromhex("060b2a864886f70d0109100104")) + 13
    outer = verifier.der(token[begins:])[0]
    return verifier.der(outer[1])[0][1]


async def test_another_verifier_accepts_the_same_token(tmp_path):
    """rfc3161-client, which is as strict about the order of certificates as DER is: the answer has one only."""
    folder = stamping.authority(tmp_path / "tsa")
    (folder / "ts.cnf").write_text(stamping.CONFIG.replace("certs = ca.pem\n", ""))
    _, token = await stamped(folder)
    ca = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    judge = VerifierBuilder().add_root_certificate(ca).build()
    assert judge.verify_message(decode_timestamp_response(token), FILES[MANIFEST])
    assert told(tmp_path, token)[0] == []
