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
NAMES = ("a", "b", "c", "d", "e", "f", "g")
GRIDS = {"imagine": [], "variation": ["choice"], "reroll": ["grid"], "pan_left": ["single"]}
SINGLES = {"upscale": ["choice"], "upscale_2x": ["single"]}
WORKS_ON = {**GRIDS, **SINGLES, "choose": ["grid"], "archive": ["grid", "single"]}
YIELDS = {**dict.fromkeys(GRIDS, "grid"), **dict.fromkeys(SINGLES, "single"), "choose": "choice", "archive": "archive"}


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Documents that are mostly right: each step works on a fitting former one; then a few keys, right or wrong."""
    steps: dict[str, Any] = {}
    yields: dict[str, str] = {}
    for name in NAMES[: draw(st.integers(1, len(NAMES)))]:
        fitting = {form: [old for old in steps if yields[old] in kinds] for form, kinds in WORKS_ON.items()}
        form = draw(st.sampled_from([form for form in WORKS_ON if fitting[form] or not WORKS_ON[form]]))
        steps[name] = draw(
            step(form, fitting[form], [old for old in steps if YIELDS[form] == yields[old]], list(steps))
        )
        yields[name] = YIELDS[form]
    for name, old in draw(
        st.dictionaries(st.sampled_from(list(steps)), st.sampled_from(list(steps)), max_size=1)
    ).items():
        steps[name]["on_failure"] = {"else": old}
    shuffled = {name: steps[name] for name in draw(st.permutations(list(steps)))}
    document = {"pipeline": "p", "account": "x", "inputs": {"p": "string"}, "steps": shuffled}
    if draw(st.integers(0, 9)) == 0:
        document[draw(st.sampled_from([*document, "labels", "other"]))] = draw(JSON)
    return document


@st.composite
def step(draw: st.DrawFn, form: str, sources: list[str], alike: list[str], former: list[str]) -> dict[str, Any]:
    keys: dict[str, Any] = {"with": {"prompt": draw(st.sampled_from(["x", "${inputs.p}", "${inputs.p} ${index}"]))}}
    if form == "imagine":
        keys |= {"action": form} | draw(st.sampled_from([{}, {}, {"for_each": ["x", "${inputs.p}"]}]))
    elif form == "choose":
        keys = {"choose": "quadrant", "of": draw(st.sampled_from(sources))}
        keys |= draw(st.sampled_from([{}, {"by": "all"}, {"by": "2"}, {"by": "person", "else": 1}]))
    elif form == "archive":
        keys = {"archive": draw(st.sampled_from(sources))}
    else:
        keys = {"action": form, "of": draw(st.sampled_from(sources)), **({} if form in SINGLES else keys)}
    optional = {
        "needs": st.sampled_from(former) if former else st.just("a"),
        "when": st.sampled_from(["inputs.p == 'x'", True, *(f"steps.{name}.state != 'failed'" for name in former)]),
        "retry": st.sampled_from([{"attempts": 2}, {"on": "any", "backoff": {"first": "2s"}}, {"attempts": 0}]),
        "timeout": st.sampled_from([60, "10m", "1h 30m", "2 d"]),
        "on_failure": st.sampled_from(["continue", *({"else": name} for name in alike)]),
        "labels": st.dictionaries(st.sampled_from(["team", "n"]), st.sampled_from(["x", 3, True])),
    }
    for key in draw(st.lists(st.sampled_from(sorted(optional)), max_size=2, unique=True)):
        keys[key] = draw(optional[key]) if draw(st.integers(0, 19)) else draw(JSON)
    return keys


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
@given(documents())
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
