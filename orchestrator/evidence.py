"""A run's whole evidence as one document: a line of JSON per thing, so that it is neither built nor read at once."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from orchestrator.core.run import Run, Task
from orchestrator.services import Services
from orchestrator.store import erasure, evidence, pipelines, runs, tasks

FORMAT = "orchestrator.evidence/1"
AT_ONCE = 8  # deliveries in memory
Line = dict[str, Any]


def export(services: Services, run_id: UUID) -> Iterator[bytes]:
    """The lines (docs/retention.md names their fields), the last one is ``end``. Raises NotFound at once."""
    with services.db.connection() as connection:
        run = runs.get_run(connection, run_id)
        known = tasks.load_tasks(connection, run_id)
        about = erasure.list_erasures(connection, [run_id])
        deliveries = evidence.deliveries_of(connection, run_id)
    return map(_written, _lines(services, run, known, about, deliveries))


def _lines(
    services: Services, run: Run, known: list[Task], about: list[dict[str, Any]], deliveries: list[UUID]
) -> Iterator[Line]:
    erased = {f"erased_{name}": about[0][name] if about else None for name in ("at", "by")}
    yield {"line": "run", "format": FORMAT, "exported_at": services.now(), **asdict(run), **erased}
    with services.db.connection() as connection:
        pipeline = pipelines.get_pipeline(connection, run.pipeline, run.version)
        past: dict[UUID, list[Line]] = defaultdict(list)
        for row in evidence.histories(connection, [task.id for task in known]):
            past[row.pop("task_id")].append(row)
        objects = runs.objects_of_run(connection, run.id)
    yield {"line": "pipeline", **pipeline}
    yield from ({"line": "task", **asdict(task), "history": past[task.id]} for task in known)
    told = 0
    for line in _deliveries(services, deliveries):
        told += 1
        yield line
    yield from ({"line": "object", **one} for one in objects)
    yield {"line": "end", "tasks": len(known), "callbacks": told, "objects": len(objects)}


def _deliveries(services: Services, ids: list[UUID]) -> Iterator[Line]:
    """Read a few at a time, so that nobody's slow reading holds a connection, or many bodies in memory."""
    for start in range(0, len(ids), AT_ONCE):
        with services.db.connection() as connection:
            found = evidence.whole_deliveries(connection, ids[start : start + AT_ONCE])
        for row in found:
            encoding, body = encoded(bytes(row.pop("body")))
            yield {
                "line": "callback",
                **row,
                "sha256": bytes(row.pop("digest")).hex(),
                "encoding": encoding,
                "body": body,
            }


def encoded(body: bytes) -> tuple[str, str]:
    """Exact bytes as text: ``utf-8`` and the text itself, else ``base64``."""
    try:
        return "utf-8", body.decode()
    except UnicodeDecodeError:
        return "base64", base64.b64encode(body).decode()


def decoded(line: Mapping[str, Any]) -> bytes:
    """The exact bytes of a delivery in an export."""
    body: str = line["body"]
    return base64.b64decode(body) if line["encoding"] == "base64" else body.encode()


def _written(line: Line) -> bytes:
    return json.dumps(line, default=_plain, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _plain(value: object) -> str:
    """Times in RFC 3339, and ids."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
