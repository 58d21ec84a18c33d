"""/openapi.json, and /docs: the same document as a plain page that needs nothing from any other server."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, json, redirect, render_template
from werkzeug.wrappers import Response as AnyResponse

from orchestrator.api import problems

# The page may have our style sheet, and nothing else; see orchestrator/web.py for the headers of every answer.
_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def blueprint(document: dict[str, Any]) -> Blueprint:
    """The routes that show this document."""
    docs = Blueprint("docs", __name__, template_folder=".", static_folder=None)
    text = json.dumps(document)

    @docs.get("/openapi.json")
    def openapi() -> Response:
        return Response(text, content_type="application/json")

    @docs.get("/docs")
    def page() -> Response:
        shown = render_template("docs.html", spec=document, sections=_sections(document), problems=problems.known())
        return Response(shown, content_type="text/html; charset=utf-8", headers={"Content-Security-Policy": _POLICY})

    @docs.get("/docs/style.css")
    def style() -> Response:
        return Response(render_template("docs.css"), content_type="text/css; charset=utf-8")

    @docs.get("/problems/<code>")
    def explain(code: str) -> AnyResponse:
        return redirect(f"/docs#problem-{code}" if code in problems.known() else "/docs#problems")

    return docs


def _sections(document: dict[str, Any]) -> dict[str, list[tuple[str, str, dict[str, Any]]]]:
    """tag -> its operations as (method, path, operation)."""
    found: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, operations in document["paths"].items():
        shared = operations.get("parameters", [])
        for method, operation in operations.items():
            if method != "parameters":
                whole = operation | {"parameters": [*shared, *operation.get("parameters", [])]}
                found.setdefault(operation["tags"][0], []).append((method.upper(), path, whole))
    return found
