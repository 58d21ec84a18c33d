"""One expression, compiled once, run on many contexts.

Messages name the expression and the kind of trouble, never a value: those may be secret, and they may be long.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import cel

from orchestrator.expressions.measure import Shape, measure
from orchestrator.expressions.plain import Plain
from orchestrator.expressions.references import References, read_references
from orchestrator.expressions.source import LONGEST, TOKEN, invalid

_CONVERSIONS = frozenset({"type", "int", "uint", "double", "string", "bytes", "bool", "timestamp", "duration", "dyn"})
_OF_TEXT = frozenset({"size", "matches", "contains", "startsWith", "endsWith"})
_OF_TIMES = frozenset(
    {f"get{part}" for part in ("FullYear", "Month", "Date", "Hours", "Minutes", "Seconds", "Milliseconds")}
    | {f"getDayOf{period}" for period in ("Month", "Week", "Year")}
)
FUNCTIONS = _CONVERSIONS | _OF_TEXT | _OF_TIMES | {"max", "min"}

_REASONS: dict[type[Exception], str] = {
    IndexError: "a list has fewer elements than it asks for",
    ZeroDivisionError: "it divides by zero",
    OverflowError: "a number is too large",
    TypeError: "its values are of types that do not fit together, such as null, or a number beside a text",
}


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression and what is known of it without running it."""

    source: str
    compiled: cel.Program
    shape: Shape
    references: References

    def run(self, context: Mapping[str, Any]) -> Any:
        """The value as plain JSON. Raises InvalidExpression."""
        if reason := self.shape.weigh(context):
            raise invalid(self.source, reason)
        try:
            value = self.compiled.execute(dict(context))
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as exc:
            raise invalid(self.source, _reason(self.source, exc)) from None  # the cause may quote a value
        return Plain(self.source).plain(value)


@lru_cache(maxsize=2048)
def compiled(source: str) -> Program:
    """The expression, without its ``${}``, compiled. Raises InvalidExpression."""
    if len(source) > LONGEST:
        raise invalid(source, f"it has {len(source)} characters; at most {LONGEST} are allowed")
    try:
        program = cel.compile(source)
    except ValueError as exc:
        raise invalid(source, _syntax(source, str(exc))) from None  # the cause repeats the text, on many lines
    _check_functions(source, program.functions())
    tokens = [token[0] for token in TOKEN.finditer(source) if not token["space"]]
    return Program(source, program, measure(source, tokens), read_references(tokens, program.variables()))


def _check_functions(source: str, called: list[str]) -> None:
    for name in called:
        if name.isidentifier() and name not in FUNCTIONS:
            close = get_close_matches(name, FUNCTIONS, n=1)
            known = f"did you mean {close[0]}()?" if close else f"there are {', '.join(sorted(FUNCTIONS))}"
            raise invalid(source, f"there is no function {name}(); {known}")


def _syntax(source: str, message: str) -> str:
    if not source:
        return "it is empty"
    first = message.partition("ERROR: <input>:")[2].splitlines() or [message]
    line, column, said = [*first[0].split(":", 2), "", ""][:3]
    said = re.split(r" expecting |: OtherError", said.strip())[0].removeprefix("Syntax error: ")
    where = f"character {column}" if line == "1" else f"line {line}, character {column}"
    return f"at {where}: {said[:100]}"


def _reason(source: str, exc: Exception) -> str:
    detail = str(exc)
    if isinstance(exc, KeyError):
        name = detail.strip("'\"")
        written = name.isidentifier() and re.search(rf"\b{name}\b", source)
        return f"there is no {name!r}; has() asks whether there is" if written else "it asks for a name that is missing"
    if isinstance(exc, RuntimeError) and (unknown := re.match(r"Undefined variable or function: '(\w+)'", detail)):
        return f"{unknown[1]!r} is not defined here, or not for values of these types"
    for kind, reason in _REASONS.items():
        if isinstance(exc, kind):
            return reason
    return "a value cannot be converted, or a function does not accept it"
