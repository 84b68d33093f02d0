"""MQTT 3.1.1 as far as a camera that only publishes needs it: packets off the wire, and the few answers. Pure.

Source: OASIS MQTT Version 3.1.1. Raises only `Refused` INVALID, which ends the connection as the standard wants it.
"""

from enum import IntEnum
from typing import Final

import msgspec

from saqtau.kernel.errors import Kind, Refused

LONGEST_TOPIC: Final = 1024
LONGEST_NAME: Final = 256  # bytes of a client's id, user or password
MOST_FILTERS: Final = 64


class Type(IntEnum):
    """Kinds of control packets (2.2.1) that a client sends."""

    CONNECT = 1
    PUBLISH = 3
    PUBREL = 6
    SUBSCRIBE = 8
    UNSUBSCRIBE = 10
    PINGREQ = 12
    DISCONNECT = 14


class Verdict(IntEnum):
    """Return codes of CONNACK (3.2.2.3)."""

    ACCEPTED = 0
    VERSION = 1
    UNAVAILABLE = 3
    UNAUTHORISED = 5


class Connect(msgspec.Struct, frozen=True):
    """A CONNECT. `keep_alive`: seconds, 0 = none. `version`: 4 is MQTT 3.1.1."""

    version: int
    user: str = ""
    password: str = ""
    keep_alive: int = 0

    def __repr__(self) -> str:
        """Never the password."""
        return f"Connect({self.user})"


class Publish(msgspec.Struct, frozen=True):
    """A PUBLISH. `packet`: its identifier, 0 at QoS 0. `again`: the client says that it sends it once more."""

    topic: str
    payload: bytes
    qos: int
    packet: int
    again: bool


def length(head: bytes) -> tuple[int, int] | None:
    """(bytes of the fixed header, bytes that follow it), None when more must be read. head: 1 byte and more."""
    value = 0
    for place in range(1, 5):
        if len(head) <= place:
            return None
        value |= (head[place] & 0x7F) << 7 * (place - 1)
        if head[place] < 0x80:
            return place + 1, value
    raise Refused(Kind.INVALID, "a length of more than four bytes", length="too_long")


def read_connect(body: bytes) -> Connect:
    """A CONNECT. Of another version than 3.1.1 only `version` is read."""
    cursor = _Cursor(body)
    name = cursor.text(16)
    version = cursor.byte()
    if name != "MQTT" or version != 4:
        if name not in {"MQTT", "MQIsdp"}:
            raise Refused(Kind.INVALID, "not a protocol we speak", protocol="unknown")
        return Connect(version=0 if name != "MQTT" else version)
    flags, keep_alive = cursor.byte(), cursor.short()
    if flags & 0x01 or (flags & 0x40 and not flags & 0x80) or flags & 0x18 == 0x18:
        raise Refused(Kind.INVALID, "flags that contradict each other", flags="invalid")
    cursor.text(LONGEST_NAME)  # the client's id: who it is its token says
    if flags & 0x04:
        cursor.text(LONGEST_TOPIC)
        cursor.skip(cursor.short())  # its last will: nobody here reads it
    user = cursor.text(LONGEST_NAME) if flags & 0x80 else ""
    password = cursor.text(LONGEST_NAME) if flags & 0x40 else ""
    cursor.end()
    return Connect(version, user, password, keep_alive)


def read_publish(flags: int, body: bytes) -> Publish:
    """A PUBLISH. flags: the low four bits of its first byte."""
    qos = flags >> 1 & 3
    if qos == 3 or (qos == 0 and flags & 8):
        raise Refused(Kind.INVALID, "a quality of service that is none", qos="invalid")
    cursor = _Cursor(body)
    topic = cursor.text(LONGEST_TOPIC)
    if not topic or not {"#", "+"}.isdisjoint(topic):
        raise Refused(Kind.INVALID, "a topic with wildcards, or none", topic="invalid")
    packet = cursor.identifier() if qos else 0
    return Publish(topic, cursor.rest(), qos, packet, bool(flags & 8))


def read_identifier(body: bytes) -> int:
    """The packet identifier of a PUBREL, a SUBSCRIBE or an UNSUBSCRIBE."""
    return _Cursor(body).identifier()


def count_filters(body: bytes) -> int:
    """How many topic filters a SUBSCRIBE names."""
    cursor = _Cursor(body)
    cursor.identifier()
    number = 0
    while cursor.left:
        cursor.text(LONGEST_TOPIC)
        cursor.byte()
        number += 1
        if number > MOST_FILTERS:
            raise Refused(Kind.INVALID, f"more than {MOST_FILTERS} filters", filters="too_many")
    if number == 0:
        raise Refused(Kind.INVALID, "a subscription to nothing", filters="missing")
    return number


def connack(verdict: Verdict) -> bytes:
    """CONNACK; there is never a session of before."""
    return bytes((0x20, 2, 0, verdict))


def puback(packet: int) -> bytes:
    """PUBACK: what was published at QoS 1 is taken."""
    return bytes((0x40, 2)) + packet.to_bytes(2, "big")


def pubrec(packet: int) -> bytes:
    """PUBREC: what was published at QoS 2 is taken."""
    return bytes((0x50, 2)) + packet.to_bytes(2, "big")


def pubcomp(packet: int) -> bytes:
    """PUBCOMP: the exchange of QoS 2 is over."""
    return bytes((0x70, 2)) + packet.to_bytes(2, "big")


def suback(packet: int, filters: int) -> bytes:
    """SUBACK that refuses every filter: nobody reads here."""
    return bytes((0x90, 2 + filters)) + packet.to_bytes(2, "big") + b"\x80" * filters


def unsuback(packet: int) -> bytes:
    """UNSUBACK."""
    return bytes((0xB0, 2)) + packet.to_bytes(2, "big")


PINGRESP: Final = bytes((0xD0, 0))


class _Cursor:
    """Reads a body from front to back; Refused where it ends too early."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._body) - self._at

    def skip(self, number: int) -> bytes:
        if self.left < number:
            raise Refused(Kind.INVALID, "a packet that ends too early", packet="truncated")
        self._at += number
        return self._body[self._at - number : self._at]

    def byte(self) -> int:
        return self.skip(1)[0]

    def short(self) -> int:
        return int.from_bytes(self.skip(2), "big")

    def identifier(self) -> int:
        if not (number := self.short()):
            raise Refused(Kind.INVALID, "a packet identifier of zero", packet="invalid")
        return number

    def text(self, most: int) -> str:
        number = self.short()
        if number > most:
            raise Refused(Kind.INVALID, f"a text of {number} bytes", text="too_long")
        try:
            text = self.skip(number).decode()
        except UnicodeDecodeError:
            raise Refused(Kind.INVALID, "a text that is not UTF-8", text="invalid") from None
        if "\0" in text:
            raise Refused(Kind.INVALID, "a text with a null character", text="invalid")
        return text

    def rest(self) -> bytes:
        return self.skip(self.left)

    def end(self) -> None:
        if self.left:
            raise Refused(Kind.INVALID, "a packet longer than what it says", packet="too_long")
