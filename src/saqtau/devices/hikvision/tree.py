"""An event of a device as a flat table: path of local names -> text. XML and JSON give the same table.

Namespaces differ by firmware and prefixes by recorder, so only local names count. A document type, an entity,
a depth or a size beyond any real camera is refused before anything is built from it. Pure; raises only `Refused`.
"""

from xml.parsers import expat

import msgspec

from saqtau.kernel.errors import Kind, Refused

LONGEST = 256 * 1024
DEEPEST = 16
MOST_NODES = 4_000
LONGEST_TEXT = 4_096

Table = dict[str, str]
"""`"ANPR/licensePlate"` -> text. The root's own name is under `""`. The first of equal paths counts."""


def read_event(data: bytes) -> Table:
    """The table of an XML or JSON event; which one it is, is seen from its first character.

    Raises Refused INVALID (`event`) for anything else and for what breaks a limit.
    """
    text = data.strip(b" \t\r\n\x00\xef\xbb\xbf")
    if len(text) > LONGEST:
        raise Refused(Kind.INVALID, f"an event of {len(text)} bytes", event="too_large")
    match text[:1]:
        case b"<":
            return _read_xml(text)
        case b"{":
            return _read_json(text)
        case _:
            raise Refused(Kind.INVALID, "an event that is neither XML nor JSON", event="not_an_event")


class _Reader:
    """Collects the table while expat walks. One reader reads one document."""

    def __init__(self) -> None:
        self.table: Table = {}
        self._path: list[str] = []
        self._text: list[str] = []
        self._size = 0
        self._nodes = 0

    def open(self, name: str, _attributes: dict[str, str]) -> None:
        self._nodes += 1
        if len(self._path) == DEEPEST or self._nodes > MOST_NODES:
            raise Refused(Kind.INVALID, "an event deeper or longer than any camera's", event="too_deep")
        self._path.append(_local(name))
        self._text.clear()
        self._size = 0

    def close(self, _name: str) -> None:
        _put(self.table, self._path, "".join(self._text))
        self._path.pop()
        self._text.clear()
        self._size = 0

    def text(self, data: str) -> None:
        self._size += len(data)
        if self._size > LONGEST_TEXT:
            raise Refused(Kind.INVALID, f"a text of {'/'.join(self._path)} is too long", event="text_too_long")
        self._text.append(data)


def _read_xml(text: bytes) -> Table:
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_declaration
    parser.EntityDeclHandler = _refuse_declaration
    parser.ExternalEntityRefHandler = _refuse_declaration
    parser.StartElementHandler = reader.open
    parser.EndElementHandler = reader.close
    parser.CharacterDataHandler = reader.text
    try:
        # firmware sends line ends and zeros behind the root; a cut there is not a cut in the event
        parser.Parse(text[: text.rfind(b">") + 1], True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise Refused(Kind.INVALID, f"an event that is not XML: {error}", event="not_xml") from error
    return reader.table


def _refuse_declaration(*_declaration: object) -> int:
    raise Refused(Kind.INVALID, "an event with a document type or an entity", event="declaration")


def _read_json(text: bytes) -> Table:
    table: Table = {"": "EventNotificationAlert"}
    try:
        value = msgspec.json.decode(text)
        if isinstance(value, dict) and isinstance(inner := value.get("EventNotificationAlert"), dict):
            value = inner
        _walk(table, [""], value, [0])
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise Refused(Kind.INVALID, f"an event that is not JSON: {error}", event="not_json") from error
    return table


def _walk(table: Table, path: list[str], value: object, nodes: list[int]) -> None:
    nodes[0] += 1
    if len(path) > DEEPEST or nodes[0] > MOST_NODES:
        raise Refused(Kind.INVALID, "an event deeper or longer than any camera's", event="too_deep")
    match value:
        case dict():
            for name, inner in value.items():
                # one JSON library of the field lowers the first letter of a leading acronym: aNPR, uUID
                _walk(table, [*path, "ANPR" if name == "aNPR" else str(name)[:64]], inner, nodes)
        case list():
            for inner in value:
                _walk(table, path, inner, nodes)
        case bool():
            _put(table, path, "true" if value else "false")
        case str() | int() | float():
            written = str(value)
            if len(written) > LONGEST_TEXT:
                raise Refused(Kind.INVALID, f"a text of {'/'.join(path)} is too long", event="text_too_long")
            _put(table, path, written)
        case _:
            pass  # null says nothing


def _put(table: Table, path: list[str], text: str) -> None:
    if len(path) == 1:
        table.setdefault("", path[0])
    elif written := text.strip():
        table.setdefault("/".join(path[1:]), written)


def _local(name: str) -> str:
    return name.rpartition(":")[2]
