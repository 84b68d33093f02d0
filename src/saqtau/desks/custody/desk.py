"""Custody as data.

Six lives at one desk: an outage, a wish to keep footage, an incident, a complaint, a drawn stretch, a blind spot.
The prosecutor answers all of them; the institution explains itself to him.
"""

from saqtau.desks.custody import forms, rules
from saqtau.kernel.desk import CLOCK, END, RULE, Desk, Edge, Mode, Opening, State
from saqtau.kernel.signal import CameraState, FootageHeld

_ANSWERS = ("unexplained", "not_explained", "explained")
_REPAIRS = ("in_repair", "found_dark")
_KEEPS = ("asked", "unheld")
_UNTIED = ("reported", "untied")
_KEPT = ("reported", "untied", "to_review", "complained", "inquiry", "drawn")
_INSIDE = ("custody_supervisor", "duty_officer")

DESK = Desk(
    name="custody",
    article=3,
    version=1,
    mode=Mode.POWER,
    starts=("unexplained", "explained", "asked", "reported", "complained", "drawn", "blind_spot"),
    states={
        # an outage
        "unexplained": State(owner="prosecutor", within="PT24H", otherwise="no_word"),
        "not_explained": State(owner="prosecutor", within="P3WD", otherwise="remind"),
        "explained": State(owner="prosecutor", within="P3WD", otherwise="remind"),
        "in_repair": State(owner="custody_supervisor", within="P1D", otherwise="repair_late"),
        "found_dark": State(owner="custody_supervisor", within="P1D", otherwise="repair_late"),
        "accepted": END,
        "found": END,
        # a wish to keep footage
        "asked": State(owner="custody_supervisor", within="PT1H", otherwise="not_acknowledged"),
        "unheld": State(owner="prosecutor", within="PT24H", otherwise="remind"),
        "held": State(owner="prosecutor", within="P3WD", otherwise="remind"),
        "refused": State(owner="prosecutor", within="P15D", otherwise="final"),
        "given": END,
        "refusal_stands": END,
        "no_footage": END,
        # an incident
        "reported": State(owner="custody_supervisor", within="PT24H", otherwise="not_tied"),
        "untied": State(owner="prosecutor", within="P3WD", otherwise="remind"),
        "to_review": State(owner="prosecutor", within="P5WD", otherwise="remind"),
        "reviewed": END,
        "referred": END,
        # a complaint
        "complained": State(owner="prosecutor", within="P1D", otherwise="remind"),
        "inquiry": State(owner="prosecutor", within="P15D", otherwise="remind"),
        "founded": END,
        "unfounded": END,
        # what chance chose
        "drawn": State(owner="prosecutor", within="P7D", otherwise="not_viewed"),
        "viewed": END,
        "skipped": END,
        # what no camera sees
        "blind_spot": State(owner="prosecutor", within="P5WD", otherwise="remind"),
        "tolerated": State(owner="custody_supervisor", within="P180D", otherwise="declare_again"),
        "covered": END,
    },
    edges=(
        *(
            Edge("explain", start, "explained", "custody_supervisor", forms.Explain, sets=rules.explained)
            for start in ("unexplained", "not_explained", "explained")
        ),
        Edge("accept", "explained", "in_repair", "prosecutor", forms.Finding, when=rules.still_dark, sets=rules.found),
        Edge("accept", "explained", "accepted", "prosecutor", forms.Finding, sets=rules.found),
        *(
            Edge("find", start, "found_dark", "prosecutor", forms.Finding, when=rules.still_dark, sets=rules.found)
            for start in _ANSWERS
        ),
        *(Edge("find", start, "found", "prosecutor", forms.Finding, sets=rules.found) for start in _ANSWERS),
        *(
            Edge("refer", start, "found_dark", "prosecutor", forms.Referred, when=rules.still_dark, sets=rules.found)
            for start in _ANSWERS
        ),
        *(
            Edge("refer", start, "referred", "prosecutor", forms.Referred, sets=rules.found)
            for start in (*_ANSWERS, "to_review", "inquiry", "drawn")
        ),
        *(
            Edge("note", start, start, "prosecutor", forms.Seen, sets=rules.noted, keeps=True)
            for start in (*_ANSWERS, "untied", "to_review", "inquiry")
        ),
        *(Edge("more", start, start, RULE, sets=rules.joined, keeps=True) for start in (*_ANSWERS, *_REPAIRS)),
        *(Edge("back", start, start, RULE, sets=rules.back, keeps=True) for start in _ANSWERS),
        Edge("back", "in_repair", "accepted", RULE, when=rules.last_dark, sets=rules.back),
        Edge("back", "found_dark", "found", RULE, when=rules.last_dark, sets=rules.back),
        *(Edge("back", start, start, RULE, sets=rules.back, keeps=True) for start in _REPAIRS),
        *(
            Edge("explain", start, start, "custody_supervisor", forms.Explain, sets=rules.explained, keeps=True)
            for start in _REPAIRS
        ),
        Edge("no_word", "unexplained", "not_explained", CLOCK),
        *(Edge("repair_late", start, "not_explained", CLOCK) for start in _REPAIRS),
        *(Edge("acknowledged", start, "held", RULE, sets=rules.kept) for start in _KEEPS),
        Edge("nothing_there", "asked", "unheld", RULE, sets=rules.kept),
        *(Edge("acknowledged", start, start, RULE, sets=rules.kept, keeps=True) for start in _KEPT),
        *(Edge("nothing_there", start, start, RULE, sets=rules.kept, keeps=True) for start in ("unheld", *_KEPT)),
        Edge("cannot", "asked", "unheld", "custody_supervisor", forms.WhyNone, sets=rules.none_there),
        Edge("not_acknowledged", "asked", "unheld", CLOCK),
        Edge("close_without", "unheld", "no_footage", "prosecutor", forms.Finding, sets=rules.found),
        *(
            Edge("hand_out", start, "given", "prosecutor", forms.HandOut, sets=rules.found)
            for start in ("held", "refused")
        ),
        Edge("refuse", "held", "refused", "prosecutor", forms.RefuseFootage, sets=rules.found),
        Edge("final", "refused", "refusal_stands", CLOCK),
        *(Edge("tie", start, "to_review", "custody_supervisor", forms.Tie, sets=rules.tied) for start in _UNTIED),
        Edge("tie", "to_review", "to_review", "custody_supervisor", forms.Tie, sets=rules.tied, keeps=True),
        *(
            Edge("no_footage", start, "to_review", "custody_supervisor", forms.WhyNone, sets=rules.none_there)
            for start in _UNTIED
        ),
        Edge("not_tied", "reported", "untied", CLOCK),
        *(
            Edge("review", start, "reviewed", "prosecutor", forms.Finding, sets=rules.found)
            for start in ("untied", "to_review")
        ),
        Edge("look_into", "complained", "inquiry", "prosecutor", forms.Seen, sets=rules.noted),
        *(
            Edge("founded", start, "founded", "prosecutor", forms.Answered, sets=rules.found)
            for start in ("complained", "inquiry")
        ),
        *(
            Edge("unfounded", start, "unfounded", "prosecutor", forms.Answered, sets=rules.found)
            for start in ("complained", "inquiry")
        ),
        Edge("viewed", "drawn", "viewed", "prosecutor", forms.Viewed, sets=rules.found),
        Edge("not_viewed", "drawn", "skipped", CLOCK),
        Edge("tolerate", "blind_spot", "tolerated", "prosecutor", forms.Finding, sets=rules.found),
        *(
            Edge("now_seen", start, "covered", "custody_supervisor", forms.NowSeen, sets=rules.found)
            for start in ("blind_spot", "tolerated")
        ),
        Edge("declare_again", "tolerated", "blind_spot", CLOCK),
        *(
            Edge("remind", start, start, CLOCK)
            for start in (
                "not_explained",
                "explained",
                "unheld",
                "held",
                "untied",
                "to_review",
                "complained",
                "inquiry",
                "blind_spot",
            )
        ),
    ),
    opened_by=("custody_supervisor", "duty_officer", "inspector", "prosecutor"),
    openings=(
        Opening("ask_to_keep", "asked", (*_INSIDE, "inspector", "prosecutor"), forms.Preserve, rules.opened_by_hand, 2),
        Opening("report_incident", "reported", _INSIDE, forms.Incident, rules.opened_by_hand, 2),
        Opening(
            "file_complaint",
            "complained",
            (*_INSIDE, "inspector", "prosecutor"),
            forms.Complaint,
            rules.opened_by_hand,
            2,
        ),
        Opening(
            "declare_blind_spot", "blind_spot", ("custody_supervisor", "prosecutor"), forms.BlindSpot, rules.declared, 6
        ),
    ),
    superiors=frozenset({"prosecutor"}),
    retention="custody_5y",
    purposes=("oversight", "incident", "duty"),
    protected=True,
    overseer_told=True,
    compartment="custody",
    tells=rules.tells,
    reacts={CameraState: rules.on_state, FootageHeld: rules.on_held},
    line=rules.line,
    doc="Each minute of each camera in police offices and colonies is accounted for; the prosecutor is told by itself.",
)
