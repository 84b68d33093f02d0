from pathlib import Path

import pytest

from saqtau import config
from saqtau.kernel.errors import Kind, Refused


def test_the_reference_page_is_made_from_the_code_and_current():
    assert Path("docs/reference/config.md").read_text() == config.reference()


def test_what_a_part_is_handed_is_the_same_configuration():
    found = config.read_config(None, Path("elsewhere"))
    assert config.decode(config.encode(found)) == found
    assert found.engine.folder == Path("elsewhere")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('[web]\nport = "8470"', "web.port"),
        ("[web]\nport = 0", "web.port"),
        ("[web]\nprt = 1", "web"),
        ('[reads]\nwindow = "half an hour"', "reads.window"),
        ("jurisdiction = 3", "jurisdiction"),
        ("[", "config"),
    ],
)
def test_a_wrong_key_is_refused_by_its_name(text, field):
    with pytest.raises(Refused) as refused:
        config.decode(text)
    assert refused.value.kind is Kind.INVALID
    assert field in refused.value.fields


def test_a_named_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(Refused) as refused:
        config.read_config(tmp_path / "none.toml")
    assert refused.value.kind is Kind.NOT_FOUND
