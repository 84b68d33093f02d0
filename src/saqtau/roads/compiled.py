"""The one door to numba: typed, cached on disk, without the interpreter lock."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function as machine code. The first call with new argument types compiles or loads it (see `warming`)."""
    try:
        made = njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # neither the package's folder nor a home can be written: compile at every start
        made = njit(nogil=True, error_model="numpy")(function)
    return cast("Callable[P, R]", made)
