"""The values of a run against the inputs of its pipeline."""

from __future__ import annotations

from typing import Any

import pytest
from pipeline_documents import good

from orchestrator import loader
from orchestrator.core.pipeline import Pipeline
from orchestrator.errors import InvalidInput


def pipeline(**spec: Any) -> Pipeline:
    return loader.parse(good(inputs={"prompt": "string", "x": spec}))


def test_defaults_and_null_fill_what_is_not_given() -> None:
    values = loader.check_inputs(pipeline(type="integer", default=3), {})

    assert values == {"prompt": None, "x": 3}


def test_null_means_not_given() -> None:
    values = loader.check_inputs(pipeline(type="integer", default=3), {"x": None, "prompt": "a"})

    assert values == {"prompt": "a", "x": 3}


@pytest.mark.parametrize(
    ("type_", "fits", "misfits"),
    [
        ("string", "a", 1),
        ("integer", -(2**63), 2**63),
        ("integer", 1, 1.0),
        ("integer", 1, True),
        ("number", 1.5, "1.5"),
        ("number", 1, False),
        ("boolean", False, 0),
        ("list", [1, "a"], "a"),
        ("list", [1] * 1000, [1] * 1001),
        ("object", {"a": 1}, []),
    ],
)
def test_a_value_has_the_type_of_its_input(type_: str, fits: Any, misfits: Any) -> None:
    spec = pipeline(type=type_)

    assert loader.check_inputs(spec, {"x": fits})["x"] == fits
    with pytest.raises(InvalidInput) as caught:
        loader.check_inputs(spec, {"x": misfits})
    assert "allowed: " in caught.value.fields["inputs.x"][0]


def test_every_problem_is_said() -> None:
    spec = pipeline(type="string", required=True, enum=["fast", "relax"])

    with pytest.raises(InvalidInput) as caught:
        loader.check_inputs(spec, {"promt": "a", "prompt": 3})

    assert caught.value.fields == {
        "inputs.promt": ["unknown input: found 'promt', did you mean 'prompt'?; inputs: prompt, x"],
        "inputs.prompt": ["found 3; allowed: text"],
        "inputs.x": ["missing; allowed: 'fast', 'relax'"],
    }
    assert caught.value.message.startswith("pipeline good: inputs.promt: unknown input")


def test_an_enumeration_holds() -> None:
    spec = pipeline(type="string", enum=["fast", "relax"])

    with pytest.raises(InvalidInput, match="found 'slow'; allowed: 'fast', 'relax'"):
        loader.check_inputs(spec, {"x": "slow"})


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"a": "x" * 1_048_576}, "bytes as JSON; at most 1048576"),
        ({"a": "\0"}, "NUL"),
        ({"a": float("nan")}, "not finite"),
        ({"a": {1}}, "type set"),
        ({"a": [[0] * 200] * 200}, "more than 20000 values"),
    ],
)
def test_values_that_cannot_be_kept_are_refused(value: Any, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        loader.check_inputs(pipeline(type="object"), {"x": value})
