"""The policies: everybody reads them, one proposes a change, another puts it in force."""

from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.params import JSONBody, PathParameter

from saqtau.engine.policy_change import (
    PolicySetLine,
    PolicySetSeen,
    approve,
    check_change,
    find_proposal,
    propose,
    read_policy_set,
    read_policy_sets,
    turn_down,
)
from saqtau.kernel.access import AccessRequest, Action, Purpose
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.policy_diff import PolicyDiff
from saqtau.policies import texts
from saqtau.web.answers import answers
from saqtau.web.api.exports import WhyNot
from saqtau.web.auth import SOON, counted, fresh, session_of, signed_in
from saqtau.web.looking import asking, watching
from saqtau.web.parts import parts_of
from saqtau.web.schema import BY_TOKEN, Strict

PolicyId = Annotated[str, PathParameter(pattern=r"^[0-9a-f-]{36}$", min_length=36, max_length=36)]
Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$", min_length=64, max_length=64)]
FILES = 50


class PolicyPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change of the files it names: the new text of each, or null to take it away."""

    texts: dict[str, str | None]


class ProposePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change, over which set (the hash that is in force), and why."""

    texts: dict[str, str | None]
    base: Hash
    why: Annotated[str, msgspec.Meta(min_length=10, max_length=300)]


class PolicySets(msgspec.Struct, frozen=True):
    """Every set there was or is proposed, newest first, at most 200. One of them is in force."""

    sets: list[PolicySetLine]


@get(
    "/api/policies",
    operation_id="readPolicies",
    guards=[counted, signed_in],
    responses=answers(400, 401, 403, 429, 503),
)
async def policies(request: Request[Any, Any, Any]) -> PolicySets:
    """What is in force, what is proposed, what was."""
    parts, session = parts_of(request), session_of(request)
    async with watching(parts, session, Action.READ_POLICY, about="policies") as (grant, delivered):
        found = await read_policy_sets(grant, parts.pg, parts.clock())
        delivered.count = len(found)
    return PolicySets(found)


@get(
    "/api/policies/{policy_id:str}",
    operation_id="readPolicy",
    guards=[counted, signed_in],
    responses=answers(400, 401, 403, 404, 429, 503),
)
async def policy(request: Request[Any, Any, Any], policy_id: PolicyId) -> PolicySetSeen:
    """One set with its texts, its sentences, and what it changes."""
    parts, session = parts_of(request), session_of(request)
    async with watching(parts, session, Action.READ_POLICY, about=policy_id) as (grant, delivered):
        found = await read_policy_set(grant, parts.pg, policy_id, texts()[1], parts.clock())
        delivered.count = len(found.texts)
    return found


@post(
    "/api/policies/check",
    operation_id="checkPolicy",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[PolicyPatch],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 404, 413, 429, 503),
)
async def check(request: Request[Any, Any, Any], data: JSONBody[PolicyPatch]) -> PolicyDiff:
    """What a change would mean, without proposing it. Refused where it is no policy, or breaks a law of the house."""
    parts, session = parts_of(request), session_of(request)
    _few(data.texts)
    async with watching(parts, session, Action.READ_POLICY, about="check"):
        _, diff = await check_change(parts.pg, texts()[1], data.texts)
    return diff


@post(
    "/api/policies",
    operation_id="proposePolicy",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[ProposePolicy],
    return_dto=None,
    responses=answers(400, 401, 403, 404, 409, 413, 429, 503),
)
async def propose_policy(request: Request[Any, Any, Any], data: JSONBody[ProposePolicy]) -> PolicySetSeen:
    """Propose a change. Another person puts it in force."""
    parts, session = parts_of(request), session_of(request)
    _few(data.texts)
    name, schema = parts.ids(), texts()[1]
    wish = AccessRequest(action=Action.PROPOSE_POLICY, purpose=Purpose.MAINTENANCE, object=name, reason=data.why)
    viewer, wish = await asking(parts, session, [wish])
    # who may not propose learns it before his texts are looked at, and his attempt is an entry
    decision = parts.access.decides(viewer, wish)
    after, diff = await check_change(parts.pg, schema, data.texts) if decision.allow else ({}, None)
    told = {"base": data.base, "hash": diff.after} if diff is not None else {"base": data.base}
    async with parts.access.reading(viewer, wish, told) as (grant, _):
        await propose(grant, parts.pg, name, after, schema, data.base, data.why, parts.clock())
    async with watching(parts, session, Action.READ_POLICY, about=name) as (reading, delivered):
        delivered.count = len(after)
        return await read_policy_set(reading, parts.pg, name, schema, parts.clock())


@post(
    "/api/policies/{policy_id:str}/approve",
    operation_id="approvePolicy",
    security=BY_TOKEN,
    guards=[counted, signed_in, fresh(SOON)],
    status_code=200,
    responses=answers(400, 401, 403, 404, 409, 429, 503),
)
async def approve_policy(request: Request[Any, Any, Any], policy_id: PolicyId) -> PolicySetLine:
    """Put somebody else's proposal in force, everywhere within a second."""
    parts, session = parts_of(request), session_of(request)
    found = await find_proposal(parts.pg, policy_id, parts.clock())
    wish = AccessRequest(
        action=Action.APPROVE_POLICY, purpose=Purpose.OVERSIGHT, object=policy_id, requested_by=found.asked_by
    )
    told = {"hash": found.hash}
    async with parts.access.reading(*await asking(parts, session, [wish]), told) as (grant, _):
        return await approve(grant, parts.pg, policy_id, texts()[1], parts.clock())


@post(
    "/api/policies/{policy_id:str}/refuse",
    operation_id="refusePolicy",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[WhyNot],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 404, 409, 413, 429, 503),
)
async def refuse_policy(request: Request[Any, Any, Any], policy_id: PolicyId, data: JSONBody[WhyNot]) -> PolicySetLine:
    """Say no; who proposed it takes it back this way."""
    parts, session = parts_of(request), session_of(request)
    found = await find_proposal(parts.pg, policy_id, parts.clock())
    own = found.asked_by == session.person.id
    wish = AccessRequest(
        action=Action.PROPOSE_POLICY if own else Action.APPROVE_POLICY,
        purpose=Purpose.MAINTENANCE if own else Purpose.OVERSIGHT,
        object=policy_id,
        requested_by=found.asked_by,
    )
    told = {"hash": found.hash, "refused": data.why}
    async with parts.access.reading(*await asking(parts, session, [wish]), told) as (grant, _):
        return await turn_down(grant, parts.pg, policy_id, data.why, parts.clock())


def _few(changed: dict[str, str | None]) -> None:
    if not 1 <= len(changed) <= FILES:
        raise Refused(Kind.INVALID, f"a change of 1 to {FILES} files", texts="count")
