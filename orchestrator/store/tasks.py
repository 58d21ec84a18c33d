"""The tasks table. Every state change is one guarded statement; its name is the function's."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from orchestrator.core.events import TaskError
from orchestrator.core.run import Task
from orchestrator.core.states import TaskKind, TaskState
from orchestrator.errors import NotFound
from orchestrator.store.paging import Place
from orchestrator.store.pool import Connection, Row, execute, json, planned, row, rows, value
from orchestrator.store.queries import load

_SQL = load("tasks")
_FIELDS = tuple(Task.__dataclass_fields__)


def as_task(found: Row) -> Task:
    """A row as the rules see it."""
    fields = {name: found[name] for name in _FIELDS}
    return Task(**fields | {"state": TaskState(found["state"]), "kind": TaskKind(found["kind"])})


def load_tasks(connection: Connection, run_id: UUID) -> list[Task]:
    return [as_task(found) for found in rows(connection, _SQL["load_tasks"], run_id=run_id)]


def get_task(connection: Connection, task_id: UUID) -> Task:
    """Raises NotFound."""
    found = row(connection, _SQL["get_task"], task_id=task_id)
    if found is None:
        raise NotFound(f"there is no task {task_id}")
    return as_task(found)


def list_tasks(
    connection: Connection,
    *,
    run_id: UUID | None = None,
    state: TaskState | None = None,
    account: str | None = None,
    step: str | None = None,
    external_id: str | None = None,
    after: Place | None = None,
    limit: int,
) -> list[Task]:
    """Newest first, without their params."""
    found = planned(
        connection,
        _SQL["list_tasks"],
        run_id=run_id,
        state=state.value if state else None,
        account=account,
        step=step,
        external_id=external_id,
        after_at=after.at if after else None,
        after_id=after.id if after else None,
        limit=limit,
    )
    return [as_task(one) for one in found]


def tasks_of_runs(connection: Connection, run_ids: Collection[UUID]) -> list[Task]:
    """In the order of their opening, without their params."""
    return [as_task(one) for one in rows(connection, _SQL["tasks_of_runs"], run_ids=list(run_ids))]


def insert_tasks(
    connection: Connection, run_id: UUID, opened: list[dict[str, Any]], *, priority: int, now: datetime
) -> list[Task]:
    """The tasks that this call inserted; those that another one inserted before are left out."""
    found = rows(connection, _SQL["insert_tasks"], run_id=run_id, rows=json(opened), priority=priority, now=now)
    return [as_task(one) for one in found]


def settle_tasks(connection: Connection, task_ids: Collection[UUID]) -> None:
    execute(connection, _SQL["settle_tasks"], task_ids=list(task_ids))


def cancel_unsent(connection: Connection, run_id: UUID, *, cause: str, now: datetime) -> None:
    execute(connection, _SQL["cancel_unsent"], run_id=run_id, cause=cause, now=now)


def claim_act(connection: Connection, *, lease: float, now: datetime) -> Task | None:
    """The most urgent local act, now working."""
    found = row(connection, _SQL["claim_act"], lease=lease, now=now)
    return as_task(found) if found else None


def renew_act(connection: Connection, task_id: UUID, *, claim: int, lease: float, now: datetime) -> bool:
    """False when this claim of the act is over: it has ended, was taken over, or its time is up."""
    return bool(execute(connection, _SQL["renew_act"], task_id=task_id, claim=claim, lease=lease, now=now))


def finish_task(
    connection: Connection,
    task_id: UUID,
    state: TaskState,
    *,
    from_states: Iterable[TaskState],
    cause: str,
    now: datetime,
    result: dict[str, Any] | None = None,
    error: TaskError | None = None,
    claim: int | None = None,
) -> bool:
    """True if this call ended the task. claim: by whose claim of it (``Task.submissions``); None: whoever has it."""
    return bool(
        value(
            connection,
            _SQL["finish_task"],
            task_id=task_id,
            state=state.value,
            from_states=[one.value for one in from_states],
            cause=cause,
            now=now,
            result=json(result),
            error=json(error.as_json() if error else None),
            claim=claim,
        )
    )


def ask_person(connection: Connection, task_id: UUID, *, now: datetime, claim: int | None = None) -> bool:
    return bool(value(connection, _SQL["ask_person"], task_id=task_id, now=now, claim=claim))


def hand_back(
    connection: Connection,
    task_id: UUID,
    *,
    cause: str,
    wake_at: datetime,
    now: datetime,
    params: dict[str, Any],
    claim: int | None = None,
) -> bool:
    """claim: by whose claim of it (``Task.submissions``); None: whoever has it."""
    return bool(
        value(
            connection,
            _SQL["hand_back"],
            task_id=task_id,
            cause=cause,
            wake_at=wake_at,
            now=now,
            params=json(params),
            claim=claim,
        )
    )


def claim_due(connection: Connection, *, lease: float, limit: int, now: datetime) -> list[Task]:
    return [as_task(one) for one in rows(connection, _SQL["claim_due"], lease=lease, limit=limit, now=now)]


def look_later(connection: Connection, task_id: UUID, *, wake_at: datetime, counted: bool = True) -> None:
    execute(connection, _SQL["look_later"], task_id=task_id, wake_at=wake_at, counted=counted)


def hold_look(connection: Connection, task_id: UUID, *, seen: datetime | None, until: datetime) -> bool:
    """Keep others from looking for it. seen: its ``wake_at`` when it was read; False when that has moved."""
    return bool(execute(connection, _SQL["hold_look"], task_id=task_id, seen=seen, until=until))


def accounts_with_ready_tasks(connection: Connection, accounts: Iterable[str], *, now: datetime) -> list[str]:
    found = rows(connection, _SQL["accounts_with_ready_tasks"], accounts=list(accounts), now=now)
    return [one["name"] for one in found]


def count_ready_acts(connection: Connection, *, limit: int, now: datetime) -> int:
    return int(value(connection, _SQL["count_ready_acts"], limit=limit, now=now))


def unsettled_runs(connection: Connection, *, before: datetime, limit: int) -> list[UUID]:
    return [one["run_id"] for one in rows(connection, _SQL["unsettled_runs"], before=before, limit=limit)]


def supersede(connection: Connection, task_ids: Collection[UUID]) -> int:
    return execute(connection, _SQL["supersede"], task_ids=list(task_ids))


def history(connection: Connection, task_id: UUID) -> list[Row]:
    return rows(connection, _SQL["history"], task_id=task_id)


def lineage(connection: Connection, task_id: UUID) -> list[Task]:
    return [as_task(one) for one in rows(connection, _SQL["lineage"], task_id=task_id)]
