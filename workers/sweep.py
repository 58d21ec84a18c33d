"""The safety net: whatever a lost message or a dead process left behind is found here and set going again."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from itertools import islice
from uuid import UUID

import structlog

from orchestrator.core.events import TaskError
from orchestrator.core.run import Task
from orchestrator.core.states import TaskKind, TaskState
from orchestrator.services import Services
from orchestrator.store import tasks

log = structlog.get_logger(__name__)
GRACE = timedelta(seconds=2)  # what ended less than this ago is being dealt with by its own nudge
LEASE = 20.0  # seconds until another sweep may take the same task
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
    for run_id in runs:
        services.nudge.advance(run_id)
    for account in accounts:
        services.nudge.submit(account)
    for _ in range(acts):
        services.nudge.act()
    _wake(services, due)
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
            log.error("an account with unfinished tasks is not configured", account=account, tasks=len(task_ids))
            continue
        rest = iter(task_ids)
        while batch := list(islice(rest, LOOK_BATCH)):
            services.nudge.look(account, batch)


def _doubt(services: Services, task: Task) -> None:
    """The worker that claimed it has not come back: nobody knows whether it was sent."""
    now = services.now()
    with services.db.connection() as connection:
        tasks.doubt_submission(
            connection,
            task.id,
            "a look at the provider: the worker did not come back",
            wake_at=now + timedelta(seconds=LEASE),
            now=now,
        )


def _wake_act(services: Services, task: Task) -> None:
    """A local act whose worker died is done again; a person who did not answer is replaced, or given up on."""
    now = services.now()
    asked = task.state is TaskState.WAITING
    fallback = task.params.get("fallback")
    with services.db.connection() as connection:
        if asked and fallback is None:
            error = TaskError("timed_out", f"nobody chose within {task.timeout} s")
            done = tasks.finish_task(
                connection,
                task.id,
                TaskState.FAILED,
                from_states=[TaskState.WAITING],
                cause="deadline",
                now=now,
                error=error,
            )
        else:
            params = {"by": fallback} if asked else {}
            cause = "nobody chose" if asked else "the worker did not come back"
            done = tasks.hand_back(connection, task.id, cause=cause, wake_at=now, now=now, params=params)
    if done and asked and fallback is None:
        services.nudge.advance(task.run_id)
    elif done:
        services.nudge.act()
