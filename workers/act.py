"""Local acts: choose a quadrant, archive an image. Free to repeat, so a lost worker is simply replaced.

Who is at work renews the lease; who has lost it nevertheless, because the machine stood still say, ends nothing: every
statement names the claim it speaks for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog

from orchestrator.advance import advance, nudge_for
from orchestrator.core.backoff import Backoff
from orchestrator.core.events import TaskError
from orchestrator.core.run import Task
from orchestrator.core.states import TaskKind, TaskState
from orchestrator.errors import ArchiveFailed, DownloadFailed, OrchestratorError, Unavailable
from orchestrator.services import Services
from orchestrator.store import tasks
from workers.choose import choose
from workers.keep import keep

log = structlog.get_logger(__name__)
LEASE = 30.0  # seconds without a sign of life after which the worker is taken for dead
SHIFT = timedelta(minutes=10)  # of one job, so that its message is acknowledged long before the broker gives up on it
AGAIN = Backoff(first=2.0, most=120.0)


def act_ready(services: Services) -> int:
    """Do local acts until none is ready, the most urgent first, or this process is to end. How many."""
    count, over = 0, services.now() + SHIFT
    while services.now() < over and not services.in_hand.ending.is_set():
        with services.db.connection() as connection:
            task = tasks.claim_act(connection, lease=LEASE, now=services.now())
        if task is None:
            return count
        with held(services, task), services.in_hand.hold(task):
            _act(services, task)
        count += 1
    services.nudge.act()
    return count


@contextmanager
def held(services: Services, task: Task, lease: float = LEASE) -> Iterator[None]:
    """Renew the lease of a claimed act, three times as often as needed, until the block or the act's time is over."""
    over = threading.Event()
    thread = threading.Thread(target=_renew, args=(services, task, lease, over), name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _renew(services: Services, task: Task, lease: float, over: threading.Event) -> None:
    going = True
    while going and not over.wait(lease / 3):
        try:
            with services.db.connection() as connection:
                going = tasks.renew_act(connection, task.id, claim=task.submissions, lease=lease, now=services.now())
        except Unavailable as absence:
            log.warning("lease not renewed", task=str(task.id), error=absence.message)


def _act(services: Services, task: Task) -> None:
    error: TaskError | None = None
    try:
        ended = choose(services, task) if task.kind is TaskKind.CHOOSE else keep(services, task)
    except OrchestratorError as problem:
        if _worth_another_try(services, task, problem):
            return
        error = _error(problem)
        ended = _fail(services, task, error)
    log.info(
        "act",
        run=str(task.run_id),
        task=str(task.id),
        step=task.step,
        kind=task.kind.value,
        error=error and error.as_json(),
    )
    if ended:
        nudge_for(services, advance(services, task.run_id))


def _worth_another_try(services: Services, task: Task, problem: OrchestratorError) -> bool:
    """Hand a passing trouble back for later, as long as the task has time left."""
    passing = isinstance(problem, ArchiveFailed | Unavailable) or (
        isinstance(problem, DownloadFailed) and problem.retryable
    )
    now = services.now()
    wake_at = now + timedelta(seconds=AGAIN.wait(task.submissions, 0.0))
    if not passing or (task.deadline_at is not None and wake_at >= task.deadline_at):
        return False
    log.warning("act postponed", task=str(task.id), error=problem.message)
    with services.db.connection() as connection:
        return tasks.hand_back(
            connection, task.id, cause=problem.code, wake_at=wake_at, now=now, params={}, claim=task.submissions
        )


def _error(problem: OrchestratorError) -> TaskError:
    """An address that has died has a code of its own: another attempt of the step cannot help."""
    gone = isinstance(problem, DownloadFailed) and problem.gone
    return TaskError("image_gone" if gone else problem.code, problem.message)


def _fail(services: Services, task: Task, error: TaskError) -> bool:
    with services.db.connection() as connection:
        return tasks.finish_task(
            connection,
            task.id,
            TaskState.FAILED,
            from_states=[TaskState.WORKING],
            cause="act",
            now=services.now(),
            error=error,
            claim=task.submissions,
        )
