"""Scenes drawn with a seed, what people and weather do to them, and what hands do. 640x360 grey."""

import cv2
import numpy as np

SIZE = (640, 360)


def scene(seed):
    """Sixty boxes, some filled."""
    random = np.random.default_rng(seed)
    image = np.full((360, 640), 90, np.uint8)
    for _ in range(60):
        one, other = (tuple(int(x) for x in random.integers(0, SIZE)) for _ in range(2))
        cv2.rectangle(image, one, other, int(random.integers(20, 235)), -1 if random.random() < 0.4 else 2)
    return image


def shot(image, gain=1.0, people=2, seed=0, noise=4.0):
    """A picture of the scene: light, a sensor's noise, and people in it."""
    random = np.random.default_rng(seed)
    image = np.clip(image.astype(np.float32) * gain + random.normal(0, noise, image.shape), 0, 255).astype(np.uint8)
    for _ in range(people):
        where = tuple(int(x) for x in random.integers(40, (600, 320)))
        cv2.ellipse(image, where, (12, 35), 0, 0, 360, int(random.integers(0, 255) * min(gain, 1)), -1)
    return image


def shifted(image, right, down=0):
    """The camera turned by so many pixels; what comes into the picture is another scene's."""
    matrix = np.array([[1, 0, right], [0, 1, down]], np.float32)
    return cv2.warpAffine(image, matrix, SIZE, borderMode=cv2.BORDER_REFLECT)


def turned(image, degrees):
    matrix = cv2.getRotationMatrix2D((320, 180), degrees, 1)
    return cv2.warpAffine(image, matrix, SIZE, borderMode=cv2.BORDER_REFLECT)


def blurred(image, sigma):
    return cv2.GaussianBlur(image, (0, 0), sigma)


def cloth(image, share):
    """A cloth from above, over a share of the picture."""
    image = image.copy()
    image[: round(360 * share)] = 60
    return image


def hand(seed=0):
    """Fingers on the lens: a slope of grey without any detail."""
    slope = (60 + np.mgrid[0:360, 0:640][0] // 8).astype(np.uint8)
    return shot(blurred(slope, 20), people=0, seed=seed, noise=3)


def torch(image):
    """A light into the lens."""
    down, right = np.mgrid[0:360, 0:640]
    glare = 400 * np.exp(-((right - 300) ** 2 + (down - 160) ** 2) / (2 * 200**2))
    return np.clip(image + glare, 0, 255).astype(np.uint8)
