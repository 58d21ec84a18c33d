"""Every error is a problem document; strangers never cause a 5xx; our own faults tell nothing."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from caller import PIPELINE, Caller

from orchestrator.api import problems
from orchestrator.core.tokens import account_token
from orchestrator.web import create_app


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("DELETE", "/v1/runs", 405), ("GET", "/callbacks/a/b", 405)],
)
def test_flasks_own_errors_have_the_same_shape(shared_web: Caller, method: str, path: str, status: int) -> None:
    shared_web.refused(status, method, path)


def test_a_wrong_method_is_told_the_right_ones(shared_web: Caller) -> None:
    assert set(shared_web.ask("DELETE", "/v1/runs").headers["Allow"].split(", ")) >= {"GET", "POST"}


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 200), ("PUT", 405), ("DELETE", 405)])
def test_the_schema_of_pipelines_is_no_pipeline(shared_web: Caller, method: str, status: int) -> None:
    answer = shared_web.ask(method, "/v1/pipelines/schema.json", json=PIPELINE)
    assert answer.status_code == status
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_no_path_is_said_to_be_able_to_do_what_only_its_neighbour_can(shared_web: Caller) -> None:
    """Over the whole URL map: what Allow lists for the path of a route leads to that route, not to one beside it."""
    paths = shared_web.http.application.url_map.bind("localhost")
    for rule in shared_web.http.application.url_map.iter_rules():
        path = rule.build({name: UUID(int=1) if name.endswith("_id") else "tested" for name in rule.arguments})[1]
        led = {method: paths.match(path, method, return_rule=True)[0].rule for method in paths.allowed_methods(path)}
        assert led == dict.fromkeys(led, rule.rule), path


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"pipeline": NaN}', "application/json", 400),
        (b'{"pipeline": 1e999}', "application/json", 400),
        (b'{"pipeline": ' + b"9" * 5000 + b"}", "application/json", 400),
        (b"[" * 200_000, "application/json", 400),
        (b"a=b", "application/x-www-form-urlencoded", 415),
        (b"<a/>", "text/xml", 415),
        (b"", "application/json", 422),
        (b"null", "application/json", 422),
        (b"{}", "application/vnd.ours+json", 422),
    ],
)
def test_a_body_that_cannot_be_read_is_the_clients_fault(
    shared_web: Caller, body: bytes, content_type: str, status: int
) -> None:
    shared_web.refused(status, "POST", "/v1/runs", data=body, content_type=content_type)


def test_a_body_over_the_limit_is_refused(make_services: Any) -> None:
    web = Caller(make_services(max_body=1000))
    web.refused(413, "POST", "/v1/runs", data=b'{"pipeline": "' + b"x" * 1000 + b'"}', content_type="application/json")
    web.refused(413, "PUT", "/v1/pipelines/tested", data=b"x" * 1001)
    web.refused(413, "POST", web.hook(), role=None, data=b"x" * 1001)


def test_a_malformed_delivery_is_rejected_with_a_verdict(shared_web: Caller) -> None:
    problem = shared_web.refused(400, "POST", shared_web.hook(), role=None, data=b"not json")
    assert problem["verdict"] == "rejected"


@pytest.mark.parametrize("token", ["x", "é", "%00", "a" * 5000, "AAAA"])
def test_a_token_that_is_not_ours_is_not_found(shared_web: Caller, token: str) -> None:
    shared_web.refused(404, "POST", f"/callbacks/acedata/{token}", role=None, json={})
    shared_web.refused(404, "POST", f"/callbacks/nobody/{token}", role=None, json={})
    stolen = account_token(shared_web.services.config.secrets, "second")
    shared_web.refused(404, "POST", f"/callbacks/acedata/{stolen}", role=None, json={})


ODD = [
    b"", b"null", b"[]", b"{}", b"0", b'"x"', b"[" * 100_000, b"{" * 100_000, b'{"task_id": "a\\u0000b"}',
    b'{"task_id": "\\ud800"}', b'{"task_id": 1e999}', b'{"task_id": NaN, "progress": 10}', b'{"progress": 1e999}',
    b'{"task_id": ' + b"9" * 5000 + b"}", b'{"task_id": "' + b"x" * 100_000 + b'"}',
    b'{"task_id": [], "success": true}',
    b'{"task_id": "x", "success": true, "image_url": "http://[::1", "raw_image_width": 1e300}',
    b'{"task_id": "x", "progress": 99999999999}', b'{"task_id": "x", "success": "maybe", "actions": [[[[]]]]}',
    b"\xef\xbb\xbf{}", b"{}\n{}\n{", b'{"task_id":"x","task_id":"y"}', b"\x00" * 50,
]  # fmt: skip


@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("own", [True, False], ids=["task", "account"])
def test_nothing_that_a_stranger_sends_is_our_fault(shared_web: Caller, body: bytes, own: bool) -> None:
    shared_web.open_run()
    task_id = shared_web.submit(f"job of {body[:20]!r} {own}")
    answer = shared_web.http.post(shared_web.hook(task_id if own else None), data=body)
    with shared_web.services.db.connection() as connection:
        connection.execute("UPDATE slots SET task_id = NULL")
    assert answer.status_code in {200, 202, 400}, answer.text
    assert json.loads(answer.data)["verdict"]


def test_our_own_fault_tells_nothing(web: Caller) -> None:
    app = web.http.application
    app.view_functions["health.healthz"] = lambda: 1 / 0
    problem = web.refused(500, "GET", "/healthz", role=None)
    assert problem["type"] == "/problems/internal"
    assert "division" not in json.dumps(problem)


@pytest.mark.parametrize("path", ["/v1/runs", "/v1/accounts"])
def test_a_database_that_is_away_is_said_with_a_time_to_come_back(make_services: Any, path: str) -> None:
    services = make_services()
    web = Caller(services)
    services.db.close()
    problem = web.refused(503, "GET", path)
    assert problem["type"] == "/problems/database_unavailable"
    assert int(web.ask("GET", path).headers["Retry-After"]) > 0
    assert web.http.post(web.hook(), json={"task_id": "x"}).status_code == 202, "a delivery waits in the spool"


def test_an_unknown_field_is_told_the_names_that_a_client_may_use(shared_web: Caller) -> None:
    answer = shared_web.ask("POST", "/v1/runs", json={"pipeline": "p", "accounts": ["acedata"]})
    assert answer.json["errors"]["accounts"][0].endswith("priority, account")


def test_every_problem_has_a_page(shared_web: Caller) -> None:
    page = shared_web.ask("GET", "/docs", role=None).text
    for code in problems.known():
        assert f'id="problem-{code}"' in page
        assert shared_web.ask("GET", f"/problems/{code}", role=None).headers["Location"].endswith(f"#problem-{code}")
    assert shared_web.ask("GET", "/problems/%0d%0aX:1", role=None).status_code in {302, 404}


def test_an_application_does_not_share_anything_with_another(make_services: Any) -> None:
    first, second = create_app(make_services()), create_app(make_services(api_tokens=()))
    assert first.extensions["orchestrator"] is not second.extensions["orchestrator"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", f"/v1/runs/{UUID(int=1)}"), ("GET", "/v1/accounts"), ("POST", "/v1/runs"), ("PUT", "/v1/pipelines/x")],
)
def test_an_unknown_parameter_is_refused_everywhere(shared_web: Caller, method: str, path: str) -> None:
    problem = shared_web.refused(422, method, f"{path}?limt=1", json=None if method == "GET" else {})

    assert "unknown; allowed: " in problem["errors"]["limt"][0]
