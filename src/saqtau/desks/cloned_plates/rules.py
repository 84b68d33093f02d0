"""What is kept of an impossible pair. An item's data: `plate`, `first`, `second` (camera, camera_name, at), `again`."""

from saqtau.kernel.desk import Data
from saqtau.kernel.item import Call

PAIRS_KEPT = 10


def again(data: Data, form: Data, _call: Call) -> Data:
    """Another impossible pair of the same plate: it weighs more, the question stays the same."""
    pair = {"first": form["first"], "second": form["second"]}
    return {"again": [*data.get("again", ()), pair][-PAIRS_KEPT:]}


def answered(_data: Data, form: Data, call: Call) -> Data:
    """What the operator saw on the crops."""
    return {"answer": dict(form), "answered_by": call.actor.id}


def line(data: Data) -> Data:
    """One line of the queue, without the plate."""
    first, second = data["first"], data["second"]
    return {
        "camera": second["camera"],
        "camera_name": second["camera_name"],
        "other_camera": first["camera"],
        "other_camera_name": first["camera_name"],
        "seconds": (second["at"] - first["at"]) / 1000,
        "pairs": 1 + len(data.get("again", ())),
    }
