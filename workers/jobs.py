"""The jobs: a name each, and three lines that say which function they call. Messages carry ids only."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from uuid import UUID

import structlog
from celery import Celery

from orchestrator.advance import Opened, nudge_for
from orchestrator.advance import advance as advance_run
from orchestrator.errors import NotFound, Unavailable
from orchestrator.services import Services
from workers.act import act_ready
from workers.look import look as look_at
from workers.prune import prune as prune_once
from workers.submit import submit_ready
from workers.sweep import sweep as sweep_once

log = structlog.get_logger(__name__)


class Lazily:
    """Services that are opened by the first job, in the process that runs it: connections do not survive a fork."""

    def __init__(self, make: Callable[[], Services]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._services: Services | None = None

    def __call__(self) -> Services:
        with self._lock:
            if self._services is None:
                services = self._make()
                try:
                    services.check_schema()  # a worker waits for its migrations
                    services.put_accounts()
                except BaseException:
                    services.close()  # the next job tries again: without its accounts nothing is ever submitted
                    raise
                self._services = services
            return self._services

    @property
    def opened(self) -> Services | None:
        """Those of the first job, if there has been one."""
        return self._services

    def close(self) -> None:
        """Say what is still to be said, and end."""
        with self._lock:
            if self._services is not None:
                self._services.close()


def register(app: Celery, services: Callable[[], Services]) -> None:
    """Give the application its jobs."""

    def job(name: str) -> Callable[[Callable[..., None]], object]:
        def decorate(function: Callable[..., None]) -> object:
            return app.task(name=name, shared=False)(_survives_absence(name, function))

        return decorate

    @job("advance")
    def advance(*run_ids: str) -> None:
        advance_all(services(), map(UUID, run_ids))

    @job("submit")
    def submit(account: str, ready: int = 1) -> None:
        submit_ready(services(), account, ready)

    @job("look")
    def look(account: str, task_ids: list[str]) -> None:
        look_at(services(), account, [UUID(task_id) for task_id in task_ids])

    @job("act")
    def act() -> None:
        act_ready(services())

    @job("sweep")
    def sweep() -> None:
        sweep_once(services())

    @job("prune")
    def prune() -> None:
        prune_once(services())


def advance_all(services: Services, run_ids: Iterable[UUID]) -> None:
    """Bring each of these runs forward, then submit. One run's trouble keeps no other from its turn."""
    left, opened = deque(run_ids), Opened()
    try:
        while left and not services.in_hand.ending.is_set():
            opened += advance_run(services, left.popleft())
    finally:
        for run_id in left:
            services.nudge.advance(run_id)
        submit_now(services, opened)


def submit_now(services: Services, opened: Opened) -> None:
    """Submit for one of the accounts in this very job, and let others do the rest."""
    mine = next(iter([*opened.submissions, *opened.freed]), None)
    others = Counter({name: ready for name, ready in opened.submissions.items() if name != mine})
    nudge_for(services, Opened(others, opened.acts, opened.freed - {mine}))
    if mine:
        submit_ready(services, mine, max(opened.submissions[mine], 1))


def _survives_absence(name: str, function: Callable[..., None]) -> Callable[..., None]:
    """Without database or row there is nothing to do now, and the sweep comes again. A defect is raised."""

    def run(*arguments: object) -> None:
        try:
            function(*arguments)
        except Unavailable as error:
            log.warning("job given up", job=name, error=error.message)
        except NotFound as error:
            log.info("nothing there", job=name, error=error.message)

    run.__name__ = name
    return run
