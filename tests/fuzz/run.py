"""Coverage-guided fuzzing of one parser: `python tests/fuzz/run.py push -max_total_time=600`.

Needs atheris (not in the lock: its wheels exist for few platforms). libFuzzer's own options follow the name.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> None:
    import atheris

    sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
    with atheris.instrument_imports(include=["saqtau.devices", "saqtau.ledger"]):
        from tests.fuzz.targets import TARGETS

    function, seeds = TARGETS[sys.argv[1]]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds):
            (Path(corpus) / str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], *sys.argv[2:], corpus], function)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
