"""Asserting what was refused: the field, and the key of the reason where it matters."""

import pytest

from saqtau.kernel.errors import Kind, Refused


def refused(function, *given):
    """The fields of the Refused(INVALID) that this call must raise."""
    with pytest.raises(Refused) as caught:
        function(*given)
    assert caught.value.kind is Kind.INVALID
    assert caught.value.fields
    return dict(caught.value.fields)
