"""One picture out of a recording: a key fragment is decoded in memory, nothing else of the stream is.

OpenCV's own FFmpeg decodes (LGPL, H.264 and H.265). What it is fed was made by a camera, that is by anybody: whoever
decodes many cameras does it in a process that may die (`engine/video_decoding`).
"""

import io
import os
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from saqtau.kernel.errors import Kind, Refused

Picture = NDArray[np.uint8]
"""(height, width, 3), blue green red."""

MAX_FRAGMENT: Final = 32 << 20
"""Bytes of a fragment that is decoded."""
MAX_PIXELS: Final = 8192 * 8192
WIDTHS: Final = (16, 4096)
"""Pixels that a JPEG may be wide."""
_JPEG_QUALITY: Final = 80

# the head of the file says all there is to know: without this the first picture is decoded twice (53 instead of 17 ms
# of wall time for 720p). OpenCV reads it when a capture is opened.
os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "probesize;32|analyzeduration;0")
# the pictures of many cameras keep every core busy already
cv2.setNumThreads(1)
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)


def decode(init: bytes, fragment: bytes) -> Picture:
    """The first picture of a key fragment. init: the head of its file (`boxes.init_segment`).

    About 17 ms of a core for 720p. Raises Refused: TOO_LARGE (`fragment`, `picture`), INVALID (`fragment`: no picture).
    """
    if len(fragment) > MAX_FRAGMENT:
        raise Refused(Kind.TOO_LARGE, f"a fragment of {len(fragment)} bytes is not decoded", fragment="too_large")
    # the name is needed: a capture does not keep its reader alive, and reads freed memory where nobody else does
    reader: Any = io.BytesIO(init + fragment)
    try:
        capture = cv2.VideoCapture(reader, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        try:
            wide = capture.get(cv2.CAP_PROP_FRAME_WIDTH)
            if wide * capture.get(cv2.CAP_PROP_FRAME_HEIGHT) > MAX_PIXELS:
                raise Refused(Kind.TOO_LARGE, "a picture of more than 67 million pixels", picture="too_large")
            found, picture = capture.read()
        finally:
            capture.release()
    except cv2.error as error:
        raise Refused(Kind.INVALID, f"a fragment that is no picture: {error}", fragment="undecodable") from error
    if not found or picture is None:
        raise Refused(Kind.INVALID, "a fragment that is no picture", fragment="undecodable")
    return np.asarray(picture, np.uint8)


def jpeg(image: Picture, width: int) -> bytes:
    """The picture as a JPEG, at most `width` pixels wide and never wider than it is.

    Raises Refused(INVALID): `width` not 16 to 4,096.
    """
    low, high = WIDTHS
    if not low <= width <= high:
        raise Refused(Kind.INVALID, f"a picture is {low} to {high} pixels wide", width="invalid")
    tall, wide = image.shape[:2]
    if width < wide:
        size = (width, max(1, round(tall * width / wide)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return data.tobytes()
