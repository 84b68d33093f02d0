"""Imported before anything else of a process: what our processes do not need is not loaded.

structlog draws tracebacks with rich where that is installed, and loads it and pygments at its own import: 4 MB a
process. Our log never draws one (`logs`), and the command, which does use rich, is another process.
"""

import sys

if "structlog" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]  # what the import system knows as: not to be had
