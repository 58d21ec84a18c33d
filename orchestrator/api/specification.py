"""The OpenAPI document: from the sections' schemas and docstrings, and by hand for the few routes outside /v1."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import flask_smorest
from flask import Flask

from orchestrator.api import problems, schemas
from orchestrator.api.section import Section

JSON = dict[str, Any]

REFUSALS = (400, 401, 403, 404, 409, 422, 429, 503)  # the shared ones

DESCRIPTION = """Runs, tasks, callbacks and pipelines of the orchestrator.

Errors are problem documents (RFC 9457). Lists are paged by cursor: `?limit=&cursor=`, answered with
`{"items": [...], "next": "..." or null}`. Times are RFC 3339 in UTC. Each token has a role: viewer reads, operator also
acts on runs, tasks and callbacks, admin also stores pipelines and erases runs.
"""


class Api(flask_smorest.Api):  # type: ignore[misc]  # flask-smorest has no types
    """flask-smorest, with errors left to `problems`."""

    ERROR_SCHEMA = schemas.Problem
    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        """Nothing: every error of the application is answered in one place."""

    def _register_responses(self) -> None:
        """The shared answers by the names of http.HTTPStatus, as problem documents."""
        for status in map(HTTPStatus, REFUSALS):
            content = {problems.MEDIA_TYPE: {"schema": self.ERROR_SCHEMA}}
            answer = {"description": status.phrase, "content": content}
            self.spec.components.response(status.name, answer, lazy=True)


def specify(app: Flask, sections: Iterable[Section]) -> JSON:
    """Register the sections' routes with the application; the document that describes them."""
    app.config |= {"API_TITLE": "Orchestrator", "API_VERSION": _version(), "OPENAPI_VERSION": "3.1.0"}
    api = Api(app, spec_kwargs={"info": {"description": DESCRIPTION}})
    api.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer"})
    for section in sections:
        api.register_blueprint(section.blueprint)
    document: JSON = api.spec.to_dict()
    document["paths"] |= _others()
    return document


def _version() -> str:
    try:
        return version("midjourney-orchestrator")
    except PackageNotFoundError:
        return "0"


def _others() -> JSON:
    """The routes that are plain Flask: the receiver, which has to be quick, and what monitors ask."""
    return {
        "/callbacks/{account}/{token}": {"post": _callback()},
        "/healthz": {"get": _open("health", "The process lives.", "application/json")},
        "/readyz": {"get": _open("health", "What is needed to work is there.", "application/json", 503)},
        "/metrics": {"get": _open("health", "Figures for Prometheus.", "text/plain")},
    }


def _open(tag: str, summary: str, media_type: str, *refusals: int) -> JSON:
    refused = {str(status): _refusal(status) for status in refusals}
    return {
        "tags": [tag],
        "summary": summary,
        "security": [],
        "responses": {"200": {"description": "OK", "content": {media_type: {}}}} | refused,
    }


def _refusal(status: int) -> JSON:
    problem = {"$ref": "#/components/schemas/Problem"}
    return {"description": HTTPStatus(status).phrase, "content": {problems.MEDIA_TYPE: {"schema": problem}}}


def _callback() -> JSON:
    verdict = {"type": "object", "properties": {"verdict": {"type": "string"}, "reason": {"type": "string"}}}
    taken = {"application/json": {"schema": verdict | {"required": ["verdict"]}}}
    return {
        "tags": ["receiver"],
        "summary": "A provider's delivery.",
        "description": "A JSON object, a JSON array or NDJSON, whatever the content type. The token in the path is "
        "the task's own, signed; no other authentication is asked for.",
        "security": [],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in ("account", "token")
        ],
        "requestBody": {"required": True, "content": {"application/json": {}, "application/x-ndjson": {}}},
        "responses": {
            "200": {"description": "accepted, duplicate, stale or late", "content": taken},
            "202": {
                "description": "parked: kept, but no task has this job yet; or spooled: on the receiver's disk, to be "
                "taken when the database is back",
                "content": taken,
            },
        }
        | {str(status): _refusal(status) for status in (400, 404, 413, 429, 503)},
    }
