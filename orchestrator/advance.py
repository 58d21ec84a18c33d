"""ONE RUN'S NEXT STEP: lock the run, load its tasks, decide, apply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from orchestrator.core.decide import Open, Plan, decide
from orchestrator.core.run import Run, Task
from orchestrator.core.states import TaskKind, TaskState
from orchestrator.services import Services
from orchestrator.store import Connection, runs, tasks

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """What an advance has opened: submissions per account, and local acts. freed: accounts that have a slot again."""

    submissions: Counter[str] = field(default_factory=Counter)
    acts: int = 0
    freed: frozenset[str] = frozenset()

    def __add__(self, other: Opened) -> Opened:
        return Opened(self.submissions + other.submissions, self.acts + other.acts, self.freed | other.freed)


def advance(services: Services, run_id: UUID) -> Opened:
    """Bring a run forward as far as its rows allow. Any number of callers at once; each sees the others' work."""
    with services.db.transaction() as connection:
        run = runs.lock_run(connection, run_id)
        return advance_locked(services, connection, run, tasks.load_tasks(connection, run_id))


def advance_locked(services: Services, connection: Connection, run: Run, known: Iterable[Task]) -> Opened:
    """The same for a caller who holds the run's lock. The caller commits, then nudges (`nudge_for`)."""
    pipeline = services.pipeline(connection, run.pipeline, run.version)
    rows = {task.id: task for task in known}
    opened: list[Task] = []
    freed: set[str] = set()
    while True:
        now = services.now()
        plan = decide(pipeline, run, rows.values(), now, services.expressions)
        new = _apply(services, connection, run, plan, now)
        freed |= {account for account in (rows[task_id].account for task_id in plan.settle) if account}
        rows |= {task.id: task for task in new}
        opened += new
        # What was over as it was opened is taken notice of at once.
        if not any(task.final for task in new):
            break
    return _count(opened, frozenset(freed))


def nudge_for(services: Services, opened: Opened) -> None:
    """Tell the workers what there is to do."""
    for account in opened.submissions.keys() | opened.freed:
        services.nudge.submit(account, max(opened.submissions[account], 1))
    for _ in range(opened.acts):
        services.nudge.act()


def _apply(services: Services, connection: Connection, run: Run, plan: Plan, now: datetime) -> list[Task]:
    if plan.settle:
        tasks.settle_tasks(connection, plan.settle)
    new: list[Task] = []
    if plan.opens:
        new = tasks.insert_tasks(
            connection, run.id, [_row(services, one, now) for one in plan.opens], priority=run.priority, now=now
        )
    if plan.finish:
        runs.finish_run(connection, run.id, plan.finish.state, error=plan.finish.error, now=now)
        tasks.cancel_unsent(connection, run.id, cause=f"the run has {plan.finish.state}", now=now)
        log.info("run over", run=str(run.id), state=plan.finish.state.value, error=plan.finish.error)
    return new


def _row(services: Services, one: Open, now: datetime) -> dict[str, Any]:
    """The task to insert, ready or, when it needs nobody, already over."""
    state = TaskState.FAILED if one.error else TaskState.SUCCEEDED if one.result is not None else TaskState.READY
    account = services.config.accounts.get(one.account) if one.account else None
    return {
        "id": uuid7(),
        "step": one.step,
        "item": one.item,
        "attempt": one.attempt,
        "kind": one.kind,
        "action": one.action,
        "state": state,
        "params": one.params,
        "account": one.account,
        "provider": account.provider if account else None,
        "result": one.result,
        "error": one.error.as_json() if one.error else None,
        "waiting_for": None if one.immediate else _waits_for(one.kind),
        "wake_at": None if one.immediate else one.wake_at,
        "urgent_at": ((one.params.get("parent") or {}).get("result") or {}).get("expires_at"),
        "timeout": one.timeout,
        "finished_at": now if one.immediate else None,
        "progress": 100 if one.result is not None else 0,
    }


def _waits_for(kind: TaskKind) -> str:
    return "a slot and a worker" if kind is TaskKind.PROVIDER else "a worker"


def _count(opened: Iterable[Task], freed: frozenset[str]) -> Opened:
    ready = [task for task in opened if task.state is TaskState.READY]
    submissions = Counter(task.account for task in ready if task.kind is TaskKind.PROVIDER and task.account)
    return Opened(submissions, sum(1 for task in ready if task.kind is not TaskKind.PROVIDER), freed)
