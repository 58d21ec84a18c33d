"""The shapes of ``orchestrator mask draw``: words of a shell and a JSON file, read as one drawing."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ops.cli.failures import Refused
from ops.cli.mask_files import read
from orchestrator.errors import InvalidInput
from orchestrator.imaging import drawings
from orchestrator.imaging.drawings import Drawing, Units
from orchestrator.imaging.shapes import Shape

FORMS = ("rectangle", "ellipse", "polygon", "stroke")
_WIDTH: dict[Units, float] = {"px": 50, "relative": 0.05}


def drawing_of(
    options: Mapping[str, Sequence[str]], file: Path | None, *, width: float | None, relative: bool
) -> Drawing:
    """The shapes of a file (``-``: stdin), then those of ``form -> texts``. Raises Refused, InvalidInput."""
    units: Units = "relative" if relative else "px"
    first = _from_file(file) if file else Drawing(())
    brush = _WIDTH[units] if width is None else width
    shapes = [_shape(form, text, units, brush) for form in FORMS for text in options[form]]
    if not first.shapes and not shapes:
        raise Refused(f"what is to be redrawn? Give {', '.join(f'--{form}' for form in FORMS)} or --shapes FILE")
    return Drawing((*first.shapes, *shapes), first.size)


def _from_file(path: Path) -> Drawing:
    data = sys.stdin.buffer.read() if str(path) == "-" else read(path)
    return drawings.parse(data, f"--shapes {path}")


def _shape(form: str, text: str, units: Units, brush: float) -> Shape:
    value: Any = _numbers(text) if form in ("rectangle", "ellipse") else [_numbers(point) for point in text.split()]
    spec = {"points": value, "width": brush} if form == "stroke" else value
    try:
        return drawings.shape({form: spec}, "", units)
    except InvalidInput as error:
        place, said = next(iter(error.fields.items()))
        place = place.removeprefix(f".{form}").removeprefix(".")
        raise Refused(f"--{form} {text}: {f'{place}: ' if place else ''}{said[0]}") from error


def _numbers(text: str) -> list[float | str]:
    """The numbers between commas; what is none stays a text, of which the reader will speak."""
    return [_number(word.strip()) for word in text.split(",")]


def _number(word: str) -> float | str:
    try:
        number = float(word)
    except ValueError:
        return word
    return int(number) if number.is_integer() else number
