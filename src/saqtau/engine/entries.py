"""Records of the access log: what each entry says of a wish, and where it is counted. Pure.

docs/design/access.md describes every field. A record is sealed; the leaf beside it says class, day and retention only.
"""

from collections.abc import Mapping
from typing import Any, Final

from saqtau.engine.ledger import ACCESS, Count, Draft
from saqtau.kernel.access import AccessRequest, Action, Decision, Facts, Grant, Viewer
from saqtau.kernel.clock import Instant
from saqtau.ledger.leaf import LeafClass

VERSION: Final = 1

CLASS_OF: Final[Mapping[Action, LeafClass]] = {
    Action.READ_HISTORY: LeafClass.SEARCH,
    Action.ACT_ON_ITEM: LeafClass.ACT,
    Action.SET_DUTY: LeafClass.ACT,
    Action.REQUEST_EXPORT: LeafClass.EXPORT,
    Action.APPROVE_EXPORT: LeafClass.EXPORT,
    Action.RECEIVE_EXPORT: LeafClass.EXPORT,
    Action.PLACE_HOLD: LeafClass.HOLD,
    Action.LIFT_HOLD: LeafClass.HOLD,
    Action.ERASE_RECORD: LeafClass.ERASE,
    Action.OPEN_BREAK_GLASS: LeafClass.BREAKGLASS,
    Action.REVIEW_BREAK_GLASS: LeafClass.REVIEW,
    Action.PROPOSE_POLICY: LeafClass.POLICY,
    Action.APPROVE_POLICY: LeafClass.POLICY,
    Action.MAKE_REPORT: LeafClass.REPORT,
    Action.ENROL_DEVICE: LeafClass.DEVICE,
    Action.MANAGE_DEVICE: LeafClass.DEVICE,
    Action.MANAGE_CAMERA: LeafClass.DEVICE,
    Action.MANAGE_OWN_ACCOUNT: LeafClass.ADMIN,
    Action.MANAGE_ACCOUNT: LeafClass.ADMIN,
}
"""Classes of leaves by action; what is not here is a view."""
_SHORT: Final = frozenset(
    {LeafClass.VIEW, LeafClass.SEARCH, LeafClass.DENY, LeafClass.LOGIN, LeafClass.CLOSE, LeafClass.ACT}
)


def retention_of(klass: LeafClass) -> str:
    """The retention code of an entry (docs/design/ledger.md): looking for three years, power for ten."""
    return "access_3y" if klass in _SHORT else "oversight_10y"


def region_of(viewer: Viewer, request: AccessRequest | None = None) -> int:
    """The region whose log the entry goes to: the object's, else the viewer's first, else the republic's (0)."""
    if request is not None and request.region is not None:
        return request.region
    return min(viewer.regions, default=0)


def opened(
    identity: str, at: Instant, viewer: Viewer, request: AccessRequest, decision: Decision, told: Mapping[str, Any]
) -> Draft:
    """The entry of a wish, allowed or denied."""
    word = "allow" if decision.allow else "deny"
    klass = CLASS_OF.get(request.action, LeafClass.VIEW) if decision.allow else LeafClass.DENY
    record = _without_nothing(
        {
            "v": VERSION,
            "id": identity,
            "at": at,
            "kind": "open" if decision.allow else "deny",
            "action": request.action.value,
            "purpose": request.purpose.value,
            "viewer": viewer.id,
            "role": viewer.role,
            "own_unit": viewer.unit,
            "session": viewer.session or None,
            "object": request.object or None,
            "region": request.region,
            "unit": request.unit,
            "case": request.case,
            "sensitive": sorted(request.sensitive) or None,
            "age_days": request.age_days or None,
            "requested_by": request.requested_by,
            "concerns": request.concerns,
            "reason": request.reason or None,
            "facts": sorted(name for name in Facts.__struct_fields__ if getattr(request.facts, name)) or None,
            "decision": word,
            "policies": list(decision.policies),
            "policy_set": decision.policy_set,
            "errors": list(decision.errors) or None,
            "told": dict(told) or None,
        }
    )
    policy = next(iter(decision.policies), decision.named)  # the figure names one; the record names all
    count = Count(request.action.value, request.purpose.value, viewer.role, word, policy)
    return Draft(ACCESS, region_of(viewer, request), klass, retention_of(klass), record, count)


def closed(identity: str, at: Instant, grant: Grant, delivered: int, told: Mapping[str, Any]) -> Draft:
    """The end of an access: what really left, rows or bytes."""
    request, viewer = grant.request, grant.viewer
    record = _without_nothing(
        {
            "v": VERSION,
            "id": identity,
            "at": at,
            "kind": "close",
            "open": grant.entry,
            "delivered": delivered,
            "told": dict(told) or None,
        }
    )
    count = Count(request.action.value, request.purpose.value, viewer.role, "allow", "", entries=0, delivered=delivered)
    return Draft(ACCESS, region_of(viewer, request), LeafClass.CLOSE, retention_of(LeafClass.CLOSE), record, count)


def said(
    identity: str,
    at: Instant,
    klass: LeafClass,
    action: str,
    region: int,
    viewer: Viewer | None,
    told: Mapping[str, Any],
) -> Draft:
    """An entry about something that happened: a log-in, an import, an act."""
    record = _without_nothing(
        {
            "v": VERSION,
            "id": identity,
            "at": at,
            "kind": "said",
            "action": action,
            "viewer": viewer.id if viewer is not None else None,
            "role": viewer.role if viewer is not None else None,
            "own_unit": viewer.unit if viewer is not None else None,
            "session": (viewer.session or None) if viewer is not None else None,
            "region": region or None,
            "told": dict(told) or None,
        }
    )
    decision = "deny" if klass is LeafClass.DENY else "allow"
    count = Count(action, "", viewer.role if viewer is not None else "", decision, "")
    return Draft(ACCESS, region, klass, retention_of(klass), record, count)


def _without_nothing(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
