"""A month as a document of one language: sections of sentences and tables, which HTML and paper draw the same way."""

import binascii
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Final, Literal

import msgspec

from saqtau.config import DEMONSTRATION_WITNESS
from saqtau.jurisdiction import Jurisdiction
from saqtau.kernel.clock import Instant
from saqtau.report.figures import FEW, LOOKS, LogEnd, Published, Seen, Shown, Total, share, total

LANGUAGES: Final = ("kk", "ru", "en")
Language = Literal["kk", "ru", "en"]

NAMED: Final = ("incident", "case")
"""Purposes that name an incident or a case which the rules have verified to exist."""
_ASKED: Final = ("view", "search", "export")
"""Looks of which it is told how many name one; a live picture is of no case."""


class Table(msgspec.Struct, frozen=True):
    """Rows of text under heads; columns whose number is in `figures` are numbers, `codes` are spelled letter by letter.

    `strong`: rows that sum up.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    figures: tuple[int, ...] = ()
    codes: tuple[int, ...] = ()
    strong: tuple[int, ...] = ()


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A heading with what stands under it; `blocks` are texts to be copied letter by letter."""

    title: str
    text: tuple[str, ...] = ()
    table: Table | None = None
    after: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report in one language."""

    language: Language
    title: str
    subtitle: str
    authority: str
    draft: str | None
    small: str
    sections: tuple[Section, ...]


class Words:
    """What the report says, in one language; words for roles, purposes and the like are the console's."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self._own = _read("saqtau.report", f"words/{language}.json")
        self._shared = _read("saqtau", f"locales/{language}.json")

    def __call__(self, key: str, **values: str) -> str:
        """A sentence, its holes filled."""
        text = self._own[key]
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def listed(self, key: str) -> tuple[str, ...]:
        """A list of words."""
        return tuple(self._own[key].split("|"))

    def counted(self, unit: str, count: int) -> str:
        """A unit of time as it stands after a number: one form, two (one, many), or Russian's three."""
        forms = self.listed(f"term.{unit}")
        if len(forms) < len("123"):
            return forms[0] if count == 1 else forms[-1]
        tens, ones = count % 100 // 10, count % 10
        if tens == 1 or not 1 <= ones <= 4:
            return forms[2]
        return forms[0] if ones == 1 else forms[1]

    def kept(self, name: str) -> str:
        """What a class of retention is about; one that has no words is shown by its name."""
        return self._own.get(f"kept.{name}", name.replace("_", " "))

    def word(self, kind: str, name: str) -> str:
        """A word that comes from data; what the tables do not know is shown as it is."""
        return self._shared.get(f"{kind}.{name}", name.replace("_", " "))


def _read(package: str, name: str) -> Mapping[str, str]:
    found: dict[str, str] = json.loads(files(package).joinpath(name).read_text("utf-8"))
    return found


def compose(figures: Published, language: Language, law: Jurisdiction) -> Document:
    """The document. Pure: the same figures give the same document."""
    say = Words(language)
    year, month = figures.month.split("-")
    told = say("month", month=say.listed("months")[int(month) - 1], year=year)
    return Document(
        language=language,
        title=say("title"),
        subtitle=say("subtitle", month=told),
        authority=say("authority", name=figures.authority),
        draft=None if figures.finished else say("draft"),
        small=say("small"),
        sections=(
            _looks(figures, say),
            _denied(figures, say),
            _break_glass(figures, say),
            _partition(say, "alerts", "outcome", "alert", figures.alerts),
            _partition(say, "erasures", "records", "erasure", figures.erasures, adds_up=False),
            _policies(figures, say),
            _witnessing(figures, say),
            _cameras(figures, say, law),
            _retention(figures, say),
            _logs(figures, say),
            Section(title=say("absent"), text=(say("absent.why"),), points=say.listed("absent.list")),
            Section(
                title=say("check"),
                text=(say("check.overseer"),),
                blocks=(f"saqtau report --month {figures.month} --recompute",),
                after=(say("check.register"), say("check.same")),
            ),
        ),
    )


def number(count: int) -> str:
    """Digits in groups of three, with spaces that do not break."""
    return f"{count:,}".replace(",", "\N{NO-BREAK SPACE}")


def moment(at: Instant) -> str:
    """An instant in UTC, as the days of the ledger are."""
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _count(say: Words, count: int | None) -> str:
    return say("few") if count is None else number(count)


def _total(found: Total) -> str:
    """A sum; where cells are withheld, what it is at least and at most, as anybody could reckon from the cells."""
    if not found.withheld:
        return number(found.count)
    most = found.count + (FEW - 1) * found.withheld
    return f"{number(found.count + found.withheld)}–{number(most)}"


def _percent(say: Words, percent: int | None) -> str:
    return say("unknown") if percent is None else f"{percent}\N{NO-BREAK SPACE}%"


def _looks(figures: Published, say: Words) -> Section:
    allowed = [one for one in figures.looks if one.key[0] in LOOKS]
    rows: list[tuple[str, ...]] = []
    strong: list[int] = []
    for kind in LOOKS:
        ones = [one for one in allowed if one.key[0] == kind]
        rows += [(say(f"kind.{kind}"), *_whom(say, one), _count(say, one.count)) for one in ones]
        strong.append(len(rows))
        rows.append((say(f"kind.{kind}"), say("total"), "", _total(total(ones))))
    asked = [one for one in allowed if one.key[0] in _ASKED]
    named = share(total(one for one in asked if one.key[1] in NAMED), total(asked))
    return Section(
        title=say("looks"),
        text=(say("looks.why"),),
        table=Table(
            (say("kind"), say("purpose"), say("role"), say("count")),
            tuple(rows),
            figures=(3,),
            strong=tuple(strong),
        ),
        after=(say("named", share=_percent(say, named)),),
    )


def _whom(say: Words, one: Shown) -> tuple[str, str]:
    return say.word("purpose", one.key[1]), say.word("role", one.key[2])


def _denied(figures: Published, say: Words) -> Section:
    ones = [one for one in figures.looks if one.key[0] == "denied"]
    rows = [(*_whom(say, one), _count(say, one.count)) for one in ones]
    rows.append((say("total"), "", _total(total(ones))))
    return Section(
        title=say("denied"),
        text=(say("denied.why"),),
        table=Table((say("purpose"), say("role"), say("count")), tuple(rows), figures=(2,), strong=(len(rows) - 1,)),
    )


def _break_glass(figures: Published, say: Words) -> Section:
    section = _partition(say, "break", "review", "review", figures.reviews)
    in_time = total(one for one in figures.reviews if one.key == ("in_time",))
    percent = share(in_time, total(figures.reviews))
    # a share that is withheld would contradict the row above it, which tells what there is to tell
    return (
        section
        if percent is None
        else msgspec.structs.replace(section, after=(say("review.share", share=_percent(say, percent)),))
    )


def _partition(
    say: Words, topic: str, head: str, words: str, partition: Sequence[Shown], *, adds_up: bool = True
) -> Section:
    rows = [(say(f"{words}.{one.key[0]}"), _count(say, one.count)) for one in partition]
    if not rows:
        return Section(title=say(topic), text=(say(f"{topic}.why"),), after=(say("none"),))
    if adds_up:
        rows.append((say("total"), _total(total(partition))))
    return Section(
        title=say(topic),
        text=(say(f"{topic}.why"),),
        table=Table((say(head), say("count")), tuple(rows), figures=(1,), strong=(len(rows) - 1,) if adds_up else ()),
    )


def _policies(figures: Published, say: Words) -> Section:
    rows = tuple((one.day, _grouped(one.policy)) for one in figures.policies)
    return Section(
        title=say("policies"),
        text=(say("policies.why"),),
        table=Table((say("day"), say("policy")), rows, codes=(1,)) if rows else None,
        after=() if rows else (say("none"),),
    )


def _witnessing(figures: Published, say: Words) -> Section:
    found = figures.witnessing
    rows = (
        (say("witnessing.checkpoints"), number(found.checkpoints)),
        (say("witnessing.median"), _seconds(say, found.median)),
        (say("witnessing.late"), _seconds(say, found.late)),
        (say("witnessing.unwitnessed"), number(found.unwitnessed)),
    )
    return Section(
        title=say("witnessing"),
        text=(say("witnessing.why"), *((say("witnessing.demonstration"),) if _is_shown(figures) else ())),
        table=Table((say("what"), say("value")), rows, figures=(1,)),
    )


def _is_shown(figures: Published) -> bool:
    """Whether the machine itself keeps a witness: nobody shall take that one for an outsider."""
    seen = (one for log in figures.logs for one in (*log.witnesses, *(log.before.witnesses if log.before else ())))
    return any(one.witness == DEMONSTRATION_WITNESS for one in seen)


def _seconds(say: Words, millis: int | None) -> str:
    if millis is None:
        return say("unknown")
    return say("seconds", count=f"{millis // 1000}.{millis % 1000 // 100}")


def _cameras(figures: Published, say: Words, law: Jurisdiction) -> Section:
    names = {str(one.code): getattr(one, say.language) for one in law.regions.list}
    rows = [(names.get(one.key[0], one.key[0]), _count(say, one.count)) for one in figures.cameras]
    rows.append((say("total"), _total(total(figures.cameras))))
    return Section(
        title=say("cameras"),
        table=Table((say("region"), say("count")), tuple(rows), figures=(1,), strong=(len(rows) - 1,)),
    )


def _retention(figures: Published, say: Words) -> Section:
    return Section(
        title=say("retention"),
        text=(say("retention.why"),),
        table=Table(
            (say("class"), say("term")), tuple((say.kept(name), term(say, time)) for name, time in figures.retention)
        ),
    )


_ISO: Final = re.compile(r"P(?:([0-9]+)D)?(?:T(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)S)?)?")
_AT_ONCE: Final = "PT1S"
_YEAR: Final = 365


def term(say: Words, iso: str) -> str:
    """An ISO 8601 duration in words; one of another kind is shown as it is. A second is: at once."""
    found = _ISO.fullmatch(iso)
    if iso == _AT_ONCE:
        return say("term.at_once")
    if found is None or not any(found.groups()):
        return iso
    told = []
    for unit, digits in zip(("day", "hour", "minute", "second"), found.groups(), strict=True):
        count = int(digits or 0)
        if unit == "day" and count and count % _YEAR == 0:
            unit, count = "year", count // _YEAR  # noqa: PLW2901 - the same one, changed
        if count:
            told.append(f"{number(count)}\N{NO-BREAK SPACE}{say.counted(unit, count)}")
    return " ".join(told) or say("term.at_once")


def _logs(figures: Published, say: Words) -> Section:
    rows = tuple((one.origin, number(one.size), _typed(one.root), _witnesses(say, one)) for one in figures.logs)
    return Section(
        title=say("logs"),
        text=(say("logs.why"),),
        table=Table((say("origin"), say("size"), say("root"), say("witnessed")), rows, figures=(1,), codes=(0, 2)),
        after=() if rows else (say("none"),),
        blocks=tuple(_unsealed(one.note) for one in figures.logs),
    )


def _witnesses(say: Words, log: LogEnd) -> str:
    if log.witnesses:
        return _seen(log.witnesses)
    if log.before is None:
        return say("unwitnessed")
    return say("witnessed.before", size=number(log.before.size), witnesses=_seen(log.before.witnesses))


def _seen(witnesses: Iterable[Seen]) -> str:
    return _listed(f"{one.witness}, {moment(one.at)}" for one in witnesses)


def _typed(root: str) -> str:
    """A root as `saqtau verify paper` lets it be typed: hexadecimal digits in groups."""
    return _grouped(binascii.a2b_base64(root).hex())


def _grouped(digits: str) -> str:
    return " ".join(digits[at : at + 8] for at in range(0, len(digits), 8))


def _listed(ones: Iterable[str]) -> str:
    return "; ".join(ones)


def _unsealed(note: str) -> str:
    return note.rstrip("\n")
