"""Street cameras as data: a camera that shows nothing, an offence on a picture, a place that none sees."""

from saqtau.desks.street_cameras import forms, rules
from saqtau.kernel.desk import CLOCK, END, RULE, Desk, Edge, Mode, Opening, State
from saqtau.kernel.signal import CameraState, FootageHeld

_DARK = ("dark", "unanswered", "in_repair", "meant", "late")
_SEES = ("operator", "duty_officer", "school_officer")

DESK = Desk(
    name="street_cameras",
    article=2,
    version=1,
    mode=Mode.POWER,
    starts=("dark", "marked", "blind_spot"),
    states={
        "dark": State(owner="operator", within="PT15M", otherwise="no_answer"),
        "unanswered": State(owner="duty_officer", within="PT12H", otherwise="repair_late"),
        "in_repair": State(owner="duty_officer", within="P3D", otherwise="repair_late"),
        "late": State(owner="inspector", within="P7D", otherwise="remind"),
        "well": END,
        "meant": State(owner="duty_officer", within="P1D", otherwise="repair_late"),
        "marked": State(owner="inspector", within="P3WD", otherwise="not_reviewed", retention="street_offence_30d"),
        "confirmed": State(end=True, retention="street_offence_1y"),
        "rejected": State(end=True, retention="street_offence_30d"),
        "not_reviewed": State(end=True, retention="street_offence_30d"),
        "blind_spot": State(owner="inspector", within="P10WD", otherwise="remind"),
        "tolerated": State(owner="inspector", within="P365D", otherwise="declare_again"),
        "covered": END,
    },
    edges=(
        *(Edge("back", start, "well", RULE, sets=rules.back) for start in _DARK),
        Edge("repair", "dark", "in_repair", "operator", forms.Repair, sets=rules.told),
        Edge("repair", "unanswered", "in_repair", "duty_officer", forms.Repair, sets=rules.told),
        Edge("repair", "late", "in_repair", "inspector", forms.Repair, sets=rules.told),
        Edge("repair", "in_repair", "in_repair", "duty_officer", forms.Repair, sets=rules.told, keeps=True),
        Edge("meant", "dark", "meant", "operator", forms.Meant, sets=rules.meant),
        Edge("meant", "unanswered", "meant", "duty_officer", forms.Meant, sets=rules.meant),
        Edge("repair", "meant", "in_repair", "duty_officer", forms.Repair, sets=rules.told),
        Edge("no_answer", "dark", "unanswered", CLOCK),
        *(Edge("repair_late", start, "late", CLOCK) for start in ("unanswered", "in_repair", "meant")),
        *(Edge("remind", start, start, CLOCK) for start in ("late", "blind_spot")),
        Edge("confirm", "marked", "confirmed", "inspector", forms.Confirm, sets=rules.decided),
        Edge("reject", "marked", "rejected", "inspector", forms.Reject, sets=rules.decided),
        Edge("acknowledged", "marked", "marked", RULE, sets=rules.kept, keeps=True),
        Edge("not_reviewed", "marked", "not_reviewed", CLOCK),
        Edge("tolerate", "blind_spot", "tolerated", "inspector", forms.Meant, sets=rules.answered),
        *(
            Edge("now_seen", start, "covered", "inspector", forms.NowSeen, sets=rules.answered)
            for start in ("blind_spot", "tolerated")
        ),
        Edge("declare_again", "tolerated", "blind_spot", CLOCK),
    ),
    opened_by=("operator", "duty_officer", "inspector", "school_officer"),
    openings=(
        Opening("mark_offence", "marked", _SEES, forms.Mark, rules.marked, 4),
        Opening("declare_blind_spot", "blind_spot", (*_SEES, "inspector"), forms.BlindSpot, rules.declared, 7),
    ),
    superiors=frozenset({"inspector"}),
    retention="street_camera_1y",
    purposes=("duty", "incident", "oversight"),
    tells=rules.tells,
    reacts={CameraState: rules.on_state, FootageHeld: rules.on_held},
    line=rules.line,
    doc="Street and school cameras: dark ones are repaired, offences are marked, blind spots are declared.",
)
