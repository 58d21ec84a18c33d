"""Who may do what, and that nobody learns more than that."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from caller import PIPELINE, Caller

ROLES = ("viewer", "operator", "admin")
ID = uuid4()
NEEDS = [
    ("GET", "/v1/runs", "viewer"),
    ("GET", f"/v1/runs/{ID}", "viewer"),
    ("POST", "/v1/runs", "operator"),
    ("POST", f"/v1/runs/{ID}/cancel", "operator"),
    ("POST", f"/v1/runs/{ID}/retry", "operator"),
    ("GET", f"/v1/runs/{ID}/export", "operator"),
    ("POST", f"/v1/runs/{ID}/erase", "admin"),
    ("GET", "/v1/tasks", "viewer"),
    ("GET", f"/v1/tasks/{ID}/history", "viewer"),
    ("POST", f"/v1/tasks/{ID}/choose", "operator"),
    ("POST", f"/v1/tasks/{ID}/resolve", "operator"),
    ("POST", f"/v1/tasks/{ID}/retry", "operator"),
    ("GET", "/v1/callbacks", "viewer"),
    ("POST", f"/v1/callbacks/{ID}/replay", "operator"),
    ("POST", f"/v1/callbacks/{ID}/adopt", "operator"),
    ("GET", "/v1/pipelines", "viewer"),
    ("PUT", "/v1/pipelines/tested", "admin"),
    ("POST", "/v1/pipelines:validate", "viewer"),
    ("GET", "/v1/pipelines/schema.json", "viewer"),
    ("GET", "/v1/accounts", "viewer"),
    ("POST", "/v1/accounts/acedata/resume", "operator"),
    ("GET", "/v1/attention", "viewer"),
    ("POST", f"/v1/callbacks/{ID}/dismiss", "operator"),
    ("POST", "/v1/callbacks:dismiss", "operator"),
]


@pytest.mark.parametrize(("method", "path", "needed"), NEEDS)
def test_a_role_includes_the_ones_before_it(shared_web: Caller, method: str, path: str, needed: str) -> None:
    for role in ROLES:
        answer = shared_web.ask(method, path, role=role)
        assert (answer.status_code == 403) == (ROLES.index(role) < ROLES.index(needed)), role
    assert shared_web.ask(method, path, role=None).status_code == 401


def test_every_route_asks_for_a_role(shared_web: Caller) -> None:
    """None is left out of the table above by mistake: whatever is under /v1 wants a token."""
    rules = [rule for rule in shared_web.http.application.url_map.iter_rules() if rule.rule.startswith("/v1")]
    assert len(rules) >= len(NEEDS)
    for rule in rules:
        path = rule.build({name: ID if "id" in name else "tested" for name in rule.arguments})[1]
        for method in rule.methods - {"OPTIONS"}:
            assert shared_web.ask(method, path, role=None).status_code == 401, (method, path)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer wrong-token-0123", "Basic dmlld2VyOng=", "viewer-token-0123", "Bearer é"],
)
def test_without_a_known_token_nothing_is_answered(shared_web: Caller, header: str) -> None:
    answer = shared_web.ask("GET", "/v1/runs", role=None, headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.content_type == "application/problem+json"


def test_without_any_configured_token_it_says_how_to_set_one(make_services: Any) -> None:
    web = Caller(make_services(api_tokens=()))
    problem = web.refused(401, "GET", "/v1/runs")
    assert "ORCHESTRATOR_API_TOKENS" in problem["detail"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/style.css"])
def test_what_is_open_needs_no_token(shared_web: Caller, path: str) -> None:
    assert shared_web.ask("GET", path, role=None).status_code == 200


def test_a_refused_request_changes_nothing(web: Caller) -> None:
    web.refused(403, "PUT", "/v1/pipelines/tested", role="operator", json=PIPELINE)
    web.refused(404, "GET", "/v1/pipelines/tested")
