"""Shapes and the pixels they cover. A pixel is covered when its centre is inside, so shapes that share an edge never
overlap and leave no gap; x grows to the right, y downwards, and [0, 0, width, height] is the whole picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Size = tuple[int, int]  # width, height in pixels
Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom

_BAND = 256  # rows that are worked on at once; it bounds the memory


class Part(Protocol):
    """What can say of pixel centres whether they are inside it."""

    @property
    def box(self) -> Box: ...

    def inside(self, xs: Floats, ys: Floats) -> Bools:
        """For the columns `xs` and rows `ys` (ascending), as (rows, columns)."""


class Form(Protocol):
    """A shape's geometry, in pixels or, until it is `scaled`, in shares of the picture's sides."""

    def scaled(self, size: Size) -> Form: ...

    def parts(self) -> Iterable[Part]: ...


@dataclass(frozen=True, slots=True)
class Polygon:
    """A closed line; where it crosses itself everything that it goes round is inside, as with a lasso."""

    points: tuple[Point, ...]

    @classmethod
    def rectangle(cls, left: float, top: float, right: float, bottom: float) -> Polygon:
        return cls(((left, top), (right, top), (right, bottom), (left, bottom)))

    def scaled(self, size: Size) -> Polygon:
        return Polygon(_scaled(self.points, size))

    def parts(self) -> tuple[Part]:
        return (self,)

    @property
    def box(self) -> Box:
        return _box(self.points)

    def inside(self, xs: Floats, ys: Floats) -> Bools:
        """By winding number: each edge turns it up or down to the right of where it crosses a row's centre line."""
        turns = np.zeros((len(ys), len(xs) + 1), np.int16)
        for (xa, ya), (xb, yb) in pairwise((*self.points, self.points[0])):
            rows = np.flatnonzero((ys >= min(ya, yb)) & (ys < max(ya, yb)))
            if len(rows):
                crossings = xa + (ys[rows] - ya) * (xb - xa) / (yb - ya)
                turns[rows, np.searchsorted(xs, crossings)] += 1 if yb > ya else -1
        winding = np.cumsum(turns, axis=1, dtype=np.int16)[:, :-1]
        return np.asarray(winding != 0, np.bool_)


@dataclass(frozen=True, slots=True)
class Ellipse:
    """The ellipse that touches the four sides of a box."""

    left: float
    top: float
    right: float
    bottom: float

    def scaled(self, size: Size) -> Ellipse:
        (left, top), (right, bottom) = _scaled(((self.left, self.top), (self.right, self.bottom)), size)
        return Ellipse(left, top, right, bottom)

    def parts(self) -> tuple[Part]:
        return (self,)

    @property
    def box(self) -> Box:
        return _box(((self.left, self.top), (self.right, self.bottom)))

    def inside(self, xs: Floats, ys: Floats) -> Bools:
        left, top, right, bottom = self.box
        across = (2 * xs - left - right) / (right - left)
        along = (2 * ys - top - bottom) / (bottom - top)
        return np.asarray(across**2 + along[:, None] ** 2 <= 1, np.bool_)


@dataclass(frozen=True, slots=True)
class Stroke:
    """A brush of `width` drawn along a line, with round ends and corners; one point is a dot.

    As a share, the width is one of the picture's shorter side."""

    points: tuple[Point, ...]
    width: float

    def scaled(self, size: Size) -> Stroke:
        return Stroke(_scaled(self.points, size), self.width * min(size))

    def parts(self) -> Iterator[Part]:
        line = self.points if len(self.points) > 1 else self.points * 2
        return (_Segment(start, end, self.width / 2) for start, end in pairwise(line))


@dataclass(frozen=True, slots=True)
class _Segment:
    """Everything that is at most `radius` away from a straight line."""

    start: Point
    end: Point
    radius: float

    @property
    def box(self) -> Box:
        left, top, right, bottom = _box((self.start, self.end))
        return left - self.radius, top - self.radius, right + self.radius, bottom + self.radius

    def inside(self, xs: Floats, ys: Floats) -> Bools:
        across, along = self.end[0] - self.start[0], self.end[1] - self.start[1]
        x, y = xs - self.start[0], (ys - self.start[1])[:, None]
        length = across**2 + along**2
        nearest = np.clip((x * across + y * along) / length, 0.0, 1.0) if length else 0.0
        distance = (x - nearest * across) ** 2 + (y - nearest * along) ** 2
        return np.asarray(distance <= self.radius**2, np.bool_)


@dataclass(frozen=True, slots=True)
class Shape:
    """A form that is added or, with `erase`, taken away. relative: its numbers are shares of the picture's sides."""

    form: Form
    erase: bool = False
    relative: bool = False

    def paint(self, canvas: Bools) -> bool:
        """Set (or, with `erase`, clear) what it covers of a (height, width) canvas; whether that is anything."""
        height, width = canvas.shape
        form = self.form.scaled((width, height)) if self.relative else self.form
        covered = False
        for part in form.parts():
            for rows, columns in _windows(part.box, (width, height)):
                inside = part.inside(_centres(columns), _centres(rows))
                covered = covered or bool(inside.any())
                canvas[rows, columns][inside] = not self.erase
        return covered


def _windows(box: Box, size: Size) -> Iterator[tuple[slice, slice]]:
    """The rows and columns of the picture that a box touches, in bands."""
    left, top = (max(0, int(np.floor(edge))) for edge in box[:2])
    right, bottom = (min(limit, int(np.ceil(edge))) for edge, limit in zip(box[2:], size, strict=True))
    if left >= right:
        return
    for row in range(top, bottom, _BAND):
        yield slice(row, min(bottom, row + _BAND)), slice(left, right)


def _centres(pixels: slice) -> Floats:
    return np.arange(pixels.start, pixels.stop, dtype=np.float64) + 0.5


def _scaled(points: Sequence[Point], size: Size) -> tuple[Point, ...]:
    return tuple((x * size[0], y * size[1]) for x, y in points)


def _box(points: Sequence[Point]) -> Box:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)
