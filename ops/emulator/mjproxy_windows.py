"""Windows that wait to be confirmed: tasks in status MODAL, which nobody has paid for yet."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from ops.emulator.jobs import Job
from ops.emulator.mjproxy_buttons import Pressed
from ops.emulator.mjproxy_orders import MjOrder

_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Window:
    """An order that lacks its prompt or its mask, and the button and the parent it came from."""

    order: MjOrder
    button: Pressed
    parent: Job
    opened_at: float
    default_prompt: str

    @property
    def task(self) -> Job:
        """The window as a task object is made of it."""
        seed = self.parent.seed
        return Job(seed, 0, self.order, self.order.picture, submitted_at=self.opened_at, state="modal")


class Windows:
    """The newest windows by task id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[str, Window] = OrderedDict()

    def add(self, window: Window) -> None:
        """Open a window under its order's task id."""
        with self._lock:
            self._open[window.task.task_id] = window
            while len(self._open) > _KEPT:
                self._open.popitem(last=False)

    def get(self, task_id: str) -> Window | None:
        """The open window of that task, if it is one."""
        with self._lock:
            return self._open.get(task_id)

    def take(self, task_id: str) -> Window | None:
        """The window, which is then closed: nobody else can confirm it."""
        with self._lock:
            return self._open.pop(task_id, None)

    def all(self) -> list[Window]:
        """Every open window, oldest first."""
        with self._lock:
            return list(self._open.values())

    def clear(self) -> None:
        """Forget them all."""
        with self._lock:
            self._open.clear()
