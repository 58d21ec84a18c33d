"""Expressions: what they give, what they speak of, and how they say what is wrong."""

from __future__ import annotations

import time
from typing import Any

import pytest

from orchestrator import expressions
from orchestrator.errors import InvalidExpression
from orchestrator.expressions import References

CONTEXT: dict[str, Any] = {
    "inputs": {"prompt": "a fox", "n": 3, "none": None, "list": ["a", "b"], "object": {"k": [1]}, "secret": "hunter2"},
    "steps": {"best": {"state": "succeeded", "result": {"quadrant": 2}, "results": [{"url": "x"}, {"url": "y"}]}},
    "item": {"seed": 7},
    "index": 1,
    "run": {"id": "r", "pipeline": "p", "labels": {"team": "art"}},
}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${inputs.n}", 3),
        ("${inputs.list}", ["a", "b"]),
        ("${inputs.none}", None),
        ("${inputs.n > 2}", True),
        ("n=${inputs.n}, ${inputs.prompt}${inputs.none}.", "n=3, a fox."),
        ("${inputs.list} ${inputs.object} ${inputs.n > 2}", '["a","b"] {"k":[1]} true'),
        ('${"}" + inputs.prompt}', "}a fox"),
        ("${ {'a': {'b': inputs.n}} }", {"a": {"b": 3}}),
        ("${r'\\' + '}'}", "\\}"),
        ("${inputs.n // a comment with } in it\n}", 3),
        ('steps: ${steps.best.result.quadrant}/${steps["best"].results.map(r, r.url)}', 'steps: 2/["x","y"]'),
        ("$${inputs.n} costs $5 and $$${inputs.n}", "${inputs.n} costs $5 and $${inputs.n}"),
        ("no expression, {braces}, $", "no expression, {braces}, $"),
        ({"a": ["${index}", {"b": "${item.seed}"}], "c": 1.5}, {"a": [1, {"b": 7}], "c": 1.5}),
        ("${has(inputs.other) ? inputs.other : run.labels.team}", "art"),
    ],
)
def test_render_gives_the_value_or_puts_it_into_the_text(value: Any, expected: Any) -> None:
    assert expressions.render(value, CONTEXT) == expected


def test_render_does_not_evaluate_what_an_input_contains() -> None:
    context = {"inputs": {"prompt": "${inputs.secret}", "secret": "hunter2"}}

    assert expressions.render(["${inputs.prompt}", "say ${inputs.prompt}"], context) == [
        "${inputs.secret}",
        "say ${inputs.secret}",
    ]


@pytest.mark.parametrize("expression", ["inputs.n + 1", "${inputs.n + 1}", "  ${ inputs.n + 1 }\n"])
def test_evaluate_takes_an_expression_with_or_without_its_braces(expression: str) -> None:
    assert expressions.evaluate(expression, CONTEXT) == 4


def test_truth_is_true_or_false_and_nothing_else() -> None:
    assert expressions.truth("${inputs.n == 3}", CONTEXT) is True
    assert expressions.truth("inputs.n == 4", CONTEXT) is False

    with pytest.raises(InvalidExpression, match=r"'inputs\.list': it must give true or false, it gives a list"):
        expressions.truth("${inputs.list}", CONTEXT)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("${}", "it is empty"),
        ("${inputs.n", "not closed by a brace"),
        ("${1 +}", "at character 4: mismatched input"),
        ("${sice(inputs.list)}", r"no function sice\(\); did you mean size"),
        ("${frobnicate()}", "no function frobnicate"),
        ("${inputs.other}", "there is no 'other'; has"),
        ("${nothing.x}", "'nothing' is not defined here"),
        ("${inputs.list[9]}", "a list has fewer elements"),
        ("${inputs.n / 0}", "divides by zero"),
        ("${inputs.n + 9223372036854775807}", "a number is too large"),
        ("${inputs.prompt + 1}", "types that do not fit"),
        ("${inputs.none.x}", "types that do not fit"),
        ("${int(inputs.prompt)}", "cannot be converted"),
        ("${b'abc'}", "gives bytes, which JSON does not have"),
        ("${duration('1h')}", "gives timedelta, which JSON does not have"),
        ("${1.0 / 0.0}", "which JSON does not have"),
        ("${ {1: 2} }", "keys are not text"),
        ("${'" + "x" * 3000 + "'}", "not closed by a brace within 2000 characters"),
        ("${" + "[" * 60 + "]" * 60 + "}", "too large"),
    ],
)
def test_trouble_is_one_short_line_that_names_the_expression_and_the_cause(value: str, reason: str) -> None:
    with pytest.raises(InvalidExpression, match=reason) as caught:
        expressions.render(value, CONTEXT)

    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 500


@pytest.mark.parametrize(
    "expression",
    ["inputs[inputs.secret]", "int(inputs.secret)", "inputs.secret + 1", "timestamp(inputs.secret)", "inputs.secret.x"],
)
def test_no_message_contains_a_value(expression: str) -> None:
    with pytest.raises(InvalidExpression) as caught:
        expressions.evaluate(expression, CONTEXT)

    assert "hunter2" not in caught.value.message
    assert caught.value.__cause__ is None


def test_too_long_an_expression_is_refused() -> None:
    with pytest.raises(InvalidExpression, match="3001 characters; at most 2000"):
        expressions.check("1" * 3001)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("['x']" + ".map(a, a + a)" * 60, "too many steps"),
        ("[[1]]" + ".map(a, [a, a])" * 60, "too many steps"),
        ("inputs.big.map(a, inputs.big.map(b, inputs.big.map(c, c)))", "too many steps"),
        ("inputs.big.all(a, inputs.big.all(b, true))", "too many steps"),
        ("inputs.big.map(a, inputs.text)", "too large a value"),
    ],
)
def test_comprehensions_that_explode_are_refused_before_they_run(expression: str, reason: str) -> None:
    context = {"inputs": {"big": list(range(1000)), "text": "x" * 900_000 if "text" in expression else ""}}
    before = time.monotonic()

    with pytest.raises(InvalidExpression, match=f"its comprehensions .* {reason}"):
        expressions.evaluate(expression, context)

    assert time.monotonic() - before < 1


def test_comprehensions_of_ordinary_size_run() -> None:
    context = {"inputs": {"tags": [f"t{i}" for i in range(40)]}, "steps": {"a": {"results": [{"t": "t1"}] * 40}}}

    seen = expressions.evaluate("steps.a.results.filter(r, inputs.tags.exists(t, t == r.t)).map(r, r.t + '!')", context)

    assert seen == ["t1!"] * 40


def test_too_large_a_result_is_refused() -> None:
    with pytest.raises(InvalidExpression, match="its value is too large"):
        expressions.evaluate("[inputs.text, inputs.text, inputs.text]", {"inputs": {"text": "x" * 900_000}})


def test_references_are_the_names_that_expressions_speak_of() -> None:
    value = {
        "a": "${steps.grid.result.x + steps['best'].state}",
        "b": ["text $${steps.no.x}", '${inputs.n + inputs["m"] + run.id + item.steps.no}'],
        "c": "${'steps.no' + r'inputs.no'} // ${inputs.list.map(i, i + index)}",
    }

    found = expressions.references(value)

    assert found == References(
        steps=frozenset({"grid", "best"}),
        inputs=frozenset({"n", "m", "list"}),
        others=frozenset({"run", "item", "index"}),
    )


@pytest.mark.parametrize("expression", ["steps[inputs.n]", "size(steps)", "steps.map(s, steps[s])", "steps['a' + 'b']"])
def test_a_step_that_cannot_be_read_off_is_reported_as_the_whole(expression: str) -> None:
    assert "steps" in expressions.check(expression).whole
