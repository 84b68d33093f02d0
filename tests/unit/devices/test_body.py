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
