"""Drawings in JSON: what is wrong is named with its place, what was found and what is allowed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import InvalidInput
from orchestrator.imaging import masks
from orchestrator.imaging.drawings import parse, read
from orchestrator.imaging.shapes import Ellipse, Polygon, Shape, Stroke


def test_a_whole_drawing() -> None:
    drawing = parse(
        """{"size": [100, 50], "units": "relative", "shapes": [
            {"rectangle": [0, 0, 1, 0.5]},
            {"ellipse": [1, 2, 3, 4], "units": "px", "erase": true},
            {"polygon": [[0, 0], [1, 0], [1, 1]]},
            {"stroke": {"points": [[0, 0]], "width": 0.1}}]}"""
    )
    assert drawing.size == (100, 50)
    assert drawing.shapes == (
        Shape(Polygon.rectangle(0, 0, 1, 0.5), relative=True),
        Shape(Ellipse(1, 2, 3, 4), erase=True),
        Shape(Polygon(((0, 0), (1, 0), (1, 1))), relative=True),
        Shape(Stroke(((0, 0),), 0.1), relative=True),
    )


@pytest.mark.parametrize(
    ("shape", "place", "sentence"),
    [
        ([1], "", "found [1]; allowed: an object with rectangle, ellipse, polygon, stroke, erase, units"),
        ({"circle": 1}, "", 'found "circle"; allowed: the keys rectangle, ellipse, polygon, stroke, erase, units'),
        ({"erase": True}, "", "exactly one of rectangle, ellipse, polygon, stroke"),
        ({"rectangle": [0, 0, 1, 1], "ellipse": [0, 0, 1, 1]}, "", "exactly one of"),
        ({"rectangle": [0, 0, 1]}, ".rectangle", "found [0, 0, 1]; allowed: [x0, y0, x1, y1], four numbers"),
        ({"rectangle": [0, 0, True, 1]}, ".rectangle", "four numbers"),
        ({"rectangle": [0, 0, 1, float("nan")]}, ".rectangle", "four numbers"),
        ({"rectangle": [0, 0, 1, 10**400]}, ".rectangle", "four numbers"),
        ({"ellipse": [1, 0, 1, 9]}, ".ellipse", "with an area"),
        ({"polygon": [[0, 0], [1, 1]]}, ".polygon", "a list of 3 to 10000 points [x, y]"),
        ({"polygon": [[0, 0], [1, 1], [2]]}, ".polygon[2]", "found [2]; allowed: [x, y], two numbers"),
        ({"stroke": {"width": 5}}, ".stroke.points", "found nothing; allowed: a list of 1 to 10000 points [x, y]"),
        ({"stroke": {"points": [[1, 1]]}}, ".stroke.width", "found nothing; allowed: a number above 0"),
        ({"stroke": {"points": [[1, 1]], "width": 0}}, ".stroke.width", "found 0; allowed: a number above 0"),
        ({"stroke": {"points": [[1, 1]], "size": 1}}, ".stroke", 'found "size"; allowed: the keys points, width'),
        ({"rectangle": [0, 0, 1, 1], "erase": 1}, ".erase", "found 1; allowed: true, false"),
        ({"rectangle": [0, 0, 1, 1], "units": "cm"}, ".units", 'found "cm"; allowed: px, relative'),
    ],
)
def test_a_wrong_shape_is_told_precisely(shape: Any, place: str, sentence: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read({"shapes": [{"rectangle": [0, 0, 1, 1]}, shape]}, "head.json")

    ((where, said),) = caught.value.fields.items()
    assert where == f"shapes[1]{place}"
    assert sentence in said[0]
    assert caught.value.message == f"head.json: {where}: {said[0]}"


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ([], ""),
        ({"shapes": []}, "shapes"),
        ({}, "shapes"),
        ({"shapes": [{}], "size": [0, 5]}, "size"),
        ({"shapes": [{}], "size": [1.5, 5]}, "size"),
        ({"shapes": [{}], "units": 3}, "units"),
        ({"shapes": [{}], "colour": "red"}, ""),
    ],
)
def test_a_wrong_document_is_told(document: Any, place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(document)
    assert list(caught.value.fields) == [place]


def test_all_wrong_shapes_are_told_at_once() -> None:
    with pytest.raises(InvalidInput, match=r"shapes\[0\]: .* \(and 1 more\)") as caught:
        read({"shapes": [{}, {"rectangle": [0, 0, 1, 1]}, {"polygon": 4}]})
    assert list(caught.value.fields) == ["shapes[0]", "shapes[2].polygon"]


@pytest.mark.parametrize("text", ["{", b"\xff\xfe", "[" * 100_000])
def test_what_is_no_json_is_told(text: str | bytes) -> None:
    with pytest.raises(InvalidInput, match="head: it is not JSON"):
        parse(text, "head")


def test_the_documented_drawing_can_be_drawn() -> None:
    text = (Path(__file__).parents[2] / "docs" / "masks.md").read_text(encoding="utf-8")
    drawing = parse(re.findall(r"```json\n(.*?)```", text, re.DOTALL)[0])
    assert masks.draw(drawing.size or (0, 0), drawing.shapes).size == (1024, 1024)
