"""A mask is checked against the image it is for, before anything is sent."""

from __future__ import annotations

import base64
from typing import Any
from uuid import uuid4

import pytest

from orchestrator.errors import InvalidInput
from orchestrator.imaging.drawings import parse
from orchestrator.imaging.masks import draw
from orchestrator.providers.base import Order, Parent
from workers.mask import check_mask

RESULT = {"raw_width": 64, "raw_height": 48, "width": 32, "height": 24}


def mask(width: int, height: int) -> str:
    shapes = parse('{"shapes": [{"rectangle": [0, 0, 8, 8]}]}', "test").shapes
    return base64.b64encode(draw((width, height), shapes).png()).decode()


def order(value: Any, result: dict[str, Any] = RESULT) -> Order:
    parent = Parent(external_id="1", action="upscale", result=result)
    return Order(task_id=uuid4(), action="variation_region", inputs={"mask": value}, parent=parent)


@pytest.mark.parametrize("size", [(64, 48), (32, 24)])
def test_the_size_of_the_image_or_of_its_thumbnail_fits(size: tuple[int, int]) -> None:
    check_mask(order(mask(*size)))
    check_mask(order("data:image/png;base64," + mask(*size)))


def test_another_size_is_refused_with_both_sizes() -> None:
    with pytest.raises(InvalidInput, match=r"48 x 64 pixels; the image is 64 x 48 or 32 x 24"):
        check_mask(order(mask(48, 64)))


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(InvalidInput, match="mask"):
        check_mask(order(base64.b64encode(b"no image").decode()))


def test_an_address_and_an_unknown_size_are_left_to_the_provider() -> None:
    check_mask(order("https://example.com/mask.png"))
    check_mask(order(mask(8, 8), result={}))
