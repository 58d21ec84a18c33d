"""Bytes from outside -> JSON objects that are safe to keep.

Whatever the bytes, the outcome is a list of objects or MalformedDelivery. Integers stay exact, very long ones as their
own digits in a string; NUL characters and lone surrogates, which Postgres' jsonb refuses, become U+FFFD.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from orchestrator.errors import MalformedDelivery

MAX_OBJECTS = 1000
MAX_DEPTH = 64
_MAX_DIGITS = 40
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SPACE = re.compile(r"[ \t\r\n]*")


def objects(body: bytes, *, most: int = MAX_OBJECTS) -> list[dict[str, Any]]:
    """The objects in a JSON object, a JSON array of objects, or any number of either one after the other (NDJSON)."""
    found: list[dict[str, Any]] = []
    for value in _values(_text(body), most):
        found += [_object(item) for item in (value if isinstance(value, list) else [value])]
        if len(found) > most:
            raise MalformedDelivery(f"more than {most} objects in one delivery")
    if not found:
        raise MalformedDelivery("the delivery is empty")
    return found


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedDelivery(f"not UTF-8 at byte {error.start}") from error


def _values(text: str, most: int) -> list[Any]:
    values: list[Any] = []
    place = _skip(text, 0)
    while place < len(text):
        if len(values) >= most:
            raise MalformedDelivery(f"more than {most} objects in one delivery")
        try:
            value, place = _DECODER.raw_decode(text, place)
        except RecursionError as error:
            raise MalformedDelivery(f"nested deeper than {MAX_DEPTH} levels") from error
        except json.JSONDecodeError as error:
            raise MalformedDelivery(f"not JSON at character {error.pos}: {error.msg}") from error
        values.append(value)
        place = _skip(text, place)
    return values


def _skip(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    return match.end() if match else place


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedDelivery(f"expected a JSON object, found {_kind(value)}")
    cleaned: dict[str, Any] = _clean(value, 1)
    return cleaned


def _kind(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if not isinstance(value, dict | list):
        return value
    if depth > MAX_DEPTH:
        raise MalformedDelivery(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, list):
        return [_clean(item, depth + 1) for item in value]
    return {_UNSTORABLE.sub("\ufffd", key): _clean(item, depth + 1) for key, item in value.items()}


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_DIGITS else digits


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise MalformedDelivery(f"{digits[:_MAX_DIGITS]} is out of range")
    return number


def _constant(name: str) -> NoReturn:
    raise MalformedDelivery(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_float, parse_constant=_constant)
