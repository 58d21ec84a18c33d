"""What may stay of a task when what is personal in its run is erased: ids, sizes, choices; no words and no addresses.

Everything is left out that is not known to be harmless, so that a new field is never kept by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

ERASED = "erased"
_SIZES = frozenset({"width", "height", "raw_width", "raw_height", "bytes", "duration"})
_CHOICE = frozenset({"quadrant", "quadrants", "scores", "margin", "clear"})
_NAMES = frozenset({"image_id", "sha256", "uri", "by"})
_PARAMS = frozenset({"quadrant", "accounts", "by", "fallback"})
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def left_of_result(result: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Sizes, choices and ids of ours or the provider's."""
    if result is None:
        return None
    sizes = {name: value for name, value in result.items() if name in _SIZES and isinstance(value, int | float)}
    choice = {name: value for name, value in result.items() if name in _CHOICE and not any(texts(value))}
    return sizes | choice | {name: result[name] for name in _NAMES if isinstance(result.get(name), str | int)}


def left_of_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Which job it worked on, and how it chose; not what was ordered."""
    parent = params.get("parent")
    if isinstance(parent, Mapping):
        names = ("task_id", "external_id", "account", "action")
        parent = {name: parent.get(name) for name in names} | {"result": left_of_result(parent.get("result"))}
    return {name: params[name] for name in _PARAMS if name in params} | {"parent": parent}


def left_of_error(error: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Its code, and of a run's error where it comes from."""
    if error is None:
        return None
    code = str(error.get("code", ""))
    where = {name: error[name] for name in ("step", "item", "task_id") if name in error}
    return {"code": code if _CODE.fullmatch(code) else ERASED, "message": ERASED, **where}


def texts(value: object) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts(one)
