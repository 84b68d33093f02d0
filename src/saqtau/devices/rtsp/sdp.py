"""Session descriptions: which of a camera's tracks we can record.

Sources: RFC 8866, RFC 6184 8.2, RFC 7798 7.1, RFC 3640 4.1.
"""

import re
from base64 import b64decode
from binascii import Error as NotBase64
from urllib.parse import urljoin

import msgspec

from saqtau.kernel.errors import Kind, Refused
from saqtau.video.access_unit import VIDEO_CLOCK, Audio, AudioCodec, Codec

MOST_LINES = 400
LONGEST_CONTROL = 1000
_VIDEO = {"h264": Codec.H264, "h265": Codec.H265, "hevc": Codec.H265}
_AUDIO = {"mpeg4-generic": AudioCodec.AAC, "pcma": AudioCodec.PCMA, "pcmu": AudioCodec.PCMU}
_STATIC = {"0": "PCMU/8000", "8": "PCMA/8000"}  # payload types with a fixed meaning (RFC 3551)
_MAP = re.compile(r"(\d{1,3}) +([A-Za-z0-9_.-]{1,40})/(\d{1,6})(?:/(\d{1,2}))?")


class Video(msgspec.Struct, frozen=True):
    """A track of pictures. sets: parameter sets it tells, which may be none, stale or incomplete."""

    codec: Codec
    payload_type: int
    control: str
    sets: tuple[bytes, ...]


class Heard(msgspec.Struct, frozen=True):
    """A track of sound. size_bits, index_bits: the widths of AAC's heads in a packet."""

    audio: Audio
    payload_type: int
    control: str
    size_bits: int = 13
    index_bits: int = 3


class Description(msgspec.Struct, frozen=True):
    """What is offered: the first track of pictures we can record, the first of sound, the control of the whole."""

    video: Video
    heard: Heard | None
    control: str


def parse_description(text: str) -> Description:
    """What a camera offers.

    Raises `Refused(INVALID, stream="no_video")` when no track of H.264 or H.265 is in it.
    """
    whole, tracks = _sections(text)
    videos = [video for media, lines in tracks if media.startswith("video ") and (video := _video(media, lines))]
    heard = [sound for media, lines in tracks if media.startswith("audio ") and (sound := _heard(media, lines))]
    if not videos:
        offered = ", ".join(media[:40] for media, _ in tracks) or "nothing"
        raise Refused(Kind.INVALID, f"no H.264 or H.265 among what is offered: {offered}", stream="no_video")
    return Description(videos[0], heard[0] if heard else None, _attribute(whole, "control"))


def control_address(base: str, control: str) -> str:
    """The address that a track is set up with. `base`: of the description, ends where the reply says."""
    if control in {"", "*"}:
        return base
    if re.match(r"rtsps?://", control, re.IGNORECASE):
        return control
    if control.startswith("/"):
        return urljoin(base, control)
    return base.rstrip("/") + "/" + control


def _sections(text: str) -> tuple[list[str], list[tuple[str, list[str]]]]:
    whole: list[str] = []
    tracks: list[tuple[str, list[str]]] = []
    for line in text.splitlines()[:MOST_LINES]:
        name, _, value = line.strip().partition("=")
        if name == "m":
            tracks.append((value, []))
        elif name == "a":
            (tracks[-1][1] if tracks else whole).append(value)
    return whole, tracks


def _attribute(lines: list[str], name: str) -> str:
    value = next((line.partition(":")[2].strip() for line in lines if line.startswith(name + ":")), "")
    return value[:LONGEST_CONTROL]


def _formats(lines: list[str], payload_type: str) -> dict[str, str]:
    """The parameters of a format: lower-case names."""
    for line in lines:
        number, _, rest = line.removeprefix("fmtp:").partition(" ")
        if line.startswith("fmtp:") and number == payload_type:
            pairs = (part.partition("=") for part in rest.split(";"))
            return {name.strip().lower(): value.strip() for name, _, value in pairs}
    return {}


def _mapped(media: str, lines: list[str]) -> tuple[str, str, int, int] | None:
    """Payload type, lower-case name, clock and channels of the first format of a track."""
    fields = media.split()
    if len(fields) < 4 or not (fields[3].isascii() and fields[3].isdigit()) or int(fields[3]) > 127:
        return None
    said = next((line.removeprefix("rtpmap:") for line in lines if line.startswith(f"rtpmap:{fields[3]} ")), None)
    said = said if said is not None else f"{fields[3]} {_STATIC.get(fields[3], '')}"
    found = _MAP.match(said)
    return (fields[3], found[2].lower(), int(found[3]), int(found[4] or 1)) if found else None


def _video(media: str, lines: list[str]) -> Video | None:
    mapped = _mapped(media, lines)
    if mapped is None or (codec := _VIDEO.get(mapped[1])) is None or mapped[2] != VIDEO_CLOCK:
        return None
    formats = _formats(lines, mapped[0])
    if formats.get("packetization-mode", "1") not in {"0", "1"} or formats.get("sprop-max-don-diff", "0") != "0":
        return None  # interleaved modes, which no camera has
    names = ["sprop-parameter-sets"] if codec is Codec.H264 else ["sprop-vps", "sprop-sps", "sprop-pps"]
    sets = [one for name in names for one in formats.get(name, "").split(",") if one]
    return Video(codec, int(mapped[0]), _attribute(lines, "control"), tuple(filter(None, map(_decoded, sets))))


def _heard(media: str, lines: list[str]) -> Heard | None:
    mapped = _mapped(media, lines)
    if mapped is None or (codec := _AUDIO.get(mapped[1])) is None or not mapped[2]:
        return None
    formats, control = _formats(lines, mapped[0]), _attribute(lines, "control")
    if codec is not AudioCodec.AAC:
        return Heard(Audio(codec, mapped[2], mapped[3]), int(mapped[0]), control)
    config = formats.get("config", "")
    widths = [formats.get(name, "0") for name in ("sizelength", "indexlength", "indexdeltalength")]
    readable = re.fullmatch(r"(?:[0-9A-Fa-f]{2}){2,16}", config) and all(
        re.fullmatch(r"\d{1,2}", one) for one in widths
    )
    if formats.get("mode", "AAC-hbr").lower() != "aac-hbr" or not readable or not 1 <= int(widths[0]) <= 16:
        return None
    audio = Audio(codec, mapped[2], mapped[3], bytes.fromhex(config))
    return Heard(audio, int(mapped[0]), control, int(widths[0]), int(widths[1]))


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text + "=" * (-len(text) % 4))
    except (NotBase64, ValueError):
        return b""  # the sets come with the stream then
