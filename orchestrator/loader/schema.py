"""The JSON Schema of the document format, for editors and clients; made of the same constants that the loader uses."""

from __future__ import annotations

from typing import Any

from orchestrator.core.actions import ACTIONS, Action
from orchestrator.loader import parts, shapes
from orchestrator.loader.kinds import MODES

JSON = dict[str, Any]

_EXPRESSION: JSON = {"type": "string", "pattern": r"\$\{"}
_DURATION: JSON = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": parts.LONGEST_WAIT},
        {"type": "string", "pattern": f"^(?:{parts.DURATION})$", "examples": ["90s", "10m", "1h30m"]},
    ]
}
_TEXT: JSON = {"type": "string", "maxLength": parts.LONGEST_TEXT}
_QUADRANT: JSON = {"enum": [1, 2, 3, 4, "1", "2", "3", "4"]}


def json_schema() -> JSON:
    """JSON Schema 2020-12. Whatever the loader accepts is valid; names and the graph only the loader checks."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Pipeline",
        **_object(
            {
                "pipeline": _name(parts.PIPELINE_NAME),
                "description": _TEXT,
                "inputs": {
                    "type": "object",
                    "propertyNames": _name(parts.INPUT_NAME),
                    "additionalProperties": _input(),
                },
                "account": _names(parts.ACCOUNT_NAME),
                "steps": {
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": parts.MOST_STEPS,
                    "propertyNames": _name(parts.STEP_NAME),
                    "additionalProperties": {"anyOf": [_action(), _choose(), _archive()]},
                },
                "labels": _labels(),
            },
            required=["pipeline", "steps"],
        ),
    }


def _object(properties: JSON, required: list[str] | None = None) -> JSON:
    schema: JSON = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": required} if required else {})


def _name(pattern: str) -> JSON:
    return {"type": "string", "pattern": f"^{pattern}$", "not": {"enum": sorted(parts.RESERVED)}}


def _names(pattern: str) -> JSON:
    many = {"type": "array", "items": _name(pattern), "minItems": 1, "maxItems": parts.MOST_NAMES}
    return {"anyOf": [_name(pattern), many]}


def _labels() -> JSON:
    text = {"type": "string", "maxLength": parts.LONGEST_LABEL, "not": _EXPRESSION}
    return {
        "type": "object",
        "maxProperties": parts.MOST_NAMES,
        "propertyNames": _name(parts.LABEL),
        "additionalProperties": {"anyOf": [text, {"type": ["number", "boolean"]}]},
    }


def _input() -> JSON:
    types = {"enum": list(shapes.INPUT_TYPES)}
    spec = {
        "type": types,
        "required": {"type": "boolean"},
        "default": True,
        "enum": {"type": "array", "minItems": 1, "maxItems": parts.MOST_VALUES},
        "description": _TEXT,
    }
    return {"anyOf": [types, _object(spec)]}


def _common() -> JSON:
    backoff = _object(
        {"first": _DURATION, "factor": {"type": "number", "minimum": 1, "maximum": 100}, "most": _DURATION}
    )
    attempts = {"type": "integer", "minimum": 1, "maximum": parts.MOST_ATTEMPTS}
    other_step = {"type": "object", "minProperties": 1, "maxProperties": 1, "propertyNames": {"enum": ["else", "goto"]}}
    return {
        "needs": _names(parts.STEP_NAME),
        "when": {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": r"\S"}]},
        "retry": _object(
            {"attempts": attempts, "backoff": {"anyOf": [*_DURATION["anyOf"], backoff]}, "on": _names(parts.CODE)}
        ),
        "timeout": _DURATION,
        "on_failure": {
            "anyOf": [
                {"enum": ["fail", "continue"]},
                {**other_step, "additionalProperties": _name(parts.STEP_NAME)},
            ]
        },
        "labels": _labels(),
    }


def _action() -> JSON:
    many = {"type": "array", "minItems": 1, "maxItems": parts.MOST_VALUES}
    properties = {
        "action": {"enum": sorted(ACTIONS)},
        "of": _name(parts.STEP_NAME),
        "with": {"type": "object"},
        "for_each": {"anyOf": [{"type": "string", "minLength": 1}, many]},
        "account": _names(parts.ACCOUNT_NAME),
        **_common(),
    }
    return {**_object(properties, ["action"]), "allOf": [_case(action) for action in ACTIONS.values()]}


def _case(action: Action) -> JSON:
    """What one action adds: the keys of its ``with``, and whether it has a source."""
    inputs: JSON = dict.fromkeys(sorted(action.required | action.optional), True)
    inputs |= {"mode": {"anyOf": [{"enum": list(MODES)}, _EXPRESSION]}} if "mode" in inputs else {}
    inputs |= {"quadrant": {"anyOf": [_QUADRANT, _EXPRESSION]}} if "quadrant" in inputs else {}
    required = [*(["with"] if action.required else []), *(["of"] if action.of else [])]
    then: JSON = {
        "properties": {"with": _object(inputs, sorted(action.required)), **({} if action.of else {"of": False})},
        "required": required,
    }
    return {"if": {"properties": {"action": {"const": action.name}}, "required": ["action"]}, "then": then}


def _choose() -> JSON:
    judge = {"anyOf": [_QUADRANT, _name(parts.SCORER_NAME)]}
    fallback = {**judge, "not": {"enum": ["all", "person"]}}
    properties = {
        "choose": {"const": "quadrant"},
        "of": _name(parts.STEP_NAME),
        "by": judge,
        "else": fallback,
        **_common(),
    }
    by_person = {"required": ["by"], "properties": {"by": {"const": "person"}}}
    return {**_object(properties, ["choose", "of"]), "dependentSchemas": {"else": by_person}}


def _archive() -> JSON:
    return _object({"archive": _name(parts.STEP_NAME), **_common()}, ["archive"])
