"""Reports beside the packets: what time the camera says it is, and that we are still there (RFC 3550 6.4)."""

import msgspec

SENDER, RECEIVER, DESCRIPTION, BYE = 200, 201, 202, 203
_TO_1970 = 2_208_988_800  # s from 1900, where NTP begins
_NAME = b"saqtau"


class SenderReport(msgspec.Struct, frozen=True):
    """At `ntp` (Unix milliseconds of the source's clock) the RTP time stamp was `ts` (32 bits)."""

    ssrc: int
    ntp: int
    ts: int


class Told(msgspec.Struct, frozen=True):
    """What one packet of reports tells: the source's clock, and whether the source says it ends."""

    report: SenderReport | None = None
    ended: bool = False


def parse_reports(data: bytes) -> Told:
    """What is in a packet of reports. Whatever cannot be read is left out: a report is no evidence."""
    report, ended, at = None, False, 0
    while at + 8 <= len(data) and data[at] >> 6 == 2:
        kind, size = data[at + 1], 4 * (1 + int.from_bytes(data[at + 2 : at + 4], "big"))
        if kind == SENDER and size >= 28 and at + 20 <= len(data):
            seconds, fraction = (int.from_bytes(data[at + k : at + k + 4], "big") for k in (8, 12))
            ts = int.from_bytes(data[at + 16 : at + 20], "big")
            if seconds:  # a source without a clock says nought
                # the era of 2036 begins again at nought (RFC 4330 3)
                unix = seconds - _TO_1970 + (0 if seconds & 0x80000000 else 1 << 32)
                ssrc = int.from_bytes(data[at + 4 : at + 8], "big")
                report = SenderReport(ssrc, unix * 1000 + (fraction * 1000 >> 32), ts)
        ended = ended or kind == BYE
        at += size
    return Told(report, ended)


def receiver_report(own: int, source: int, highest: int, lost: int) -> bytes:
    """A report of ours.

    own, source: SSRC. highest: sequence number with its turns (32 bits). lost: packets so far.
    """
    block = (
        source.to_bytes(4, "big")
        + min(lost, 0x7FFFFF).to_bytes(4, "big")  # the share lost since the last report stays nought
        + (highest & 0xFFFFFFFF).to_bytes(4, "big")
        + bytes(12)
    )
    report = bytes([0x81, RECEIVER, 0, 7]) + own.to_bytes(4, "big") + block
    item = bytes([1, len(_NAME)]) + _NAME
    item += bytes(4 - len(item) % 4)
    return report + bytes([0x81, DESCRIPTION, 0, 1 + len(item) // 4]) + own.to_bytes(4, "big") + item
