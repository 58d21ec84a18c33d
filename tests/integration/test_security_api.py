"""The API against somebody who means no good: roles, headers, injected SQL, monstrous numbers and texts."""

from __future__ import annotations

import hmac
import json
import re
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from caller import PIPELINE, Caller

from orchestrator.api import access
from orchestrator.config import ROLES
from orchestrator.web import HEADERS

OPEN = {  # to everybody who reaches the port; see docs/security.md
    "/callbacks/<account>/<token>", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/style.css",
    "/problems/<code>",
}  # fmt: skip
DIGITS = "9" * 5000
SQL = [
    "'",
    "' OR '1'='1",
    "'; DROP TABLE runs; --",
    '"; DELETE FROM runs; --',
    "\\'; --",
    "%' --",
    "%(state)s",
    "%s",
    "$1",
    "{}",
]


def routes(web: Caller) -> list[tuple[str, str, str]]:
    """(rule, method, a path of it) of the whole URL map."""
    found = []
    for rule in web.http.application.url_map.iter_rules():
        parts = {name: uuid4() if name.endswith("_id") else "tested" for name in rule.arguments}
        found += [(rule.rule, method, rule.build(parts)[1]) for method in rule.methods - {"OPTIONS", "HEAD"}]
    return found


def declared(web: Caller) -> dict[tuple[str, str], str | None]:
    """The role that the documentation says of (path, method), with the names of its parts left out."""
    paths = web.ask("GET", "/openapi.json", role=None).json["paths"]
    return {
        (re.sub(r"{[^}]+}", "{}", path), method.upper()): operation.get("x-role")
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method != "parameters"
    }


def test_every_route_has_a_role_and_lets_nobody_else_in(shared_web: Caller) -> None:
    """Over the whole URL map: a new route that is neither guarded nor meant to be open fails here."""
    said = declared(shared_web)
    for rule, method, path in routes(shared_web):
        if rule in OPEN:
            continue
        role = said.get((re.sub(r"<[^>]+>", "{}", rule), method))
        assert role in ROLES, f"{method} {rule} has no role"
        assert shared_web.ask(method, path, role=None).status_code == 401, rule
        for number, who in enumerate(ROLES):
            refused = shared_web.ask(method, path, role=who).status_code == 403
            assert refused == (number < ROLES.index(role)), (rule, who)


def test_every_other_method_of_a_route_is_refused(shared_web: Caller) -> None:
    known = {(rule, method) for rule, method, _ in routes(shared_web)}
    for rule, _, path in routes(shared_web):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND"):
            if (rule, method) not in known:
                assert shared_web.ask(method, path, role=None).status_code in {401, 404, 405}, (rule, method)


def test_a_token_is_compared_in_constant_time_with_each_that_is_known(
    shared_web: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[Any, Any]] = []
    really = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return really(one, other)

    monkeypatch.setattr(access.hmac, "compare_digest", compare)
    for role in (*ROLES, "unknown"):
        compared.clear()
        shared_web.ask("GET", "/v1/runs", role=role)
        assert len(compared) == len(ROLES)
        assert {len(one) for pair in compared for one in pair} == {32}, "digests, whose length tells nothing"


# What every answer says -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *[("GET", path) for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/style.css")],
        *[("GET", path) for path in ("/v1/runs", "/v1/accounts", "/nothing", "/problems/forbidden", "/callbacks/a/b")],
        *[("POST", path) for path in ("/callbacks/a/b", "/v1/runs")],
    ],
)
def test_every_answer_has_the_headers_of_caution(shared_web: Caller, method: str, path: str) -> None:
    answer = shared_web.ask(method, path)
    for name, value in HEADERS.items():
        if name != "Content-Security-Policy":
            assert answer.headers[name] == value
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Set-Cookie" not in answer.headers


def test_our_own_faults_have_them_too(web: Caller) -> None:
    web.http.application.view_functions["health.healthz"] = lambda: 1 / 0
    assert set(HEADERS) <= set(dict(web.ask("GET", "/healthz", role=None).headers))


@pytest.mark.parametrize(
    "path", ["//evil.example", "//v1/runs", "/v1//runs", "/docs/", "/callbacks//x", "/\\evil.example"]
)
def test_no_answer_leads_to_the_host_that_a_request_has_named(shared_web: Caller, path: str) -> None:
    answer = shared_web.http.open(path, headers={"Host": "evil.example"})
    assert "evil.example" not in answer.headers.get("Location", "")
    assert answer.status_code in {404, 405}


# What stands in paths, queries and bodies ---------------------------------------------------------------

FILTERS = {
    "/v1/runs": ["state", "pipeline", "campaign", "label", "q", "limit", "cursor"],
    "/v1/tasks": ["run_id", "state", "account", "step", "external_id", "limit", "cursor"],
    "/v1/callbacks": ["verdict", "account", "external_id", "task_id", "limit", "cursor"],
    "/v1/pipelines": ["limit", "cursor"],
}


@pytest.fixture(scope="module")
def run_there(shared_web: Caller) -> str:
    """A run, so that the lists have something to show and the injected SQL something to destroy."""
    return str(shared_web.open_run(labels={"team": "a'b"})["id"])


@pytest.mark.parametrize("path", FILTERS)
@pytest.mark.parametrize("text", SQL)
def test_no_filter_is_read_as_sql(shared_web: Caller, run_there: str, path: str, text: str) -> None:
    for name in FILTERS[path]:
        for value in (text, f"team:{text}") if name == "label" else (text,):
            answer = shared_web.ask("GET", path, role="viewer", query_string={name: value})
            assert answer.status_code in {200, 422}, (name, answer.text)
            assert answer.status_code == 422 or not answer.json["items"], f"{name}={value} is nobody's"
    assert [one["id"] for one in shared_web.get("/v1/runs", label="team:a'b")["items"]] == [run_there]


@pytest.mark.parametrize("path", FILTERS)
@pytest.mark.parametrize("text", [DIGITS, "-" + DIGITS, "1e999", "NaN", "\x00", "a\x00b", "\ud800", "٣", "x" * 8000])
def test_no_filter_is_our_fault(shared_web: Caller, path: str, text: str) -> None:
    for name in FILTERS[path]:
        value = quote(text.encode(errors="surrogatepass"))
        answer = shared_web.ask("GET", f"{path}?{name}={value}", role="viewer")
        assert answer.status_code in {200, 422}, (name, answer.text)


@pytest.mark.parametrize(
    "part", [DIGITS, "%00", "%ff", "%ed%a0%80", "..%2f..%2fetc%2fpasswd", "..", "%2e%2e", "'--", "a" * 9000]
)
def test_no_part_of_a_path_is_our_fault(shared_web: Caller, part: str) -> None:
    for path in ("runs", "tasks", "callbacks", "pipelines"):
        assert shared_web.ask("GET", f"/v1/{path}/{part}").status_code in {404, 405, 414}
    assert shared_web.ask("POST", f"/callbacks/{part}/{part}", role=None, json={}).status_code in {404, 405, 414}
    assert shared_web.ask("GET", f"/problems/{part}", role=None).status_code in {302, 404, 414}


NASTY = [
    '{"pipeline": ' + DIGITS + "}",
    '{"pipeline": "tested", "priority": ' + DIGITS + "}",
    '{"pipeline": "tested", "priority": 1e99999}',
    '{"pipeline": "tested", "inputs": {"prompt": -' + DIGITS + "}}",
    '{"pipeline": "a\\u0000b", "inputs": {}}',
    '{"pipeline": "tested", "inputs": {"prompt": "a\\u0000b"}}',
    '{"pipeline": "tested", "inputs": {"prompt": "\\ud800"}}',
    '{"pipeline": "tested", "inputs": {"\\ud800": 1}}',
    '{"pipeline": "tested", "labels": {"\\u0000": "x"}}',
    '{"pipeline": "tested", "labels": {"x": "\\udfff"}}',
    '{"pipeline": "tested", "inputs": {"prompt": ' + "[" * 900 + "]" * 900 + "}}",
    '{"pipeline": "tested", "inputs": ' + '{"a":' * 90_000 + "1" + "}" * 90_000 + "}",
    '{"pipeline": "tested", "inputs": {' + ",".join(f'"k{n}": 1' for n in range(50_000)) + "}}",
    '{"__proto__": {}, "pipeline": {"$ne": null}}',
]


@pytest.mark.parametrize("body", NASTY, ids=range(len(NASTY)))
def test_no_body_is_our_fault(shared_web: Caller, run_there: str, body: str) -> None:
    for path in ("/v1/runs", "/v1/pipelines:validate"):
        answer = shared_web.ask("POST", path, data=body, content_type="application/json")
        assert answer.status_code in {400, 422}, answer.text
        assert len(answer.data) < 20_000, "the answer does not repeat it all"


def test_a_key_of_idempotency_is_text_and_no_sql(shared_web: Caller, run_there: str) -> None:
    order = {"pipeline": PIPELINE["pipeline"], "inputs": {"prompt": "a fox"}}
    for key in SQL:
        once, again = (
            shared_web.ask("POST", "/v1/runs", json=order, headers={"Idempotency-Key": key}) for _ in range(2)
        )
        assert json.loads(once.data)["id"] == json.loads(again.data)["id"]
