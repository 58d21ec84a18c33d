"""The OpenAPI document tells the truth: every route is in it, and what is answered has the shape that it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from caller import PIPELINE, Caller
from jsonschema import Draft202012Validator, FormatChecker

PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
HERE = {"/openapi.json", "/docs", "/docs/style.css", "/problems/{code}"}  # they speak of the document


@pytest.fixture
def document(shared_web: Caller) -> Any:
    return shared_web.ask("GET", "/openapi.json", role=None).json


def test_every_route_is_documented_and_nothing_else(shared_web: Caller, document: Any) -> None:
    routes = set()
    for rule in shared_web.http.application.url_map.iter_rules():
        methods = rule.methods - {"HEAD", "OPTIONS"}
        routes |= {(method.lower(), PARAMETER.sub(r"{\1}", rule.rule)) for method in methods}
    documented = {
        (method, path) for path, item in document["paths"].items() for method in item if method != "parameters"
    }
    assert documented == {(method, path) for method, path in routes if path not in HERE}


def test_every_reference_leads_somewhere(document: Any) -> None:
    for reference in set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(document))):
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_every_operation_is_described(document: Any) -> None:
    operations = list(_operations(document))
    ids = [operation["operationId"] for path, _, operation in operations if path.startswith("/v1")]
    assert len(set(ids)) == len(ids)
    for path, method, operation in operations:
        assert operation["summary"], (path, method)
        assert operation["responses"], (path, method)
        assert operation["security"] == ([{"bearer": []}] if path.startswith("/v1") else []), (path, method)
        placed = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
        placed |= {one["name"] for one in document["paths"][path].get("parameters", []) if one["in"] == "path"}
        assert placed == set(re.findall(r"{(\w+)}", path)), path


def test_the_version_is_one_that_tools_read(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_what_is_answered_has_the_documented_shape(web: Caller) -> None:
    document = web.ask("GET", "/openapi.json", role=None).json

    def check(method: str, path: str, **options: Any) -> Any:
        answer = web.ask(method, path, **options)
        content = _responses(document, method, path.partition("?")[0])[str(answer.status_code)]["content"]
        schema = content[answer.content_type]["schema"] | {"components": document["components"]}
        body = json.loads(answer.data)
        Draft202012Validator(_strict(schema), format_checker=FormatChecker()).validate(body)
        return body

    check("PUT", "/v1/pipelines/tested", json=PIPELINE)
    check("PUT", "/v1/pipelines/tested", json=PIPELINE)
    check("PUT", "/v1/pipelines/tested", json={})
    check("GET", "/v1/pipelines/tested")
    check("GET", "/v1/pipelines")
    check("POST", "/v1/pipelines:validate", json=PIPELINE)
    order = {"json": {"pipeline": "tested", "inputs": {"prompt": "x"}}, "headers": {"Idempotency-Key": "k"}}
    run = check("POST", "/v1/runs", **order)
    check("POST", "/v1/runs", **order)
    check("POST", "/v1/runs", json={})
    check("POST", "/v1/runs", json={}, role="viewer")
    check("POST", "/v1/runs", json={}, role=None)
    task_id = web.submit()
    web.deliver(task_id)
    web.advance(run)
    web.ask_person()
    check("GET", f"/v1/runs/{run['id']}")
    check("GET", "/v1/runs?limit=1")
    check("GET", "/v1/runs?limit=0")
    check("GET", "/v1/tasks")
    check("GET", f"/v1/tasks/{task_id}")
    check("GET", f"/v1/tasks/{task_id}/history")
    check("POST", f"/v1/tasks/{task_id}/retry")
    check("POST", f"/v1/tasks/{web.task(run, 'best')['id']}/choose", json={"quadrant": 1})
    (callback,) = check("GET", "/v1/callbacks")["items"]
    check("GET", f"/v1/callbacks/{callback['id']}")
    check("POST", f"/v1/callbacks/{callback['id']}/replay")
    check("POST", f"/v1/callbacks/{callback['id']}/adopt", json={"task_id": str(task_id)})
    check("POST", f"/v1/runs/{run['id']}/cancel")
    check("POST", f"/v1/runs/{run['id']}/erase")
    check("POST", f"/v1/runs/{run['id']}/retry")
    check("GET", f"/v1/runs/{run['id']}")
    check("GET", "/v1/accounts")
    check("POST", "/v1/accounts/acedata/resume")
    check("POST", f"/v1/callbacks/{callback['id']}/dismiss")
    check("POST", "/v1/callbacks:dismiss", json={"verdict": "late"})
    web.deliver(job="nobody's")
    check("GET", "/v1/attention")


def test_the_page_shows_every_operation_and_needs_no_other_server(shared_web: Caller, document: Any) -> None:
    answer = shared_web.ask("GET", "/docs", role=None)
    page = _Page(answer.text)
    for path, method, _ in _operations(document):
        assert f"{method.upper()}-{path}" in page.ids
    assert set(page.fetched) == {"/docs/style.css"}
    assert "`" not in answer.text, "code in sentences is shown as code"
    assert not [link for link in page.links if not link.startswith(("#", "/"))]
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.ids
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


class _Page(HTMLParser):
    """What a page fetches, links to and has names for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids.add(given.get("id") or "")
        where = given.get("href") or given.get("src")
        if where:
            (self.links if tag == "a" else self.fetched).append(where)
        assert not any(name.startswith("on") for name in given)


def _operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, item in document["paths"].items():
        yield from ((path, method, operation) for method, operation in item.items() if method != "parameters")


def _responses(document: Any, method: str, path: str) -> dict[str, Any]:
    """The answers that the document has for a path, references followed."""
    for template, item in document["paths"].items():
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path) and method.lower() in item:
            found = item[method.lower()]["responses"]
            shared = document["components"]["responses"]
            return {
                status: shared[one["$ref"].split("/")[-1]] if "$ref" in one else one for status, one in found.items()
            }
    raise AssertionError(f"{method} {path} is not documented")


def _strict(node: Any) -> Any:
    """The schema with nothing allowed but what it names, so that a forgotten field is noticed."""
    if isinstance(node, list):
        return [_strict(one) for one in node]
    if not isinstance(node, dict):
        return node
    strict = {key: _strict(value) for key, value in node.items()}
    if isinstance(node.get("properties"), dict) and "type" in node:
        strict.setdefault("additionalProperties", False)
    return strict
