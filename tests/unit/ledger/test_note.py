"""Signed notes and cosignatures, with the examples of the specifications."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.unit.ledger.refusals import refused

from saqtau.ledger.note import (
    COSIGNATURE,
    MAX_NOTE,
    Signer,
    Verifier,
    check_cosignature,
    compose_note,
    cosign,
    parse_note,
    valid_name,
)

VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""
"""The example of C2SP signed-note."""

LOG = Signer("saqtau.local/75/access/2026", Ed25519PrivateKey.from_private_bytes(b"L" * 32))
WITNESS_KEY = Ed25519PrivateKey.from_private_bytes(b"W" * 32)
WITNESS = Signer("prosecutor.example/w1", WITNESS_KEY)
BODY = f"{LOG.name}\n1\n{base64.b64encode(b'r' * 32).decode()}\n"
SEEN = 1_795_521_600


def note_of(*lines, body=BODY):
    return parse_note(compose_note(body, lines).encode())


def changed(line, at):
    """The line with one bit of its signature bytes flipped, canonical base64 still."""
    front, encoded = line.rstrip("\n").rsplit(" ", 1)
    data = bytearray(base64.b64decode(encoded))
    data[at] ^= 1
    return f"{front} {base64.b64encode(data).decode()}\n"


def test_the_example_of_the_specification_verifies():
    note = parse_note(NOTE.encode())
    verifier = Verifier.parse(VKEY)
    assert note.body == "This is an example message.\n"
    assert note.check(verifier)
    assert verifier.vkey == VKEY
    assert note.text == NOTE


def test_a_changed_body_does_not_verify():
    assert not parse_note(NOTE.replace("example message", "example messagf").encode()).check(Verifier.parse(VKEY))


def test_a_log_signs_and_a_witness_cosigns_the_same_note():
    note = note_of(LOG.sign(BODY), cosign(WITNESS, BODY, SEEN))
    assert note.check(Verifier.parse(LOG.vkey()))
    assert check_cosignature(Verifier.parse(WITNESS.vkey(COSIGNATURE)), note) == SEEN
    assert note.check(Verifier.parse(WITNESS.vkey(COSIGNATURE)))


def test_the_same_key_as_log_and_as_witness_has_two_ids():
    note = note_of(LOG.sign(BODY))
    assert LOG.verifier().key_id != LOG.verifier(COSIGNATURE).key_id
    assert check_cosignature(LOG.verifier(COSIGNATURE), note) is None
    assert check_cosignature(LOG.verifier(), note_of(cosign(LOG, BODY, SEEN))) is None
    assert check_cosignature(LOG.verifier(), note) is None, "a signature has no time"


def test_a_cosignature_binds_its_time():
    line = cosign(WITNESS, BODY, SEEN)
    for at in range(4, 4 + 8 + 64):
        note = note_of(LOG.sign(BODY), changed(line, at))
        assert check_cosignature(WITNESS.verifier(COSIGNATURE), note) is None
        assert note.check(LOG.verifier()), "the log's own signature stands"


def test_a_cosignature_over_another_checkpoint_counts_nothing():
    other = BODY.replace("\n1\n", "\n2\n")
    assert check_cosignature(WITNESS.verifier(COSIGNATURE), note_of(cosign(WITNESS, other, SEEN))) is None


def test_the_latest_of_a_witness_cosignatures_is_told():
    note = note_of(cosign(WITNESS, BODY, SEEN), cosign(WITNESS, BODY, SEEN + 5), cosign(WITNESS, BODY, SEEN - 5))
    assert check_cosignature(WITNESS.verifier(COSIGNATURE), note) == SEEN + 5


def test_signatures_of_unknown_keys_are_ignored():
    stranger = Signer(LOG.name, Ed25519PrivateKey.from_private_bytes(b"X" * 32))
    note = note_of(
        stranger.sign("another body\n"),  # shares the name
        "— somebody.else/ml-dsa " + base64.b64encode(b"\0\0\0\1" + b"q" * 2420).decode() + "\n",
        LOG.sign(BODY),
        "— one.byte/is-enough " + base64.b64encode(b"\0\0\0\1\2").decode() + "\n",
    )
    assert note.check(LOG.verifier())
    assert not note.check(stranger.verifier())


def test_one_wrong_signature_under_a_known_name_and_id_spoils_the_note():
    right = LOG.sign(BODY)
    assert not note_of(right, changed(right, 20)).check(LOG.verifier())
    assert not note_of(changed(right, 20), right).check(LOG.verifier())
    right = cosign(WITNESS, BODY, SEEN)
    assert check_cosignature(WITNESS.verifier(COSIGNATURE), note_of(right, changed(right, 70))) is None


def test_a_cosignature_of_another_length_or_beyond_time_counts_nothing():
    head = WITNESS.verifier(COSIGNATURE).key_id
    for data in (b"x", b"x" * 71, b"x" * 73, b"\xff" * 72):
        line = f"— {WITNESS.name} {base64.b64encode(head + data).decode()}\n"
        assert check_cosignature(WITNESS.verifier(COSIGNATURE), note_of(line)) is None
        assert check_cosignature(WITNESS.verifier(COSIGNATURE), note_of(cosign(WITNESS, BODY, SEEN), line)) is None
    late = 2**37
    signature = WITNESS_KEY.sign(f"cosignature/v1\ntime {late}\n{BODY}".encode())
    line = f"— {WITNESS.name} {base64.b64encode(head + late.to_bytes(8, 'big') + signature).decode()}\n"
    assert check_cosignature(WITNESS.verifier(COSIGNATURE), note_of(line)) is None, "signed, but no time"
    assert refused(cosign, WITNESS, BODY, 2**37) == {"time": "invalid"}
    assert refused(cosign, WITNESS, BODY, -1) == {"time": "invalid"}


def test_the_body_may_have_empty_lines():
    body = "Ognuno sta solo\n\ned è subito sera.\n"
    note = note_of(LOG.sign(body), body=body)
    assert note.body == body
    assert note.check(LOG.verifier())


LINE = LOG.sign(BODY)
MALFORMED = {
    "empty": ("", "note"),
    "no empty line": (BODY + LINE, "note"),
    "no signature": (BODY + "\n", "signature"),
    "a cut signature line": (BODY + "\n" + LINE[:-1], "signature"),
    "a hyphen instead of the dash": (BODY + "\n" + LINE.replace("—", "-"), "signature"),
    "no space after the dash": (BODY + "\n" + LINE.replace("— ", "—"), "signature"),
    "no name": (BODY + "\n—  AAAAAAE=\n", "signature"),
    "no signature bytes": (BODY + "\n— a.b\n", "signature"),
    "an id alone": (BODY + "\n— a.b AAAAAA==\n", "signature"),
    "base64 in another spelling": (BODY + "\n— a.b AAAAAAF=\n", "signature"),
    "base64 of the URL alphabet": (BODY + "\n— a.b AAAAA-_=\n", "signature"),
    "base64 without padding": (BODY + "\n— a.b AAAAAAE\n", "signature"),
    "letters that are no ASCII": (BODY + "\n— a.b АААААА==\n", "signature"),
    "a second word": (BODY + "\n— a.b AAAAAAE= AAAA\n", "signature"),
    "a plus in a name": (BODY + "\n— a+b AAAAAAE=\n", "signature"),
    "a no-break space in a name": (BODY + "\n— a\u00a0b AAAAAAE=\n", "signature"),
    "a line separator in a name": (BODY + "\n— a\u2028b AAAAAAE=\n", "signature"),
    "a carriage return": (BODY.replace("\n", "\r\n") + "\n" + LINE, "note"),
    "a tab": ("a\tb\n\n" + LINE, "note"),
    "a zero byte": ("a\0b\n\n" + LINE, "note"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_note_is_refused_with(what):
    text, field = MALFORMED[what]
    assert set(refused(parse_note, text.encode())) == {field}


def test_a_note_has_limits():
    many = "".join(f"— a.b/{n} AAAAAAE=\n" for n in range(16))
    assert len(parse_note(f"body\n\n{many}".encode()).signatures) == 16
    assert refused(parse_note, f"body\n\n{many * 5}".encode()) == {"signature": "too_many"}
    assert refused(parse_note, b"a" * MAX_NOTE + b"\n\n" + LINE.encode()) == {"note": "too_large"}
    assert refused(parse_note, b"\xff\n\n" + LINE.encode()) == {"note": "invalid"}


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "example.com/foo",
        "example.com/foo+530d903a",
        VKEY.replace("530d903a", "530d903b"),
        VKEY.replace("530d903a", "530D903A"),
        VKEY.replace("example.com/foo", "example.com/fop"),
        VKEY.replace("example.com", "example com"),
        VKEY[:-4],
        VKEY + "\n",
        VKEY.replace("+AekyeR", "+AukyeR"),
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "a" * 9_999,
        "example.com/foo+530d903a+Ключ",
    ],
)
def test_a_verifier_key_is_refused(vkey):
    assert set(refused(Verifier.parse, vkey)) == {"vkey"}


def test_a_key_of_a_kind_we_cannot_check_is_refused_as_such():
    mldsa = base64.b64encode(b"\6" + b"k" * 1312).decode()
    assert refused(Verifier.parse, f"a.b+00000000+{mldsa}") == {"vkey": "unknown_kind"}
    assert refused(Verifier.parse, f"a.b+00000000+{mldsa * 3}") == {"vkey": "too_large"}
    assert refused(Verifier.parse, f"a.b+00000000+{base64.b64encode(bytes([2]) + b'k' * 32).decode()}") == {
        "vkey": "unknown_kind"
    }


WEAK = {
    "order 1": "0100000000000000000000000000000000000000000000000000000000000000",
    "order 2": "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "order 4": "0000000000000000000000000000000000000000000000000000000000000000",
    "order 4, the other": "0000000000000000000000000000000000000000000000000000000000000080",
    "order 8": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "order 8, the second": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "order 8, the third": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "order 8, the fourth": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "order 1 in another spelling": "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "order 4 in another spelling": "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}


@pytest.mark.parametrize("what", WEAK)
def test_a_key_for_which_anybody_can_sign_is_refused(what):
    weak = Verifier("a.b", 1, bytes.fromhex(WEAK[what]))
    assert refused(Verifier.parse, weak.vkey) == {"vkey": "weak"}


def test_why_such_a_key_is_refused():
    weak, forged = Verifier("a.b", 1, bytes.fromhex(WEAK["order 1"])), bytes.fromhex(WEAK["order 1"]) + bytes(32)
    assert weak.signed(b"whatever one likes", forged)
    assert weak.signed(b"and its contrary", forged)


@pytest.mark.parametrize("body", ["", "no newline", "a\rb\n", "a\tb\n", "a\0\n"])
def test_what_is_no_body_of_a_note_is_not_signed(body):
    assert refused(LOG.sign, body) == {"body": "invalid"}
    assert refused(WITNESS.cosign, body, SEEN) == {"body": "invalid"}


def test_names_of_keys():
    assert valid_name("saqtau.local/75/access/2026")
    assert valid_name("прокуратура.қаз/куә")
    for name in ("", "a b", "a+b", "a\u3000b", "a\nb", "a\ud800", "a" * 256):
        assert not valid_name(name)
    assert refused(Signer, "a b", Ed25519PrivateKey.generate()) == {"name": "invalid"}
