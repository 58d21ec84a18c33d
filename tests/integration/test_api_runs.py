"""/v1/runs: opened, listed, looked at, cancelled, retried."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from caller import Caller

from orchestrator.store import tasks

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
RUN = {
    "id", "pipeline", "version", "state", "inputs", "labels", "priority", "created_at", "finished_at", "error", "tasks",
    "archive", "accounts", "cost", "erased_at", "erased_by",
}  # fmt: skip
TASK = {
    "id", "run_id", "step", "item", "attempt", "action", "state", "waiting_for", "wake_at", "progress", "account",
    "provider", "external_id", "submitted_at", "finished_at", "result", "error",
}  # fmt: skip


def test_a_run_has_the_shape_of_the_contract(web: Caller) -> None:
    run = web.open_run("a red fox", labels={"team": "art"}, priority=3)
    assert set(run) == RUN
    assert (run["state"], run["version"], run["labels"], run["priority"]) == ("running", 1, {"team": "art"}, 3)
    assert run["inputs"] == {"prompt": "a red fox"}
    assert RFC3339.fullmatch(run["created_at"])
    (task,) = run["tasks"]
    assert set(task) >= TASK
    assert (task["step"], task["state"], task["account"]) == ("grid", "ready", "acedata")
    assert task["waiting_for"]
    assert run == web.get(f"/v1/runs/{run['id']}")


def test_opening_says_where_the_run_is(web: Caller) -> None:
    web.put_pipeline()
    answer = web.ask("POST", "/v1/runs", json={"pipeline": "tested", "inputs": {"prompt": "x"}})
    assert answer.status_code == 201
    assert web.get(answer.headers["Location"])["id"] == answer.json["id"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "pipeline"),
        ({"pipeline": 7}, "pipeline"),
        ({"pipeline": "tested\x00"}, "pipeline"),
        ({"pipeline": "\ud800"}, "pipeline"),
        ({"pipeline": "tested", "version": 0}, "version"),
        ({"pipeline": "tested", "inputs": []}, "inputs"),
        ({"pipeline": "tested", "inputs": {}}, "inputs.prompt"),
        ({"pipeline": "tested", "inputs": {"prompt": "x", "mood": "y"}}, "inputs.mood"),
        ({"pipeline": "tested", "inputs": {"prompt": "x"}, "labels": {"a": 1}}, "labels.a.value"),
        ({"pipeline": "tested", "inputs": {"prompt": "x"}, "priority": "high"}, "priority"),
        ({"pipeline": "tested", "inputs": {"prompt": "x"}, "priority": 10**9}, "priority"),
        ({"pipeline": "tested", "wishes": 3}, "wishes"),
        ([], "body"),
    ],
)
def test_what_is_wrong_with_an_order_is_said_by_field(shared_web: Caller, body: Any, field: str) -> None:
    shared_web.put_pipeline()
    problem = shared_web.refused(422, "POST", "/v1/runs", json=body)
    assert list(problem["errors"]) == [field]


def test_an_unknown_pipeline_or_version_is_not_found(web: Caller) -> None:
    web.put_pipeline()
    web.refused(404, "POST", "/v1/runs", json={"pipeline": "nothing"})
    web.refused(404, "POST", "/v1/runs", json={"pipeline": "tested", "version": 9, "inputs": {"prompt": "x"}})


def test_an_idempotency_key_opens_one_run(web: Caller) -> None:
    web.put_pipeline()
    order = {"headers": {"Idempotency-Key": "k1"}, "json": {"pipeline": "tested", "inputs": {"prompt": "x"}}}
    first, second = web.ask("POST", "/v1/runs", **order), web.ask("POST", "/v1/runs", **order)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json["id"] == second.json["id"]
    other = order | {"json": {"pipeline": "tested", "inputs": {"prompt": "y"}}}
    assert web.refused(422, "POST", "/v1/runs", **other)["type"] == "/problems/idempotency_mismatch"
    assert len(web.get("/v1/runs")["items"]) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "k\x7f"])
def test_an_idempotency_key_is_a_short_printable_word(shared_web: Caller, key: str) -> None:
    problem = shared_web.refused(422, "POST", "/v1/runs", headers={"Idempotency-Key": key}, json={"pipeline": "tested"})
    assert list(problem["errors"]) == ["Idempotency-Key"]


def test_runs_are_listed_newest_first_page_by_page(web: Caller) -> None:
    opened = [web.open_run(f"fox {number}")["id"] for number in range(5)]
    seen, cursor = [], None
    while True:
        page = web.get("/v1/runs", limit=2, **({"cursor": cursor} if cursor else {}))
        assert len(page["items"]) <= 2
        seen += [run["id"] for run in page["items"]]
        cursor = page["next"]
        if not cursor:
            break
    assert seen == opened[::-1]


def test_a_page_that_ends_with_the_list_has_no_next(web: Caller) -> None:
    web.open_run()
    assert web.get("/v1/runs", limit=1)["next"] is None


def test_a_listed_run_is_the_run(web: Caller) -> None:
    run = web.open_run()
    web.open_run("another")
    assert web.get("/v1/runs")["items"][1] == run
    brief = web.get("/v1/runs", brief="true")["items"][1]
    assert brief == {key: value for key, value in run.items() if key in brief}
    assert not brief.keys() & {"tasks", "archive", "cost"}


LONG = {  # as it is, and as a list shows it
    "mask": ("é" * 100_000, "é" * 200 + "... (100000 characters)"),
    "edge": ("x" * 2_000, "x" * 2_000),
    "images": (["y" * 1_000] * 9, '["' + "y" * 198 + "... (9036 characters)"),
    "none": (None, None),
    "some": ({"a": [1, "b"]}, {"a": [1, "b"]}),
}


def test_a_list_shows_the_beginning_of_what_is_long_and_a_run_shows_it_whole(web: Caller) -> None:
    types = {"images": "list", "some": "object"}
    grid = {"action": "imagine", "with": {"prompt": "${inputs.mask}"}}
    web.put_pipeline(inputs={name: {"type": types.get(name, "string")} for name in LONG}, steps={"grid": grid})
    whole, short = ({name: values[which] for name, values in LONG.items()} for which in (0, 1))

    run = web.post("/v1/runs", {"pipeline": "tested", "inputs": whole})

    assert run["inputs"] == web.get(f"/v1/runs/{run['id']}")["inputs"] == whole
    for query in ({}, {"brief": True}):
        assert [one["inputs"] for one in web.get("/v1/runs", **query)["items"]] == [short]
    with web.services.db.connection() as connection:
        listed = [*tasks.tasks_of_runs(connection, [UUID(run["id"])]), *tasks.list_tasks(connection, limit=9)]
        assert [task.params for task in listed] == [{}, {}]
        assert tasks.get_task(connection, listed[0].id).params["with"] == {"prompt": whole["mask"]}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"state": "running"}, ["fox"]),
        ({"state": "cancelled"}, ["hare"]),
        ({"pipeline": "tested"}, ["hare", "fox"]),
        ({"pipeline": "other"}, []),
        ({"label": "team:art"}, ["hare", "fox"]),
        ({"label": ["team=art", "kind:a:b"]}, ["fox"]),
        ({"label": "team:none"}, []),
        ({"q": "RED"}, ["fox"]),
        ({"q": "hare -red"}, ["hare"]),
        ({"q": "prompt"}, []),
        ({"state": "running", "q": "hare"}, []),
    ],
)
def test_runs_are_found_by_what_they_are(web: Caller, query: dict[str, Any], found: list[str]) -> None:
    web.open_run("a red fox", labels={"team": "art", "kind": "a:b"})
    hare = web.open_run("a white hare", labels={"team": "art"})
    web.post(f"/v1/runs/{hare['id']}/cancel")
    prompts = [run["inputs"]["prompt"].split()[-1] for run in web.get("/v1/runs", **query)["items"]]
    assert prompts == found


@pytest.mark.parametrize(
    ("query", "field", "allowed"),
    [
        ("limit=0", "limit", "1 to 200"),
        ("limit=201", "limit", "1 to 200"),
        ("limit=many", "limit", "1 to 200"),
        ("state=done", "state", "succeeded"),
        ("label=team", "label", "name:value"),
        ("label=", "label", "name:value"),
        ("cursor=abc", "cursor", "next"),
        ("cursor=" + "A" * 32, None, None),
        ("cursor=f" + "_" * 31, "cursor", "next"),
        ("colour=red", "colour", "state, pipeline"),
        ("q=%00", "q", "cannot be stored"),
    ],
)
def test_a_bad_query_names_the_parameter_and_what_is_allowed(
    shared_web: Caller, query: str, field: str | None, allowed: str | None
) -> None:
    if field is None:  # a place in 1970: unlikely, but a place
        assert shared_web.ask("GET", f"/v1/runs?{query}").json == {"items": [], "next": None}
        return
    problem = shared_web.refused(422, "GET", f"/v1/runs?{query}")
    assert list(problem["errors"]) == [field]
    assert allowed in problem["errors"][field][0]


def test_a_cancelled_run_opens_nothing_more(web: Caller) -> None:
    run = web.open_run()
    cancelled = web.post(f"/v1/runs/{run['id']}/cancel")
    assert (cancelled["state"], cancelled["tasks"][0]["state"]) == ("cancelled", "cancelled")
    assert RFC3339.fullmatch(cancelled["finished_at"])
    assert web.post(f"/v1/runs/{run['id']}/cancel") == cancelled


def test_a_failed_run_is_retried_from_its_failed_step(web: Caller) -> None:
    run = web.open_run()
    web.deliver(web.submit(), "callback_failure")
    web.advance(run)
    failed = web.get(f"/v1/runs/{run['id']}")
    assert failed["state"] == "failed"
    assert set(failed["error"]) >= {"code", "message"}
    again = web.post(f"/v1/runs/{run['id']}/retry")
    assert again["state"] == "running"
    assert [(task["attempt"], task["state"], task["superseded"]) for task in again["tasks"]] == [
        (1, "failed", True),
        (2, "ready", False),
    ]


def test_a_retry_can_name_its_first_step(web: Caller) -> None:
    run = web.open_run()
    web.post(f"/v1/runs/{run['id']}/cancel")
    problem = web.refused(422, "POST", f"/v1/runs/{run['id']}/retry", json={"from": "nowhere"})
    assert problem["errors"] == {"from": ["allowed: grid, best, single"]}
    again = web.post(f"/v1/runs/{run['id']}/retry", {"from": "grid"})
    assert [task["superseded"] for task in again["tasks"]] == [True, False]


def test_what_the_state_does_not_allow_is_a_conflict(web: Caller) -> None:
    run = web.open_run()
    web.deliver(web.submit(), "callback_failure")
    web.advance(run)
    assert "failed" in web.refused(409, "POST", f"/v1/runs/{run['id']}/cancel")["detail"]


@pytest.mark.parametrize("run_id", ["abc", "0", str(uuid4())])
@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("POST", "/cancel"), ("POST", "/retry")])
def test_an_unknown_run_is_not_found(shared_web: Caller, run_id: str, method: str, rest: str) -> None:
    shared_web.refused(404, method, f"/v1/runs/{run_id}{rest}")


@pytest.mark.parametrize("account", ["acedata", ["acedata"]])
def test_a_run_may_name_one_account_or_several(web: Caller, account: object) -> None:
    run = web.open_run(account=account)

    assert run["accounts"] == ["acedata"]
    assert {task["account"] for task in run["tasks"]} == {"acedata"}
