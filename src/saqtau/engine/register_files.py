"""A file of a register as checked structs. Pure: any bytes give rows and refusals, never an error.

CSV: UTF-8 with or without a byte order mark, separated by commas, semicolons or tabs, a header first.
GeoJSON: a FeatureCollection of points; the properties are the columns.
"""

import csv
import hashlib
import io
import ipaddress
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Final

import msgspec

from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.errors import Refused
from saqtau.kernel.register import LONGEST_SHIFT, Camera, Case, ListedVehicle, Officer, Shift, Site, Unit, VideoCamera

BYTES: Final = 64 * 1024 * 1024
ROWS: Final = 1_000_000
CELL: Final = 1_000
"""Letters in one cell; the longest a register keeps is 300."""

Spell = Callable[[str], str | None]
"""Normalises a plate; None when there is none in it."""
Check = Callable[[Any], None]
"""Raises Refused for a record that a law does not allow; its fields are columns."""


class Refusal(msgspec.Struct, frozen=True):
    """A row that was not taken: its line in a CSV file or its number in GeoJSON (0 = the file itself), and why."""

    row: int
    field: str
    reason: str


class Row(msgspec.Struct, frozen=True):
    """A good row."""

    number: int
    record: Any
    token_hash: bytes | None = None


class _Columns(msgspec.Struct, frozen=True):
    """What a kind of register is made of."""

    struct: type[msgspec.Struct]
    required: tuple[str, ...]
    optional: tuple[str, ...]
    key: tuple[str, ...] = ("id",)

    @property
    def all(self) -> frozenset[str]:
        return frozenset(self.required + self.optional)


KINDS: Final[dict[str, _Columns]] = {
    "sites": _Columns(Site, ("id", "name", "region", "lat", "lon"), ()),
    "cameras": _Columns(
        Camera,
        ("id", "site", "name", "region", "lat", "lon", "heading", "limit"),
        ("certificate_number", "certificate_from", "certificate_until", "address", "token"),
    ),
    "video_cameras": _Columns(
        VideoCamera,
        ("id", "site", "name", "region", "lat", "lon", "place", "address", "keep_days"),
        ("room", "heading", "field_of_view", "reach", "credentials", "audio", "back_fill", "mask"),
    ),
    "units": _Columns(Unit, ("id", "call_sign", "region"), ("plate", "skills", "token")),
    "officers": _Columns(Officer, ("id", "name", "region"), ("unit",)),
    "vehicles": _Columns(
        ListedVehicle,
        ("plate", "ground", "authority", "basis", "expires"),
        ("region", "note"),
        ("plate", "ground", "authority"),
    ),
    "cases": _Columns(Case, ("number", "opened"), ("region", "closed", "authority", "sites"), ("number",)),
    "shifts": _Columns(Shift, ("person", "from", "until"), (), ("person", "since")),
}

_FLOATS = frozenset({"lat", "lon", "heading", "limit", "field_of_view", "reach"})
_YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_CERTIFICATE = {"certificate_number": "number", "certificate_from": "valid_from", "certificate_until": "valid_until"}
_NUMBER = re.compile(r"[+-]?\d{1,9}(?:[.,]\d{1,12})?", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,128}", re.ASCII)
_SIDES = ("left", "top", "right", "bottom")
_BETWEEN = re.compile(r"[;,|\s]+")
_FIELD = re.compile(r"`\$\.([a-z_]+)")


class _Wrong(Exception):  # noqa: N818 - leaves a row, never this file
    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason


def plain_plate(text: str) -> str | None:
    """Upper case without spaces and dashes. Cyrillic look-alikes are folded by `devices.plate`, which is handed in."""
    return text.upper().replace(" ", "").replace("-", "") or None


def no_law(_record: Any) -> None:
    """Every record is allowed."""


def read_rows(
    kind: str, data: bytes, zone: tzinfo = UTC, spell: Spell = plain_plate, check: Check = no_law
) -> tuple[list[Row], list[Refusal], int]:
    """Good rows, refusals and the number of rows with content. kind: one of KINDS. zone: of dates without an hour."""
    columns = KINDS[kind]
    rows: list[Row] = []
    refused: list[Refusal] = []
    total = 0
    try:
        for number, cells in _cells(data, columns):
            total = _counted(total)
            if isinstance(cells, _Wrong):
                refused.append(Refusal(number, cells.field, cells.reason))
                continue
            try:
                row = _row(number, cells, columns, zone, spell)
                check(row.record)
                rows.append(row)
            except _Wrong as wrong:
                refused.append(Refusal(number, wrong.field, wrong.reason))
            except Refused as wrong:
                refused += [Refusal(number, field, reason) for field, reason in wrong.fields.items()]
    except _Wrong as wrong:
        # the file cannot be read to its end: what it would have said is not known
        return [], [*refused, Refusal(0, wrong.field, wrong.reason)], total
    doubled = list(_doubled(rows, columns))
    wrong_rows = {one.row for one in doubled}
    return [row for row in rows if row.number not in wrong_rows], refused + doubled, total


def _counted(total: int) -> int:
    if total >= ROWS:
        raise _Wrong("file", f"more than {ROWS} rows")
    return total + 1


def _cells(data: bytes, columns: _Columns) -> Iterator[tuple[int, Mapping[str, Any] | _Wrong]]:
    """Rows as column -> value, empty cells left out."""
    if len(data) > BYTES:
        raise _Wrong("file", f"larger than {BYTES // 1024 // 1024} MiB")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _Wrong("file", "UTF-16: save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _Wrong("file", f"not UTF-8: byte 0x{data[error.start]:02x} in line {line}; save it as UTF-8") from None
    if text.lstrip()[:1] in {"{", "["}:
        yield from _features(text, columns)
    else:
        yield from _lines(text, columns)


def _lines(text: str, columns: _Columns) -> Iterator[tuple[int, Mapping[str, Any] | _Wrong]]:
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = _header(cells, columns)
                continue
            if len(cells) > len(header) and any(cell.strip() for cell in cells[len(header) :]):
                yield reader.line_num, _Wrong("row", f"{len(cells)} cells under {len(header)} columns")
                continue
            filled = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if cell.strip()}
            yield reader.line_num, filled
    except csv.Error as error:
        raise _Wrong("file", f"line {reader.line_num}: {error}") from None
    if not header:
        raise _Wrong("file", "empty")


def _header(cells: Iterable[str], columns: _Columns) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    for name in names:
        if name not in columns.all:
            raise _Wrong(_short(name) or "column", f"unknown column; known are {', '.join(sorted(columns.all))}")
        if names.count(name) > 1:
            raise _Wrong(name, "column is there twice")
    for name in columns.required:
        if name not in names:
            raise _Wrong(name, "column is missing")
    return names


def _features(text: str, columns: _Columns) -> Iterator[tuple[int, Mapping[str, Any] | _Wrong]]:
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _Wrong("file", f"no JSON: {error}") from None
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or document.get("type") != "FeatureCollection":
        raise _Wrong("file", "no GeoJSON FeatureCollection")
    for number, feature in enumerate(features, 1):
        try:
            yield number, _feature(feature, columns)
        except _Wrong as wrong:
            yield number, wrong


def _feature(feature: Any, columns: _Columns) -> Mapping[str, Any]:
    if not isinstance(feature, dict) or not isinstance(feature.get("properties"), dict):
        raise _Wrong("properties", "missing")
    cells = {name: value for name, value in feature["properties"].items() if value is not None and value != ""}
    if "lat" in columns.all:
        geometry = feature.get("geometry")
        if not isinstance(geometry, dict) or geometry.get("type") != "Point":
            raise _Wrong("geometry", "not a Point")
        place = geometry.get("coordinates")
        if not isinstance(place, list) or len(place) not in {2, 3}:
            raise _Wrong("geometry", "a Point is [longitude, latitude]")
        cells |= {"lon": place[0], "lat": place[1]}
    for name in cells:
        if name not in columns.all:
            raise _Wrong(_short(name), "unknown property")
    return cells


def _row(number: int, cells: Mapping[str, Any], columns: _Columns, zone: tzinfo, spell: Spell) -> Row:
    for name in columns.required:
        if name not in cells:
            raise _Wrong(name, "empty")
    facts: dict[str, Any] = {}
    paper: dict[str, Any] = {}
    token = None
    for name, value in cells.items():
        match name:
            case "token":
                token = _token(value)
            case "region" | "keep_days":
                facts[name] = _whole(name, value)
            case "skills" | "sites":
                facts[name] = _words(name, value)
            case "plate":
                facts[name] = _plate(value, spell)
            case "address" if columns.struct is Camera:
                facts[name] = _address(value)
            case "audio":
                facts[name] = _yes_or_no(name, value)
            case "mask":
                facts[name] = _boxes(name, value)
            case "expires" | "opened" | "closed" | "from" | "until":
                facts[name] = _instant(name, value, zone, last=False)
            case "certificate_from" | "certificate_until":
                paper[_CERTIFICATE[name]] = _instant(name, value, zone, last=name == "certificate_until")
            case "certificate_number":
                paper["number"] = _text(name, value)
            case _ if name in _FLOATS:
                facts[name] = _number(name, value)
            case _:
                facts[name] = _text(name, value)
    if paper:
        facts["certificate"] = _certificate(paper)
    _check_times(facts)
    try:
        record = msgspec.convert(facts, columns.struct, strict=True)
    except msgspec.ValidationError as error:
        found = _FIELD.search(str(error))
        raise _Wrong(found[1] if found else "row", str(error).partition(" - at ")[0]) from None
    return Row(number, record, token)


def _check_times(facts: Mapping[str, Any]) -> None:
    if "from" in facts and not 0 < facts["until"] - facts["from"] <= LONGEST_SHIFT:
        raise _Wrong("until", "after `from`, at most two days")
    if facts.get("closed", facts.get("opened", 0)) < facts.get("opened", 0):
        raise _Wrong("closed", "before opened")


def _certificate(paper: dict[str, Any]) -> dict[str, Any]:
    for name, inner in _CERTIFICATE.items():
        if inner not in paper:
            raise _Wrong(name, "a certificate has a number, a first and a last day")
    if paper["valid_from"] > paper["valid_until"]:
        raise _Wrong("certificate_until", "before certificate_from")
    return paper


def _text(name: str, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # a table turned into GeoJSON has numbers where codes look like numbers
    if not isinstance(value, str):
        raise _Wrong(name, "not a text")
    if len(value) > CELL:
        raise _Wrong(name, f"longer than {CELL} letters")
    text = value.strip()
    if any(ord(letter) < 32 or 0xD800 <= ord(letter) < 0xE000 for letter in text):
        raise _Wrong(name, "holds a control character")
    return text


def _number(name: str, value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value) if abs(value) < 1e9 else math.inf
    elif isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        number = float(value.strip().replace(",", "."))
    else:
        raise _Wrong(name, f"not a number: {_short(value)}")
    if not math.isfinite(number):
        raise _Wrong(name, "not a number of this world")
    return number


def _whole(name: str, value: Any) -> int:
    number = _number(name, value)
    if not number.is_integer():
        raise _Wrong(name, f"not a whole number: {_short(value)}")
    return int(number)


def _words(name: str, value: Any) -> tuple[str, ...]:
    parts = value if isinstance(value, list) else _BETWEEN.split(_text(name, value))
    return tuple(dict.fromkeys(text for part in parts if (text := _text(name, part))))


def _yes_or_no(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    found = _YES_NO.get(_text(name, value).casefold())
    if found is None:
        raise _Wrong(name, "yes or no")
    return found


def _boxes(name: str, value: Any) -> tuple[Mapping[str, float], ...]:
    """Rectangles of a picture: `left top right bottom` in parts of it, semicolons between; in GeoJSON lists of four."""
    parts = value if isinstance(value, list) else [one.split() for one in _text(name, value).split(";") if one.strip()]
    found = []
    for part in parts:
        if not isinstance(part, list) or len(part) != len(_SIDES):
            raise _Wrong(name, "a rectangle is: left top right bottom")
        box = {side: _number(name, one) for side, one in zip(_SIDES, part, strict=True)}
        if not 0 <= box["left"] < box["right"] <= 1 or not 0 <= box["top"] < box["bottom"] <= 1:
            raise _Wrong(name, "a rectangle lies in the picture: 0 to 1, left of right, top above bottom")
        found.append(box)
    return tuple(found)


def _plate(value: Any, spell: Spell) -> str:
    plate = spell(_text("plate", value))
    if plate is None:
        raise _Wrong("plate", "no plate")
    return plate


def _token(value: Any) -> bytes:
    text = _text("token", value)
    if not _TOKEN.fullmatch(text):
        raise _Wrong("token", "16..128 letters of A-Z a-z 0-9 _ -")
    return token_hash(text)


def token_hash(token: str) -> bytes:
    """What is kept of a token: its SHA-256."""
    return hashlib.sha256(token.encode()).digest()


def _address(value: Any) -> str:
    try:
        return str(ipaddress.ip_address(_text("address", value)))
    except ValueError:
        raise _Wrong("address", f"no IP address: {_short(value)}") from None


def _instant(name: str, value: Any, zone: tzinfo, *, last: bool) -> Instant:
    """A date or a date with its hour (ISO 8601). last: a date alone is the last ms of that day."""
    text = _text(name, value)
    try:
        if len(text) == len("2026-11-24"):
            moment = datetime.combine(date.fromisoformat(text) + timedelta(days=last), time.min, zone)
            return Instant(round(moment.timestamp() * SECOND) - last)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        return Instant(round(moment.timestamp() * SECOND))
    except (ValueError, OverflowError):
        raise _Wrong(name, f"no date (2026-12-31 or 2026-12-31T18:00:00+05:00): {_short(text)}") from None


def _doubled(rows: Iterable[Row], columns: _Columns) -> Iterator[Refusal]:
    keys: dict[Any, int] = {}
    tokens: dict[bytes, int] = {}
    for row in rows:
        key = tuple(getattr(row.record, name) for name in columns.key)
        first = keys.setdefault(key, row.number)
        if first != row.number:
            yield Refusal(row.number, columns.key[0], f"the same as row {first}")
        elif row.token_hash is not None and (first := tokens.setdefault(row.token_hash, row.number)) != row.number:
            yield Refusal(row.number, "token", f"the same as in row {first}")


def _short(value: Any) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in str(value)[:40])
