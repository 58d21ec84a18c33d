"""What the loader makes of documents that are right."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pipeline_documents import IMAGINE, good

from orchestrator import loader
from orchestrator.core.backoff import Backoff
from orchestrator.core.pipeline import PASSING, Input, Step
from orchestrator.core.states import TaskKind
from orchestrator.providers import DIALECTS


@pytest.mark.parametrize("name", sorted(loader.shipped()))
def test_each_shipped_pipeline_loads(name: str) -> None:
    document = loader.read(loader.shipped()[name], name)
    capabilities = {account: frozenset(dialect.actions) for account, dialect in DIALECTS.items()}

    pipeline = loader.parse(document, where=name, capabilities=capabilities, scorers=["quality"])

    assert pipeline.name == name
    assert pipeline.description
    Draft202012Validator(loader.json_schema()).validate(document)


def test_the_pipelines_that_ship() -> None:
    assert set(loader.shipped()) >= {"hero-image", "four-singles", "variations", "region-redraw"}


def test_a_document_becomes_a_pipeline() -> None:
    pipeline = loader.parse(good(description="d", labels={"team": "art", "n": 3}))

    assert (pipeline.name, pipeline.description, pipeline.accounts) == ("good", "d", ("acedata",))
    assert pipeline.labels == {"team": "art", "n": "3"}
    assert pipeline.inputs["prompts"] == Input(name="prompts", type="list")
    assert pipeline.steps["grid"] == Step(
        name="grid", kind=TaskKind.PROVIDER, action="imagine", inputs={"prompt": "${inputs.prompt}"}
    )
    assert pipeline.steps["best"] == Step(
        name="best", kind=TaskKind.CHOOSE, action="choose", source="grid", by="quality", timeout=600
    )
    assert pipeline.steps["keep"] == Step(
        name="keep", kind=TaskKind.ARCHIVE, action="archive", source="single", timeout=600
    )


def test_steps_come_after_what_they_need_else_as_in_the_document() -> None:
    steps = {
        "keep": {"archive": "single"},
        "late": {**IMAGINE, "when": "steps.single.state == 'succeeded'"},
        "single": {"action": "upscale", "of": "grid", "with": {"quadrant": "2"}, "on_failure": {"else": "plan_b"}},
        "free": IMAGINE,
        "grid": {**IMAGINE, "needs": "free"},
        "plan_b": {"action": "upscale", "of": "grid", "with": {"quadrant": 3}},
    }

    pipeline = loader.parse(good(steps=steps))

    assert list(pipeline.steps) == ["free", "grid", "single", "plan_b", "keep", "late"]
    assert pipeline.steps["single"].inputs == {"quadrant": 2}
    assert pipeline.steps["single"].otherwise == "plan_b"
    assert pipeline.stand_ins() == {"plan_b": "single"}


def test_needs_are_those_named_and_those_spoken_of_without_the_source() -> None:
    document = good(
        steps__other=IMAGINE,
        steps__single__needs=["other", "grid"],
        steps__single__with={"mode": "${steps.keep2.result.mode + steps['best'].state}"},
        steps__keep2={"archive": "grid"},
    )

    assert loader.parse(document).steps["single"].needs == ("other", "grid", "keep2")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"timeout": "1h30m"}, {"timeout": 5400}),
        ({"timeout": 0.5}, {"timeout": 1}),
        ({"when": True}, {"when": "true"}),
        ({"on_failure": "continue"}, {"on_failure": "continue"}),
        ({"account": ["acedata", "other", "acedata"]}, {"accounts": ("acedata", "other")}),
        ({"labels": {"a": True}}, {"labels": {"a": "true"}}),
        ({"for_each": "inputs.prompts"}, {"for_each": "inputs.prompts"}),
        ({"for_each": ["a", {"b": "${inputs.n}"}]}, {"for_each": ["a", {"b": "${inputs.n}"}]}),
    ],
)
def test_keys_of_a_step(keys: dict[str, Any], expected: dict[str, Any]) -> None:
    step = loader.parse(good(steps={"grid": {**IMAGINE, **keys}})).steps["grid"]

    assert {name: getattr(step, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("retry", "attempts", "backoff", "on"),
    [
        ({}, 3, Backoff(first=5.0), PASSING),
        ({"attempts": 5, "backoff": "10s", "on": "any"}, 5, Backoff(first=10.0), {"any"}),
        ({"backoff": "10m"}, 3, Backoff(first=600.0, most=600.0), PASSING),
        (
            {"backoff": {"first": "1s", "factor": 3, "most": "1m"}},
            3,
            Backoff(first=1.0, factor=3.0, most=60.0),
            PASSING,
        ),
        ({True: ["api_error", "bad_flag"]}, 3, Backoff(first=5.0), {"api_error", "bad_flag"}),
    ],
)
def test_retry(retry: dict[Any, Any], attempts: int, backoff: Backoff, on: frozenset[str]) -> None:
    step = loader.parse(good(steps__grid__retry=retry)).steps["grid"]

    assert (step.retry.attempts, step.retry.backoff, step.retry.on) == (attempts, backoff, on)


@pytest.mark.parametrize(
    ("keys", "by", "fallback", "timeout"),
    [
        ({}, "quality", None, 600),
        ({"by": "3"}, 3, None, 600),
        ({"by": 3}, 3, None, 600),
        ({"by": "all"}, "all", None, 600),
        ({"by": "person"}, "person", None, 86_400),
        ({"by": "person", "timeout": "2h", "else": "quality"}, "person", "quality", 7200),
    ],
)
def test_how_a_quadrant_is_chosen(keys: dict[str, Any], by: Any, fallback: Any, timeout: int) -> None:
    document = good(steps={"grid": IMAGINE, "best": {"choose": "quadrant", "of": "grid", **keys}})

    step = loader.parse(document).steps["best"]

    assert (step.by, step.fallback, step.timeout) == (by, fallback, timeout)


def test_items_are_inherited_and_can_be_gathered() -> None:
    steps = {
        "grids": {"action": "imagine", "for_each": "${inputs.prompts}", "with": {"prompt": "${item}, ${index}"}},
        "best": {"choose": "quadrant", "of": "grids"},
        "single": {"action": "upscale", "of": "best", "when": "item != ''"},
        "keep": {"archive": "single"},
        "summary": {"action": "shorten", "with": {"prompt": "${steps.single.results.map(r, r.url)}"}},
    }

    assert list(loader.parse(good(steps=steps)).steps) == list(steps)


def test_a_stand_in_may_serve_a_step_with_items() -> None:
    steps = {
        "grid": IMAGINE,
        "each": {"choose": "quadrant", "of": "grid", "by": "all"},
        "single": {"action": "upscale", "of": "each", "on_failure": {"else": "again"}},
        "again": {"action": "upscale", "of": "each", "on_failure": {"goto": "once_more"}},
        "once_more": {"action": "upscale", "of": "each"},
        "keep": {"archive": "single"},
    }

    assert list(loader.parse(good(steps=steps)).steps) == list(steps)
