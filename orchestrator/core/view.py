"""How far a run has come: each step's state, derived from its tasks alone. Nothing here is stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from orchestrator.core.pipeline import Pipeline, Step
from orchestrator.core.run import Run, Task
from orchestrator.core.states import TaskKind, TaskState
from orchestrator.errors import InvalidExpression


class Expressions(Protocol):
    """The expression language, handed in so that this package stays free of libraries."""

    def render(self, value: Any, context: Mapping[str, Any]) -> Any: ...

    def evaluate(self, expression: str, context: Mapping[str, Any]) -> Any: ...

    def truth(self, expression: str, context: Mapping[str, Any]) -> bool: ...


class Standing(StrEnum):
    """Where a step, or one item of it, stands."""

    PENDING = "pending"  # something it needs is not over
    DUE = "due"  # nothing is missing: open it
    ACTIVE = "active"  # a task of it is not finished
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # ends the run
    TOLERATED = "tolerated"  # failed, and the run goes on without it
    REPLACED = "replaced"  # failed, and another step stands in
    SKIPPED = "skipped"


OVER = frozenset({Standing.SUCCEEDED, Standing.TOLERATED, Standing.REPLACED, Standing.SKIPPED})
UNUSABLE = frozenset({Standing.TOLERATED, Standing.REPLACED, Standing.SKIPPED})


@dataclass(frozen=True, slots=True)
class ItemView:
    """One item of a step. value: its for_each element. quadrant: which of four a chosen item stands for."""

    index: int
    standing: Standing
    task: Task | None = None
    attempts: int = 0
    next_attempt: int = 1
    value: Any = None
    quadrant: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class StepView:
    step: Step
    standing: Standing
    items: tuple[ItemView, ...] = ()

    @property
    def chooses_all(self) -> bool:
        return self.step.kind is TaskKind.CHOOSE and self.step.by == "all"

    def as_context(self, index: int) -> dict[str, Any]:
        """What the expressions of an item with this index see under ``steps.<name>``: where this step is fanned out
        too, ``result`` and ``error`` are those of the same item."""
        tasks = [item.task for item in self.items]
        mine = tasks[index if index < len(tasks) else 0] if tasks else None
        return {
            "state": self.standing.value,
            "result": mine.result if mine else None,
            "results": [task.result if task else None for task in tasks],
            "error": mine.error if mine else None,
        }


class RunView:
    """Every step's view of one run, worked out once, on demand, following the steps' dependencies."""

    def __init__(self, pipeline: Pipeline, run: Run, tasks: Iterable[Task], expressions: Expressions) -> None:
        self._pipeline = pipeline
        self._run = run
        self._expressions = expressions
        self._stand_ins = pipeline.stand_ins()
        self._views: dict[str, StepView] = {}
        self._tasks: dict[tuple[str, int], list[Task]] = defaultdict(list)
        for task in sorted(tasks, key=lambda one: one.attempt):
            self._tasks[task.step, task.item].append(task)

    def step(self, name: str) -> StepView:
        if name not in self._views:
            self._views[name] = self._look(self._pipeline.steps[name])
        return self._views[name]

    def used(self, name: str) -> StepView:
        """The view of a step as its users see it: of its stand-in, when that has taken its place."""
        view = self.step(name)
        return self.used(view.step.otherwise) if view.standing is Standing.REPLACED and view.step.otherwise else view

    def context(self, step: Step, item: ItemView) -> dict[str, Any]:
        """What the expressions of one item of a step may see."""
        names = {*step.needs, *([step.source] if step.source else [])}
        return {
            "inputs": self._run.inputs,
            "steps": {name: self.used(name).as_context(item.index) for name in names},
            "item": item.value,
            "index": item.index,
            "run": {"id": str(self._run.id), "pipeline": self._run.pipeline, "labels": self._run.labels},
        }

    def _look(self, step: Step) -> StepView:
        blocked = self._blocked(step)
        if blocked:
            return StepView(step, blocked)
        try:
            items = self._items(step)
        except InvalidExpression as error:
            items = (ItemView(0, Standing.DUE, error=error.message),)
        items = tuple(self._look_at_item(step, item) for item in items)
        return StepView(step, _standing(items), items)

    def _blocked(self, step: Step) -> Standing | None:
        """Why no item of this step can be looked at yet, or at all."""
        stands_in_for = self._stand_ins.get(step.name)
        if stands_in_for:
            former = self.step(stands_in_for).standing
            if former is not Standing.REPLACED:
                return Standing.SKIPPED if former in OVER else Standing.PENDING
        if any(self.used(name).standing not in OVER for name in step.needs):
            return Standing.PENDING
        if step.source is None:
            return None
        source = self.used(step.source)
        if source.standing in UNUSABLE:
            return Standing.SKIPPED
        # How many items there are is known when the source has items, and of a choice of all when it is made.
        known = source.items and (source.standing in OVER or not source.chooses_all)
        return None if known else Standing.PENDING

    def _items(self, step: Step) -> tuple[ItemView, ...]:
        """The items this step has, not yet looked at: its own list, or one to one those of its source, or one."""
        if step.for_each is not None:
            return tuple(ItemView(i, Standing.DUE, value=value) for i, value in enumerate(self._list(step)))
        if step.source is None:
            return (ItemView(0, Standing.DUE),)
        source = self.used(step.source)
        if source.chooses_all:
            chosen = source.items[0].task
            quadrants = (chosen.result or {}).get("quadrants", []) if chosen else []
            return tuple(ItemView(i, Standing.DUE, value=n, quadrant=n) for i, n in enumerate(quadrants))
        return tuple(ItemView(item.index, Standing.DUE, value=item.value) for item in source.items)

    def _list(self, step: Step) -> list[Any]:
        value = step.for_each
        context = self.context(step, ItemView(0, Standing.DUE))
        # What an expression yields is data: it is not rendered again.
        evaluate = self._expressions.evaluate if isinstance(value, str) else self._expressions.render
        value = evaluate(value, context)
        if not isinstance(value, list):
            raise InvalidExpression(f"for_each of step {step.name!r} is not a list")
        return value

    def _look_at_item(self, step: Step, item: ItemView) -> ItemView:
        tasks = self._tasks.get((step.name, item.index), [])
        current = [task for task in tasks if not task.superseded]
        last = current[-1] if current else None
        standing = self._item_standing(step, item, last, len(current))
        return ItemView(
            item.index,
            standing,
            last,
            len(current),
            (tasks[-1].attempt if tasks else 0) + 1,
            item.value,
            item.quadrant if item.quadrant is not None else _quadrant(last),
            item.error,
        )

    def _item_standing(self, step: Step, item: ItemView, last: Task | None, attempts: int) -> Standing:
        if last is None:
            return self._unopened(step, item)
        if not last.final:
            return Standing.ACTIVE
        if last.state is TaskState.SUCCEEDED:
            return Standing.SUCCEEDED
        code = str((last.error or {}).get("code", ""))
        if last.state is TaskState.FAILED and step.retry.allows(code, attempts):
            return Standing.DUE
        if step.otherwise:
            return Standing.REPLACED
        return Standing.TOLERATED if step.on_failure == "continue" else Standing.FAILED

    def _unopened(self, step: Step, item: ItemView) -> Standing:
        source = source_item(self, step, item)
        if source is not None and source.standing is not Standing.SUCCEEDED:
            return Standing.SKIPPED if source.standing in UNUSABLE else Standing.PENDING
        if step.when is None or item.error:
            return Standing.DUE
        try:
            wanted = self._expressions.truth(step.when, self.context(step, item))
        except InvalidExpression:
            return Standing.DUE  # opened, and failed at once with the expression's error
        return Standing.DUE if wanted else Standing.SKIPPED


def source_item(view: RunView, step: Step, item: ItemView) -> ItemView | None:
    """The item of the source that this item works on."""
    if step.source is None:
        return None
    items = view.used(step.source).items
    return items[item.index] if len(items) > 1 else items[0]


def _quadrant(task: Task | None) -> int | None:
    return (task.result or {}).get("quadrant") if task and task.kind is TaskKind.CHOOSE else None


def _standing(items: tuple[ItemView, ...]) -> Standing:
    """A step's standing from its items: the first of these that any item has."""
    if not items:
        return Standing.SKIPPED
    seen = {item.standing for item in items}
    for standing in (Standing.FAILED, Standing.REPLACED, Standing.PENDING, Standing.DUE, Standing.ACTIVE):
        if standing in seen:
            return standing
    if Standing.SUCCEEDED in seen:
        return Standing.SUCCEEDED
    return Standing.TOLERATED if Standing.TOLERATED in seen else Standing.SKIPPED
