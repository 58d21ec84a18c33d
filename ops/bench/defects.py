"""Eighteen ways to spoil a picture, each in three strengths (0 mild to 2 strong), on float pixels before rounding."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ops.bench.photographs import Pixels, resized

Defect = Callable[[Pixels, int, np.random.Generator], Pixels]


def rounded(pixels: Pixels) -> NDArray[np.uint8]:
    """The 8-bit picture."""
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _filtered(pixels: Pixels, kernel: Sequence[float] | NDArray[np.float64], axis: int) -> Pixels:
    half = len(kernel) // 2
    padded = np.pad(pixels, [(half, half) if n == axis else (0, 0) for n in range(3)], mode="reflect")
    length = pixels.shape[axis]
    out = np.zeros_like(pixels)
    for n, weight in enumerate(kernel):
        out += np.float32(weight) * padded.take(range(n, n + length), axis=axis)
    return out


def _gaussian(pixels: Pixels, sigma: float) -> Pixels:
    reach = int(3 * sigma + 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    return _filtered(_filtered(pixels, kernel, 0), kernel, 1)


def blurred(pixels: Pixels, strength: int, _: np.random.Generator) -> Pixels:
    return _gaussian(pixels, (0.7, 1.2, 2.2)[strength])


def shaken(pixels: Pixels, strength: int, random: np.random.Generator) -> Pixels:
    length = (3, 5, 11)[strength]
    return _filtered(pixels, [1 / length] * length, int(random.integers(2)))


def upscaled(pixels: Pixels, strength: int, _: np.random.Generator) -> Pixels:
    return resized(resized(pixels, 1 / (1.5, 2.0, 3.0)[strength]), 1, (pixels.shape[1], pixels.shape[0]))


def melted(pixels: Pixels, strength: int, random: np.random.Generator) -> Pixels:
    """Smeared in a disc that covers a tenth to a third of the picture."""
    height, width = pixels.shape[:2]
    radius = (0.18, 0.25, 0.33)[strength] * width
    y, x = random.uniform(0.3, 0.7, 2) * (height, width)
    rows, columns = np.ogrid[:height, :width]
    inside = np.clip((radius - np.hypot(rows - y, columns - x)) / 6, 0, 1).astype(np.float32)[..., None]
    return np.asarray(inside * _gaussian(pixels, 3.0) + (1 - inside) * pixels, np.float32)


def noisy(pixels: Pixels, strength: int, random: np.random.Generator) -> Pixels:
    return pixels + random.normal(0, (4, 9, 20)[strength], pixels.shape).astype(np.float32)


def compressed(pixels: Pixels, strength: int, _: np.random.Generator) -> Pixels:
    out = io.BytesIO()
    Image.fromarray(rounded(pixels)).save(out, "JPEG", quality=(50, 25, 10)[strength])
    return np.asarray(Image.open(out), dtype=np.float32)


def oversharpened(pixels: Pixels, strength: int, _: np.random.Generator) -> Pixels:
    return pixels + np.float32((0.8, 1.6, 3.5)[strength]) * (pixels - _gaussian(pixels, 1.5))


def smoothed(pixels: Pixels, strength: int, _: np.random.Generator) -> Pixels:
    """A median filter: edges stay, texture turns to paint."""
    edge = (3, 5, 7)[strength]
    half = edge // 2
    padded = np.pad(pixels, ((half, half), (half, half), (0, 0)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (edge, edge), axis=(0, 1))
    return np.median(windows, axis=(3, 4)).astype(np.float32)


def underexposed(pixels: Pixels, strength: int, _: np.random.Generator) -> Pixels:
    return np.multiply(pixels, (0.7, 0.5, 0.3)[strength], dtype=np.float32)


def overexposed(pixels: Pixels, strength: int, _: np.random.Generator) -> Pixels:
    return np.multiply(pixels, (1.3, 1.7, 2.4)[strength], dtype=np.float32)


def flat(pixels: Pixels, strength: int, _: np.random.Generator) -> Pixels:
    middle = pixels.mean(dtype=np.float64)
    return np.asarray(middle + (0.7, 0.5, 0.3)[strength] * (pixels - middle), np.float32)


def _saturated(pixels: Pixels, factor: float) -> Pixels:
    grey = pixels.mean(axis=2, keepdims=True)
    return np.asarray(grey + np.float32(factor) * (pixels - grey), np.float32)


def garish(pixels: Pixels, strength: int, _: np.random.Generator) -> Pixels:
    return _saturated(pixels, (1.5, 2.2, 3.5)[strength])


def faded(pixels: Pixels, strength: int, _: np.random.Generator) -> Pixels:
    return _saturated(pixels, (0.6, 0.35, 0.1)[strength])


def posterised(pixels: Pixels, strength: int, _: np.random.Generator) -> Pixels:
    step = np.float32((8, 16, 32)[strength])
    return np.asarray(np.floor(pixels / step) * step + step / 2, np.float32)


def stretched(pixels: Pixels, strength: int, _: np.random.Generator) -> Pixels:
    """A tone curve over 8-bit levels, which leaves gaps between them."""
    levels = rounded(pixels).astype(np.float32)
    return 128 + np.float32((1.15, 1.3, 1.6)[strength]) * (levels - 128)


def latticed(pixels: Pixels, strength: int, _: np.random.Generator) -> Pixels:
    """The checkerboard of a bad learned upscaler, period 4."""
    rows, columns = np.indices(pixels.shape[:2])
    pattern = ((rows % 4 == 1) ^ (columns % 4 == 1)).astype(np.float32) - 0.5
    return np.asarray(pixels + np.float32((4, 8, 16)[strength]) * pattern[..., None], np.float32)


def pasted(pixels: Pixels, strength: int, random: np.random.Generator) -> Pixels:
    """A rectangle of another brightness and from another place."""
    height, width = pixels.shape[:2]
    top, left = (int(random.integers(length // 8, length // 3)) for length in (height, width))
    out = pixels.copy()
    inner = np.roll(pixels, (13, 21), axis=(0, 1))[top : top + height // 2, left : left + width // 2]
    out[top : top + height // 2, left : left + width // 2] = inner + np.float32((10, 20, 40)[strength])
    return out


def framed(pixels: Pixels, strength: int, random: np.random.Generator) -> Pixels:
    """Letterbox bars, black or white."""
    bar = round((0.03, 0.07, 0.15)[strength] * pixels.shape[0])
    out = pixels.copy()
    out[:bar] = out[-bar:] = 255 * int(random.integers(2))
    return out


DEFECTS: dict[str, Defect] = {
    defect.__name__: defect
    for defect in (
        blurred,
        shaken,
        upscaled,
        melted,
        noisy,
        compressed,
        oversharpened,
        smoothed,
        underexposed,
        overexposed,
        flat,
        garish,
        faded,
        posterised,
        stretched,
        latticed,
        pasted,
        framed,
    )
}
