"""Shapes become exactly the pixels whose centres they contain."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from orchestrator.errors import ImageRejected, InvalidInput
from orchestrator.imaging import masks
from orchestrator.imaging.drawings import read

SIZE = (40, 30)


def painted(*shapes: dict[str, object], size: tuple[int, int] = SIZE, **options: float) -> np.ndarray:
    drawing = read({"shapes": list(shapes)})
    return np.asarray(masks.draw(size, drawing.shapes, **options).image)


def centres(size: tuple[int, int] = SIZE) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(size[0]) + 0.5, (np.arange(size[1]) + 0.5)[:, None]


def test_a_mask_is_eight_bit_grayscale_of_the_very_size() -> None:
    mask = masks.draw((1456, 816), read({"shapes": [{"rectangle": [1, 2, 3, 4]}]}).shapes)

    image = Image.open(io.BytesIO(mask.png()))

    assert (image.format, image.mode, image.size) == ("PNG", "L", (1456, 816))
    assert sorted(image.getcolors()) == [(4, 255), (1456 * 816 - 4, 0)]


@pytest.mark.parametrize("corners", [[5, 6, 20, 10], [20, 10, 5, 6], [4.6, 5.51, 20.4, 10.5]])
def test_a_rectangle_ends_before_its_far_edge(corners: list[float]) -> None:
    expected = np.zeros((30, 40), np.uint8)
    expected[6:10, 5:20] = 255
    assert (painted({"rectangle": corners}) == expected).all()


def test_halves_touch_without_gap_or_overlap() -> None:
    left, right = ({"rectangle": sides} for sides in ([0, 0, 17.5, 30], [17.5, 0, 40, 30]))
    assert (painted(left, right) == 255).all()
    assert (painted(left).astype(int) + painted(right) == 255).all()


def test_a_polygon_fills_what_it_goes_round() -> None:
    xs, ys = centres()
    triangle = painted({"polygon": [[0, 0], [30, 0], [0, 30]]})
    assert ((triangle == 255) == (xs + ys < 30)).all()


def test_a_lasso_that_crosses_itself_leaves_no_hole() -> None:
    twice_round = [[5, 5], [25, 5], [25, 25], [5, 25], [5, 5], [10, 10], [20, 10], [20, 20], [10, 20], [10, 10]]
    assert (painted({"polygon": twice_round})[6:24, 6:24] == 255).all()


def test_an_ellipse_fills_its_box() -> None:
    xs, ys = centres()
    ellipse = painted({"ellipse": [10, 5, 30, 15]})
    assert ((ellipse == 255) == (((xs - 20) / 10) ** 2 + ((ys - 10) / 5) ** 2 <= 1)).all()


def test_a_stroke_has_round_ends_and_corners() -> None:
    xs, ys = centres()
    stroke = painted({"stroke": {"points": [[10, 10], [30, 10], [30, 20]], "width": 8}}) == 255

    across = np.hypot(xs - np.clip(xs, 10, 30), ys - 10) <= 4
    down = np.hypot(xs - 30, ys - np.clip(ys, 10, 20)) <= 4

    assert (stroke == (across | down)).all()
    assert not stroke[6, 33]  # a mitred corner would have it


def test_one_point_is_a_dot() -> None:
    xs, ys = centres()
    dot = painted({"stroke": {"points": [[20, 15]], "width": 10}})
    assert ((dot == 255) == (np.hypot(xs - 20, ys - 15) <= 5)).all()


def test_shares_are_scaled_with_the_picture() -> None:
    relative = {"units": "relative", "rectangle": [0.25, 0.5, 0.75, 1]}
    brush = {"units": "relative", "stroke": {"points": [[0.5, 0.5]], "width": 0.5}}
    assert (painted(relative) == painted({"rectangle": [10, 15, 30, 30]})).all()
    assert (painted(brush) == painted({"stroke": {"points": [[20, 15]], "width": 15}})).all()


def test_what_is_erased_stays_black_unless_painted_again() -> None:
    everything, hole = {"rectangle": [0, 0, 40, 30]}, {"ellipse": [10, 5, 30, 15], "erase": True}
    assert painted(everything, hole)[10, 20] == 0
    assert painted(hole, everything)[10, 20] == 255


def test_shapes_may_reach_over_the_rim_and_many_rows() -> None:
    tall = painted({"polygon": [[-50, -50], [500, -50], [500, 2000], [-50, 2000]]}, size=(40, 700))
    assert (tall == 255).all()


def test_feathered_edges_fade_within_the_distance() -> None:
    soft = painted({"rectangle": [0, 0, 20, 30]}, feather=6)[15].astype(int)
    assert (np.diff(soft) <= 0).all()
    assert soft[12] > 250
    assert soft[28] < 5
    assert len(set(soft)) > 4


@pytest.mark.parametrize("shape", [{"rectangle": [40, 0, 50, 10]}, {"ellipse": [3.1, 3.1, 3.2, 3.2]}])
def test_a_shape_that_covers_nothing_is_named(shape: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match="shape 2 covers no pixel of the 40 x 30 that there are"):
        painted({"rectangle": [0, 0, 1, 1]}, shape)


def test_a_mask_without_white_is_refused() -> None:
    with pytest.raises(ImageRejected, match="nothing would be redrawn"):
        painted({"rectangle": [3, 3, 5, 5]}, {"rectangle": [0, 0, 40, 30], "erase": True})


@pytest.mark.parametrize("size", [(0, 10), (100_000, 100_000)])
def test_a_size_that_cannot_be_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidInput, match=r"a mask of .* pixels; allowed: 1 to"):
        painted({"rectangle": [0, 0, 1, 1]}, size=size)
