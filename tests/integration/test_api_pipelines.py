"""/v1/pipelines: stored, read, checked; and /v1/accounts."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from caller import PIPELINE, Caller

from orchestrator import loader


def test_a_pipeline_is_stored_once_per_content(web: Caller) -> None:
    first = web.ask("PUT", "/v1/pipelines/tested", json=PIPELINE)
    same = web.ask("PUT", "/v1/pipelines/tested", data=yaml.safe_dump(PIPELINE), content_type="application/yaml")
    other = web.ask("PUT", "/v1/pipelines/tested", json=PIPELINE | {"description": "new"})
    assert [(one.status_code, one.json["version"]) for one in (first, same, other)] == [(201, 1), (200, 1), (201, 2)]


def test_every_version_stays(web: Caller) -> None:
    web.put_pipeline()
    web.put_pipeline(description="new")
    newest = web.get("/v1/pipelines/tested")
    assert (newest["name"], newest["version"], newest["description"]) == ("tested", 2, "new")
    assert web.get("/v1/pipelines/tested", version=1)["document"] == PIPELINE
    web.refused(404, "GET", "/v1/pipelines/tested?version=3")
    assert list(web.refused(422, "GET", "/v1/pipelines/tested?version=x")["errors"]) == ["version"]


def test_pipelines_are_listed_by_name(web: Caller) -> None:
    for name in ("c", "a", "b"):
        web.put_pipeline(pipeline=name)
    web.put_pipeline(pipeline="b", description="newer")
    first = web.get("/v1/pipelines", limit=2)
    assert [(one["name"], one["version"]) for one in first["items"]] == [("a", 1), ("b", 2)]
    second = web.get("/v1/pipelines", limit=2, cursor=first["next"])
    assert ([one["name"] for one in second["items"]], second["next"]) == (["c"], None)
    assert list(web.refused(422, "GET", "/v1/pipelines?cursor=%00")["errors"]) == ["cursor"]


@pytest.mark.parametrize("name", ["nothing", "NOT-A-NAME", "%00", "a%ff", "schema.yaml"])
def test_an_unknown_pipeline_is_not_found(shared_web: Caller, name: str) -> None:
    shared_web.refused(404, "GET", f"/v1/pipelines/{name}")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"pipeline": "other"}, "pipeline"),
        ({"pipeline": "Not A Name"}, "pipeline"),
        ({"account": "stranger"}, "account"),
        ({"steps": {}}, "steps"),
        ({"steps": {"grid": {"action": "imagin"}}}, "steps.grid.action"),
        (
            {"steps": {**PIPELINE["steps"], "best": {"choose": "quadrant", "of": "grid", "by": "taste"}}},
            "steps.best.by",
        ),
    ],
)
def test_what_is_wrong_with_a_pipeline_is_said_by_field(
    shared_web: Caller, changes: dict[str, Any], field: str
) -> None:
    document = PIPELINE | changes
    stored = shared_web.refused(422, "PUT", "/v1/pipelines/tested", json=document)
    assert field in stored["errors"]
    shared_web.refused(404, "GET", "/v1/pipelines/tested")
    if field != "pipeline":
        checked = shared_web.refused(422, "POST", "/v1/pipelines:validate", json=document)
        assert field in checked["errors"]


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[1]", b"a: [", b"{" * 5000, b"a: &a [*a]"])
def test_a_body_that_is_no_document_is_refused(shared_web: Caller, body: bytes) -> None:
    shared_web.refused(422, "PUT", "/v1/pipelines/tested", data=body)
    shared_web.refused(422, "POST", "/v1/pipelines:validate", data=body)


def test_a_pipeline_is_checked_without_being_stored(web: Caller) -> None:
    answer = web.post("/v1/pipelines:validate", PIPELINE)
    assert answer == {"valid": True, "name": "tested", "steps": ["grid", "best", "single"]}
    assert web.get("/v1/pipelines")["items"] == []


def test_a_scorer_of_the_configuration_may_be_named(make_services: Any) -> None:
    web = Caller(make_services(scorers={"taste": "http://127.0.0.1:9"}))
    best = {"choose": "quadrant", "of": "grid", "by": "taste"}
    assert web.put_pipeline(steps=PIPELINE["steps"] | {"best": best})["version"] == 1


def test_the_format_is_published(shared_web: Caller) -> None:
    assert shared_web.get("/v1/pipelines/schema.json") == loader.json_schema()


def test_accounts_show_their_slots(web: Caller) -> None:
    web.open_run()
    web.submit()
    accounts = {one["name"]: one for one in web.get("/v1/accounts")["items"]}
    assert (accounts["acedata"]["in_use"], accounts["second"]["in_use"]) == (1, 0)
    assert accounts["acedata"] | {"slots": 5, "paused": False, "configured": True} == accounts["acedata"]
