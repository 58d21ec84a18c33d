"""The safety net: whatever a lost message or a dead process left behind is found here and set going again."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import structlog

from orchestrator.core.backoff import Backoff
from orchestrator.core.events import TaskError
from orchestrator.core.run import Task
from orchestrator.core.states import TaskKind, TaskState
from orchestrator.services import Services
from orchestrator.store import processes, submissions, tasks
from workers.health import move_on
from workers.stray import wait_or_end

log = structlog.get_logger(__name__)
GRACE = timedelta(seconds=2)  # what ended less than this ago is being dealt with by its own nudge
LEASE = 20.0  # seconds until another sweep may take the same task
LOST = Backoff(first=10.0, most=300.0)  # between two workers that did not come back from one act
BATCH = 500
LOOK_BATCH = 20
ACTORS = 8


def sweep(services: Services) -> None:
    """One pass. Any number may run at once: each takes other rows."""
    now = services.now()
    with services.db.connection() as connection:
        runs = tasks.unsettled_runs(connection, before=now - GRACE, limit=BATCH)
        accounts = tasks.accounts_with_ready_tasks(connection, services.config.accounts, now=now)
        acts = tasks.count_ready_acts(connection, limit=ACTORS, now=now)
        due = tasks.claim_due(connection, lease=LEASE, limit=BATCH, now=now)
    move_on(services)
    for run_id in runs:
        services.nudge.advance(run_id)
    for account in accounts:
        services.nudge.submit(account)
    for _ in range(acts):
        services.nudge.act()
    _wake(services, due)
    with services.db.connection() as connection:
        processes.note_pass(connection, "sweep")
    if runs or due:
        log.info("sweep", lost=len(runs), due=len(due), accounts=accounts, acts=acts)


def _wake(services: Services, due: list[Task]) -> None:
    to_look_at: dict[str, list[UUID]] = defaultdict(list)
    for task in due:
        if task.kind is not TaskKind.PROVIDER:
            _wake_act(services, task)
            continue
        if task.state is TaskState.SUBMITTING:
            _doubt(services, task)
        to_look_at[str(task.account)].append(task.id)
    for account, task_ids in to_look_at.items():
        if account not in services.config.accounts:
            wait_or_end(services, account, task_ids)
            continue
        rest = iter(task_ids)
        while batch := list(islice(rest, LOOK_BATCH)):
            services.nudge.look(account, batch)


def _doubt(services: Services, task: Task) -> None:
    """The worker that claimed it has not come back: nobody knows whether it was sent."""
    now = services.now()
    with services.db.connection() as connection:
        submissions.doubt_submission(
            connection,
            task.id,
            "a look at the provider: the worker did not come back",
            wake_at=now + timedelta(seconds=LEASE),
            now=now,
            submission=task.submissions,
        )


def _wake_act(services: Services, task: Task) -> None:
    """A local act whose worker died is done again; a person who did not answer is replaced, or given up on."""
    if task.state is TaskState.WAITING:
        fallback = task.params.get("fallback")
        if fallback is None:
            _give_up(services, task, TaskError("timed_out", f"nobody chose within {task.timeout} s"))
        else:
            _hand_back(services, task, "nobody chose", {"by": fallback})
    elif task.deadline_at is not None and task.deadline_at <= services.now():
        # It may be the act that kills the workers.
        error = TaskError("worker_lost", f"{task.submissions} workers have begun it and not come back")
        _give_up(services, task, error)
    else:
        # Soon, but each time later: if it is the act that kills the workers, it does not kill them all.
        pause = LOST.wait(task.submissions, 0.0) if task.submissions > 1 else 0.0
        _hand_back(services, task, "the worker did not come back", {}, pause)


def _give_up(services: Services, task: Task, error: TaskError) -> None:
    with services.db.connection() as connection:
        done = tasks.finish_task(
            connection,
            task.id,
            TaskState.FAILED,
            from_states=[task.state],
            cause="deadline",
            now=services.now(),
            error=error,
            claim=task.submissions,
        )
    if done:
        log.warning("given up", task=str(task.id), run=str(task.run_id), code=error.code)
        services.nudge.advance(task.run_id)


def _hand_back(services: Services, task: Task, cause: str, params: dict[str, Any], pause: float = 0.0) -> None:
    now = services.now()
    wake_at = now + timedelta(seconds=pause)
    with services.db.connection() as connection:
        done = tasks.hand_back(
            connection, task.id, cause=cause, wake_at=wake_at, now=now, params=params, claim=task.submissions
        )
    if done and not pause:
        services.nudge.act()
