"""Draws and codes the small clips that the looping server plays: `python tests/data/video/make_clips.py`.

Drawn by us, coded with the libraries inside PyAV; what they make is data, the libraries stay out of `src/`.
Each loop closes on itself: what moves comes back to where it began.
"""

import math
import random
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDE, HIGH = 640, 360
SECONDS = 10
TO = Path(__file__).parents[3] / "src" / "saqtau" / "simulate" / "clips"
SMALL, LARGE = ImageFont.load_default(13), ImageFont.load_default(24)
WOOD, GLASS = (92, 70, 48), (60, 78, 92)


def grained(image, seed, strength=3.5):
    """A little texture, the same in every picture: a health check must find something to hold on to."""
    grain = np.random.default_rng(seed).normal(0, strength, (HIGH, WIDE, 1))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype("uint8"))


def stamp(image, name, second, frame):
    pen = ImageDraw.Draw(image)
    pen.rectangle((8, 8, 300, 44), fill=(0, 0, 0))
    pen.text(
        (14, 12), f"{name} 00:{int(second):02d}.{int(second * 100) % 100:02d}  {frame:04d}", (255, 255, 255), LARGE
    )
    return image


def street():
    image = Image.new("RGB", (WIDE, HIGH), (150, 178, 205))
    pen, dice = ImageDraw.Draw(image), random.Random(1)
    for left in range(0, WIDE, 80):
        top = dice.randint(60, 120)
        wall = tuple(dice.randint(105, 190) for _ in range(3))
        pen.rectangle((left, top, left + 76, 205), fill=wall)
        for x in range(left + 8, left + 66, 17):
            for y in range(top + 10, 192, 22):
                pen.rectangle((x, y, x + 9, y + 12), fill=dice.choice([GLASS, (214, 196, 120), (40, 48, 60)]))
    pen.rectangle((0, 205, WIDE, 232), fill=(140, 138, 132))
    pen.rectangle((0, 232, WIDE, HIGH), fill=(74, 76, 80))
    for x in range(0, WIDE, 64):
        pen.rectangle((x, 291, x + 34, 296), fill=(220, 220, 214))
    for x in range(300, 380, 16):
        pen.rectangle((x, 236, x + 8, HIGH), fill=(208, 208, 204))
    for x in (30, 250, 470):
        pen.line((x, 140, x, 214), WOOD, 5)
        pen.ellipse((x - 26, 108, x + 26, 160), fill=(52, 102, 58))
    ground = grained(image, 1)

    def draw(share):
        image = ground.copy()
        pen = ImageDraw.Draw(image)
        rows = [
            (252, 1, (176, 42, 40), 0.05, "417 KZA 02"),
            (252, 2, (38, 74, 150), 0.55, "088 QRT 02"),
            (312, -1, (226, 226, 228), 0.3, "905 ABD 01"),
            (312, -2, (44, 46, 50), 0.8, "230 TMN 05"),
        ]
        for y, laps, paint, begin, plate in rows:
            x = int((begin + laps * share) % 1 * (WIDE + 140)) - 130
            pen.rounded_rectangle((x, y - 6, x + 118, y + 24), 9, fill=paint)
            pen.polygon([(x + 22, y - 6), (x + 36, y - 26), (x + 84, y - 26), (x + 100, y - 6)], fill=GLASS)
            pen.ellipse((x + 14, y + 14, x + 36, y + 36), fill=(18, 18, 20))
            pen.ellipse((x + 82, y + 14, x + 104, y + 36), fill=(18, 18, 20))
            pen.rectangle((x + 38, y + 4, x + 104, y + 19), fill=(250, 250, 250))
            pen.text((x + 41, y + 4), plate, (0, 0, 0), ImageFont.load_default(11))
        walker(pen, int((0.2 + share) % 1 * (WIDE + 40)) - 20, 226, 40, share * 20, (60, 40, 90))
        return image

    return draw


def walker(pen, x, foot, tall, phase, coat):
    """A person as a few strokes, feet at `foot`."""
    swing = math.sin(phase * 2 * math.pi) * tall * 0.16
    hip, neck = foot - tall * 0.45, foot - tall * 0.8
    for side in (swing, -swing):
        pen.line((x, hip, x + side, foot), (30, 30, 36), max(2, tall // 12))
        pen.line((x, neck + 3, x + side, hip), coat, max(2, tall // 14))
    pen.line((x, neck, x, hip), coat, max(4, tall // 6))
    pen.ellipse((x - tall * 0.09, foot - tall, x + tall * 0.09, neck), fill=(214, 176, 148))


def yard():
    image = Image.new("RGB", (WIDE, HIGH), (176, 200, 222))
    pen = ImageDraw.Draw(image)
    pen.rectangle((60, 50, 580, 180), fill=(205, 188, 150))
    for x in range(76, 560, 44):
        for y in (66, 106, 144):
            pen.rectangle((x, y, x + 26, y + 24), fill=GLASS, outline=(240, 240, 236))
    pen.rectangle((296, 134, 344, 180), fill=WOOD)
    pen.rectangle((0, 180, WIDE, HIGH), fill=(128, 148, 98))
    pen.rectangle((110, 214, 530, 344), fill=(158, 100, 76), outline=(238, 238, 232), width=3)
    pen.ellipse((276, 238, 364, 320), outline=(238, 238, 232), width=3)
    for x in range(0, WIDE, 18):
        pen.line((x, 168, x, 196), (70, 82, 70), 2)
    ground = grained(image, 2)

    def draw(share):
        image = ground.copy()
        pen = ImageDraw.Draw(image)
        for k in range(7):
            turn = 2 * math.pi * (share * (1 if k % 2 else -1) + k / 7)
            x, y = 320 + math.cos(turn) * (100 + 22 * k % 90), 286 + math.sin(turn) * 46
            coat = ((40 * k + 60) % 255, (90 * k) % 200, (200 - 30 * k) % 255)
            walker(pen, x, y, 52, share * 20 + k / 7, coat)
        x, y = 320 + 130 * math.sin(4 * math.pi * share), 290 + 34 * math.sin(8 * math.pi * share)
        pen.ellipse((x - 6, y - 6, x + 6, y + 6), fill=(250, 250, 250))
        return image

    return draw


def corridor():
    image = Image.new("RGB", (WIDE, HIGH), (186, 186, 178))
    pen = ImageDraw.Draw(image)
    far = (250, 120, 390, 220)
    pen.polygon([(0, HIGH), (WIDE, HIGH), (far[2], far[3]), (far[0], far[3])], fill=(118, 112, 102))
    pen.polygon([(0, 0), (WIDE, 0), (far[2], far[1]), (far[0], far[1])], fill=(216, 216, 210))
    pen.rectangle(far, fill=(150, 152, 148))
    pen.rectangle((298, 150, 342, 220), fill=GLASS)
    for depth in (0.15, 0.42, 0.64, 0.8):
        for side in (-1, 1):
            near = 320 + side * (320 - 250 * depth)
            on = 320 + side * (320 - 250 * (depth + 0.1))
            top, low = 70 + 70 * depth, 360 - 140 * depth
            pen.polygon([(near, low), (on, low - 14), (on, top + 8), (near, top)], fill=WOOD, outline=(40, 30, 20))
        pen.polygon([(300 - 70 * (1 - depth), 6 + 110 * depth), (340 + 70 * (1 - depth), 6 + 110 * depth),
                     (336 + 50 * (1 - depth), 16 + 104 * depth), (304 - 50 * (1 - depth), 16 + 104 * depth)],
                    fill=(252, 252, 240))  # fmt: skip
    ground = grained(image, 3)

    def draw(share):
        image = ground.copy()
        pen = ImageDraw.Draw(image)
        near = 0.5 - 0.5 * math.cos(2 * math.pi * share)
        tall = int(70 + 170 * near)
        walker(pen, 320 + 60 * near * math.sin(2 * math.pi * share), 225 + 125 * near, tall, share * 14, (34, 50, 92))
        return image

    return draw


def cell():
    image = Image.new("RGB", (WIDE, HIGH), (150, 154, 148))
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 280, WIDE, HIGH), fill=(104, 104, 100))
    for y in range(0, 280, 28):
        for x in range(-40 + (y // 28 % 2) * 28, WIDE, 56):
            pen.rectangle((x, y, x + 54, y + 26), outline=(132, 136, 130))
    pen.rectangle((228, 60, 400, 284), fill=(84, 94, 104), outline=(40, 44, 48), width=6)
    pen.rectangle((276, 96, 352, 130), fill=(28, 30, 34), outline=(180, 184, 188), width=3)
    pen.rectangle((264, 190, 364, 214), fill=(66, 74, 82), outline=(40, 44, 48), width=2)
    pen.ellipse((376, 166, 390, 180), fill=(210, 200, 120))
    pen.text((292, 70), "12", (236, 236, 236), LARGE)
    pen.rectangle((470, 224, 620, 240), fill=WOOD)
    ground = grained(image, 4)

    def draw(share):
        image = ground.copy()
        pen = ImageDraw.Draw(image)
        if 0.2 < share < 0.8:
            x = 700 - 760 * (share - 0.2) / 0.6
            walker(pen, x, 338, 210, share * 16, (30, 44, 40))
        lamp = (60, 220, 90) if int(share * 20) % 2 else (20, 70, 34)
        pen.ellipse((420, 70, 432, 82), fill=lamp)
        return image

    return draw


def code(scene, name, fps, codec, to):
    stream_codec, settings = {
        "h264": ("libx264", {"profile": "main", "x264-params": "bframes=0:scenecut=0:sliced-threads=0:threads=1"}),
        "h265": ("libx265", {"x265-params": "bframes=0:scenecut=0:pools=1:repeat-headers=1:log-level=none:info=0"}),
    }[codec]
    rate = Fraction(fps)
    coder = av.CodecContext.create(stream_codec, "w")
    coder.width, coder.height, coder.pix_fmt = WIDE, HIGH, "yuv420p"
    coder.time_base, coder.framerate, coder.gop_size = 1 / rate, rate, round(2 * rate)
    coder.options = {"crf": "32", "preset": "slow", **settings}
    draw, count = scene(), int(SECONDS * rate)
    with to.open("wb") as file:
        for k in range(count):
            picture = av.VideoFrame.from_image(stamp(draw(k / count), name, float(k / rate), k))
            picture.pts = k
            for packet in coder.encode(picture):
                file.write(bytes(packet))
        for packet in coder.encode(None):
            file.write(bytes(packet))
    print(to.name, to.stat().st_size, count)


def sound(to):
    """Two seconds of a quiet chord, mono, 16 kHz: AAC with its ADTS heads."""
    rate, count = 16_000, 2 * 16_000
    time = np.arange(count) / rate
    wave = sum(np.sin(2 * np.pi * hertz * time) for hertz in (220, 277, 330)) * 2500
    with av.open(str(to), "w", format="adts") as out:
        stream = out.add_stream("aac", rate=rate, layout="mono")
        stream.bit_rate = 32_000
        frame = av.AudioFrame.from_ndarray(wave.astype("<i2").reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    print(to.name, to.stat().st_size)


if __name__ == "__main__":
    TO.mkdir(exist_ok=True)
    if sys.argv[1:] == ["pictures"]:
        for name, scene in {"street": street, "yard": yard, "corridor": corridor, "cell": cell}.items():
            stamp(scene()(0.4), name, 4.0, 100).save(f"{name}.png")
        sys.exit()
    code(street, "STREET", 25, "h264", TO / "street.h264")
    code(street, "STREET", "25/2", "h265", TO / "street.h265")
    code(yard, "SCHOOL", "25/2", "h264", TO / "yard.h264")
    code(corridor, "CORRIDOR", "25/2", "h264", TO / "corridor.h264")
    code(cell, "CELL", "25/2", "h264", TO / "cell.h264")
    sound(TO / "sound.aac")
