"""/v1/pipelines."""

from __future__ import annotations

import re
from typing import Any

from flask import Response, jsonify, request
from marshmallow import INCLUDE, Schema, fields, validate
from werkzeug.exceptions import LengthRequired
from werkzeug.routing import Map, UnicodeConverter

from orchestrator import catalog, loader
from orchestrator.api import schemas
from orchestrator.api.fields import limit, said
from orchestrator.api.here import reading, services
from orchestrator.api.reading import read_body
from orchestrator.api.section import Section
from orchestrator.errors import InvalidInput, NotFound
from orchestrator.loader.parts import PIPELINE_NAME
from orchestrator.store import pipelines


class PipelineName(UnicodeConverter):
    """Where a pipeline's name stands in a path. Beside the names stands the format's schema, which nobody can put."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map)
        self.regex = rf"(?!schema\.json\Z){self.regex}"


section = Section("pipelines", "Declarative specifications, versioned: inputs and a graph of steps.")
section.blueprint.record(lambda state: state.app.url_map.converters.update(pipeline=PipelineName))
_BODY = {
    "requestBody": {
        "required": True,
        "description": "The document, as YAML or JSON; `/v1/pipelines/schema.json` describes it.",
        "content": {
            "application/yaml": {"schema": {"type": "string"}},
            "application/json": {"schema": {"type": "object"}},
        },
    }
}


class PipelineQuery(Schema):
    version = fields.Integer(
        load_default=None,
        validate=validate.Range(1, 2**31 - 1, error="found {input}; allowed: 1 and above"),
        error_messages={"invalid": "not a whole number; allowed: 1 and above"},
        metadata=said("The newest if left out."),
    )


class JsonSchema(Schema):
    """Any object."""

    class Meta:
        unknown = INCLUDE


class PipelinesQuery(Schema):
    limit = limit()
    cursor = fields.String(
        load_default="",
        validate=validate.Regexp(f"{PIPELINE_NAME}\\Z", error="not a cursor; allowed: the `next` of a former page"),
    )


@section.route("GET", "/pipelines", role="viewer", query=PipelinesQuery(), answer=schemas.page_of(schemas.Pipeline()))
def list_pipelines(query: dict[str, Any]) -> Any:
    """The newest version of every pipeline, by name."""
    with reading() as connection:
        found = pipelines.list_pipelines(connection, after=query["cursor"], limit=query["limit"] + 1)
    shown = found[: query["limit"]]
    return {"items": shown, "next": shown[-1]["name"] if len(found) > len(shown) else None}


@section.route(
    "GET",
    "/pipelines/<pipeline:name>",
    role="viewer",
    query=PipelineQuery(),
    answer=schemas.PipelineWithDocument(),
    refuses=[404],
)
def get_pipeline(query: dict[str, Any], name: str) -> Any:
    """One version of a pipeline."""
    if not re.fullmatch(PIPELINE_NAME, name):
        raise NotFound(f"there is no pipeline {name!r}")
    with reading() as connection:
        return pipelines.get_pipeline(connection, name, query["version"])


@section.route(
    "PUT",
    "/pipelines/<pipeline:name>",
    role="admin",
    answer=schemas.PipelineWithDocument(),
    status=201,
    also={200: "The newest version is the same"},
    refuses=[422],
    doc=_BODY,
)
def put_pipeline(name: str) -> Any:
    """Store a pipeline: a new version, unless the newest one is the same."""
    document = _document(name)
    if isinstance(found := document.get("pipeline"), str) and found != name:
        differs = f"found {found[:64]!r}; allowed: {name!r}, the name in the path"
        raise InvalidInput(f"pipeline: {differs}", fields={"pipeline": [differs]})
    pushed = catalog.push(services(), document, where=name)
    with reading() as connection:
        stored = pipelines.get_pipeline(connection, pushed.name, pushed.version)
    return stored, 201 if pushed.new else 200


@section.route("POST", "/pipelines:validate", role="viewer", answer=schemas.Valid(), refuses=[422], doc=_BODY)
def validate_pipeline() -> Any:
    """Check a pipeline without storing it, against the accounts and scorers of this server."""
    checked = catalog.check(services(), _document("pipeline"), where="pipeline")
    return {"valid": True, "name": checked.name, "steps": list(checked.steps)}


@section.route("GET", "/pipelines/schema.json", role="viewer", answer=JsonSchema())
def schema() -> Response:
    """The JSON Schema of the format."""
    return jsonify(loader.json_schema())


def _document(where: str) -> dict[str, Any]:
    """The document in the body. Raises InvalidPipeline."""
    body = read_body(request)
    if body and request.content_length is None:
        # Of YAML any beginning may be a document, and of chunks that broke off the server says that they have ended.
        raise LengthRequired("Content-Length: needed, to know that the document is whole")
    try:
        return loader.read(body.decode(), where)
    except UnicodeDecodeError as error:
        raise InvalidInput("the body is not UTF-8 text") from error
