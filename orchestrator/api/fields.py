"""The fields that our schemas are made of: what may stand there, and what is said when something else does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from marshmallow import ValidationError, fields, validate

from orchestrator.api import cursors

SMALLEST_PAGE, PAGE, LARGEST_PAGE = 1, 50, 200


class Time(fields.DateTime):
    """RFC 3339 in UTC, written with Z."""

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **_: Any) -> str | None:  # noqa: ARG002
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value else None


class Text(fields.String):
    """Text that the database can hold: no NUL, no half of a surrogate pair, not too long."""

    def __init__(self, *, longest: int = 255, **options: Any) -> None:
        super().__init__(validate=validate.Length(min=1, max=longest), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> str:
        text = super()._deserialize(value, attr, data)
        if text is None or "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise ValidationError("text with a character that cannot be stored")
        return text


class Cursor(fields.String):
    """The place in a list that a former page gave."""

    def __init__(self) -> None:
        super().__init__(metadata=said("The `next` of a former page.") | {"pattern": cursors.PATTERN})

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> Any:
        text = super()._deserialize(value, attr, data)
        try:
            return cursors.read(text or "")
        except ValueError:
            raise ValidationError("not a cursor of this list; allowed: the `next` of a former page") from None


class Label(Text):
    """``name:value`` or ``name=value``, whichever sign comes first."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> Any:
        parts = re.fullmatch(r"([^:=]+)[:=](.*)", super()._deserialize(value, attr, data), re.DOTALL)
        if parts is None:
            raise ValidationError(f"found {value!r}; allowed: name:value or name=value")
        return parts[1], parts[2]


class YesOrNo(fields.Boolean):
    """true or false in a body, not a number or a text of one."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return bool(super()._deserialize(value, attr, data, **more))


class Whole(fields.Integer):
    """A whole number, not a text of one; 4.0 is one too, as in JSON Schema."""

    def _validated(self, value: Any) -> Any:
        whole = isinstance(value, float) and value.is_integer()
        return super()._validated(int(value) if whole else value)


class OneOrMore(fields.List[Any]):
    """A list; a single value is a list of one, as in a pipeline."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> list[Any]:
        return super()._deserialize([value] if isinstance(value, str) else value, attr, data, **more)


def limit() -> fields.Integer:
    """How many items a page has."""
    allowed = f"allowed: {SMALLEST_PAGE} to {LARGEST_PAGE}"
    return fields.Integer(
        load_default=PAGE,
        validate=validate.Range(SMALLEST_PAGE, LARGEST_PAGE, error=f"found {{input}}; {allowed}"),
        error_messages={"invalid": f"not a whole number; {allowed}"},
    )


def one_of(words: type[StrEnum], description: str = "") -> fields.Enum[Any]:
    """One of an enumeration's words, read as its member."""
    allowed = ", ".join(words)
    return fields.Enum(
        words, by_value=True, error_messages={"unknown": f"allowed: {allowed}"}, metadata={"description": description}
    )


def word(words: type[StrEnum], description: str = "") -> fields.String:
    """One of an enumeration's words in an answer."""
    return fields.String(validate=validate.OneOf([one.value for one in words]), metadata={"description": description})


def whole(low: int, high: int, **options: Any) -> fields.Integer:
    """A whole number, not a text of one."""
    return Whole(
        strict=True,
        validate=validate.Range(low, high, error=f"found {{input}}; allowed: {low} to {high}"),
        error_messages={"invalid": f"not a whole number; allowed: {low} to {high}"},
        **options,
    )


def said(description: str) -> dict[str, Any]:
    """What a field means, for the documentation."""
    return {"description": description}
