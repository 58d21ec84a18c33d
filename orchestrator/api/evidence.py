"""What is known of a run, taken out whole."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from marshmallow import Schema, fields

from orchestrator.api.fields import said
from orchestrator.api.here import services
from orchestrator.api.section import Section
from orchestrator.evidence import FORMAT, export

section = Section("evidence", "Everything that is known of a run.")
NDJSON = "application/x-ndjson"


class EvidenceLine(Schema):
    """One line: a run, its pipeline, a task, a callback, an object, or the end."""

    line = fields.String(required=True, metadata=said("run, pipeline, task, callback, object or end."))
    format = fields.String(metadata=said(f"Of the first line: {FORMAT}."))


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
