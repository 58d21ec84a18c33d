"""What this process has claimed and not yet recorded, so that it can be handed back when the process has to end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.core.run import Task


class InHand:
    """``ending`` is set when the process has been asked to end: from then on nothing new is begun."""

    def __init__(self) -> None:
        self.ending = threading.Event()
        self._tasks: list[Task] = []  # a claim may be held by several threads at once, if its lease ran out

    @contextmanager
    def hold(self, task: Task) -> Iterator[None]:
        """Between the claim and the record of what came of it."""
        self._tasks.append(task)
        try:
            yield
        finally:
            self._tasks.remove(task)

    def tasks(self) -> list[Task]:
        """As they were when they were claimed."""
        return list(self._tasks)
