"""Every limit of the web application: which request meets it, and what it is told."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from caller import Caller

from orchestrator import bodies
from orchestrator.api.admission import LONGEST_URL
from orchestrator.bodies import HALF
from orchestrator.core.rate import Rate

ONE = Rate(0.01, 1)  # the second within a hundred seconds is too many
ORDER = {"pipeline": "tested", "inputs": {"prompt": "x"}}


def test_a_token_that_asks_too_often_is_told_when_to_come_back(make_services: Any) -> None:
    web = Caller(make_services(api_rate=ONE))
    first = web.ask("GET", "/v1/runs")
    assert first.headers["RateLimit-Policy"] == '"api";q=1;w=100'
    assert first.headers["RateLimit"] == '"api";r=0;t=100'

    refused = web.ask("GET", "/v1/runs")

    assert (refused.status_code, refused.json["type"]) == (429, "/problems/too_many_requests")
    assert 90 < int(refused.headers["Retry-After"]) <= 100
    assert refused.headers["RateLimit"].startswith('"api";r=0')
    assert web.ask("GET", "/v1/runs", role="viewer").status_code == 200, "another token has a count of its own"
    assert web.ask("GET", "/v1/runs", role=None).status_code == 401, "a stranger has none"


def test_one_task_that_is_told_of_too_often_does_not_harm_another(make_services: Any) -> None:
    web = Caller(make_services(callback_rate=ONE))
    web.put_pipeline()
    hooks = []
    for number in range(2):
        web.open_run()
        hooks.append(web.hook(web.submit(f"job-{number}")))
    body = {"task_id": "job-0", "progress": 10}

    assert web.http.post(hooks[0], json=body).status_code == 200
    refused = web.http.post(hooks[0], json=body)

    assert (refused.status_code, refused.json["type"]) == (429, "/problems/too_many_requests")
    assert int(refused.headers["Retry-After"]) > 90
    assert web.http.post(hooks[1], json={"task_id": "job-1", "progress": 10}).status_code == 200
    assert [web.http.post(web.hook(), json={"task_id": f"x{n}"}).status_code for n in range(3)] == [202] * 3


def test_an_accounts_hook_has_a_rate_of_its_own(make_services: Any) -> None:
    web = Caller(make_services(hook_rate=ONE))
    statuses = [web.http.post(web.hook(), json={"task_id": f"job-{n}"}).status_code for n in range(3)]
    assert statuses == [202, 429, 429]


def test_a_stranger_is_not_even_counted(make_services: Any) -> None:
    web = Caller(make_services(hook_rate=ONE, callback_rate=ONE))
    assert {web.http.post("/callbacks/acedata/x", json={}).status_code for _ in range(5)} == {404}
    assert web.http.post(web.hook(), json={"task_id": "job"}).status_code == 202


def test_bodies_that_are_delayed_have_no_other_refused_at_an_accounts_hook(
    make_services: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = Caller(make_services())
    monkeypatch.setattr(bodies, "SLOW", -1.0)
    token = web.hook().rpartition("/")[2]

    statuses = []
    with ExitStack() as held:
        for number in range(HALF + 1):
            statuses.append(web.http.post(web.hook(), json={"task_id": f"job-{number}"}).status_code)
            if number < HALF:
                held.enter_context(web.services.bodies.reading(token, slow=HALF))

    assert statuses == [202] * HALF + [503]


@pytest.mark.parametrize("path", ["/v1/runs?q=", "/callbacks/acedata/", "/"])
def test_an_address_that_is_too_long_is_refused_before_it_is_read(shared_web: Caller, path: str) -> None:
    problem = shared_web.refused(414, "GET", path + "x" * LONGEST_URL)
    assert problem["type"] == "/problems/url_too_long"
    assert shared_web.ask("GET", path + "x" * LONGEST_URL).headers["X-Content-Type-Options"] == "nosniff"


def test_when_too_many_runs_are_open_no_more_are_opened(make_services: Any) -> None:
    web = Caller(make_services(max_open_runs=2))
    web.put_pipeline()
    first = web.ask("POST", "/v1/runs", json=ORDER, headers={"Idempotency-Key": "one"})
    second = web.ask("POST", "/v1/runs", json=ORDER)
    assert (first.status_code, second.status_code) == (201, 201)

    refused = web.ask("POST", "/v1/runs", json=ORDER)

    assert (refused.status_code, refused.json["type"]) == (503, "/problems/too_many_open_runs")
    assert int(refused.headers["Retry-After"]) == 30
    again = web.ask("POST", "/v1/runs", json=ORDER, headers={"Idempotency-Key": "one"})
    assert (again.status_code, again.json["id"]) == (200, first.json["id"]), "what was opened is still told"
    assert len(web.get("/v1/runs")["items"]) == 2


@pytest.mark.parametrize("seconds", [60, -3600], ids=["later", "clock set back"])
def test_there_is_room_again_when_runs_have_ended(make_services: Any, seconds: int) -> None:
    from factories import NOW, later

    clock = [NOW]
    web = Caller(make_services(max_open_runs=1, clock=lambda: clock[0]))
    web.put_pipeline()
    run = web.open_run()
    web.refused(503, "POST", "/v1/runs", json=ORDER)

    web.post(f"/v1/runs/{run['id']}/cancel")
    clock[0] = later(seconds)

    assert web.ask("POST", "/v1/runs", json=ORDER).status_code == 201


@pytest.mark.parametrize("depth", [65, 500, 5000])
def test_what_is_nested_too_deeply_is_no_input(web: Caller, depth: int) -> None:
    web.put_pipeline()
    nested = '{"pipeline": "tested", "inputs": {"prompt": ' + "[" * depth + "]" * depth + "}}"
    problem = web.refused(400, "POST", "/v1/runs", data=nested, content_type="application/json")
    assert "64 levels" in problem["detail"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=201", "limit"),
        ("limit=0", "limit"),
        ("q=" + "x" * 256, "q"),
        ("&".join(f"label=a:{n}" for n in range(21)), "label"),
        ("pipeline=" + "x" * 256, "pipeline"),
        ("cursor=AAAA", "cursor"),
        ("nothing=1", "nothing"),
    ],
)
def test_a_query_has_bounds(shared_web: Caller, query: str, field: str) -> None:
    problem = shared_web.refused(422, "GET", f"/v1/runs?{query}")
    assert list(problem["errors"]) == [field]


@pytest.mark.parametrize("body", [b"{}\n" * 1001, b"[" + b"{}," * 1000 + b"{}]", b"[" * 66 + b"]" * 66])
def test_a_delivery_has_bounds(shared_web: Caller, body: bytes) -> None:
    problem = shared_web.refused(400, "POST", shared_web.hook(), role=None, data=body)
    assert problem["verdict"] == "rejected"


@pytest.mark.parametrize(
    ("name", "value"),
    [("labels", {f"n{n}": "v" for n in range(21)}), ("account", ["acedata"] * 21), ("priority", 1001)],
)
def test_an_order_has_bounds(web: Caller, name: str, value: Any) -> None:
    web.put_pipeline()
    problem = web.refused(422, "POST", "/v1/runs", json=ORDER | {name: value})
    assert list(problem["errors"]) == [name]


def test_an_input_has_bounds(web: Caller) -> None:
    web.put_pipeline(inputs={"prompt": {"type": "string", "required": True}, "tags": {"type": "list"}})
    web.refused(422, "POST", "/v1/runs", json=ORDER | {"inputs": {"prompt": "x", "tags": ["y"] * 10_000}})
