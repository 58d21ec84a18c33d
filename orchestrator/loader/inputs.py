"""The inputs of a pipeline: how they are declared, and whether given values fit."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.core.pipeline import Input, Pipeline
from orchestrator.errors import InvalidInput
from orchestrator.loader import parts, shapes
from orchestrator.loader.plain import unfit
from orchestrator.loader.problems import Problems, found, shown, unknown

LARGEST = 1024 * 1024  # bytes of all values of a run as JSON; a mask is the largest of them
LONGEST_LIST = 1_000

_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf,
    "boolean": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list) and len(value) <= LONGEST_LIST,
    "object": lambda value: isinstance(value, Mapping),
}
_WORDS = {
    "string": "text",
    "integer": "a whole number of 64 bits",
    "number": "a number",
    "boolean": "true, false",
    "list": f"a list of at most {LONGEST_LIST} values",
    "object": "an object",
}


def declared(value: Any, problems: Problems) -> dict[str, Input]:
    """The inputs that a document declares, as far as they can be read."""
    return {name: _declared(name, spec, problems) for name, spec in (value or {}).items()}


def _declared(name: str, spec: Any, problems: Problems) -> Input:
    path = f"inputs.{name}"
    if not re.fullmatch(parts.INPUT_NAME, name) or name in parts.RESERVED:
        problems.add(path, found(name, "a name of at most 40 letters, digits and underscores"))
    spec = {"type": spec} if isinstance(spec, str) else spec
    keys = shapes.read(shapes.INPUT, spec, path, problems, "a type, or an object")
    declared_as = Input(name=name, **keys)
    if isinstance(spec, Mapping) and "type" in spec and "type" not in keys:
        return declared_as  # without its type nothing can be said of its values
    for value in declared_as.enum:
        if not _TYPES[declared_as.type](value):
            problems.add(f"{path}.enum", found(value, _WORDS[declared_as.type]))
    if declared_as.default is not None and (problem := _misfit(declared_as, declared_as.default)):
        problems.add(f"{path}.default", problem)
    return declared_as


def check_inputs(pipeline: Pipeline, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a run: those given, defaults, and null for what is neither. Raises InvalidInput with ``fields``."""
    wrong: dict[str, list[str]] = {}
    for name in inputs:
        if name not in pipeline.inputs:
            wrong[f"inputs.{name}"] = [f"unknown input: {unknown(name, pipeline.inputs, 'inputs')}"]
    values = {name: _value(spec, inputs.get(name), wrong) for name, spec in pipeline.inputs.items()}
    if not wrong and (problem := _oversize(values)):
        wrong["inputs"] = [problem]
    if wrong:
        lines = "; ".join(f"{key}: {said[0]}" for key, said in wrong.items())
        raise InvalidInput(f"pipeline {pipeline.name}: {lines}", fields=wrong)
    return values


def _value(spec: Input, value: Any, wrong: dict[str, list[str]]) -> Any:
    value = spec.default if value is None else value
    if value is None:
        if spec.required:
            wrong[f"inputs.{spec.name}"] = [f"missing; allowed: {_allowed(spec)}"]
    elif problem := _misfit(spec, value):
        wrong[f"inputs.{spec.name}"] = [problem]
    return value


def _misfit(spec: Input, value: Any) -> str | None:
    """Why the value does not fit; None when it does."""
    if not _TYPES[spec.type](value):
        return found(value, _WORDS[spec.type])
    return found(value, _allowed(spec)) if spec.enum and value not in spec.enum else None


def _allowed(spec: Input) -> str:
    return ", ".join(map(shown, spec.enum)) if spec.enum else _WORDS[spec.type]


def _oversize(values: Mapping[str, Any]) -> str | None:
    """Why the values cannot be kept; None when they can."""
    if problem := unfit(values):
        return problem
    size = len(json.dumps(values).encode())
    return f"{size} bytes as JSON; at most {LARGEST} are allowed" if size > LARGEST else None
