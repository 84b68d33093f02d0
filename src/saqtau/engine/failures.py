"""What PostgreSQL's and the broker's own troubles mean to a caller."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import nats.errors

from saqtau.kernel.errors import Kind, Refused

PASSING = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg says when the server died between two of its messages
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,  # disk full, out of memory, too many connections
    asyncpg.OperatorInterventionError,  # shutting down, starting up, cancelled by the administrator
    asyncpg.PostgresSystemError,  # an error of the disk
    asyncpg.ReadOnlySQLTransactionError,  # the other half of a cluster took over
    asyncpg.IdleInTransactionSessionTimeoutError,
    nats.errors.Error,
)
"""Nothing is wrong with what was asked; it will work again when the engine does."""

CROSSED = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)
"""Two transactions met; one of them starts again."""

DISK_FULL = asyncpg.DiskFullError


def is_passing(error: BaseException) -> bool:
    """Whether the same act may succeed later, unchanged."""
    if isinstance(error, Refused):
        return error.kind is Kind.UNAVAILABLE
    # InterfaceError is also what asyncpg calls a wrong argument: that one never passes
    return isinstance(error, (*PASSING, *CROSSED)) and not isinstance(error, asyncpg.DataError)


_QUOTING = frozenset({Kind.INVALID, Kind.TOO_LARGE})
"""Refusals whose words may repeat what was asked."""


def told(error: BaseException) -> str:
    """An exception for a log: what kind it is, and its words only where they quote nobody's data.

    PostgreSQL's DETAIL repeats whole rows, a wrong argument or key is repeated by whoever complains of it.
    """
    name = type(error).__name__
    match error:
        case Refused() if error.kind in _QUOTING:
            return f"{name}: {error.kind}: {', '.join(f'{field}={why}' for field, why in error.fields.items())}"
        case Refused():
            return f"{name}: {error.kind}: {error.message}"
        case asyncpg.DataError():
            return name
        case asyncpg.PostgresError():
            return f"{name}: {error.args[0] if error.args else ''}"
        case OSError() | asyncpg.InterfaceError() | asyncpg.InternalClientError() | nats.errors.Error():
            return f"{name}: {error}"
        case _:
            return name


@contextmanager
def refusals() -> Iterator[None]:
    """Turn the database's troubles into refusals: UNAVAILABLE when it will pass, INVALID for text it cannot hold."""
    try:
        yield
    except (asyncpg.DataError, UnicodeEncodeError) as error:
        raise Refused(Kind.INVALID, f"cannot be stored: {error}", data="not_storable") from error
    except DISK_FULL as error:
        raise Refused(Kind.UNAVAILABLE, f"the record has no room: {error}", postgres="full") from error
    except (*PASSING, *CROSSED) as error:
        raise Refused(Kind.UNAVAILABLE, f"the record does not answer: {error!r}", postgres="unavailable") from error
