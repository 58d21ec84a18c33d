"""A drawing as JSON: which shapes a mask is made of. What does not fit is named with its place, what was found there
and what is allowed."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

from orchestrator.errors import InvalidInput
from orchestrator.imaging.shapes import Ellipse, Form, Point, Polygon, Shape, Size, Stroke

Units = Literal["px", "relative"]
UNITS: tuple[Units, ...] = ("px", "relative")
MOST_SHAPES = 1_000
MOST_POINTS = 10_000  # of one shape
_LARGEST_SIDE = 65_535  # pixels; PNG could hold more, JPEG could not
_FARTHEST = 1_000_000  # of a coordinate, in pixels


@dataclass(frozen=True, slots=True)
class Drawing:
    """Shapes in the order of painting, and the size in pixels for which they are meant, if it was said."""

    shapes: tuple[Shape, ...]
    size: Size | None = None


def parse(data: bytes | str, where: str = "drawing") -> Drawing:
    """Read JSON text. Raises InvalidInput as `read` does."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{where}: it is not JSON: {error}") from error
    return read(document, where)


def read(document: Any, where: str = "drawing") -> Drawing:
    """A drawing from ``{"size": [w, h], "units": "px", "shapes": [...]}``.

    Raises InvalidInput whose ``fields`` name every problem, as in ``shapes[2].stroke.width``."""
    problems: dict[str, list[str]] = {}
    try:
        drawing = _drawing(document, problems)
    except InvalidInput as error:
        problems.update(error.fields)
        drawing = None
    if drawing is None or problems:
        key, said = next(iter(problems.items()))
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise InvalidInput(f"{where}: {f'{key}: ' if key else ''}{said[0]}{more}", fields=problems)
    return drawing


def shape(value: Any, path: str, units: Units = "px") -> Shape:
    """One shape: an object with one of the keys rectangle, ellipse, polygon, stroke, and perhaps erase and units.

    Raises InvalidInput with its first problem; `path` is its place."""
    spec = _object(value, path, (*_FORMS, "erase", "units"))
    names = [name for name in _FORMS if name in spec]
    if len(names) != 1:
        raise _wrong(path, spec, f"exactly one of {', '.join(_FORMS)}")
    own = _units(spec.get("units", units), f"{path}.units")
    erase = spec.get("erase", False)
    if not isinstance(erase, bool):
        raise _wrong(f"{path}.erase", erase, "true, false")
    return Shape(_FORMS[names[0]](spec[names[0]], f"{path}.{names[0]}"), erase, own == "relative")


def _drawing(document: Any, problems: dict[str, list[str]]) -> Drawing:
    spec = _object(document, "", ("size", "units", "shapes"))
    units = _units(spec.get("units", "px"), "units")
    size = _size(spec["size"]) if "size" in spec else None
    listed = spec.get("shapes")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_SHAPES:
        raise _wrong("shapes", listed, f"a list of 1 to {MOST_SHAPES} shapes")
    shapes = []
    for number, value in enumerate(listed):
        try:
            shapes.append(shape(value, f"shapes[{number}]", units))
        except InvalidInput as error:
            problems.update(error.fields)
    return Drawing(tuple(shapes), size)


def _units(value: Any, path: str) -> Units:
    for name in UNITS:
        if value == name:
            return name
    raise _wrong(path, value, ", ".join(UNITS))


def _size(value: Any) -> Size:
    if not isinstance(value, list) or len(value) != 2 or not all(_is_side(side) for side in value):
        raise _wrong("size", value, f"[width, height] in whole pixels, 1 to {_LARGEST_SIDE} each")
    return value[0], value[1]


def _is_side(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _LARGEST_SIDE


def _rectangle(value: Any, path: str) -> Form:
    return Polygon.rectangle(*_corners(value, path))


def _ellipse(value: Any, path: str) -> Form:
    return Ellipse(*_corners(value, path))


def _polygon(value: Any, path: str) -> Form:
    return Polygon(_points(value, path, least=3))


def _stroke(value: Any, path: str) -> Form:
    spec = _object(value, path, ("points", "width"))
    points = _points(spec.get("points"), f"{path}.points", least=1)
    width = spec.get("width")
    if not _is_number(width) or width <= 0:
        raise _wrong(f"{path}.width", width, "a number above 0")
    return Stroke(points, float(width))


_FORMS: dict[str, Callable[[Any, str], Form]] = {
    "rectangle": _rectangle,
    "ellipse": _ellipse,
    "polygon": _polygon,
    "stroke": _stroke,
}


def _corners(value: Any, path: str) -> tuple[float, float, float, float]:
    if not isinstance(value, list) or len(value) != 4 or not all(map(_is_number, value)):
        raise _wrong(path, value, "[x0, y0, x1, y1], four numbers")
    x0, y0, x1, y1 = map(float, value)
    if x0 == x1 or y0 == y1:
        raise _wrong(path, value, "[x0, y0, x1, y1] with an area: x0 and x1 differ, y0 and y1 differ")
    return x0, y0, x1, y1


def _points(value: Any, path: str, *, least: int) -> tuple[Point, ...]:
    if not isinstance(value, list) or not least <= len(value) <= MOST_POINTS:
        raise _wrong(path, value, f"a list of {least} to {MOST_POINTS} points [x, y]")
    for number, point in enumerate(value):
        if not isinstance(point, list) or len(point) != 2 or not all(map(_is_number, point)):
            raise _wrong(f"{path}[{number}]", point, "[x, y], two numbers")
    return tuple((float(x), float(y)) for x, y in value)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _FARTHEST  # NaN is not


def _object(value: Any, path: str, known: Collection[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(path, value, f"an object with {', '.join(known)}")
    for key in value:
        if key not in known:
            raise _wrong(path, key, f"the keys {', '.join(known)}")
    return value


def _wrong(path: str, value: Any, allowed: str) -> InvalidInput:
    text = f"found {_shown(value)}; allowed: {allowed}"
    return InvalidInput(f"{path}: {text}" if path else text, fields={path: [text]})


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 80 else text[:79] + "…"
