"""From a refusal to an HTTP answer. The only place that chooses a status; nothing personal is logged here."""

import secrets
import traceback
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from saqtau.engine.failures import CROSSED, PASSING, is_passing
from saqtau.kernel.errors import Kind, Refused

log = structlog.get_logger("saqtau.web")

STATUS: dict[Kind, int] = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.DENIED: 403,
    Kind.NOT_FOUND: 404,
    Kind.STALE: 409,
    Kind.CONFLICT: 409,
    Kind.TOO_LARGE: 413,
    Kind.TOO_MANY: 429,
    Kind.UNAVAILABLE: 503,
}
_KINDS = {405: Kind.INVALID, 415: Kind.INVALID} | {
    status: kind for kind, status in STATUS.items() if kind != Kind.STALE
}


class Problem(msgspec.Struct, frozen=True):
    """Why something was refused: `kind`, the fields concerned (name -> translatable key) and a sentence."""

    kind: str
    fields: dict[str, Any] = {}
    message: str = ""


class Stale(Refused):
    """Somebody was faster; the answer carries the fresh item."""

    def __init__(self, message: str, item: object) -> None:
        super().__init__(Kind.STALE, message, rev="stale")
        self.item = item


def busy(message: str, seconds: float, **fields: str) -> Refused:
    """A TOO_MANY that says when to come again (`Retry-After`, whole seconds)."""
    return Refused(Kind.TOO_MANY, message, **fields, retry_after=str(max(1, round(seconds))))


def _answer(status: int, problem: Problem, headers: dict[str, str] | None = None) -> Response[Problem]:
    return Response(problem, status_code=status, headers=headers or {}, media_type="application/json")


def on_refused(_: Request[Any, Any, Any], refused: Refused) -> Response[Problem]:
    """The answer to a refusal of ours."""
    fields: dict[str, Any] = dict(refused.fields)
    if isinstance(refused, Stale):
        fields["item"] = refused.item
    headers: dict[str, str] = {}
    match refused.kind:
        case Kind.TOO_MANY:
            headers["Retry-After"] = str(fields.get("retry_after", "1"))
        case Kind.UNAVAILABLE:
            headers["Retry-After"] = "2"
            log.warning("unavailable", reason=refused.message)
        case _:
            pass
    return _answer(STATUS[refused.kind], Problem(refused.kind, fields, refused.message), headers)


def on_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    """The answer to what Litestar itself refuses: a path, a method, a query, a body that is too long."""
    status = 400 if error.status_code == 422 else error.status_code
    fields: dict[str, Any] = {}
    message = error.detail if status < 500 else ""
    if isinstance(error, ValidationException):
        listed = error.extra if isinstance(error.extra, list) else []
        fields = {
            _wire_name(request, str(one.get("key", "query"))): "invalid" for one in listed if isinstance(one, dict)
        }
        fields = fields or {"query": "invalid"}
        message = f"{', '.join(fields)}: outside of what the call takes"  # its own words repeat the whole query
    kind = _KINDS.get(status, Kind.UNAVAILABLE if status >= 500 else Kind.INVALID)
    return _answer(status, Problem(kind, fields, message), dict(error.headers or {}))


def _wire_name(request: Request[Any, Any, Any], name: str) -> str:
    """What the caller calls a parameter."""
    try:
        definition = request.route_handler.parsed_fn_signature.parameters[name].kwarg_definition
    except (KeyError, AttributeError):
        return name
    return str(getattr(definition, "name", None) or name)


def on_outage(_: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """The answer while the database or the broker is away: come again."""
    log.warning("unavailable", reason=type(error).__name__)
    return _answer(503, Problem(Kind.UNAVAILABLE, {}, "a part of the engine does not answer"), {"Retry-After": "2"})


def on_fault(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """The answer to a fault of ours: an id that the log knows too. Neither values nor the query are logged."""
    fault = secrets.token_hex(8)
    route = getattr(request.scope.get("route_handler"), "operation_id", None)
    at = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-6:]]
    log.error("fault", id=fault, call=str(route), error=type(error).__name__, at=at)
    return _answer(500, Problem("fault", {"id": fault}, "a fault of ours; its number is in the log"))


def on_database(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """The answer to the database's own exceptions: an outage passes, the rest is a fault of ours."""
    return on_outage(request, error) if is_passing(error) else on_fault(request, error)


OUTAGES: tuple[type[Exception], ...] = (*PASSING, *CROSSED)
TROUBLE: tuple[type[Exception], ...] = (Refused, *OUTAGES)
"""What a task in the background lives through: it tries again later."""

HANDLERS: Any = {
    Refused: on_refused,
    HTTPException: on_http,
    **dict.fromkeys(OUTAGES, on_database),
    Exception: on_fault,
}
