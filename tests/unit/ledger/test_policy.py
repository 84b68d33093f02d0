"""Trust policies: what counts as enough witnesses, and files that say something in two ways."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.unit.ledger.refusals import refused
from tests.unit.ledger.test_note import BODY, LOG, SEEN, changed, note_of

from saqtau.ledger.note import COSIGNATURE, Signer, cosign
from saqtau.ledger.policy import LogPolicy, of_keys, parse_policy


def signer(name, seed):
    return Signer(name, Ed25519PrivateKey.from_private_bytes(seed.encode().ljust(32, b".")))


WITNESSES = {name: signer(f"{name.lower()}.example/w", name) for name in ("X1", "X2", "X3", "Y1", "Y2", "Y3")}
LINES = [f"log {LOG.vkey()}", *(f"witness {name} {one.vkey(COSIGNATURE)}" for name, one in WITNESSES.items())]
GROUPS = [
    "group X-witnesses 2 X1 X2 X3",
    "group Y-witnesses any Y1 Y2 Y3",
    "group X-and-Y all X-witnesses Y-witnesses",
]


def policy(*more, base=LINES):
    return parse_policy("".join(f"{line}\n" for line in (*base, *more)).encode())


def wrong(*lines):
    return refused(parse_policy, "".join(f"{line}\n" for line in lines).encode())


def note(*names, log=LOG, body=BODY):
    own = [log.sign(body)] if log else []
    return note_of(*own, *(cosign(WITNESSES[name], body, SEEN) for name in names), body=body)


EXAMPLE = policy(*GROUPS, "quorum X-and-Y")


@pytest.mark.parametrize(
    ("names", "enough"),
    [
        ("", False),
        ("X1", False),
        ("X1 X2", False),
        ("X1 X2 X3", False),
        ("Y1 Y2 Y3", False),
        ("X1 Y1", False),
        ("X1 Y1 Y2 Y3", False),
        ("X1 X2 Y3", True),
        ("X2 X3 Y1", True),
        ("X1 X2 X3 Y1 Y2 Y3", True),
    ],
)
def test_the_example_of_the_specification(names, enough):
    verdict = EXAMPLE.satisfied(note(*names.split()))
    assert verdict.accepted is enough
    assert verdict.reason == ("" if enough else "quorum")
    assert verdict.log == LOG.verifier()
    assert verdict.witnessed == dict.fromkeys(names.split(), SEEN)


def test_one_witness_counts_once_however_often_it_signs():
    assert not EXAMPLE.satisfied(note("X1", "X1", "X1", "Y1")).accepted


def test_a_single_witness_is_a_quorum():
    one = policy("quorum Y2")
    assert one.satisfied(note("Y2")).accepted
    assert not one.satisfied(note("Y1", "X1", "X2")).accepted


def test_no_quorum_asks_for_the_log_alone():
    alone = policy("quorum none", base=LINES[:1])
    assert alone.satisfied(note()).accepted
    assert not alone.satisfied(note("X1", log=None)).accepted
    assert alone.satisfied(note("X1")).witnessed == {}


def test_witnesses_alone_do_not_make_a_checkpoint():
    verdict = EXAMPLE.satisfied(note("X1", "X2", "Y1", log=None))
    assert (verdict.accepted, verdict.reason, verdict.log) == (False, "signature", None)


def test_a_log_speaks_for_its_own_origin_only():
    other = BODY.replace(LOG.name, "somebody.else/log")
    verdict = EXAMPLE.satisfied(note("X1", "X2", "Y1", body=other))
    assert (verdict.accepted, verdict.reason) == (False, "origin")


def test_a_note_that_is_no_checkpoint_is_not_accepted():
    assert EXAMPLE.satisfied(note("X1", "X2", "Y1", body="good morning\n")).reason == "origin"


def test_one_wrong_signature_of_a_known_key_refuses_the_whole_note():
    right = [LOG.sign(BODY), *(cosign(WITNESSES[name], BODY, SEEN) for name in ("X1", "X2", "Y1"))]
    for place in range(4):
        spoilt = [changed(line, 50) if n == place else line for n, line in enumerate(right)]
        verdict = EXAMPLE.satisfied(note_of(*spoilt))
        assert (verdict.accepted, verdict.reason) == (False, "wrong_signature")
    assert EXAMPLE.satisfied(note_of(*right)).accepted


def test_a_signature_of_a_stranger_spoils_nothing():
    stranger = signer("stranger.example/w", "S")
    lines = [LOG.sign(BODY), *(cosign(WITNESSES[name], BODY, SEEN) for name in ("X1", "X2", "Y1"))]
    assert EXAMPLE.satisfied(note_of(changed(cosign(stranger, BODY, SEEN), 50), *lines)).accepted


def test_a_witness_of_the_policy_is_known_by_its_key_not_by_its_name():
    impostor = signer(WITNESSES["Y1"].name, "impostor")
    verdict = EXAMPLE.satisfied(
        note_of(*(signature.line for signature in note("X1", "X2").signatures), cosign(impostor, BODY, SEEN))
    )
    assert (verdict.accepted, verdict.reason) == (False, "quorum")


def test_spaces_tabs_comments_and_empty_lines_mean_nothing():
    text = f"# who watches\n\n \t \n\tlog\t {LOG.vkey()} https://a.b/log \n  # end\nquorum  none\t\n"
    found = parse_policy(text.encode())
    assert [log.url for log in found.logs] == ["https://a.b/log"]
    assert found.quorum == "none"


def test_names_are_octets():
    kelvin, k = "\u212a", "K"
    found = policy(f"group {kelvin} any X1", f"group {k} any Y1", f"quorum {kelvin}")
    assert found.satisfied(note("X1")).accepted
    assert not found.satisfied(note("Y1")).accepted
    keys = "".join(f"{line}\n" for line in LINES).encode()
    raw = parse_policy(keys + b"group \xff\xfe any X1\nquorum \xff\xfe\n")
    assert raw.satisfied(note("X1")).accepted
    assert parse_policy(raw.text()) == raw
    assert refused(parse_policy, keys + b"group \xff\xfe any X1\nquorum \xff\xff\n") == {"quorum": "member"}


def test_a_no_break_space_separates_nothing():
    assert wrong(f"log\u00a0{LOG.vkey()}", "quorum none") == {"policy": "unknown_kind"}


LOG_LINE, X1, X2 = LINES[:3]
MALFORMED = {
    "no quorum": ([LOG_LINE], {"quorum": "invalid"}),
    "two quorums": ([LOG_LINE, "quorum none", "quorum none"], {"quorum": "invalid"}),
    "a quorum of two names": ([X1, X2, "quorum X1 X2"], {"quorum": "invalid"}),
    "a quorum that is not named": ([X1, "quorum X2"], {"quorum": "member"}),
    "a quorum that is named later": (["quorum X1", X1], {"quorum": "member"}),
    "an unknown word": (["witnes X1", "quorum none"], {"policy": "unknown_kind"}),
    "a word in capitals": (["QUORUM none"], {"policy": "unknown_kind"}),
    "a log without a key": (["log", "quorum none"], {"log": "invalid"}),
    "a log with too many words": ([f"{LOG_LINE} a b", "quorum none"], {"log": "invalid"}),
    "a log twice": ([LOG_LINE, LOG_LINE, "quorum none"], {"log": "duplicate"}),
    "a witness without a name": ([f"witness {WITNESSES['X1'].vkey(4)}", "quorum none"], {"witness": "invalid"}),
    "a witness with a log's kind of key": ([f"witness X1 {WITNESSES['X1'].vkey()}", "quorum none"],
                                           {"witness": "unknown_kind"}),
    "a witness twice": ([X1, X1.replace("witness X1", "witness X9"), "quorum none"], {"witness": "duplicate"}),
    "a name twice": ([X1, X2.replace("witness X2", "witness X1"), "quorum none"], {"witness": "duplicate"}),
    "a witness called none": ([X1.replace("witness X1", "witness none"), "quorum none"], {"witness": "duplicate"}),
    "a group called none": ([X1, "group none any X1", "quorum none"], {"group": "duplicate"}),
    "a group called as a witness": ([X1, X2, "group X1 any X2", "quorum X1"], {"group": "duplicate"}),
    "a group without members": ([X1, "group G any", "quorum G"], {"group": "invalid"}),
    "a group that asks for none": ([X1, "group G 0 X1", "quorum G"], {"group": "threshold"}),
    "a group that asks for more than it has": ([X1, "group G 2 X1", "quorum G"], {"group": "threshold"}),
    "a threshold that is no number": ([X1, "group G some X1", "quorum G"], {"group": "invalid"}),
    "a threshold with a sign": ([X1, "group G +1 X1", "quorum G"], {"group": "invalid"}),
    "a group of itself": ([X1, "group G any G", "quorum G"], {"group": "member"}),
    "a group of what comes later": (["group G any X1", X1, "quorum G"], {"group": "member"}),
    "none as a member": ([X1, "group G any X1 none", "quorum G"], {"group": "member"}),
    "a member twice": ([X1, "group G any X1 X1", "quorum G"], {"group": "member"}),
    "a member of two groups": ([X1, X2, "group G any X1", "group H any X1 X2", "quorum H"], {"group": "member"}),
    "a witness with the key of the log": ([LOG_LINE, f"witness self {LOG.vkey(4)}", "quorum self"],
                                          {"witness": "same_key"}),
    "a carriage return": ([f"{LOG_LINE}\r", "quorum none"], {"policy": "invalid"}),
    "a delete character": (["# \x7f", "quorum none"], {"policy": "invalid"}),
}  # fmt: skip


@pytest.mark.parametrize("what", MALFORMED)
def test_a_policy_is_refused_with(what):
    lines, fields = MALFORMED[what]
    assert wrong(*lines) == fields


def test_a_policy_that_was_cut_is_refused():
    assert refused(parse_policy, b"quorum none") == {"policy": "invalid"}
    assert refused(parse_policy, b"") == {"quorum": "invalid"}


def test_a_policy_has_room_for_what_the_specification_recommends_and_limits():
    many = [signer(f"w{n}.example", f"w{n}") for n in range(65)]
    witnesses = [f"witness w{n} {one.vkey(COSIGNATURE)}" for n, one in enumerate(many)]
    logs = [f"log {signer(f'l{n}.example', f'l{n}').vkey()}" for n in range(1025)]
    groups = [f"group g{n} any w{n}" for n in range(64)]
    tree = parse_policy("".join(f"{line}\n" for line in (*witnesses[:64], *groups, "quorum g31")).encode())
    assert (len(tree.witnesses), len(tree.groups)) == (64, 64)
    assert wrong(*witnesses, "quorum none") == {"witness": "too_many"}
    assert len(parse_policy("".join(f"{line}\n" for line in (*logs[:1024], "quorum none")).encode()).logs) == 1024
    assert wrong(*logs, "quorum none") == {"log": "too_many"}
    assert wrong(*witnesses[:64], *groups, "group h any g0", "quorum h") == {"group": "too_many"}
    assert refused(parse_policy, b"#" * 300_000 + b"\nquorum none\n") == {"policy": "too_large"}


def test_a_policy_is_written_as_it_is_read():
    found = policy(*GROUPS, "quorum X-and-Y", base=[f"{LINES[0]} https://a.b", *LINES[1:]])
    assert parse_policy(found.text()) == found


def test_the_plain_policy_asks_for_so_many_of_these_witnesses():
    keys = {WITNESSES[name].vkey(COSIGNATURE): None for name in ("X1", "X2")}
    both = of_keys({LOG.vkey(): "https://a.b"}, keys, 2)
    assert both.satisfied(note("X1", "X2")).accepted
    assert not both.satisfied(note("X1")).accepted
    assert of_keys({LOG.vkey(): None}, {}, 0).satisfied(note()).accepted
    assert refused(of_keys, {LOG.vkey(): None}, keys, 3) == {"group": "threshold"}
    assert refused(of_keys, {LOG.vkey(): "https://a.b\nquorum none"}, keys, 1) == {"policy": "invalid"}
    assert isinstance(both, LogPolicy)
