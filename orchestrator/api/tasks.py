"""/v1/tasks."""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

from marshmallow import Schema, fields

from orchestrator import intervene
from orchestrator.api import cursors, schemas
from orchestrator.api.fields import LARGEST_PAGE, Cursor, Text, limit, one_of, said, whole
from orchestrator.api.here import reading, services
from orchestrator.api.section import Section
from orchestrator.core.states import TaskState
from orchestrator.store import callbacks, tasks
from orchestrator.store.paging import Place

section = Section("tasks", "Executions of single steps: what a callback correlates to.")


class Outcome(StrEnum):
    SUBMITTED = "submitted"
    NOT_SUBMITTED = "not_submitted"
    FAILED = "failed"


class TaskQuery(Schema):
    run_id = fields.UUID()
    state = one_of(TaskState)
    account = Text()
    step = Text()
    external_id = Text()
    limit = limit()
    cursor = Cursor()


class Choice(Schema):
    quadrant = whole(1, 4, required=True, metadata=said("1 top-left, 2 top-right, 3 bottom-left, 4 bottom-right."))


class Resolution(Schema):
    """What became of an uncertain submission, by a person's word."""

    outcome = one_of(Outcome, "submitted: it arrived; not_submitted: send it again; failed: give it up.")
    outcome.required = True
    external_id = Text(load_default=None, allow_none=True, metadata=said("The provider's id, when it was submitted."))


@section.route("GET", "/tasks", role="viewer", query=TaskQuery(), answer=schemas.page_of(schemas.Task()))
def list_tasks(query: dict[str, Any]) -> Any:
    """Tasks, newest first."""
    size, after = query.pop("limit"), query.pop("cursor", None)
    with reading() as connection:
        found = tasks.list_tasks(connection, **query, after=after, limit=size + 1)
    return cursors.page(found, size, lambda task: Place(task.created_at, task.id))


@section.route("GET", "/tasks/<uuid:task_id>", role="viewer", answer=schemas.TaskWithParams(), refuses=[404])
def get_task(task_id: UUID) -> Any:
    """One task."""
    with reading() as connection:
        return tasks.get_task(connection, task_id)


@section.route("GET", "/tasks/<uuid:task_id>/history", role="viewer", answer=schemas.History(), refuses=[404])
def history(task_id: UUID) -> Any:
    """Every transition of a task, and the deliveries that were for it."""
    with reading() as connection:
        tasks.get_task(connection, task_id)
        return {
            "transitions": tasks.history(connection, task_id),
            "callbacks": callbacks.list_callbacks(connection, task_id=task_id, limit=LARGEST_PAGE),
        }


@section.route(
    "POST",
    "/tasks/<uuid:task_id>/retry",
    role="operator",
    answer=schemas.TaskWithParams(),
    refuses=[404, 409],
)
def retry_task(task_id: UUID) -> Any:
    """Another attempt of a failed task.

    Answers the new attempt.
    """
    run = intervene.retry_task(services(), task_id)
    with reading() as connection:
        former = tasks.get_task(connection, task_id)
        attempts = [
            task
            for task in tasks.load_tasks(connection, run.id)
            if (task.step, task.item) == (former.step, former.item)
        ]
    return max(attempts, key=lambda task: task.attempt)


@section.route(
    "POST",
    "/tasks/<uuid:task_id>/choose",
    role="operator",
    body=Choice(),
    answer=schemas.TaskWithParams(),
    refuses=[404, 409],
)
def choose(choice: dict[str, Any], task_id: UUID) -> Any:
    """A person's choice of a quadrant, for a task that waits for one."""
    return intervene.choose(services(), task_id, choice["quadrant"])


@section.route(
    "POST",
    "/tasks/<uuid:task_id>/resolve",
    role="operator",
    body=Resolution(),
    answer=schemas.TaskWithParams(),
    refuses=[404, 409],
)
def resolve(resolution: dict[str, Any], task_id: UUID) -> Any:
    """What became of a submission of which nobody knows whether it arrived."""
    return intervene.resolve(services(), task_id, resolution["outcome"].value, resolution["external_id"])
