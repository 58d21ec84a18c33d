"""What a run needs next. Pure and total: the same rows give the same plan, and every row gives one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from orchestrator.core.events import TaskError
from orchestrator.core.pipeline import Pipeline, Step
from orchestrator.core.run import Run, Task
from orchestrator.core.states import FINAL_RUN_STATES, RunState, TaskKind
from orchestrator.core.view import OVER, Expressions, ItemView, RunView, Standing, StepView, source_item
from orchestrator.errors import InvalidExpression


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A task to insert. result or error: it needs no worker, it is over as it is opened."""

    step: str
    item: int
    attempt: int
    kind: TaskKind
    action: str
    params: dict[str, Any]
    account: str | None
    timeout: int
    wake_at: datetime
    result: dict[str, Any] | None = None
    error: TaskError | None = None

    @property
    def immediate(self) -> bool:
        return self.result is not None or self.error is not None


@dataclass(frozen=True, slots=True)
class Finish:
    state: RunState
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """opens: tasks to insert. settle: ended tasks that the run has now taken notice of. finish: the run's end."""

    opens: tuple[Open, ...] = ()
    settle: tuple[UUID, ...] = ()
    finish: Finish | None = None


def decide(pipeline: Pipeline, run: Run, tasks: Iterable[Task], now: datetime, expressions: Expressions) -> Plan:
    """What follows from the rows of a run. Applied twice it changes nothing the second time."""
    rows = tuple(tasks)
    settle = tuple(task.id for task in rows if task.final and not task.settled)
    if run.state in FINAL_RUN_STATES or run.state is RunState.PAUSED:
        return Plan(settle=settle)
    view = RunView(pipeline, run, rows, expressions)
    views = [view.step(name) for name in pipeline.steps]
    failed = next((one for one in views if one.standing is Standing.FAILED), None)
    if failed:
        return Plan(settle=settle, finish=Finish(RunState.FAILED, _why(failed)))
    opens = tuple(
        _open(pipeline, run, view, one.step, item, now, expressions)
        for one in views
        if one.standing not in OVER  # of a step that is replaced no further item is opened
        for item in one.items
        if item.standing is Standing.DUE
    )
    over = all(one.standing in OVER for one in views)
    return Plan(opens=opens, settle=settle, finish=Finish(RunState.SUCCEEDED) if over else None)


def _why(failed: StepView) -> dict[str, Any]:
    item = next(item for item in failed.items if item.standing is Standing.FAILED)
    error = dict((item.task.error if item.task else None) or {"code": "cancelled", "message": "the task was cancelled"})
    return {**error, "step": failed.step.name, "item": item.index, "task_id": str(item.task.id) if item.task else None}


def _open(
    pipeline: Pipeline, run: Run, view: RunView, step: Step, item: ItemView, now: datetime, expressions: Expressions
) -> Open:
    source = source_item(view, step, item)
    parent = _parent(source)
    accounts = pipeline.accounts_of(step, run.accounts)
    params: dict[str, Any] = {"parent": parent}
    error = TaskError("expression", item.error) if item.error else None
    if not error:
        try:
            params |= _render(view, step, item, source, expressions)
        except InvalidExpression as problem:
            error = TaskError("expression", problem.message)
    if step.kind is TaskKind.PROVIDER:
        params["accounts"] = list(accounts)
    return Open(
        step=step.name,
        item=item.index,
        attempt=item.next_attempt,
        kind=step.kind,
        action=step.action,
        params=params,
        account=(parent or {}).get("account") or (accounts[0] if accounts else None),
        timeout=step.timeout,
        wake_at=now + _delay(step, item),
        result=None if error else _immediate(step),
        error=error,
    )


def _render(
    view: RunView, step: Step, item: ItemView, source: ItemView | None, expressions: Expressions
) -> dict[str, Any]:
    context = view.context(step, item)
    if step.when is not None:
        expressions.truth(step.when, context)  # raises what _unopened could not say
    inputs = expressions.render(dict(step.inputs), context)
    params: dict[str, Any] = {"with": inputs, "item": item.value}
    if step.kind is TaskKind.CHOOSE:
        return params | {"by": step.by, "fallback": step.fallback}
    quadrant = inputs.pop("quadrant", None) or item.quadrant or (source.quadrant if source else None)
    return params | ({"quadrant": quadrant} if quadrant else {})


def _parent(source: ItemView | None) -> dict[str, Any] | None:
    """The provider job that a task works on: of a choice, the job whose image was chosen from."""
    task = source.task if source else None
    if task is None:
        return None
    if task.kind is not TaskKind.PROVIDER:
        return task.params.get("parent")
    result = {key: value for key, value in (task.result or {}).items() if key != "extra"}
    return {
        "task_id": str(task.id),
        "external_id": task.external_id,
        "account": task.account,
        "action": task.action,
        "result": result,
    }


def _immediate(step: Step) -> dict[str, Any] | None:
    """The result of a choice that needs nobody's judgement."""
    if step.kind is not TaskKind.CHOOSE:
        return None
    if step.by == "all":
        return {"by": "all", "quadrants": [1, 2, 3, 4]}
    return {"by": step.by, "quadrant": step.by} if isinstance(step.by, int) else None


def _delay(step: Step, item: ItemView) -> timedelta:
    if not item.task:
        return timedelta(0)
    chance = (item.task.id.int & 0xFFFF) / 0x10000  # the same rows give the same plan
    return timedelta(seconds=step.retry.backoff.wait(item.attempts, chance))
