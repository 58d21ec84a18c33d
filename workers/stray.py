"""Tasks whose account is not configured any more: nobody can ask about them, but their time still runs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

import structlog

from orchestrator.core.events import TaskError
from orchestrator.core.run import Task
from orchestrator.core.states import TaskState
from orchestrator.services import Services
from orchestrator.store import tasks

log = structlog.get_logger(__name__)
LATER = timedelta(minutes=5)


def wait_or_end(services: Services, account: str, task_ids: Iterable[UUID]) -> None:
    """Leave them to their callbacks, to a person, or to the account's return, until their deadline."""
    waiting = 0
    for task_id in task_ids:
        with services.db.connection() as connection:
            task = tasks.get_task(connection, task_id)
            overdue = task.deadline_at is not None and task.deadline_at <= services.now()
            if not overdue:
                tasks.look_later(connection, task_id, wake_at=services.now() + LATER, counted=False)
                waiting += 1
        if overdue:
            _end(services, account, task)
    if waiting:
        log.error("an account with unfinished tasks is not configured", account=account, tasks=waiting)


def _end(services: Services, account: str, task: Task) -> None:
    code = "submission_uncertain" if task.state is TaskState.UNCERTAIN else "timed_out"
    error = TaskError(code, f"the account {account!r} is not configured any more; nothing was heard of the job in time")
    with services.db.connection() as connection:
        done = tasks.finish_task(
            connection,
            task.id,
            TaskState.FAILED,
            from_states=[TaskState.WAITING, TaskState.UNCERTAIN],
            cause="deadline",
            now=services.now(),
            error=error,
        )
    if done:
        log.warning("given up", task=str(task.id), run=str(task.run_id), code=error.code)
        services.nudge.advance(task.run_id)
