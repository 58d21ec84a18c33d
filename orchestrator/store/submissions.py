"""What becomes of a task at its provider: claimed, sent, refused, in doubt, known there or not. The rows are tasks."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from orchestrator.core.events import TaskError
from orchestrator.core.run import Task
from orchestrator.core.states import TaskState
from orchestrator.store.pool import Connection, execute, json, row, rows, value
from orchestrator.store.queries import load
from orchestrator.store.tasks import as_task

_SQL = load("submissions")


def claim_submission(connection: Connection, account: str, *, lease: float, now: datetime) -> Task | None:
    """The next task to submit for an account, now submitting and holding a slot."""
    found = row(connection, _SQL["claim_submission"], account=account, lease=lease, now=now)
    return as_task(found) if found else None


def record_submitted(connection: Connection, task_id: UUID, external_id: str, *, quiet: float, now: datetime) -> bool:
    """True when a parked callback of this job waits to be taken."""
    return bool(
        value(connection, _SQL["record_submitted"], task_id=task_id, external_id=external_id, quiet=quiet, now=now)
    )


def refuse_submission(
    connection: Connection,
    task_id: UUID,
    error: TaskError,
    *,
    retry_at: datetime | None,
    now: datetime,
    submission: int | None = None,
) -> TaskState | None:
    """The state it led to; None when the task had moved on already.

    submission: which of the task's submissions this is said of (``Task.submissions``); None: the last.
    """
    state = value(
        connection,
        _SQL["refuse_submission"],
        task_id=task_id,
        submission=submission,
        error=json(error.as_json()),
        retry_at=retry_at,
        now=now,
    )
    return TaskState(state) if state else None


def doubt_submission(
    connection: Connection,
    task_id: UUID,
    reason: str,
    *,
    wake_at: datetime,
    now: datetime,
    submission: int | None = None,
) -> bool:
    """submission: which of the task's submissions this is said of; None: the last."""
    return bool(
        value(
            connection,
            _SQL["doubt_submission"],
            task_id=task_id,
            submission=submission,
            reason=reason,
            wake_at=wake_at,
            now=now,
        )
    )


def taken_jobs(connection: Connection, account: str, external_ids: Collection[str], *, but: UUID) -> frozenset[str]:
    """Those of these jobs that are known as other tasks' than ``but``."""
    found = rows(connection, _SQL["taken_jobs"], account=account, external_ids=list(external_ids), but=but)
    return frozenset(one["external_id"] for one in found)


def note_absence(connection: Connection, task_id: UUID, *, now: datetime) -> tuple[int, datetime]:
    """How often in a row the provider did not know the job of a waiting task, and since when."""
    found = row(connection, _SQL["note_absence"], task_id=task_id, now=now)
    return (found["times"], found["since"]) if found else (0, now)


def note_presence(connection: Connection, task_ids: Collection[UUID]) -> None:
    execute(connection, _SQL["note_presence"], task_ids=list(task_ids))


def lock_jobs(connection: Connection, account: str, external_ids: Collection[str | None]) -> None:
    """Until the end of the transaction, nobody else records anything about these jobs."""
    execute(connection, _SQL["lock_jobs"], account=account, external_ids=list(external_ids))


def return_to(connection: Connection, task_id: UUID, account: str, *, now: datetime) -> bool:
    """Whether a task that has moved on, but is not sent there yet, is this account's again."""
    return bool(value(connection, _SQL["return_to"], task_id=task_id, account=account, now=now))
