"""What a call may answer besides what was asked for, for the OpenAPI document."""

from litestar.openapi.datastructures import ResponseSpec

from saqtau.web.errors import Problem

_SAYS = {
    400: "The input breaks its limits; `fields` names where.",
    401: "No session, or it has ended.",
    403: "Policy, role, region, origin or token say no.",
    404: "There is no such thing for this caller.",
    409: "Somebody was faster (`stale`, with the fresh item in `fields.item`), or the state does not allow it.",
    413: "The body is too large.",
    429: "Too many requests; `Retry-After` says when to come again.",
    503: "A part of the engine does not answer; come again.",
}


def answers(*statuses: int) -> dict[int, ResponseSpec]:
    """The documented refusals of a call."""
    return {
        status: ResponseSpec(data_container=Problem, description=_SAYS[status], generate_examples=False)
        for status in statuses
    }
