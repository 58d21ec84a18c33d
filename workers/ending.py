"""How a worker process ends: nothing new is begun, what is in hand is finished, or handed back when that takes long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import structlog

from orchestrator.core.run import Task
from orchestrator.core.states import TaskKind, TaskState
from orchestrator.errors import Unavailable
from orchestrator.services import Services
from orchestrator.store import submissions, tasks
from workers.jobs import Lazily
from workers.submit import FIRST_LOOK

log = structlog.get_logger(__name__)
TICK = 0.1  # seconds
CAUSE = "the worker was stopped"


class Ending:
    """patience: seconds for what is in hand. leave: ends the process at once, whatever its threads do."""

    def __init__(self, services: Lazily, patience: float, leave: Callable[[], None]) -> None:
        self._services = services
        self._patience = patience
        self._leave = leave
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def begun(self) -> bool:
        return self._thread is not None

    def begin(self) -> None:
        """The process has been asked to end; a second time changes nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="ending", daemon=True)
            self._thread.start()

    def over(self) -> None:
        """No job runs any more."""
        self._over.set()
        self._services.close()

    def _work(self) -> None:
        deadline = time.monotonic() + self._patience
        while not self._over.is_set() and time.monotonic() < deadline:
            if self._services.opened:
                self._services.opened.in_hand.ending.set()
            self._over.wait(TICK)
        if self._over.is_set():
            return
        if self._services.opened:
            hand_back(self._services.opened)
            self._services.close()
        self._leave()


def hand_back(services: Services) -> None:
    """Let others go on at once with what this process has claimed, in place of waiting until its leases run out."""
    held = services.in_hand.tasks()
    for task in held:
        try:
            _hand_back(services, task)
        except Unavailable as error:
            log.warning("not handed back; the lease decides", task=str(task.id), error=error.message)
    if any(task.kind is not TaskKind.PROVIDER for task in held):
        services.nudge.act()
    log.info("handed back", tasks=[str(task.id) for task in held])


def _hand_back(services: Services, task: Task) -> None:
    now = services.now()
    soon = now + timedelta(seconds=min(FIRST_LOOK, services.config.settle))
    with services.db.connection() as connection:
        if task.kind is TaskKind.PROVIDER:
            # The request may have gone out: nobody knows, until the provider is asked. A job of which something was
            # heard already, on a stream that we leave now, is asked about just as soon.
            submissions.doubt_submission(connection, task.id, CAUSE, wake_at=soon, now=now, submission=task.submissions)
            tasks.look_later(connection, task.id, wake_at=soon, counted=False)
            return
        if tasks.get_task(connection, task.id).state is TaskState.WORKING:  # not one that asks a person by now
            tasks.hand_back(connection, task.id, cause=CAUSE, wake_at=now, now=now, params={}, claim=task.submissions)
