"""Grids and their four quadrants."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from orchestrator.errors import ImageRejected, InvalidInput
from orchestrator.imaging.checks import png
from orchestrator.imaging.quadrants import crop, join, split

COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0))


def grid(width: int = 64, height: int = 48) -> Image.Image:
    image = Image.new("RGB", (width, height), "white")
    right, bottom = width - width // 2, height - height // 2
    for n, colour in enumerate(COLOURS):
        size = (width // 2, height // 2)
        image.paste(Image.new("RGB", size, colour), (n % 2 * right, n // 2 * bottom))
    return image


@pytest.mark.parametrize("size", [(64, 48), (65, 48), (64, 49), (65, 49), (2, 2), (3, 3)])
def test_quadrants_are_equal_and_in_reading_order(size: tuple[int, int]) -> None:
    pictures = split(grid(*size))

    assert {picture.size for picture in pictures} == {(size[0] // 2, size[1] // 2)}
    assert [picture.getcolors() for picture in pictures] == [[(size[0] // 2 * (size[1] // 2), c)] for c in COLOURS]


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_crop_is_a_png_of_one_quadrant(n: int) -> None:
    data = crop(png(grid()), n)

    image = Image.open(io.BytesIO(data))
    assert (image.format, image.size, image.getpixel((5, 5))) == ("PNG", (32, 24), COLOURS[n - 1])


@pytest.mark.parametrize("n", [0, 5, -1])
def test_other_numbers_are_refused(n: int) -> None:
    with pytest.raises(InvalidInput, match="allowed: 1, 2, 3, 4"):
        crop(png(grid()), n)


def test_a_line_has_no_quadrants() -> None:
    with pytest.raises(ImageRejected, match="1 x 90"):
        split(Image.new("RGB", (1, 90)))


def test_join_undoes_split_and_fits_strangers() -> None:
    pictures = list(split(grid()))

    assert join(pictures).tobytes() == grid().tobytes()
    assert join([*pictures[:3], pictures[3].resize((100, 10))]).size == (64, 48)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "I;16"])
def test_crop_takes_every_mode(mode: str) -> None:
    source = grid().convert("L").convert("I;16") if mode == "I;16" else grid().convert(mode)
    out = io.BytesIO()
    source.save(out, "PNG")

    assert Image.open(io.BytesIO(crop(out.getvalue(), 1))).size == (32, 24)
