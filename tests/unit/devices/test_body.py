"""A JSON body, strictly read."""

import msgspec
import pytest

from saqtau.devices.body import decode
from saqtau.devices.limits import Rate
from saqtau.kernel.errors import Refused


def test_a_wrong_field_is_named_by_its_path():
    decoder = msgspec.json.Decoder(dict[str, list[Rate]])
    with pytest.raises(Refused) as refusal:
        decode(decoder, b'{"a":[{"per_second":1,"burst":"x"}]}')
    assert list(refusal.value.fields) == ["[...][0].burst"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b'{"a":[{"per_second":1}]}', {"[...][0].burst": "missing"}),
        (b"[]", {"body": "invalid"}),
        (b"{", {"body": "not_json"}),
        (b"\xff", {"body": "not_json"}),
        (b"[" * 100_000, {"body": "invalid"}),
    ],
)
def test_what_is_missing_or_no_json_is_said_so(body, fields):
    with pytest.raises(Refused) as refusal:
        decode(msgspec.json.Decoder(dict[str, list[Rate]]), body)
    assert refusal.value.fields == fields


def test_a_field_we_do_not_know_is_never_a_key_of_ours():
    class Known(msgspec.Struct, forbid_unknown_fields=True):
        a: int = 0

    for name in ("message", "kind", "self", "b"):
        with pytest.raises(Refused) as refusal:
            decode(msgspec.json.Decoder(Known), b'{"%s":1}' % name.encode())
        assert refusal.value.fields == {"body": "invalid"}
