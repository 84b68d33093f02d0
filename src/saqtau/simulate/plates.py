"""Number plates of the simulation: random ones, misread ones, and how they look.

Layout: Kazakhstan 2012, `123 ABC 02`, white, flag and KZ at the left, the region's code behind a bar.
The letters are drawn with the font that Pillow carries, so no font file is needed.
"""

import io
import math
from functools import lru_cache
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFont

LETTERS = "ABCDEFGHJKLMNOPRSTUVWXYZ"
SHAPE = r"[0-9]{3}[A-Z]{3}(0[1-9]|1[0-9]|20)"
"""Regular expression of a plate of a private person's car in the 2012 layout."""

CONFUSED = {
    "0": "89", "1": "74", "2": "7", "3": "89", "4": "1", "5": "6", "6": "58", "7": "12", "8": "036", "9": "30",
    "A": "R", "B": "RE", "C": "GO", "D": "O", "E": "BF", "F": "EP", "G": "C", "H": "NM", "J": "U", "K": "XR", "L": "E",
    "M": "NH", "N": "MH", "O": "DC", "P": "RF", "R": "PB", "S": "Z", "T": "Y", "U": "VJ", "V": "UY", "W": "M",
    "X": "K", "Y": "VT", "Z": "S",
}  # fmt: skip
"""What a reader takes a character for: a digit for a digit, a letter for a letter, so a misread is a plate again."""

CROP = (200, 46)
SCENE = (640, 360)
_WHITE, _INK, _SKY, _SUN = (244, 245, 242), (18, 18, 22), (0, 160, 190), (250, 210, 40)
PAINTS = ((196, 200, 204), (48, 52, 60), (150, 32, 36), (38, 66, 120), (228, 228, 224), (86, 96, 84), (122, 98, 66))


def random_plate(random: Random, region: int) -> str:
    """A plate of this region, 1..20, normalised: `123ABC02`."""
    letters = "".join(random.choice(LETTERS) for _ in range(3))
    return f"{random.randint(1, 999):03}{letters}{region:02}"


def misread(plate: str, random: np.random.Generator) -> tuple[str, int]:
    """The plate with one character taken for another, and where. The region's code stays, as it is read twice."""
    place = int(random.integers(0, min(6, len(plate))))
    others = CONFUSED.get(plate[place], plate[place])
    return plate[:place] + others[int(random.integers(0, len(others)))] + plate[place + 1 :], place


def crop(plate: str, *, blur: float = 0.0) -> bytes:
    """JPEG of the plate alone, 200 x 46. blur: 0 sharp .. 1 hardly readable."""
    picture = _plate(plate).copy()
    if blur > 0:
        small = max(8, round(CROP[1] * (1 - 0.8 * blur)))
        picture = picture.resize((small * 4, small), Image.Resampling.BILINEAR)
        picture = picture.resize(CROP, Image.Resampling.BILINEAR)
    return _jpeg(picture, 88)


def scene(plate: str, stamp: str, *, paint: int = 0, seed: int = 0) -> bytes:
    """JPEG of the street with the car, 640 x 360. stamp: camera and time, Latin letters, drawn at the top.

    paint: index of the car's colour. seed: where in the lane the car is.
    """
    picture = _street(seed % 4).copy()
    draw = ImageDraw.Draw(picture)
    left, top = 210 + seed * 37 % 70, 92 + seed * 23 % 40
    body = PAINTS[paint % len(PAINTS)]
    dark = (body[0] // 2, body[1] // 2, body[2] // 2)
    draw.ellipse((left - 14, top + 190, left + 232, top + 222), fill=(34, 35, 38))
    draw.polygon(
        [(left + 38, top), (left + 180, top), (left + 206, top + 66), (left + 12, top + 66)], fill=(58, 70, 84)
    )
    draw.polygon([(left + 30, top - 8), (left + 188, top - 8), (left + 180, top + 2), (left + 38, top + 2)], fill=dark)
    draw.rounded_rectangle((left, top + 62, left + 218, top + 178), 20, fill=body)
    draw.rounded_rectangle((left + 8, top + 150, left + 210, top + 196), 12, fill=dark)
    draw.rectangle((left + 14, top + 178, left + 50, top + 212), fill=(16, 16, 18))
    draw.rectangle((left + 168, top + 178, left + 204, top + 212), fill=(16, 16, 18))
    for lamp in (left + 12, left + 166):
        draw.rounded_rectangle((lamp, top + 92, lamp + 40, top + 116), 8, fill=(250, 246, 214))
    draw.rounded_rectangle((left + 66, top + 90, left + 152, top + 122), 6, fill=(24, 25, 28))
    picture.paste(_plate(plate).resize((104, 24), Image.Resampling.BILINEAR), (left + 57, top + 142))
    draw.rectangle((0, 0, SCENE[0], 24), fill=(0, 0, 0))
    draw.text((8, 3), stamp, font=_font(15), fill=(235, 235, 235))
    return _jpeg(picture, 72)


@lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


@lru_cache(maxsize=256)
def _plate(plate: str) -> Image.Image:
    """The plate at crop size; a plate of another shape is written in one piece."""
    width, height = CROP
    picture = Image.new("RGB", CROP, _WHITE)
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((0, 0, width - 1, height - 1), 5, outline=_INK, width=2)
    draw.rectangle((7, 7, 29, 20), fill=_SKY)
    draw.ellipse((14, 9, 22, 18), fill=_SUN)
    draw.text((18, 31), "KZ", font=_font(14), fill=_INK, anchor="mm")
    main, region = (plate[:3] + " " + plate[3:-2], plate[-2:]) if len(plate) in (7, 8) else (plate, "")
    room = 118 if region else 158
    size = next(s for s in range(36, 8, -1) if draw.textlength(main, _font(s)) <= room)
    draw.text((35 + room / 2, 24), main, font=_font(size), fill=_INK, anchor="mm", stroke_width=0.6)
    if region:
        draw.line((157, 4, 157, height - 5), fill=_INK, width=2)
        draw.text((178, 24), region, font=_font(28), fill=_INK, anchor="mm", stroke_width=0.6)
    return picture


@lru_cache(maxsize=4)
def _street(kind: int) -> Image.Image:
    """An empty lane in perspective; four of them, from day to dusk."""
    width, height = SCENE
    light = 1.0 - 0.18 * kind
    picture = Image.new("RGB", SCENE)
    draw = ImageDraw.Draw(picture)
    for y in range(height):
        shade = 96 + 40 * math.sin(y / height * math.pi / 2)
        draw.line((0, y, width, y), fill=(*(round(shade * light * part) for part in (0.98, 1.0, 1.04)),))
    asphalt = round(74 * light)
    draw.polygon([(150, 0), (490, 0), (640, 300), (640, 360), (0, 360), (0, 300)], fill=(asphalt, asphalt, asphalt + 4))
    white = round(214 * light)
    for top, bottom in (((205, 0), (70, 360)), ((435, 0), (570, 360))):
        draw.line((*top, *bottom), fill=(white, white, white), width=5)
    return picture


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()
