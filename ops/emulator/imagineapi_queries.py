"""Directus' global query parameters: filter, sort, fields, limit, offset, page, meta."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from werkzeug.datastructures import MultiDict

from ops.emulator.imagineapi_http import forbidden, invalid_query

Row = dict[str, Any]
Args = MultiDict[str, str]

_PAGE = 100
_BRACKETS = re.compile(r"\[([^\]]*)\]")
_META = ("total_count", "filter_count")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "_lt": operator.lt,
    "_lte": operator.le,
    "_gt": operator.gt,
    "_gte": operator.ge,
}


def listing(rows: list[Row], args: Args, fields: tuple[str, ...]) -> dict[str, Any]:
    """The answer to a list request: `data`, and `meta` where it is asked for."""
    condition = _filter(args)
    found = [row for row in sorted(rows, key=lambda row: str(row["id"])) if matches(row, condition, fields)]
    for key in reversed(_words(args, "sort")):
        found.sort(key=_sorting(key.removeprefix("-"), fields), reverse=key.startswith("-"))
    limit, offset = _count(args, "limit", _PAGE, least=-1), _count(args, "offset", 0)
    offset = offset or max(0, _count(args, "page", 1) - 1) * max(0, limit)
    page = found[offset:] if limit == -1 else found[offset : offset + limit]
    data = [chosen(row, args, fields) for row in page]
    wanted = _words(args, "meta")
    if not wanted:
        return {"data": data}
    counts = dict(zip(_META, (len(rows), len(found)), strict=True))
    return {"meta": {name: counts[name] for name in _META if name in wanted or "*" in wanted}, "data": data}


def chosen(row: Row, args: Args, fields: tuple[str, ...]) -> Row:
    """The fields asked for; those of related files count as the list of their ids."""
    wanted = [name.partition(".")[0] for name in _words(args, "fields")]
    if not wanted or "*" in wanted:
        return row
    if set(wanted) - set(fields):
        raise forbidden()
    return {name: row[name] for name in dict.fromkeys(wanted)}


def matches(row: Row, condition: Any, fields: tuple[str, ...]) -> bool:
    """Whether the row fulfils a filter."""
    if not isinstance(condition, dict):
        raise invalid_query("Invalid query. filter must be an object.")
    return all(_holds(row, field, rule, fields) for field, rule in condition.items())


def _holds(row: Row, field: str, rule: Any, fields: tuple[str, ...]) -> bool:
    if field in ("_and", "_or"):
        verdicts = [matches(row, part, fields) for part in _several(rule)]
        return all(verdicts) if field == "_and" else any(verdicts)
    if field not in fields:
        raise forbidden()
    rules = rule if isinstance(rule, dict) else {"_eq": rule}
    return all(_operation(name, row[field], wish) for name, wish in rules.items())


def _operation(name: str, value: Any, wish: Any) -> bool:
    """One operator. As in SQL, nothing but _null and _nnull is true of a value that isn't there."""
    if name in ("_null", "_nnull"):
        return (value is None) == ((name == "_null") != (str(wish).lower() in ("false", "0")))
    if name not in _KNOWN and name not in _COMPARISONS:
        raise invalid_query(f'Invalid query. Operator "{name}" is unknown.')
    if value is None:
        return False
    if name in _COMPARISONS:
        one, other = _comparable(value), _comparable(wish)
        return type(one) is type(other) and _COMPARISONS[name](one, other)
    text, wishes = str(value), [str(item) for item in (_several(wish) if name in ("_in", "_nin") else [wish])]
    return _KNOWN[name](text, wishes)


_KNOWN: dict[str, Callable[[str, list[str]], bool]] = {
    "_eq": lambda text, wishes: text == wishes[0],
    "_neq": lambda text, wishes: text != wishes[0],
    "_in": lambda text, wishes: text in wishes,
    "_nin": lambda text, wishes: text not in wishes,
    "_contains": lambda text, wishes: wishes[0] in text,
    "_starts_with": lambda text, wishes: text.startswith(wishes[0]),
}


def _comparable(value: Any) -> float | datetime | str:
    try:
        return float(value)
    except (TypeError, ValueError):
        text = str(value)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _filter(args: Args) -> Any:
    if (text := args.get("filter")) is not None:
        try:
            return json.loads(text)
        except ValueError as error:
            raise invalid_query("Invalid query. filter is not valid JSON.") from error
    condition: dict[str, Any] = {}
    for key, values in args.lists():
        if key.startswith("filter["):
            _plant(condition, _BRACKETS.findall(key), values)
    return condition


def _plant(condition: dict[str, Any], path: list[str], values: list[str]) -> None:
    """filter[a][b]=c -> {"a": {"b": "c"}}; a[]=c&a[]=d -> {"a": ["c", "d"]}"""
    *stem, last = [part for part in path if part]
    for part in stem:
        below = condition.setdefault(part, {})
        if not isinstance(below, dict):
            raise invalid_query("Invalid query. filter contradicts itself.")
        condition = below
    condition[last] = values if not path[-1] else values[-1]


def _several(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else str(value).split(",")


def _words(args: Args, name: str) -> list[str]:
    """A comma list, or several of name[]."""
    given: Iterable[str] = [*args.getlist(name), *args.getlist(f"{name}[]")]
    return [word.strip() for text in given for word in text.split(",") if word.strip()]


def _sorting(field: str, fields: tuple[str, ...]) -> Callable[[Row], tuple[bool, Any]]:
    if field not in fields:
        raise forbidden()
    return lambda row: (row[field] is None, "" if row[field] is None else row[field])


def _count(args: Args, name: str, default: int, *, least: int = 0) -> int:
    text = args.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"-?\d{1,9}", text) or int(text) < least:
        raise invalid_query(f'"{name}" must be a number, {least} or more')
    return int(text)
