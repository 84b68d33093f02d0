"""One spelling of a number plate: upper case, Latin letters, no separators, 1..12 characters.

Cameras in Kazakhstan and its neighbours report the same plate with Cyrillic look-alikes, spaces, dashes,
or a mark for a character they could not read; two spellings of one plate must never be two vehicles.
"""

import unicodedata

import msgspec

LONGEST = 12

UNREAD = "Q"
"""Stands where a character was not read. Chosen because a digit there would make the plate of somebody else:
no Kazakh series uses Q, so a placeholder alone can never equal a plate that exists."""

_LOOK_ALIKES = str.maketrans(
    {
        "А": "A", "В": "B", "Е": "E", "К": "K", "М": "M", "Н": "H", "О": "O", "Р": "P", "С": "C", "Т": "T",
        "У": "Y", "Х": "X", "І": "I", "Ү": "Y", "Һ": "H", "Ё": "E", "Ј": "J", "Ѕ": "S",
    }
)  # fmt: skip
_SEPARATORS = frozenset(" -.·•/\\|:,'\"()[]\t\r\n\u200b\u200e\u200f\ufeff\xad\x00")
_NO_PLATE = frozenset(
    {"UNKNOWN", "UNKNOW", "NOPLATE", "NONE", "NULL", "NOTDETECTED", "车牌", "无车牌", "未识别", "未知"}
)


class Spelling(msgspec.Struct, frozen=True):
    """A normalised plate. `doubts`: positions in `plate` where the device reported no readable character."""

    plate: str
    doubts: tuple[int, ...] = ()


def spell(text: str) -> Spelling | None:
    """The normalised plate, or None when nothing was read (empty, a word for "unknown", or no character readable).

    Never raises. The result may be longer than `LONGEST` when the input was: the caller refuses it, nothing is cut.
    """
    letters = [
        letter
        for letter in unicodedata.normalize("NFKC", text[:64]).upper().translate(_LOOK_ALIKES)
        if letter not in _SEPARATORS
    ]
    if not letters or "".join(letters) in _NO_PLATE:
        return None
    doubts = tuple(place for place, letter in enumerate(letters) if not _readable(letter))
    if len(doubts) == len(letters):
        return None
    return Spelling("".join(letter if _readable(letter) else UNREAD for letter in letters), doubts)


def _readable(letter: str) -> bool:
    return letter.isascii() and letter.isalnum()
