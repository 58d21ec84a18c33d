"""Whatever the document, the loader answers with a pipeline in order or with InvalidPipeline, and nothing else."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from orchestrator import expressions, loader
from orchestrator.core.pipeline import Pipeline
from orchestrator.errors import InvalidExpression, InvalidPipeline

VALIDATOR = Draft202012Validator(loader.json_schema())

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAME = st.sampled_from(["a", "b", "c", "d", "e"])
TEXT = st.sampled_from(["x", "${inputs.p}", "${steps.a.result}", "${steps.b.state} ${index}", "${item}", "${1 +}"])


def mostly(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(*[strategy] * 9, JSON)


COMMON = {
    "needs": mostly(NAME | st.lists(NAME, max_size=2)),
    "when": mostly(st.booleans() | st.just("inputs.p == 'x'") | st.just("${steps.c.state == 'succeeded'}")),
    "retry": mostly(st.fixed_dictionaries({}, optional={"attempts": st.integers(0, 11), "on": st.just("any")})),
    "timeout": mostly(st.sampled_from([60, "10m", "1h 30m", "2 d", "soon"])),
    "on_failure": mostly(st.sampled_from(["fail", "continue"]) | st.builds(lambda name: {"else": name}, NAME)),
    "labels": mostly(st.dictionaries(st.sampled_from(["team", "n"]), st.text(max_size=3) | st.integers())),
}
WITH = st.fixed_dictionaries({}, optional={"prompt": TEXT, "mode": TEXT, "quadrant": st.integers(0, 4) | TEXT})


def step(required: dict[str, Any], **optional: Any) -> st.SearchStrategy[Any]:
    chosen = st.lists(st.sampled_from(sorted({**COMMON, **optional})), max_size=2, unique=True)
    keys = {**COMMON, **optional}
    return chosen.flatmap(lambda names: st.fixed_dictionaries({**required, **{name: keys[name] for name in names}}))


STEP = mostly(
    step(
        {"action": st.just("imagine"), "with": st.fixed_dictionaries({"prompt": TEXT})}, for_each=mostly(st.just(["x"]))
    )
    | step({"action": st.sampled_from(["upscale", "variation", "upscale_2x", "reroll"]), "of": NAME}, **{"with": WITH})
    | step(
        {"choose": st.just("quadrant"), "of": NAME}, by=mostly(st.sampled_from(["quality", "all", 1, "2", "person"]))
    )
    | step({"archive": NAME})
)
DOCUMENT = st.fixed_dictionaries(
    {"pipeline": mostly(st.just("p")), "steps": mostly(st.dictionaries(NAME, STEP, min_size=1, max_size=5))},
    optional={"account": mostly(st.just("x")), "inputs": mostly(st.just({"p": "string"})), "labels": COMMON["labels"]},
)


def parsed(document: Any) -> Pipeline | None:
    try:
        return loader.parse(document)
    except InvalidPipeline:
        return None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(JSON)
def test_any_json_gives_a_pipeline_or_a_refusal(document: Any) -> None:
    parsed(document)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(DOCUMENT)
def test_whatever_is_accepted_is_in_order_and_valid_by_the_json_schema(document: Any) -> None:
    pipeline = parsed(document)

    if pipeline:
        before: set[str | None] = {None}
        for name, one in pipeline.steps.items():
            assert {one.source, *one.needs} <= before
            assert pipeline.stand_ins().get(name) in before
            before.add(name)
        VALIDATOR.validate(document)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"#,? \n\t0.~%@"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(InvalidPipeline):
        assert isinstance(loader.read(text, "x"), dict)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from("${}\"'\\inputs.ab()[]+ /?:1r,\n"), max_size=40))
def test_any_text_is_rendered_or_refused(text: str) -> None:
    with suppress(InvalidExpression):
        expressions.references(text)
        expressions.render(text, {"inputs": {"a": 1, "b": "x"}})
