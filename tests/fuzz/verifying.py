"""What an outsider checks: name, function of bytes, the bytes to begin with. They raise nothing and never say yes."""

import tempfile
from pathlib import Path

from tests.growing import LOG, ORIGIN, POLICY, Grown
from tests.unit.ledger.packages import made

from saqtau.ledger.package import pack
from saqtau.ledger.policy import parse_policy
from saqtau.ledger.verify import export
from saqtau.ledger.verify.entry import check_entry
from saqtau.ledger.verify.finding import silent
from saqtau.ledger.verify.paper import parse_typed

FOLDER = tempfile.TemporaryDirectory(prefix="sq-fuzz-")
GROWN = Grown(Path(FOLDER.name) / "log").to(5)
KEYS = parse_policy(POLICY)
THEIRS = export.parse_policy(POLICY.decode(), "policy")
ENTRY = GROWN.entry(3)
PACKAGE = pack(made({"content/a.txt": b"a"}))


def entry(data: bytes) -> None:
    """Both checks say the same, and what holds is about the entry that was entered."""
    ours = not check_entry(data, KEYS, silent)
    try:
        found = export.check_entry(data, THEIRS, "entry")
    except export.Wrong:
        assert not ours or not data.startswith(b"{"), "only one of two checks accepts it"
        return
    assert found.leaf["c"] in {_committed(number) for number in range(5)}
    assert ours == THEIRS.enough(found.opened.witnessed)


def _committed(number: int) -> str:
    return GROWN.leaves[number][6:70].decode()


def package(data: bytes) -> None:
    place = Path(FOLDER.name) / "package.zip"
    place.write_bytes(data)
    found = export.check(place, None, silent)
    assert found or data == PACKAGE, "a changed package holds"


def paper(data: bytes) -> None:
    size, _, root = data.decode("utf-8", "replace").partition("\n")
    assert parse_typed(ORIGIN, size, root).origin == LOG.name


VERIFYING = {
    "entry_file": (entry, [ENTRY, GROWN.proof(0).encode()]),
    "export_package": (package, [PACKAGE]),
    "paper": (paper, [f"1,234\n{'ab' * 32}".encode(), b"7\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]),
}
