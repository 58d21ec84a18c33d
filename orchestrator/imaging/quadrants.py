"""The four pictures of a grid: 1 top-left, 2 top-right, 3 bottom-left, 4 bottom-right."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from orchestrator.errors import ImageRejected, InvalidInput
from orchestrator.imaging.checks import decode, png, rgb

Quadrants = tuple[Image.Image, Image.Image, Image.Image, Image.Image]


def split(image: Image.Image) -> Quadrants:
    """Four crops of equal size; an odd width's or height's middle line is in none. ImageRejected under 2 x 2 pixels."""
    width, height = image.width // 2, image.height // 2
    if not width or not height:
        raise ImageRejected(f"a grid of {image.width} x {image.height} pixels has no quadrants")
    right, bottom = image.width - width, image.height - height
    return (
        image.crop((0, 0, width, height)),
        image.crop((right, 0, image.width, height)),
        image.crop((0, bottom, width, image.height)),
        image.crop((right, bottom, image.width, image.height)),
    )


def crop(data: bytes, n: int) -> bytes:
    """Quadrant `n` (1..4) of the grid `data` as PNG. InvalidInput for another number, ImageRejected for bad bytes."""
    if n not in (1, 2, 3, 4):
        raise InvalidInput(f"quadrant {n} does not exist; allowed: 1, 2, 3, 4")
    image = decode(data)
    return png(split(image if image.mode in ("L", "RGB", "RGBA") else rgb(image))[n - 1])


def join(pictures: Sequence[Image.Image]) -> Image.Image:
    """Four pictures as one RGB grid of the first one's size; others are resized to it."""
    width, height = pictures[0].size
    grid = Image.new("RGB", (2 * width, 2 * height))
    for n, picture in enumerate(pictures):
        tile = rgb(picture)
        fitted = tile if tile.size == (width, height) else tile.resize((width, height), Image.Resampling.LANCZOS)
        grid.paste(fitted, (n % 2 * width, n // 2 * height))
    return grid
