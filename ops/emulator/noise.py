"""Fractal noise and gradients as float32 arrays, the stuff the scenes are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Plane = NDArray[np.float32]  # height x width, about 0..1
Pixels = NDArray[np.float32]  # height x width x 3, 0..1


def dice(seed: int) -> np.random.Generator:
    """Random numbers of a seed, the same on every machine."""
    return np.random.Generator(np.random.PCG64(seed))


def fractal(
    rng: np.random.Generator, width: int, height: int, *, cells: float, octaves: int, fade: float = 0.5
) -> Plane:
    """Noise of several octaves; `cells` blobs across the longer side in the coarsest; mean about 0.5."""
    total = np.zeros((height, width), np.float32)
    weight, reach = 1.0, 0.0
    longer = max(width, height)
    for octave in range(octaves):
        count = cells * 2**octave
        if count > longer:
            break
        total += weight * _blobs(rng, width, height, count / longer)
        reach += weight
        weight *= fade
    return total / np.float32(reach or 1.0)


def _blobs(rng: np.random.Generator, width: int, height: int, density: float) -> Plane:
    shape = (max(2, round(height * density)) + 1, max(2, round(width * density)) + 1)
    coarse = Image.fromarray(rng.random(shape, np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float32)


def grain(rng: np.random.Generator, width: int, height: int, strength: float) -> Plane:
    """Fine texture around zero, as of film or rock."""
    return (rng.random((height, width), np.float32) - np.float32(0.5)) * np.float32(strength)


def outline(rng: np.random.Generator, width: int, *, roughness: float, cells: float) -> Plane:
    """A mountain range's profile: `width` values of about 0..1."""
    profile: Plane = fractal(rng, width, 8, cells=cells, octaves=9, fade=roughness)[4]
    return profile


def grid_of(width: int, height: int) -> tuple[Plane, Plane]:
    """x and y of every pixel in 0..1, as arrays that broadcast."""
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    return x, y


def blend(low: Pixels | Plane, high: Pixels | Plane, amount: Plane) -> Pixels:
    """low where amount is 0, high where it is 1; colours broadcast."""
    part = np.clip(amount, 0, 1)[..., None]
    return (low * (1 - part) + high * part).astype(np.float32)


def smooth(edge: float, width: float, values: Plane) -> Plane:
    """0 below the edge, 1 above it, a soft step of `width` between."""
    step = np.clip((values - np.float32(edge)) / np.float32(width) + np.float32(0.5), 0, 1)
    return np.asarray(step * step * (3 - 2 * step), np.float32)
