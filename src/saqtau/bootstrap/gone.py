"""The end of a process whose work is over and kept."""

import atexit
import os
import sys
from typing import NoReturn


def be_gone() -> NoReturn:
    """End this process without taking its memory apart.

    That costs up to 0.4 s of a core a part: ten parts that stop together were killed in the middle of it.
    """
    atexit._run_exitfuncs()  # noqa: SLF001 - what libraries promised to do at the end; `os._exit` alone would not
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
