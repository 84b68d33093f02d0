"""What the browser's verifier is tested with is what the ledger makes today."""

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "console/dev/vectors.py"


def test_the_vectors_of_the_browsers_verifier_are_those_that_the_ledger_makes() -> None:
    spec = importlib.util.spec_from_file_location("vectors", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    vectors = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(vectors)
    assert vectors.WHERE.read_text("utf-8") == vectors.written()
