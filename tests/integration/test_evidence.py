"""A run's export: nothing is missing, bytes and ids are exact, and who reads it comes to the same end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from caller import DELIVERIES, Caller
from factories import insert_task

from orchestrator.core.tokens import task_token
from orchestrator.errors import MalformedDelivery
from orchestrator.evidence import FORMAT, decoded
from orchestrator.intake.deliveries import take_callback
from orchestrator.services import Services
from orchestrator.store import tasks

JOB = "1234567890123456789"  # more than a double can hold


def exported(web: Caller, run: Any) -> dict[str, list[dict[str, Any]]]:
    """The lines by their kind."""
    answer = web.ask("GET", f"/v1/runs/{run['id']}/export", role="operator")
    assert (answer.status_code, answer.content_type) == (200, "application/x-ndjson")
    lines = [json.loads(line) for line in answer.data.splitlines()]
    assert (lines[0]["line"], lines[0]["format"], lines[-1]["line"]) == ("run", FORMAT, "end")
    return {name: [one for one in lines if one["line"] == name] for name in dict.fromkeys(one["line"] for one in lines)}


def test_everything_of_a_run_is_in_it_and_nothing_of_another(web: Caller) -> None:
    run = web.open_run("a red fox", labels={"team": "art"})
    grid = web.submit(JOB)
    other = web.open_run("a blue fox")
    web.submit("other-job")
    web.deliver(None, "accepted", job="other-job")
    web.deliver(None, "accepted", job=JOB)
    web.deliver(grid, job="another")  # parked
    web.http.post(web.hook(grid), data=b"\xff\x00 no json")
    web.deliver(grid, job=JOB)
    web.advance(run)

    found = exported(web, run)

    assert found["run"][0]["inputs"] == {"prompt": "a red fox"}
    assert found["run"][0]["labels"] == {"team": "art"}
    assert (found["pipeline"][0]["name"], found["pipeline"][0]["document"]["account"]) == ("tested", "acedata")
    assert [(one["step"], one["external_id"]) for one in found["task"]] == [("grid", JOB), ("best", None)]
    moves = [(one["from"], one["to"]) for one in found["task"][0]["history"]]
    assert moves == [(None, "ready"), ("ready", "submitting"), ("submitting", "waiting"), ("waiting", "succeeded")]
    assert [one["verdict"] for one in found["callback"]] == ["stale", "parked", "rejected", "accepted"]
    assert decoded(found["callback"][2]) == b"\xff\x00 no json"
    assert found["callback"][2]["encoding"] == "base64"
    assert found["end"] == [{"line": "end", "tasks": 2, "callbacks": 4, "objects": 0}]
    assert "blue" not in json.dumps(found)
    assert len(exported(web, other)["callback"]) == 1


def test_a_delivery_of_several_jobs_is_evidence_of_each_of_their_runs(web: Caller) -> None:
    """It is filed under the first job's name and the last one's task."""
    jobs = ("job-1", "job-2", "job-3")
    runs = [web.open_run() for _ in jobs]
    for job in jobs:
        web.submit(job)
    one = json.loads((DELIVERIES / "callback_success.json").read_text())
    web.http.post(web.hook(None), json=[one | {"task_id": job} for job in jobs])
    assert [len(exported(web, run).get("callback", [])) for run in runs] == [1, 1, 1]


@pytest.mark.parametrize(
    "names", [["accepted", "callback_success"], ["callback_failure", "callback_success", "accepted"]]
)
def test_the_end_of_each_task_follows_from_the_exported_bytes(
    web: Caller, make_services: Callable[..., Services], make_database: Callable[..., str], names: list[str]
) -> None:
    """Elsewhere, in an empty database, the exported deliveries lead the exported tasks to the exported end."""
    run = web.open_run()
    grid = web.submit(JOB)
    for to, name in zip((None, grid, None), names, strict=False):
        web.deliver(to, name, job=JOB)
    web.http.post(web.hook(grid), data=b"no json")
    web.advance(run)
    found = exported(web, run)

    services = make_services(database_url=make_database())
    told = [one for one in found["task"] if one["external_id"]]
    with services.db.connection() as connection:
        opened(connection, found["run"][0], told)
    for one in found["callback"]:
        token = task_token(services.config.secrets, "acedata", UUID(one["scope"] or told[0]["id"]))
        try:
            take_callback(services, one["account"], token, lambda one=one: decoded(one), one["content_type"])
        except MalformedDelivery:
            assert one["verdict"] == "rejected"

    with services.db.connection() as connection:
        for task in told:
            again = tasks.get_task(connection, UUID(task["id"]))
            assert (again.state.value, again.progress, again.external_id) == (
                task["state"],
                task["progress"],
                task["external_id"],
            )
            assert again.error == task["error"]
            assert without_times(again.result) == without_times(task["result"])


def opened(connection: Any, run: dict[str, Any], told: list[dict[str, Any]]) -> None:
    """The same run and tasks, submitted and without an answer yet."""
    connection.execute("INSERT INTO pipelines VALUES ('tested', 1, '{}', now())")
    statement = "INSERT INTO runs (id, pipeline, version, inputs, created_at) VALUES (%s, 'tested', 1, '{}', now())"
    connection.execute(statement, (run["id"],))
    for task in told:
        insert_task(connection, UUID(run["id"]), UUID(task["id"]))
    connection.execute(
        "UPDATE tasks SET state = 'waiting', submissions = 1, external_id = %s", (told[0]["external_id"],)
    )


def without_times(result: dict[str, Any] | None) -> dict[str, Any] | None:
    return result and {key: value for key, value in result.items() if key != "expires_at"}


def test_what_is_not_there_is_refused_before_anything_is_sent(web: Caller) -> None:
    web.refused(404, "GET", f"/v1/runs/{UUID(int=1)}/export", role="operator")
    web.refused(403, "GET", f"/v1/runs/{web.open_run()['id']}/export", role="viewer")


def test_more_deliveries_than_are_read_at_once(web: Caller) -> None:
    run = web.open_run()
    grid = web.submit()
    for number in range(20):
        web.http.post(web.hook(grid), data=f"no json {number}".encode())
    found = exported(web, run)
    assert [decoded(one) for one in found["callback"]] == [f"no json {number}".encode() for number in range(20)]
