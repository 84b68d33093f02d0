"""A month for the tests of the report."""

from saqtau.report.figures import Cell, Figures, LogEnd, PolicyChange, Seen, Witnessing

ROOT = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
ORIGIN = "saqtau.example/02/access/2026"


def month(**changes: object) -> Figures:
    """November 2026, invented."""
    given: dict[str, object] = {
        "month": "2026-11",
        "finished": True,
        "authority": "saqtau.example",
        "looks": (
            Cell(("denied", "case", "operator"), 12),
            Cell(("denied", "incident", "inspector"), 3),
            Cell(("export", "case", "inspector"), 7),
            Cell(("live", "duty", "operator"), 12_408),
            Cell(("search", "case", "inspector"), 96),
            Cell(("search", "incident", "duty_officer"), 214),
            Cell(("other", "duty", "duty_officer"), 311),
            Cell(("view", "incident", "operator"), 5_170),
            Cell(("view", "oversight", "prosecutor"), 44),
        ),
        "reviews": (Cell(("in_time",), 19), Cell(("late",), 6)),
        "alerts": (Cell(("stopped",), 401), Cell(("wrong",), 17), Cell(("open",), 2)),
        "erasures": (Cell(("held",), 31), Cell(("items",), 1_204), Cell(("records",), 90_214)),
        "cameras": (Cell(("1",), 410), Cell(("2",), 1_234), Cell(("20",), 4)),
        "retention": (("access_1y", "P365D"), ("hit_30d", "P30D")),
        "policies": (PolicyChange("2026-11-03", "ab" * 32),),
        "witnessing": Witnessing(checkpoints=43_200, median=410, late=980, unwitnessed=12),
        "logs": (
            LogEnd(
                ORIGIN,
                181_204,
                ROOT,
                1_796_083_199_000,
                (Seen("prosecutor.example/witness", 1_796_083_199_400),),
                f"{ORIGIN}\n181204\n{ROOT}\n\n\u2014 {ORIGIN} AAAAAAAA\n",
            ),
        ),
    }
    return Figures(**(given | changes))  # type: ignore[arg-type]
