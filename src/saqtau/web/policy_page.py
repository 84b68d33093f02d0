"""The policies as a page for whoever oversees: `python -m saqtau.web.policy_page docs/oversee/policies.md`."""

import sys
from collections.abc import Iterator
from pathlib import Path

from saqtau import policies
from saqtau.kernel.access import Action, Purpose
from saqtau.kernel.policies import Policies
from saqtau.kernel.policy_laws import ALWAYS, NEVER
from saqtau.web.operations import ACTIONS, OPEN, SOCKETS

_WORD = {"permit": "allows", "forbid": "forbids"}
_PURPOSES = {
    Purpose.DUTY: "the own shift: queue, map, acts",
    Purpose.INCIDENT: "an incident, which is named and exists",
    Purpose.CASE: "an investigation, whose number stands in the register of cases",
    Purpose.EMERGENCY: "the glass is broken over one thing, for fifteen minutes",
    Purpose.OVERSIGHT: "prosecutor and auditor",
    Purpose.MAINTENANCE: "registers, accounts; no content",
    Purpose.OWN: "one's own account and keys",
}


def page(found: Policies) -> str:
    """The page in Markdown, the same for the same policies."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Policies) -> Iterator[str]:
    yield from (
        "# The policies",
        "",
        "Made from the files of `src/saqtau/policies`, which the software itself reads; a test sees to it that this",
        "page is current. What no policy allows is denied; a policy that forbids wins over every one that allows.",
        "The word in the first column stands in the entry of each decision, and so does the hash of the whole set:",
        "",
        f"`{found.hash}`",
        "",
        "It is the hash of the policies this release brings. A change takes two people and leaves an entry; the",
        "changed set has another hash.",
    )
    for name, text in found.texts.items():
        yield from ("", f"## {name}", "")
        yield from _comment(text)
        yield from ("", "| policy | | in English | по-русски | қазақша |", "|---|---|---|---|---|")
        for rule in found.rules:
            if rule.file == name:
                told = " | ".join(rule.sentences.get(language, "") for language in ("en", "ru", "kk"))
                yield f"| `{rule.id}` | {_WORD[rule.effect]} | {told} |"
    yield from ("", "## Purposes", "", "Nobody looks without one of these.", "", "| purpose | for |", "|---|---|")
    yield from (f"| `{purpose}` | {told} |" for purpose, told in _PURPOSES.items())
    yield from (
        "",
        "## What no change of the policies can do",
        "",
        "These are decided by the program itself, above the policies, in every region and for everybody. Where the",
        "policies would have said otherwise the entry names the law instead of a policy: `law-known-role`,",
        "`law-erasure`, `law-administrator`, `law-own-concern`, `law-two-people`, `law-named`, `law-place` deny;",
        "`law-help` and `law-oversight` allow, even against a policy that forbids or fails. A set that answers one",
        "of these otherwise does not load either, whoever approved it. It is asked about each region, age, person,",
        "thing and unit that it names.",
        "",
    )
    yield from (f"- {(law.__doc__ or '').strip()}" for law in (*NEVER, *ALWAYS))
    yield from ("", "## Calls of the API by action", "", "| action | calls |", "|---|---|")
    for action in Action:
        calls = ", ".join(f"`{name}`" for name, actions in (*ACTIONS.items(), *SOCKETS.items()) if action in actions)
        yield f"| `{action}` | {calls or 'none of the API'} |"
    yield from ("", "Open to everybody:", "", "| call | why |", "|---|---|")
    yield from (f"| `{name}` | {why} |" for name, why in OPEN.items())


def _comment(text: str) -> Iterator[str]:
    """What the file says of itself at its beginning."""
    for line in text.splitlines():
        if not line.startswith("//"):
            return
        yield line.removeprefix("//").strip()


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(policies.load()), encoding="utf-8")
