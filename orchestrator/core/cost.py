"""What a run has cost, by the prices that its accounts were given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator.core.run import Task
from orchestrator.core.states import TaskKind, TaskState

# Providers do not charge for failed jobs as a rule; what is uncertain may have been charged.
CHARGED = frozenset({TaskState.WAITING, TaskState.UNCERTAIN, TaskState.SUCCEEDED})


def cost(tasks: Iterable[Task], prices: Mapping[str, Mapping[str, float]]) -> float | None:
    """The sum; None when a charged action has no price. prices: account -> action -> price."""
    charged = [task for task in tasks if task.kind is TaskKind.PROVIDER and task.state in CHARGED]
    known = [prices.get(task.account or "", {}).get(task.action) for task in charged]
    return None if None in known else round(sum(price for price in known if price is not None), 6)
