"""Expressions in a pipeline: ``${...}`` around CEL, evaluated on plain JSON, with nothing to call out to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orchestrator.expressions.plain import word
from orchestrator.expressions.program import compiled
from orchestrator.expressions.references import References
from orchestrator.expressions.source import bare, invalid, parts

__all__ = ["References", "bare", "check", "evaluate", "references", "render", "truth"]


def render(value: Any, context: Mapping[str, Any]) -> Any:
    """The value with every ``${...}`` evaluated, through lists and dicts (not their keys).

    A string that is one expression becomes that expression's value; elsewhere the value is put into the text (null as
    nothing, lists and objects as JSON). ``$${`` is a literal ``${``. Raises InvalidExpression.
    """
    if isinstance(value, str):
        return _render_text(value, context)
    if isinstance(value, Mapping):
        return {key: render(item, context) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [render(item, context) for item in value]
    return value


def evaluate(expression: str, context: Mapping[str, Any]) -> Any:
    """The value, as plain JSON, of an expression with or without its ``${}``. Raises InvalidExpression."""
    return compiled(bare(expression)).run(context)


def truth(expression: str, context: Mapping[str, Any]) -> bool:
    """The value of an expression that must be true or false. Raises InvalidExpression."""
    value = evaluate(expression, context)
    if not isinstance(value, bool):
        raise invalid(bare(expression), f"it must give true or false, it gives {word(value)}")
    return value


def check(expression: str) -> References:
    """Compile only: syntax, functions, length; what the expression speaks of. Raises InvalidExpression."""
    return compiled(bare(expression)).references


def references(value: Any) -> References:
    """The names in every ``${...}`` of the value. Raises InvalidExpression for one that does not compile."""
    found = References()
    if isinstance(value, str):
        for is_expression, part in parts(value):
            found |= compiled(part).references if is_expression else References()
    elif isinstance(value, Mapping | list | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            found |= references(item)
    return found


def _render_text(text: str, context: Mapping[str, Any]) -> Any:
    if "${" not in text:
        return text
    pieces = list(parts(text))
    if len(pieces) == 1 and pieces[0][0]:
        return compiled(pieces[0][1]).run(context)
    return "".join(
        _as_text(compiled(piece).run(context)) if is_expression else piece for is_expression, piece in pieces
    )


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
