"""Pictures follow from their recipe: one clean quadrant, derivations that show their parent."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ops.emulator import edits
from ops.emulator.defects import clean_quadrant, defect_of
from ops.emulator.pictures import Picture, render


def grid(seed: int = 11, theme: int = 3) -> Picture:
    return Picture(256, 256, theme=theme, seed=seed)


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two pictures' colours, at the size of the first, 0..255."""
    pixels = [np.asarray(image.resize(one.size), np.float32) for image in (one, other)]
    return float(np.abs(pixels[0] - pixels[1]).mean())


@pytest.mark.parametrize("seed", range(8))
def test_one_quadrant_is_clean_and_the_others_differ_in_their_defects(seed: int) -> None:
    defects = [defect_of(seed, quadrant) for quadrant in range(4)]
    assert defects.index(None) == clean_quadrant(seed)
    assert len(set(defects)) == 4


@pytest.mark.parametrize("theme", [0, 1, 2])
def test_quadrants_are_visibly_different(theme: int) -> None:
    sheet = render(grid(theme=theme))
    parts = [sheet.crop((x, y, x + 128, y + 128)) for y in (0, 128) for x in (0, 128)]
    differences = [difference(parts[a], parts[b]) for a in range(4) for b in range(a)]
    assert min(differences) > 5


def test_rendering_is_a_function_of_the_recipe() -> None:
    assert render(grid()).tobytes() == render(grid()).tobytes()
    assert difference(render(grid()), render(grid(seed=12))) > 5


def test_a_variation_is_kin_to_its_parent_not_a_copy() -> None:
    source = edits.upscaled(grid(), clean_quadrant(11))
    parent = render(source)
    offspring = edits.varied(source, None, "subtle")
    child = Picture(**{**_fields(offspring), "seed": 44})
    best = render(edits.upscaled(child, clean_quadrant(44)))
    assert 0.5 < difference(parent, best) < difference(parent, render(edits.upscaled(grid(99, theme=4), 3)))


def test_a_zoomed_out_picture_holds_its_parent_in_the_middle() -> None:
    source = edits.upscaled(grid(), clean_quadrant(11))
    wider = Picture(**{**_fields(edits.zoomed_out(source, 2.0)), "seed": 44})
    view = render(edits.upscaled(wider, clean_quadrant(44)))
    middle = view.crop((42, 42, 86, 86))
    assert difference(middle, render(source).resize((64, 64)).crop((10, 10, 54, 54))) < 6


@pytest.mark.parametrize(
    ("direction", "corner"), [("left", (64, 0)), ("right", (0, 0)), ("up", (0, 64)), ("down", (0, 0))]
)
def test_a_pan_widens_the_picture_away_from_its_parent(direction: str, corner: tuple[int, int]) -> None:
    source = edits.upscaled(grid(), clean_quadrant(11))
    wider = Picture(**{**_fields(edits.panned(source, direction, limit=4096)), "seed": 44})
    view = render(edits.upscaled(wider, clean_quadrant(44)))
    assert sorted(view.size) == [128, 192]
    kept = view.crop((corner[0] + 16, corner[1] + 16, corner[0] + 112, corner[1] + 112))
    assert difference(kept, render(source).crop((16, 16, 112, 112))) < 6


def test_an_enlargement_of_an_enlargement_starts_from_the_original() -> None:
    source = edits.upscaled(grid(), 2)
    assert edits.enlarged(edits.enlarged(source, 2), 4) == edits.enlarged(source, 4)


def _fields(picture: Picture) -> dict[str, object]:
    return {name: getattr(picture, name) for name in Picture.__slots__}
