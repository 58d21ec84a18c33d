"""AceData's POST /midjourney/tasks: one task, several, or the newest."""

from __future__ import annotations

from itertools import islice
from typing import Any

from flask import Blueprint, Response, g

from ops.emulator.acedata_bodies import AceData
from ops.emulator.acedata_http import json_body, reply
from ops.emulator.engine import Engine
from ops.emulator.jobs import Job
from ops.emulator.refusals import Refusal

_PAGE = 12


def add_lookups(routes: Blueprint, engine: Engine) -> None:
    """Put the route on AceData's blueprint."""

    @routes.post("/tasks")
    def tasks() -> Response:
        body = json_body()
        match body.get("action"):
            case "retrieve":
                job = _one(engine, body)
                return reply(_told(job) if job else {})
            case "retrieve_batch":
                items = [_told(job) for job in _several(engine, body)]
                return reply({"items": items, "count": len(items)})
            case other:
                raise Refusal("bad_request", f"action must be retrieve or retrieve_batch, not {other!r}")


def _one(engine: Engine, body: dict[str, Any]) -> Job | None:
    name = body.get("id") or body.get("task_id")
    trace = body.get("trace_id")
    if not name and not trace:
        raise Refusal("bad_request", "id or trace_id is required")
    found = _by_tasks(engine, [name]) if name else _by_traces(engine, [trace])
    return found[0] if found else None


def _several(engine: Engine, body: dict[str, Any]) -> list[Job]:
    names, traces = _listed(body, "ids"), _listed(body, "trace_ids")
    if names or traces:
        return _by_tasks(engine, names) + _by_traces(engine, traces)
    offset, limit = _count(body, "offset", 0), _count(body, "limit", _PAGE)
    return list(islice((job for job in engine.book.newest_first() if _own(job)), offset, offset + limit))


def _by_tasks(engine: Engine, names: list[Any]) -> list[Job]:
    """The caller's own jobs among these; others are as good as unknown."""
    found = (engine.book.by_task(str(name)) for name in names)
    return [job for job in found if job is not None and _own(job)]


def _by_traces(engine: Engine, traces: list[Any]) -> list[Job]:
    if not traces:
        return []
    wanted = set(map(str, traces))
    return [job for job in engine.book.newest_first() if job.order.trace_id in wanted and _own(job)]


def _told(job: Job) -> dict[str, Any]:
    """The task object, in the words of the service that took the order."""
    dialect = job.order.dialect
    return dialect.task(job) if isinstance(dialect, AceData) else {}


def _own(job: Job) -> bool:
    """Whether the caller has submitted the job, and has done it here."""
    return job.order.token == g.token and isinstance(job.order.dialect, AceData)


def _listed(body: dict[str, Any], key: str) -> list[Any]:
    value = body.get(key) or []
    if not isinstance(value, list):
        raise Refusal("bad_request", f"{key} must be a list")
    return value


def _count(body: dict[str, Any], key: str, default: int) -> int:
    value = body.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Refusal("bad_request", f"{key} must be a number, 0 or more")
    return value
