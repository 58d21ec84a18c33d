"""Look at the provider: poll the jobs that are silent, and find the submissions whose answer was lost."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from orchestrator.advance import advance, nudge_for
from orchestrator.config import Account
from orchestrator.core.actions import ACTIONS
from orchestrator.core.events import Accepted, Event, Refused, Sighting, Source, TaskError
from orchestrator.core.run import Task
from orchestrator.core.states import TaskKind, TaskState
from orchestrator.errors import InvalidInput, ProviderError
from orchestrator.intake.events import take_events
from orchestrator.logs import masked
from orchestrator.services import Services
from orchestrator.store import submissions, tasks
from workers.submit import SHIFT, order_of, patience, settle

log = structlog.get_logger(__name__)
LEAST_LOOKS = 2  # look-ups that must agree before a submission counts as never arrived
FORGOTTEN = 5, timedelta(minutes=10)  # look-ups in a row without the job, and over how long, until it counts as gone
SLOW = timedelta(seconds=5)  # for a look-up that told nothing: so long the provider is not waited for once more at once
LOOKING = timedelta(minutes=1)  # that one look-up takes; then, or when its worker died, the sweep comes again for it
SOON, LONGEST = 5.0, 300.0  # seconds between two looks for a lost answer at least, and of any at most


def look(services: Services, account_name: str, task_ids: Iterable[UUID]) -> None:
    """Ask the provider about these tasks of one account, once."""
    account = services.config.account(account_name)
    with services.db.connection() as connection:
        found = [tasks.get_task(connection, task_id) for task_id in task_ids]
    mine = [task for task in found if task.kind is TaskKind.PROVIDER and task.account == account_name]
    _poll(services, account, [task for task in mine if task.state is TaskState.WAITING and task.external_id])
    lost = [task for task in mine if task.state is TaskState.UNCERTAIN or _is_nameless(task)]
    over = services.now() + SHIFT
    for task in lost:
        # The sweep comes again for the others: for each of them by itself, should the provider be slow for one alone.
        if services.now() >= over or services.in_hand.ending.is_set():
            return
        if _held(services, task) and not _find(services, account, task):
            return


def _is_nameless(task: Task) -> bool:
    return task.state is TaskState.WAITING and not task.external_id


def _held(services: Services, task: Task) -> bool:
    """Whether the look-up is ours: while a slow provider is asked about others, the sweep may send somebody else."""
    until = services.now() + LOOKING
    with services.db.connection() as connection:
        return tasks.hold_look(connection, task.id, seen=task.wake_at, until=until)


def _poll(services: Services, account: Account, waiting: list[Task]) -> None:
    if not waiting:
        return
    tasks_by_id = {str(task.external_id): task for task in waiting}
    problem = ""
    try:
        events = services.dialect(account.name).fetch(account, list(tasks_by_id))
    except ProviderError as silence:
        events, problem = (), silence.message
        log.warning("poll failed", account=account.name, tasks=len(waiting), error=problem)
    seen: set[UUID] = set()
    ended: set[UUID] = set()
    for event in events:
        task = tasks_by_id.get(event.external_id or "")
        if task:
            seen.add(task.id)
        if task and _take(services, account, task, event, Source.POLL):
            ended.add(task.id)
    if not problem:
        ended |= _forgotten(services, waiting, seen)
    for task in waiting:
        if task.id not in ended:
            _look_later(services, account, task, problem)


def _forgotten(services: Services, waiting: list[Task], seen: set[UUID]) -> set[UUID]:
    """Give up the jobs that the provider has been asked for again and again and does not know; which these are.

    A restart may empty a provider's memory. A job that is merely not listed yet, or for a while, is waited for.
    """
    gone: set[UUID] = set()
    times, span = FORGOTTEN
    with services.db.connection() as connection:
        if seen:
            submissions.note_presence(connection, seen)
        for task in waiting:
            if task.id not in seen:
                count, since = submissions.note_absence(connection, task.id, now=services.now())
                gone |= {task.id} if count >= times and services.now() - since >= span else set()
    for task in waiting:
        if task.id in gone:
            error = TaskError(
                "forgotten", f"the provider does not know the job: asked {times} times or more over {span}"
            )
            _end(services, task, error, cause="forgotten")
    return gone


def _take(services: Services, account: Account, task: Task, event: Event, source: Source) -> bool:
    """Whether the evidence ended the task, or found it ended."""
    body = json.dumps(event.as_json(), default=str, sort_keys=True).encode()
    take_events(services, account, task.id, [event], body=body, source=source)
    return event.terminal


def _look_later(services: Services, account: Account, task: Task, problem: str = "", *, counted: bool = True) -> None:
    """Nothing final was seen: give the task up when its time is over, else look again, less and less often."""
    now = services.now()
    with services.db.connection() as connection:
        current = tasks.get_task(connection, task.id)
        if current.final:
            return
        if current.deadline_at is None or now < current.deadline_at:
            wake_at = now + timedelta(seconds=min(LONGEST, _interval(account, current, now)))
            tasks.look_later(connection, task.id, wake_at=wake_at, counted=counted)
            return
    _give_up(services, current, problem)


def _interval(account: Account, task: Task, now: datetime) -> float:
    """Seconds to the next look: steady while the job takes no longer than usual, then less and less often."""
    age = _age(task, now)
    if task.state is TaskState.UNCERTAIN:
        return max(SOON, age / 4)
    steady = account.poll if account.callback != "push" else max(account.poll, account.quiet / 4)
    usual = ACTIONS[task.action].typical if task.action in ACTIONS else 60
    overdue = max(0.0, age / usual - 2)  # in units of the usual time
    return float(steady * 1.4 ** min(overdue, 20))


def _age(task: Task, now: datetime) -> float:
    """Seconds since the task was claimed to be sent."""
    return (now - task.submitted_at).total_seconds() if task.submitted_at else 0.0


def _give_up(services: Services, task: Task, problem: str) -> None:
    uncertain = task.state is TaskState.UNCERTAIN
    error = TaskError(
        "submission_uncertain" if uncertain else "timed_out",
        f"nothing final was heard of it within {task.timeout} s" + (f" ({masked(problem)})" if problem else ""),
    )
    _end(services, task, error, cause="deadline")


def _end(services: Services, task: Task, error: TaskError, *, cause: str) -> None:
    with services.db.connection() as connection:
        done = tasks.finish_task(
            connection,
            task.id,
            TaskState.FAILED,
            from_states=[TaskState.WAITING, TaskState.UNCERTAIN],
            cause=cause,
            now=services.now(),
            error=error,
        )
    if done:
        log.warning("given up", task=str(task.id), run=str(task.run_id), code=error.code)
        nudge_for(services, advance(services, task.run_id))
        services.nudge.submit(str(task.account))


def _find(services: Services, account: Account, task: Task) -> bool:
    """Look for a submission whose answer was lost. False when the provider kept us waiting in vain."""
    asked_at = services.now()  # a list shows what was there when it was asked for, however long it took to read
    try:
        sighting = _sighting(services, account, task)
    except (ProviderError, InvalidInput) as silence:
        log.warning("look-up failed", account=account.name, task=str(task.id), error=silence.message)
        _look_later(services, account, task, silence.message, counted=False)
        return services.now() - asked_at < SLOW
    if sighting.external_id:
        settle(services, account, task, Accepted(sighting.external_id, sighting.events))
        log.info("found", account=account.name, task=str(task.id), external_id=sighting.external_id)
    elif sighting.absent and _settled(services, account, task, asked_at):
        error = TaskError("never_arrived", "the provider does not have it")
        state = settle(services, account, task, Refused(error, retry=True, after=0.0))
        log.info("never arrived", account=account.name, task=str(task.id), state=state)
        services.nudge.submit(account.name)
    else:
        _look_later(services, account, task, counted=sighting.absent)
    return True


def _sighting(services: Services, account: Account, task: Task) -> Sighting:
    """What the provider's list says, once the jobs of other tasks are left out."""
    dialect, order = services.dialect(account.name), order_of(services, account, task)
    sighting = dialect.find(account, order)
    if not sighting.candidates:
        return sighting
    with services.db.connection() as connection:
        taken = submissions.taken_jobs(connection, account.name, sighting.candidates, but=task.id)
    return dialect.find(account, replace(order, taken=taken)) if taken else sighting


def _settled(services: Services, account: Account, task: Task, asked_at: datetime) -> bool:
    """Whether nobody can be sending it still, and the provider has had time to show it, and has been asked enough."""
    enough = task.state is TaskState.UNCERTAIN and task.looks + 1 >= LEAST_LOOKS
    return enough and _age(task, asked_at) >= max(services.config.settle, patience(services, account, task))
