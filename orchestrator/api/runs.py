"""/v1/runs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import request, url_for
from marshmallow import Schema, fields, validate

from orchestrator import intervene
from orchestrator.api import cursors, schemas
from orchestrator.api.fields import Cursor, Label, OneOrMore, Text, limit, one_of, said, whole
from orchestrator.api.here import reading, services
from orchestrator.api.section import Section
from orchestrator.core.cost import cost
from orchestrator.core.run import Run
from orchestrator.core.states import RunState
from orchestrator.errors import InvalidInput
from orchestrator.launch import Request, launch
from orchestrator.store import Connection, erasure, runs, tasks
from orchestrator.store.paging import Place

section = Section("runs", "Executions of pipelines.")
_FIELDS = tuple(Run.__dataclass_fields__)
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "maxLength": 255},
    "description": "The same key with the same body gives the same run, with another body 422.",
}


class RunOrder(Schema):
    """A run to open."""

    pipeline = Text(required=True)
    version = whole(1, 2**31 - 1, allow_none=True, load_default=None, metadata=said("The newest if left out."))
    inputs = fields.Dict(keys=fields.String(), load_default=dict)
    labels = fields.Dict(
        keys=Text(longest=63), values=Text(), load_default=dict, validate=validate.Length(max=20, error="at most {max}")
    )
    priority = whole(-1000, 1000, load_default=0, metadata=said("Higher goes first."))
    accounts = OneOrMore(
        Text(longest=40),
        data_key="account",
        load_default=list,
        validate=validate.Length(max=20, error="at most {max}"),
        metadata=said("An account, or several tried in order, in place of the pipeline's; a step's own stay."),
    )


class RunQuery(Schema):
    state = one_of(RunState)
    pipeline = Text()
    label = fields.List(
        Label(),
        validate=validate.Length(max=20, error="at most {max}"),
        metadata=said("`name:value` or `name=value`; all that are given must be there."),
    )
    q = Text(metadata=said("Words of the inputs; a web search's syntax (quotes, or, -)."))
    brief = fields.Boolean(load_default=False, metadata=said("Leave out `tasks` and `archive`."))
    limit = limit()
    cursor = Cursor()


class RunRetry(Schema):
    step = Text(data_key="from", load_default=None, allow_none=True, metadata=said("The failed steps if left out."))


@section.route(
    "POST",
    "/runs",
    role="operator",
    body=RunOrder(),
    answer=schemas.Run(),
    status=201,
    also={200: "The run that the same Idempotency-Key opened before"},
    refuses=[404],
    doc={"parameters": [_KEY]},
)
def open_run(order: dict[str, Any]) -> Any:
    """Open a run."""
    launched = launch(
        services(), Request(**order | {"accounts": tuple(order["accounts"])}, idempotency_key=_idempotency_key())
    )
    with reading() as connection:
        shown = _whole(connection, [runs.get_run(connection, launched.run.id)])[0]
    location = url_for("runs.get_run", run_id=launched.run.id)
    return shown, 201 if launched.new else 200, {"Location": location}


@section.route("GET", "/runs", role="viewer", query=RunQuery(), answer=schemas.page_of(schemas.Run()))
def list_runs(query: dict[str, Any]) -> Any:
    """Runs, newest first."""
    with reading() as connection:
        found = runs.list_runs(
            connection,
            state=query.get("state"),
            pipeline=query.get("pipeline"),
            labels=dict(query.get("label", ())),
            words=query.get("q"),
            after=query.get("cursor"),
            limit=query["limit"] + 1,
        )
        page = cursors.page(found, query["limit"], lambda run: Place(run.created_at, run.id))
        if query["brief"]:
            return page
        return page | {"items": _whole(connection, page["items"])}


@section.route("GET", "/runs/<uuid:run_id>", role="viewer", answer=schemas.Run(), refuses=[404])
def get_run(run_id: UUID) -> Any:
    """One run with its tasks and what it has archived."""
    with reading() as connection:
        return _whole(connection, [runs.get_run(connection, run_id)])[0]


@section.route("POST", "/runs/<uuid:run_id>/cancel", role="operator", answer=schemas.Run(), refuses=[404, 409])
def cancel_run(run_id: UUID) -> Any:
    """End a run.

    Nothing more is opened; what the provider already has is followed to its end and recorded.
    """
    intervene.cancel_run(services(), run_id)
    return get_run(run_id)


@section.route(
    "POST",
    "/runs/<uuid:run_id>/retry",
    role="operator",
    body=RunRetry(),
    body_required=False,
    answer=schemas.Run(),
    refuses=[404, 409],
)
def retry_run(order: dict[str, Any], run_id: UUID) -> Any:
    """Run again from the steps that failed, or from one step and everything that follows from it."""
    intervene.retry_run(services(), run_id, order["step"])
    return get_run(run_id)


def _whole(connection: Connection, found: list[Run]) -> list[dict[str, Any]]:
    """Runs with their tasks and objects. They are read before those, so that a finished run shows all of its tasks'
    ends."""
    prices = {name: account.prices for name, account in services().config.accounts.items()}
    ids = [run.id for run in found]
    known = tasks.tasks_of_runs(connection, ids)
    objects = runs.objects_of_runs(connection, ids)
    erased = {one["run_id"]: one for one in erasure.list_erasures(connection, ids)}
    own = {run.id: [task for task in known if task.run_id == run.id] for run in found}
    return [
        {name: getattr(run, name) for name in _FIELDS}
        | {f"erased_{what}": erased[run.id][what] if run.id in erased else None for what in ("at", "by")}
        | {"tasks": own[run.id], "cost": cost(own[run.id], prices)}
        | {"archive": [one for one in objects if one["run_id"] == run.id]}
        for run in found
    ]


def _idempotency_key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None or (key.isascii() and key.isprintable() and 1 <= len(key) <= 255):
        return key
    allowed = "allowed: 1 to 255 printable ASCII characters"
    raise InvalidInput(f"Idempotency-Key: {allowed}", fields={"Idempotency-Key": [allowed]})
