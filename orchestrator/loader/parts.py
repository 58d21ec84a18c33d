"""The values of a document, one reader each: from what was written to what is meant, or ValueError."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import ValidationError, fields

from orchestrator.core import durations
from orchestrator.loader.problems import found, near

PIPELINE_NAME = "[a-z0-9][a-z0-9-]{0,63}"
STEP_NAME = "[a-z][a-z0-9_]{0,39}"
INPUT_NAME = "[A-Za-z_][A-Za-z0-9_]{0,39}"
ACCOUNT_NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
SCORER_NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
CODE = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}"
LABEL = "[A-Za-z0-9][A-Za-z0-9_./-]{0,62}"
_TIME = r" *[0-9]+(?:\.[0-9]+)? *"
DURATION = rf"{_TIME}(?:(?:ms|s|m|h|d)(?:{_TIME}(?:ms|s|m|h|d))* *)?"
RESERVED = frozenset({"in", "true", "false", "null"})  # words of the expression language

LONGEST_WAIT = 30 * 86_400  # seconds
MOST_STEPS = 200
MOST_ATTEMPTS = 10
MOST_VALUES = 100  # of for_each, of an enumeration
MOST_NAMES = 20  # accounts, codes, labels in one place
LONGEST_TEXT = 2_000  # characters of a description
LONGEST_LABEL = 255


class Part(fields.Field[Any]):
    """A marshmallow field made of one reader; its errors say what was found and what is allowed."""

    def __init__(self, read: Callable[[Any], Any], allowed: str, *, required: bool = False) -> None:
        messages: dict[str, Any] = {"required": f"missing; allowed: {allowed}", "null": found(None, allowed)}
        super().__init__(required=required, error_messages=messages)
        self._read = read
        self._allowed = allowed

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> Any:  # noqa: ARG002 marshmallow's signature
        try:
            return self._read(value)
        except ValueError as exc:
            raise ValidationError(str(exc) or found(value, self._allowed)) from exc


def named(pattern: str) -> Callable[[Any], str]:
    """A reader of names of one pattern."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value) or value in RESERVED:
            raise ValueError
        return value

    return read


def names(pattern: str) -> Callable[[Any], tuple[str, ...]]:
    """A reader of one name or a list of them, each once."""

    def read(value: Any) -> tuple[str, ...]:
        listed = value if isinstance(value, list) else [value]
        if not listed or len(listed) > MOST_NAMES:
            raise ValueError
        return tuple(dict.fromkeys(named(pattern)(name) for name in listed))

    return read


def one_of(*allowed: str) -> Callable[[Any], str]:
    """A reader of one of a few words."""

    def read(value: Any) -> str:
        if isinstance(value, str) and value in allowed:
            return value
        if guess := near(value, allowed):
            raise ValueError(f"found {value!r}{guess}; allowed: {', '.join(allowed)}")
        raise ValueError

    return read


def text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise ValueError
    return value


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError
    return {str(key): item for key, item in value.items()}


def filled(value: Any) -> dict[str, Any]:
    if not value:
        raise ValueError
    return mapping(value)


def seconds(value: Any) -> float:
    written = str(value)
    if isinstance(value, bool) or len(written) > 40 or not isinstance(value, str | int | float):
        raise ValueError
    if isinstance(value, str) and not re.fullmatch(DURATION, value):
        raise ValueError
    amount = durations.seconds(value) if isinstance(value, str) else float(value)
    if not 0 <= amount <= LONGEST_WAIT:
        raise ValueError
    return amount


def timeout(value: Any) -> int:
    amount = math.ceil(seconds(value))
    if amount < 1:
        raise ValueError
    return amount


def attempts(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_ATTEMPTS:
        raise ValueError
    return value


def factor(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 100:
        raise ValueError
    return float(value)


def codes(value: Any) -> frozenset[str]:
    return frozenset(names(CODE)(value))


def labels(value: Any) -> dict[str, str]:
    """Names to texts; numbers and flags become text."""
    if not isinstance(value, Mapping) or len(value) > MOST_NAMES:
        raise ValueError
    return {named(LABEL)(key): _label(item) for key, item in value.items()}


def _label(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float) or len(str(value)) > LONGEST_LABEL or "${" in str(value):
        raise ValueError
    return str(value)


def quadrant(value: Any) -> int:
    number = int(value) if isinstance(value, str) and value in {"1", "2", "3", "4"} else value
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 4:
        raise ValueError
    return number


def judge(value: Any) -> str | int:
    """Who chooses: a number of a quadrant, ``all``, ``person``, or the name of a scorer."""
    try:
        return quadrant(value)
    except ValueError:
        if isinstance(value, str) and value.isdigit():
            raise
        return named(SCORER_NAME)(value)


def condition(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value


def several(value: Any) -> str | list[Any]:
    if not isinstance(value, str | list) or not value or (isinstance(value, list) and len(value) > MOST_VALUES):
        raise ValueError
    return value


def on_failure(value: Any) -> tuple[str, str | None]:
    """("fail" or "continue", the step that stands in)."""
    if isinstance(value, Mapping):
        if len(value) != 1 or not set(value) <= {"else", "goto"}:
            raise ValueError
        return "fail", named(STEP_NAME)(next(iter(value.values())))
    return one_of("fail", "continue")(value), None


def values(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_VALUES:
        raise ValueError
    return tuple(value)
