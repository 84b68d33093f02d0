"""The one door to numba: typed, cached on disk, without the interpreter lock."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function as machine code. The first call with new argument types compiles or loads it (see `warm`)."""
    return cast("Callable[P, R]", njit(cache=True, nogil=True, error_model="numpy")(function))
