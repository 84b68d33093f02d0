"""Certificates of tablets: what is vouched for, and that others read them."""

import base64
import shutil
import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from saqtau.devices.tablet.compose import new_key
from saqtau.kernel.clock import DAY, HOUR, Instant
from saqtau.kernel.errors import Refused
from saqtau.web.device_certs import LIFE, issue, load_authority, make_authority, pem_of, vouched_until

NOW = Instant(1_795_165_387_000)
AUTHORITY = load_authority(make_authority(NOW))
OTHER = load_authority(make_authority(NOW))
_, KEY = new_key()
_, STRANGE = new_key()


def test_a_certificate_vouches_for_a_week():
    given_now = issue(AUTHORITY, "tab-1", "U1", KEY, NOW)
    assert given_now.ends == NOW + LIFE
    assert vouched_until(AUTHORITY.certificate, given_now.certificate, "tab-1", "U1", KEY) == given_now.ends


@pytest.mark.parametrize(
    ("device", "unit", "key"),
    [("tab-2", "U1", KEY), ("tab-1", "U2", KEY), ("tab-1", "U1", STRANGE)],
    ids=["another device", "another unit", "another key"],
)
def test_it_vouches_for_nothing_else(device, unit, key):
    certificate = issue(AUTHORITY, "tab-1", "U1", KEY, NOW).certificate
    assert vouched_until(AUTHORITY.certificate, certificate, device, unit, key) is None


def test_a_certificate_of_another_authority_vouches_for_nothing():
    certificate = issue(OTHER, "tab-1", "U1", KEY, NOW).certificate
    assert vouched_until(AUTHORITY.certificate, certificate, "tab-1", "U1", KEY) is None


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(some.integers(min_value=0, max_value=10_000), some.integers(min_value=1, max_value=255))
@example(358, 8)  # an algorithm that nobody knows
@example(12, 8)  # a version that there is not
@example(15, 128)  # a number below zero
def test_a_changed_byte_never_makes_it_vouch_for_more(place, change):
    first = issue(AUTHORITY, "tab-1", "U1", KEY, NOW)
    changed = bytearray(first.certificate)
    changed[place % len(changed)] ^= change
    found = vouched_until(AUTHORITY.certificate, bytes(changed), "tab-1", "U1", KEY)
    # the count of unused bits before the signature is nobody's word: changed, it changes nothing
    assert found in {None, first.ends}


@given(some.binary(max_size=200))
def test_what_is_no_certificate_vouches_for_nothing(raw):
    assert vouched_until(AUTHORITY.certificate, raw, "tab-1", "U1", KEY) is None


def test_openssl_reads_and_believes_it(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("OPENSSL SKIPPED: no openssl on PATH")
    given_now = issue(AUTHORITY, "tab-1", "U1", KEY, NOW)
    for name, pem in (("ca", AUTHORITY.pem), ("other", OTHER.pem), ("tab", pem_of(given_now.certificate))):
        (tmp_path / f"{name}.pem").write_text(pem)

    def verdict(authority, at):
        command = [
            "openssl",
            "verify",
            "-CAfile",
            f"{authority}.pem",
            "-attime",
            str(at // 1000),
            "-purpose",
            "sslclient",
        ]
        return subprocess.run([*command, "tab.pem"], cwd=tmp_path, capture_output=True, check=False).returncode == 0

    assert verdict("ca", NOW + DAY)
    assert not verdict("ca", NOW + LIFE + HOUR)
    assert not verdict("other", NOW + DAY)


def test_a_broken_file_of_the_authority_is_named():
    for pem in (b"", b"x", make_authority(NOW)[:200], OTHER.pem.encode()):
        with pytest.raises(Refused) as refused:
            load_authority(pem)
        assert list(refused.value.fields) == ["device_authority"]
    mixed = make_authority(NOW).split(b"-----BEGIN CERTIFICATE")[0] + OTHER.pem.encode()
    with pytest.raises(Refused):
        load_authority(mixed)


def test_only_p256_keys_get_one():
    with pytest.raises(Refused):
        issue(AUTHORITY, "tab-1", "U1", base64.b64decode("AAAA"), NOW)
