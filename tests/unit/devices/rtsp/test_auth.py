"""The examples of the standards, and which challenge is answered."""

import pytest

from saqtau.devices.rtsp.auth import Login, answer, choose, parse_login
from saqtau.kernel.errors import Refused

OFFER_7616 = (
    'realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
CNONCE_7616 = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


@pytest.mark.parametrize(
    ("algorithm", "proof"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_rfc_7616(algorithm, proof):
    challenge = choose([f"Digest {OFFER_7616.format(algorithm)}"])
    login = Login("Mufasa", "Circle of Life")
    header = answer(challenge, login, "GET", "/dir/index.html", count=1, cnonce=CNONCE_7616)
    assert f'response="{proof}"' in header
    assert 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"' in header
    assert "nc=00000001" in header


def test_the_example_of_rfc_2617_and_the_older_one_without_quality():
    offer = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    login = Login("Mufasa", "Circle Of Life")
    new = answer(choose([offer + ', qop="auth"']), login, "GET", "/dir/index.html", count=1, cnonce="0a4f113b")
    assert 'response="6629fae49393a05397450978507c4ef1"' in new
    old = answer(choose([offer]), login, "GET", "/dir/index.html", count=1, cnonce="0a4f113b")
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in old
    assert "qop" not in old


def test_the_strongest_challenge_is_answered_wherever_it_stands():
    offers = ['Basic realm="x"', 'Digest realm="x", nonce="1"', 'Digest realm="x", nonce="2", algorithm=SHA-256']
    for order in (offers, offers[::-1]):
        assert choose(order).algorithm == "SHA-256"
    assert choose(offers[:2]).scheme == "digest"
    assert choose(offers[:1]).weak
    assert choose(["Negotiate", 'Digest realm="x", nonce="1", algorithm=MD6', "Digest realm=x"]) is None


def test_credentials_are_one_line_and_a_password_gets_into_no_log():
    assert parse_login("admin:a%3Ab:c\n") == Login("admin", "a:b:c")
    assert parse_login("admin:word\nbasic\n").basic
    assert "word" not in repr(parse_login("admin:word"))
    for text in ("admin", ":word", "", "admin:wo\0rd", "admin:word\nother", "ad%3Amin:x"):
        with pytest.raises(Refused) as refused:
            parse_login(text)
        assert refused.value.fields["credentials"] == "rtsp.login"
