"""What can be kept as JSON in the database, and is small enough to be looked at in full."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

DEEPEST = 40  # nesting of lists and objects
MOST_NODES = 20_000


def unfit(value: Any) -> str | None:
    """Why a value is no plain JSON of bounded size; None when it is."""
    layer, nodes = [value], 0
    for _ in range(DEEPEST + 1):
        nodes += len(layer)
        if nodes > MOST_NODES:
            return f"more than {MOST_NODES} values"
        for item in layer:
            if problem := _unfit_alone(item):
                return problem
        layer = [inner for item in layer for inner in _inside(item)]
        if not layer:
            return None
    return f"nested deeper than {DEEPEST} levels"


def _inside(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else []


def _unfit_alone(value: Any) -> str | None:
    if isinstance(value, str) and ("\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value)):
        return "a text with a NUL character or half a surrogate pair"
    if isinstance(value, float) and not math.isfinite(value):
        return "a number that is not finite"
    if value is None or isinstance(value, str | bool | int | float | list | Mapping):
        return None
    return f"a value of the type {type(value).__name__}, which JSON does not have"
