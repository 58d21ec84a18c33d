"""What makes three of the four quadrants worse than the clean one."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from ops.emulator.noise import Pixels, dice


def clean_quadrant(seed: int) -> int:
    """Which of a grid's quadrants (0..3) has no defect."""
    return seed % 4


def defect_of(seed: int, quadrant: int) -> str | None:
    """The defect of a quadrant; the three of a grid differ."""
    if quadrant == clean_quadrant(seed):
        return None
    order = dice(seed).permutation(len(DEFECTS))
    return tuple(DEFECTS)[int(order[quadrant])]


def spoil(picture: Pixels, defect: str, seed: int) -> Pixels:
    """The picture with the defect, plain to see at every size."""
    return np.clip(DEFECTS[defect](picture, dice(seed)), 0, 1)


def to_image(pixels: Pixels) -> Image.Image:
    """An 8-bit RGB image."""
    return Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))


def to_pixels(image: Image.Image) -> Pixels:
    """The image as floats."""
    return np.asarray(image.convert("RGB"), np.float32) / np.float32(255)


def _scale(picture: Pixels) -> float:
    return float(min(picture.shape[:2])) / 1024


def _blurred(picture: Pixels, rng: np.random.Generator) -> Pixels:
    radius = max(1.2, (5 + 3 * rng.random()) * _scale(picture))
    return to_pixels(to_image(picture).filter(ImageFilter.GaussianBlur(radius)))


def _noisy(picture: Pixels, rng: np.random.Generator) -> Pixels:
    return picture + rng.standard_normal(picture.shape, np.float32) * np.float32(0.11 + 0.05 * rng.random())


def _blocky(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """JPEG blocks, as big in proportion as in a picture of 512 pixels."""
    height, width = picture.shape[:2]
    image = to_image(picture)
    packed = io.BytesIO()
    image.resize((max(16, width // 2), max(16, height // 2))).save(packed, "JPEG", quality=5 + int(rng.integers(0, 5)))
    return to_pixels(Image.open(packed).resize((width, height), Image.Resampling.NEAREST))


def _clipped(picture: Pixels, rng: np.random.Generator) -> Pixels:
    return (picture - np.float32(0.18)) * np.float32(2.3 + 0.5 * rng.random())


def _dull(picture: Pixels, rng: np.random.Generator) -> Pixels:
    contrast = np.float32(0.2 + 0.08 * rng.random())
    dull: Pixels = np.float32(0.42) + (picture - picture.mean(dtype=np.float32)) * contrast
    return dull


def _banded(picture: Pixels, rng: np.random.Generator) -> Pixels:
    levels = np.float32(4 + int(rng.integers(0, 2)))
    return np.asarray(np.round(picture * levels) / levels, np.float32)


def _shaken(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Blur along a line: the camera moved."""
    reach = max(4.0, 26 * _scale(picture))
    angle = rng.random() * np.pi
    steps = np.linspace(-reach, reach, 9)
    total = np.zeros_like(picture)
    for step in steps:
        total += np.roll(picture, (round(step * np.sin(angle)), round(step * np.cos(angle))), (0, 1))
    return total / np.float32(len(steps))


def _dark(picture: Pixels, rng: np.random.Generator) -> Pixels:
    return picture ** np.float32(1.6) * np.float32(0.3) + rng.standard_normal(picture.shape, np.float32) * np.float32(
        0.02
    )


DEFECTS: dict[str, Callable[[Pixels, np.random.Generator], Pixels]] = {
    "blur": _blurred,
    "noise": _noisy,
    "jpeg": _blocky,
    "clipping": _clipped,
    "dullness": _dull,
    "banding": _banded,
    "shake": _shaken,
    "darkness": _dark,
}
