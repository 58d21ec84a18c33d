"""A submission whose answer was lost: is it among the provider's latest tasks?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.core.events import Sighting
from orchestrator.core.tokens import task_named_in
from orchestrator.errors import MalformedDelivery
from orchestrator.providers.base import FAR, Order
from orchestrator.providers.mjproxy.reading import event_of, named


def sighting(tasks: Sequence[Mapping[str, Any]] | None, order: Order) -> Sighting:
    """What the list of tasks says about an order; None: there is no list, so nobody can tell.

    Each submission carries the task's own id as ``state``, which is echoed, so no other job can be taken for it.
    """
    if tasks is None:
        return Sighting()
    mine = [task for task in tasks if _is_sent(task, order)]
    if not mine:
        return Sighting(absent=covers(tasks, order))
    latest = max(mine, key=lambda task: submitted_at(task) or 0.0)
    name = named(latest)
    if name is None:
        return Sighting()
    try:
        event = event_of(latest)
    except MalformedDelivery:
        event = None  # that it exists is what was asked
    return Sighting(name, events=(event,) if event else (), candidates=(name,))


def covers(tasks: Sequence[Mapping[str, Any]], order: Order) -> bool:
    """Whether a submission of that time would be listed.

    A list that begins after it proves nothing: some layers keep their tasks in memory and forget them on a restart, one
    lists no more than a hundred.
    """
    times = [time for time in map(submitted_at, tasks) if time is not None]
    if order.sent_at is None or not times:
        return False
    return min(times) < (order.sent_at - FAR).timestamp()


def submitted_at(task: Mapping[str, Any]) -> float | None:
    """Epoch seconds at which the provider took the job."""
    value = task.get("submitTime")
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return None
    return value / 1000


def _is_sent(task: Mapping[str, Any], order: Order) -> bool:
    """Ours, and begun: a window that was never confirmed costs nothing, and is no job yet."""
    if str(task.get("status")).strip().upper() == "MODAL":
        return False
    properties = task.get("properties")
    hook = properties.get("notifyHook") if isinstance(properties, Mapping) else None
    return task.get("state") == str(order.task_id) or (isinstance(hook, str) and _is_hook_of(hook, order))


def _is_hook_of(hook: str, order: Order) -> bool:
    """Whatever host, secret and way of waiting were configured when it was sent."""
    return hook == order.callback_url or task_named_in(hook) == order.task_id
