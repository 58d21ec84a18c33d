"""What is wrong with a document is said with the file, the key, what was found and what is allowed; all at once."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pipeline_documents import GOOD, MEANING_PROBLEMS, SHAPE_PROBLEMS, good

from orchestrator import loader
from orchestrator.errors import InvalidPipeline

VALIDATOR = Draft202012Validator(loader.json_schema())


@pytest.mark.parametrize(("document", "key", "sentence"), SHAPE_PROBLEMS + MEANING_PROBLEMS)
def test_a_problem_names_its_key_and_what_is_allowed(document: dict[str, Any], key: str, sentence: str) -> None:
    with pytest.raises(InvalidPipeline) as caught:
        loader.parse(document, where="hero.yaml")

    assert sentence in " ".join(caught.value.fields[key])
    assert caught.value.message.startswith("hero.yaml: ")


@pytest.mark.parametrize(("document", "key", "sentence"), SHAPE_PROBLEMS)
def test_the_json_schema_refuses_the_shapes_that_the_loader_refuses(
    document: dict[str, Any], key: str, sentence: str
) -> None:
    assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize(("document", "key", "sentence"), MEANING_PROBLEMS)
def test_the_json_schema_leaves_names_and_the_graph_to_the_loader(
    document: dict[str, Any], key: str, sentence: str
) -> None:
    VALIDATOR.validate(document)


def test_the_json_schema_is_one() -> None:
    Draft202012Validator.check_schema(loader.json_schema())

    VALIDATOR.validate(GOOD)


def test_all_problems_are_said_at_once() -> None:
    document = good(colour="red", steps__grid__action="imagin", steps__best__of="gird", steps__keep__archive="singel")

    with pytest.raises(InvalidPipeline) as caught:
        loader.parse(document, where="hero.yaml")

    assert set(caught.value.fields) == {"colour", "steps.grid.action", "steps.best.of", "steps.keep.archive"}
    assert caught.value.message.startswith("hero.yaml: 4 problems: ")
    assert caught.value.message.endswith("; and 1 more")


def test_one_mistake_is_said_once() -> None:
    for document, key, _ in SHAPE_PROBLEMS + MEANING_PROBLEMS:
        with pytest.raises(InvalidPipeline) as caught:
            loader.parse(document)
        assert sum(map(len, caught.value.fields.values())) <= 2, (key, caught.value.fields)


@pytest.mark.parametrize("document", [None, 3, "pipeline", [], ["pipeline"]])
def test_a_document_is_an_object(document: Any) -> None:
    with pytest.raises(InvalidPipeline, match="allowed: an object with the keys pipeline and steps"):
        loader.parse(document)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("a\0b", "NUL"),
        ("\ud800", "surrogate"),
        (float("inf"), "not finite"),
        ({1, 2}, "type set"),
        ([0] * 20_001, "20000"),
    ],
)
def test_what_the_database_cannot_keep_is_refused(value: Any, problem: str) -> None:
    with pytest.raises(InvalidPipeline, match=problem):
        loader.parse(good(steps__grid__with__prompt=value))


def test_deep_nesting_is_refused() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]

    with pytest.raises(InvalidPipeline, match="nested deeper than 40 levels"):
        loader.parse(good(steps__grid__with__images=deep))


def test_too_many_steps_are_refused() -> None:
    with pytest.raises(InvalidPipeline, match="found '201 steps'; allowed: at most 200"):
        loader.parse(good(steps={f"s{i}": {"action": "imagine", "with": {"prompt": "x"}} for i in range(201)}))


CAPABILITIES = {"acedata": frozenset({"imagine", "upscale"}), "other": frozenset({"imagine", "upscale", "upscale_4x"})}


@pytest.mark.parametrize(
    ("account", "key", "sentence"),
    [
        ("acedat", "account", "unknown account: found 'acedat', did you mean 'acedata'?; accounts: acedata, other"),
        (
            "acedata",
            "steps.large.action",
            "cannot do 'upscale_4x', did you mean 'upscale'?; it can do: imagine, upscale; accounts that can: other",
        ),
        (["other", "acedata"], "steps.large.action", "account 'acedata' cannot do 'upscale_4x'"),
        (None, "account", "missing; step 'grid' needs one; accounts: acedata, other"),
    ],
)
def test_accounts_must_exist_and_be_able_to_do_the_action(account: Any, key: str, sentence: str) -> None:
    document = good(account=account, steps__large={"action": "upscale_4x", "of": "single"})

    with pytest.raises(InvalidPipeline) as caught:
        loader.parse(document, capabilities=CAPABILITIES)

    assert sentence in caught.value.fields[key][0]


@pytest.mark.parametrize("source", ["grid", "best"])
def test_no_quadrant_is_advised_where_none_would_do(source: str) -> None:
    with pytest.raises(InvalidPipeline) as caught:
        loader.parse(good(steps__more={"action": "video_extend", "of": source}))

    assert caught.value.fields["steps.more.of"][0].endswith("video_extend works on a video")


def test_accounts_that_can_do_it_are_accepted() -> None:
    document = good(account="acedata", steps__large={"action": "upscale_4x", "of": "single", "account": "other"})

    pipeline = loader.parse(document, capabilities=CAPABILITIES)

    assert pipeline.accounts_of(pipeline.steps["large"]) == ("other",)
    assert pipeline.accounts_of(pipeline.steps["grid"]) == ("acedata",)


def test_scorers_must_exist_when_they_are_known() -> None:
    document = good(steps__best__by="qualty")

    with pytest.raises(InvalidPipeline) as caught:
        loader.parse(document, scorers=["aesthetic"])

    assert caught.value.fields["steps.best.by"] == [
        "found 'qualty', did you mean 'quality'?; allowed: quality, aesthetic, 1, 2, 3, 4, all, person"
    ]
    assert loader.parse(document).steps["best"].by == "qualty"
