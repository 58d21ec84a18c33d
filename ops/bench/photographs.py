"""Real photographs that installed packages bring along (the `photos` extra), cut into tiles."""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.float32]  # (height, width, 3), 0..255, not rounded

EDGE = 216  # pixels of a tile's side

_SCALE = 0.9  # resampled once, so that neither old JPEG blocks nor 8-bit levels give a clean tile away

_SOURCES = (
    ("skimage", "data/astronaut.png"),
    ("skimage", "data/chelsea.png"),
    ("skimage", "data/coffee.png"),
    ("skimage", "data/hubble_deep_field.jpg"),
    ("skimage", "data/ihc.png"),
    ("skimage", "data/motorcycle_left.png"),
    ("skimage", "data/retina.jpg"),
    ("skimage", "data/rocket.jpg"),
    ("sklearn", "datasets/images/china.jpg"),
    ("sklearn", "datasets/images/flower.jpg"),
    ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
)


class PhotosMissing(Exception):
    """The sample photographs are not installed."""


def photographs() -> dict[str, Pixels]:
    """Name -> pixels of every sample photograph. Raises PhotosMissing when the `photos` extra is not installed."""
    return {path.rpartition("/")[2]: resized(_read(package, path), _SCALE) for package, path in _SOURCES}


def _read(package: str, path: str) -> Pixels:
    try:
        with resources.files(package).joinpath(path).open("rb") as file, Image.open(file) as image:
            return np.asarray(image.convert("RGB"), dtype=np.float32)
    except (ModuleNotFoundError, FileNotFoundError) as exc:
        raise PhotosMissing(f"{package}: {path} is missing; install the extra: pip install '.[photos]'") from exc


def resized(pixels: Pixels, scale: float, to: tuple[int, int] | None = None) -> Pixels:
    """Bicubic, in float, by `scale` or to (width, height)."""
    size = to or (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
    planes = [Image.fromarray(np.ascontiguousarray(pixels[..., channel])) for channel in range(3)]
    return np.stack([np.asarray(plane.resize(size, Image.Resampling.BICUBIC)) for plane in planes], axis=2)


def tile(photo: Pixels, random: np.random.Generator) -> Pixels:
    """A square of EDGE pixels that starts off the multiple-of-8 lattice, so that no old JPEG block borders line up."""
    top, left = (_offset(length - EDGE, random) for length in photo.shape[:2])
    return photo[top : top + EDGE, left : left + EDGE]


def _offset(room: int, random: np.random.Generator) -> int:
    allowed: NDArray[Any] = np.flatnonzero(np.arange(room + 1) % 8)
    return int(random.choice(allowed))
