"""What a recorder carries, it carries once a process: nothing heavy comes in by an import that is rarely needed."""

import subprocess
import sys

HEAVY = ("cv2", "numpy", "onveef", "rich", "pygments", "httpx", "litestar", "duckdb", "numba", "pyarrow")


def test_a_recorder_loads_nothing_heavy():
    asked = "import saqtau.bootstrap.__main__, saqtau.bootstrap.recorder, sys; "
    asked += f"print(*[name for name in {HEAVY!r} if sys.modules.get(name)])"
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
