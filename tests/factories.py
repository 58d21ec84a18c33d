"""Runs, tasks, pipelines and rows that tests of several folders make; everything has a default."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import UUID

from orchestrator import expressions, loader
from orchestrator.core.decide import Open, Plan, decide
from orchestrator.core.events import Event, EventKind, TaskError
from orchestrator.core.pipeline import Pipeline
from orchestrator.core.run import Run, Task
from orchestrator.core.states import RunState, TaskKind, TaskState

if TYPE_CHECKING:
    import psycopg

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_numbers = count(1)


def number_id(number: int) -> UUID:
    """A UUID that is easy to read: its last digits are the number."""
    return UUID(int=number)


def some_id() -> UUID:
    return number_id(next(_numbers))


def pipeline(steps: str, top: str = "account: acedata\n") -> Pipeline:
    """The pipeline with these YAML steps, each on a line of its own."""
    indented = "".join(f"  {line}\n" for line in steps.strip().splitlines())
    return loader.parse(loader.read(f"pipeline: tested\n{top}steps:\n{indented}", "tested"))


def make_run(**overrides: Any) -> Run:
    values: dict[str, Any] = {
        "id": number_id(0xABC),
        "pipeline": "tested",
        "version": 1,
        "state": RunState.RUNNING,
        "inputs": {},
        "labels": {},
        "priority": 0,
        "created_at": NOW,
    }
    return Run(**values | overrides)


def make_task(**overrides: Any) -> Task:
    """A ready provider task; a final ``state`` sets what belongs to it."""
    values: dict[str, Any] = {
        "id": some_id(),
        "run_id": number_id(0xABC),
        "step": "grid",
        "item": 0,
        "attempt": 1,
        "kind": TaskKind.PROVIDER,
        "action": "imagine",
        "state": TaskState.READY,
        "params": {},
        "account": "acedata",
        "created_at": NOW,
    }
    task = Task(**values | overrides)
    if task.final and task.finished_at is None:
        task = replace(task, finished_at=NOW)
    return task


def event(kind: str, external_id: str | None = None, progress: int | None = None, **more: Any) -> Event:
    """An event; a failed one has an error, a succeeded one a result, unless given."""
    if kind == "failed":
        more.setdefault("error", TaskError("api_error", "it broke"))
    if kind == "succeeded":
        more.setdefault("result", {"image_id": "i"})
    return Event(EventKind(kind), external_id, progress, **more)


@dataclass
class Simulation:
    """A run without a database: what ``decide`` opens is kept, the test says how it ends."""

    pipeline: Pipeline
    run: Run = field(default_factory=make_run)
    tasks: list[Task] = field(default_factory=list)
    now: datetime = NOW
    opened: list[Open] = field(default_factory=list)

    def plan(self) -> Plan:
        return decide(self.pipeline, self.run, self.tasks, self.now, expressions)

    def advance(self) -> list[Open]:
        """What the engine's ``advance`` does; everything that was opened by it."""
        before = len(self.opened)
        while True:
            plan = self.plan()
            new = [self._insert(one) for one in plan.opens]
            self.tasks = [replace(task, settled=task.settled or task.id in plan.settle) for task in self.tasks] + new
            if plan.finish:
                self.run = replace(self.run, state=plan.finish.state, error=plan.finish.error, finished_at=self.now)
                self.tasks = [self._cancelled(task) for task in self.tasks]
            if not any(task.final for task in new):
                return self.opened[before:]

    def task(self, step: str, item: int = 0) -> Task:
        """The last task of a step's item."""
        found = [task for task in self.tasks if (task.step, task.item) == (step, item)]
        assert found, f"{step}[{item}] was never opened; there are {sorted({(t.step, t.item) for t in self.tasks})}"
        return max(found, key=lambda task: task.attempt)

    def end(self, step: str, item: int = 0, *, code: str | None = None, **result: Any) -> list[Open]:
        """The last task of a step's item succeeds with a result, or fails with a code; then the run advances."""
        self.finish(step, item, code=code, **result)
        return self.advance()

    def finish(self, step: str, item: int = 0, *, code: str | None = None, **result: Any) -> None:
        """The same without the advance."""
        task = self.task(step, item)
        assert not task.final, f"{step}[{item}] is over"
        ended = replace(
            task,
            state=TaskState.FAILED if code else TaskState.SUCCEEDED,
            error={"code": code, "message": "as the test says"} if code else None,
            result=None if code else result or {"image_id": f"{step}-{item}"},
            external_id=f"{step}-{item}-{task.attempt}" if task.kind is TaskKind.PROVIDER else None,
            finished_at=self.now,
        )
        self.tasks = [ended if one.id == task.id else one for one in self.tasks]

    def _insert(self, one: Open) -> Task:
        key = (one.step, one.item, one.attempt)
        assert key not in {(task.step, task.item, task.attempt) for task in self.tasks}, f"{key} is opened twice"
        self.opened.append(one)
        state = TaskState.FAILED if one.error else TaskState.SUCCEEDED if one.result is not None else TaskState.READY
        return make_task(
            step=one.step,
            item=one.item,
            attempt=one.attempt,
            kind=one.kind,
            action=one.action,
            state=state,
            params=one.params,
            account=one.account,
            result=one.result,
            error=one.error.as_json() if one.error else None,
            wake_at=one.wake_at,
            timeout=one.timeout,
            run_id=self.run.id,
        )

    @staticmethod
    def _cancelled(task: Task) -> Task:
        unsent = task.state is TaskState.READY or (task.kind is TaskKind.CHOOSE and task.state is TaskState.WAITING)
        return replace(task, state=TaskState.CANCELLED, finished_at=NOW, settled=True) if unsent else task


def keys(opened: Iterable[Open]) -> list[tuple[str, int, int]]:
    """(step, item, attempt) of what was opened."""
    return [(one.step, one.item, one.attempt) for one in opened]


# Rows of a real database ------------------------------------------------------------------------------


def wipe(connection: psycopg.Connection[Any]) -> None:
    """Nothing is left but accounts with their slots, and pipelines."""
    connection.execute("DELETE FROM callbacks")
    connection.execute("DELETE FROM runs")
    connection.execute("DELETE FROM objects")
    connection.execute("DELETE FROM slots s USING accounts a WHERE a.name = s.account AND s.number > a.slots")


def insert_run(connection: psycopg.Connection[Any], run_id: UUID | None = None) -> UUID:
    """A running run of a pipeline that has nothing but a name."""
    run_id = run_id or some_uuid()
    connection.execute(
        "INSERT INTO pipelines (name, version, document, created_at) VALUES ('tested', 1, '{}', now())"
        " ON CONFLICT DO NOTHING"
    )
    connection.execute(
        "INSERT INTO runs (id, pipeline, version, inputs, created_at) VALUES (%s, 'tested', 1, '{}', now())", (run_id,)
    )
    return run_id


def insert_task(
    connection: psycopg.Connection[Any],
    run_id: UUID,
    task_id: UUID | None = None,
    *,
    step: str = "grid",
    account: str = "acedata",
    timeout: int = 1800,
    now: datetime = NOW,
) -> UUID:
    """A ready provider task."""
    task_id = task_id or some_uuid()
    connection.execute(
        "INSERT INTO tasks (id, run_id, step, item, attempt, kind, action, params, account, provider, wake_at, timeout,"
        " created_at) VALUES (%s, %s, %s, (SELECT count(*) FROM tasks WHERE run_id = %s AND step = %s), 1,"
        " 'provider', 'imagine', '{}', %s, 'acedata', %s, %s, %s)",
        (task_id, run_id, step, run_id, step, account, now, timeout, now),
    )
    return task_id


def some_uuid() -> UUID:
    from uuid_utils.compat import uuid7

    return uuid7()


def body_of(events: Iterable[Event], salt: str = "") -> tuple[bytes, bytes]:
    """A body for these events, and its digest."""
    body = json.dumps([salt, *(one.as_json() for one in events)], sort_keys=True).encode()
    return body, hashlib.sha256(body).digest()


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)
