"""What image APIs send, value by value, for marshmallow schemas: lenient about form, strict about meaning."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields

T = TypeVar("T")
MODES = ("fast", "relax", "turbo")
_MAX_ID = 200
_MAX_PIXELS = 1_000_000


class As(fields.Field[T]):
    """A field whose value goes through a function, which raises ValidationError for what it does not take."""

    def __init__(self, convert: Callable[[Any], T], *, allow_none: bool | None = None) -> None:
        super().__init__(allow_none=allow_none)
        self._convert = convert

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> T:
        return self._convert(value)


def external_id(value: Any) -> str:
    """An id as an exact string. A float or a boolean is not one any more: it has lost what it was."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValidationError("expected a string or an integer")
    text = str(value)
    if len(text) > _MAX_ID:
        raise ValidationError(f"longer than {_MAX_ID} characters")
    return text


def pixels(value: Any) -> int:
    """A width or height: a number, or its digits in a string."""
    number = whole(value)
    if not 0 <= number <= _MAX_PIXELS:
        raise ValidationError(f"out of range: 0 to {_MAX_PIXELS}")
    return number


def percent(value: Any) -> int:
    """Progress from 0 to 100: a number, its digits in a string, or those with a percent sign."""
    number = whole(value.strip().removesuffix("%") if isinstance(value, str) else value)
    if not 0 <= number <= 100:
        raise ValidationError("out of range: 0 to 100")
    return number


def flag(value: Any) -> bool:
    """true or false, nothing that merely resembles them."""
    if not isinstance(value, bool):
        raise ValidationError("expected true or false")
    return value


def string(value: Any) -> str:
    """A string and nothing that could be made one."""
    if not isinstance(value, str):
        raise ValidationError("expected a string")
    return value


def strings(value: Any) -> list[str]:
    """A list of strings."""
    if not isinstance(value, list):
        raise ValidationError("expected a list of strings")
    for number, item in enumerate(value, 1):
        if not isinstance(item, str):
            raise ValidationError(f"number {number}: expected a string")
    return value


def mode(value: Any) -> str:
    """fast, relax or turbo."""
    if value not in MODES:
        raise ValidationError(f"expected one of {', '.join(MODES)}")
    return string(value)


def quadrant(value: Any) -> int:
    """1 to 4: top left, top right, bottom left, bottom right."""
    if isinstance(value, bool) or value not in (1, 2, 3, 4):
        raise ValidationError("expected 1, 2, 3 or 4")
    return int(value)


def is_url(text: str) -> bool:
    """Whether this is an http or https URL with a host and without spaces."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"[\s\x00]", text)
    except ValueError:
        return False


def whole(value: Any) -> int:
    """The integer in an integer, a float (its fraction dropped) or a string of digits. Raises ValidationError."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and (digits := re.fullmatch(r"\s*([0-9]{1,18})(\.[0-9]{1,18})?\s*", value)):
        return int(digits[1])  # not of the whole: int() knows fewer kinds of white space than a pattern
    raise ValidationError("expected a number")


def sentences(messages: Any) -> list[str]:
    """A field's errors as a flat list; those about an item of a list with its number, counted from 1."""
    if isinstance(messages, dict):
        return [f"number {index + 1}: {text}" for index, texts in messages.items() for text in sentences(texts)]
    return [str(text) for text in messages]
