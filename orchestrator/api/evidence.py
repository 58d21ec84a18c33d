"""What is known of a run: taken out whole, or erased as far as it is personal."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from marshmallow import Schema, fields

from orchestrator.api.access import caller
from orchestrator.api.fields import Time, YesOrNo, said
from orchestrator.api.here import services
from orchestrator.api.section import Section
from orchestrator.erasure import erase
from orchestrator.evidence import FORMAT, export

section = Section("evidence", "Everything that is known of a run: taken out, or erased.")
NDJSON = "application/x-ndjson"


class EvidenceLine(Schema):
    """One line: a run, its pipeline, a task, a callback, an object, or the end."""

    line = fields.String(required=True, metadata=said("run, pipeline, task, callback, object or end."))
    format = fields.String(metadata=said(f"Of the first line: {FORMAT}."))


class ErasureOrder(Schema):
    images = YesOrNo(
        load_default=False, metadata=said("Also remove the archived images that no other run has archived.")
    )


class Erasure(Schema):
    run_id = fields.UUID()
    at = Time(metadata=said("The first time."))
    by = fields.String(metadata=said("The name of the API token, the first time."))
    deliveries = fields.Integer(metadata=said("Raw deliveries emptied."))
    records = fields.Integer(metadata=said("The archive's records written anew."))
    missing = fields.Integer(metadata=said("Records that the archive should have and has not."))
    images_removed = fields.Integer()
    images_shared = fields.Integer(metadata=said("Left, because other runs have archived the same."))


@section.route(
    "POST",
    "/runs/<uuid:run_id>/erase",
    role="admin",
    body=ErasureOrder(),
    body_required=False,
    answer=Erasure(),
    refuses=[404, 409],
)
def erase_run(order: dict[str, Any], run_id: UUID) -> Any:
    """Erase what is personal in a run that is over: prompts, image addresses, raw bytes, providers' words.

    States, ids, times and costs stay. It cannot be undone; doing it again does the same again.
    """
    return erase(services(), run_id, by=caller(), images=order["images"])


@section.route(
    "GET",
    "/runs/<uuid:run_id>/export",
    role="operator",
    answer=EvidenceLine(),
    media_type=NDJSON,
    refuses=[404],
)
def export_run(run_id: UUID) -> Any:
    """A run's whole evidence, with raw deliveries.

    A line of JSON per thing; the last one is `end`, so that a copy that was cut short is known by its lack.
    """
    disposition = {"Content-Disposition": f'attachment; filename="run-{run_id}.ndjson"'}
    return Response(export(services(), run_id), content_type=NDJSON, headers=disposition)
