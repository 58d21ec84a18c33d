"""/v1/tasks: listed, looked at, and what a person does to them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from caller import Caller


def test_a_task_tells_its_history_and_its_deliveries(web: Caller) -> None:
    web.open_run()
    task_id = web.submit()
    web.deliver(task_id)
    task = web.get(f"/v1/tasks/{task_id}")
    assert (task["state"], task["progress"], task["external_id"]) == ("succeeded", 100, "job-1")
    assert task["result"]["image_id"] == "1234551030549839932"
    assert task["params"]
    history = web.get(f"/v1/tasks/{task_id}/history")
    assert [(line["from"], line["to"]) for line in history["transitions"]] == [
        (None, "ready"), ("ready", "submitting"), ("submitting", "waiting"), ("waiting", "succeeded"),
    ]  # fmt: skip
    assert [one["verdict"] for one in history["callbacks"]] == ["accepted"]


def test_tasks_are_found_by_what_they_are(web: Caller) -> None:
    first, second = web.open_run(), web.open_run()
    task_id = str(web.submit("job-1"))

    def found(**query: Any) -> list[str]:
        return [task["id"] for task in web.get("/v1/tasks", **query)["items"]]

    everything = [second["tasks"][0]["id"], first["tasks"][0]["id"]]
    assert found() == found(step="grid") == found(account="acedata") == everything
    assert found(run_id=second["id"]) == everything[:1]
    assert found(state="waiting") == found(external_id="job-1") == [task_id]
    assert found(step="single") == found(account="second") == found(state="failed") == []


def test_tasks_are_paged(web: Caller) -> None:
    for _ in range(3):
        web.open_run()
    first = web.get("/v1/tasks", limit=2)
    second = web.get("/v1/tasks", limit=2, cursor=first["next"])
    assert len({task["id"] for task in first["items"] + second["items"]}) == 3
    assert second["next"] is None


@pytest.mark.parametrize(("query", "field"), [("run_id=1", "run_id"), ("state=running", "state"), ("stp=x", "stp")])
def test_a_bad_query_names_the_parameter(shared_web: Caller, query: str, field: str) -> None:
    assert list(shared_web.refused(422, "GET", f"/v1/tasks?{query}")["errors"]) == [field]


def test_a_failed_task_is_tried_again(web: Caller) -> None:
    run = web.open_run()
    task_id = web.submit()
    web.refused(409, "POST", f"/v1/tasks/{task_id}/retry")
    web.deliver(task_id, "callback_failure")
    web.advance(run)
    again = web.post(f"/v1/tasks/{task_id}/retry")
    assert (again["step"], again["attempt"], again["state"]) == ("grid", 2, "ready")


def test_a_person_chooses_a_quadrant(web: Caller) -> None:
    run = web.open_run()
    web.deliver(web.submit())
    web.advance(run)
    task = web.task(run, "best")
    web.refused(409, "POST", f"/v1/tasks/{task['id']}/choose", json={"quadrant": 2})
    web.ask_person()
    assert web.task(run, "best")["waiting_for"] == "a person's choice"
    chosen = web.post(f"/v1/tasks/{task['id']}/choose", {"quadrant": 2})
    assert (chosen["state"], chosen["result"]["quadrant"]) == ("succeeded", 2)


@pytest.mark.parametrize("body", [{}, {"quadrant": 5}, {"quadrant": "2"}, {"quadrant": 2, "why": "it"}])
def test_a_choice_is_a_number_from_1_to_4(shared_web: Caller, body: dict[str, Any]) -> None:
    assert shared_web.refused(422, "POST", f"/v1/tasks/{uuid4()}/choose", json=body)["errors"]


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ({"outcome": "submitted", "external_id": "job-7"}, "waiting"),
        ({"outcome": "not_submitted"}, "ready"),
        ({"outcome": "failed"}, "failed"),
    ],
)
def test_a_person_resolves_an_uncertain_submission(web: Caller, body: dict[str, Any], state: str) -> None:
    web.open_run()
    task_id = web.doubt()
    resolved = web.post(f"/v1/tasks/{task_id}/resolve", body)
    assert (resolved["state"], resolved["external_id"]) == (state, body.get("external_id"))
    web.refused(409, "POST", f"/v1/tasks/{task_id}/resolve", json={"outcome": "failed"})


@pytest.mark.parametrize(
    ("body", "field"), [({}, "outcome"), ({"outcome": "maybe"}, "outcome"), ({"outcome": "submitted"}, "external_id")]
)
def test_a_resolution_says_what_became_of_it(web: Caller, body: dict[str, Any], field: str) -> None:
    web.open_run()
    problem = web.refused(422, "POST", f"/v1/tasks/{web.doubt()}/resolve", json=body)
    assert list(problem["errors"]) == [field]


@pytest.mark.parametrize("task_id", ["abc", str(uuid4())])
def test_an_unknown_task_is_not_found(shared_web: Caller, task_id: str) -> None:
    for rest in ("", "/history"):
        shared_web.refused(404, "GET", f"/v1/tasks/{task_id}{rest}")
    shared_web.refused(404, "POST", f"/v1/tasks/{task_id}/retry")
    shared_web.refused(404, "POST", f"/v1/tasks/{task_id}/choose", json={"quadrant": 1})
    shared_web.refused(404, "POST", f"/v1/tasks/{task_id}/resolve", json={"outcome": "failed"})


@pytest.mark.parametrize(("quadrant", "status"), [(4.0, 409), (4.5, 422), ("4", 422), (True, 422)])
def test_a_whole_number_is_one_however_it_is_written(web: Caller, quadrant: object, status: int) -> None:
    run = web.open_run()

    web.refused(status, "POST", f"/v1/tasks/{web.task(run, 'grid')['id']}/choose", json={"quadrant": quadrant})
