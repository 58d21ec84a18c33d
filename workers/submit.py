"""Stop 6 of the path: take a slot, claim the task, call the provider, record what came of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog
from uuid_utils.compat import uuid7

from orchestrator.advance import advance, nudge_for
from orchestrator.config import Account
from orchestrator.core.backoff import Backoff
from orchestrator.core.events import Accepted, Ambiguous, Event, EventKind, Refused, Source, SubmitOutcome, TaskError
from orchestrator.core.run import Task
from orchestrator.core.states import TaskState
from orchestrator.core.tokens import task_token
from orchestrator.errors import InvalidInput
from orchestrator.intake.events import take_events, take_parked
from orchestrator.logs import masked
from orchestrator.providers.base import Order, Parent, Report
from orchestrator.services import Services
from orchestrator.store import accounts, submissions
from workers.addresses import check_addresses
from workers.health import may_go_elsewhere, move_on, note_refusal
from workers.mask import check_mask

log = structlog.get_logger(__name__)
REFUSED = Backoff(first=1.0, most=60.0, jitter=1.0)
LEASE = 2.0  # times the answer's time-out: after that the worker is taken for dead
STREAM = 600.0  # seconds that a stream may stay silent; 480 is the providers' usual time-out
MOVED_ON = "moved on"  # evidence was quicker than the answer
SHIFT = timedelta(minutes=10)  # of one job, so that its message is acknowledged long before the broker gives up on it
FIRST_LOOK = 5.0  # seconds until the provider is first asked about a lost answer


def submit_ready(services: Services, account_name: str, ready: int = 1) -> int:
    """Submit tasks of an account until none is ready, or no slot is free, or its rate allows no more. How many.

    Of several that are thought ``ready`` one is taken here, and another job is asked to take the others: with a slow
    provider they are soon many that share the work, with a quick one the first does it all.
    """
    if account_name not in services.config.accounts:  # any more; its tasks wait for a person (see workers/stray.py)
        log.warning("nothing is submitted to an account that is not configured", account=account_name)
        return 0
    account = services.config.account(account_name)
    lease = services.config.submit_timeout * LEASE
    count, over, pauses = 0, services.now() + SHIFT, set[float]()
    while services.now() < over and not services.in_hand.ending.is_set():
        with services.db.connection() as connection:
            task = submissions.claim_submission(connection, account_name, lease=lease, now=services.now())
        if task is None:
            break
        if ready > 1:
            services.nudge.submit(account_name, ready - 1)
            ready = 1
        with services.in_hand.hold(task):
            _submit(services, account, task)
        count += 1
        pauses.add(account.pause_after(task.params.get("with", {}).get("mode")))
    pauses.discard(0.0)
    for pause in pauses:
        # Only who has submitted sees to the next one, so that these nudges do not multiply.
        services.nudge.submit(account_name, after=pause)
    if not pauses and (services.now() >= over or services.in_hand.ending.is_set()):
        services.nudge.submit(account_name)
    return count


def order_of(services: Services, account: Account, task: Task) -> Order:
    """The rendered submission of a task. The same each time, but for a callback URL, which is of today's settings: a
    look-up recognises the task that it names."""
    parent: dict[str, Any] | None = task.params.get("parent")
    token = task_token(services.config.secrets, account.name, task.id)
    return Order(
        task_id=task.id,
        action=task.action,
        inputs=task.params.get("with", {}),
        parent=Parent(external_id=parent["external_id"] or "", action=parent["action"], result=parent["result"] or {})
        if parent
        else None,
        quadrant=task.params.get("quadrant"),
        callback_url=services.config.callback_url(account.name, token) if account.pushes else None,
        sent_at=task.submitted_at,
        answer_timeout=services.config.submit_timeout,
    )


def patience(services: Services, account: Account, task: Task) -> float:
    """Seconds that a worker may wait for the provider's first word, at the very most."""
    if not account.stream or account.pushes:
        return services.config.submit_timeout
    asked_for = task.params.get("with", {}).get("timeout")
    return STREAM + (asked_for if isinstance(asked_for, int | float) else 0.0)


def _submit(services: Services, account: Account, task: Task) -> None:
    dialect = services.dialect(account.name)
    order = order_of(services, account, task)
    outcome: SubmitOutcome
    try:
        dialect.check(account, order)
        check_mask(order)
        check_addresses(order, services.config.allow_hosts)
    except InvalidInput as error:
        outcome = Refused(TaskError("invalid_order", error.message))
    else:
        if _stood_still(services, task):
            return
        outcome = dialect.submit(account, order, _reporter(services, account, task))
    state = settle(services, account, task, outcome)
    log.info(
        "submission",
        account=account.name,
        run=str(task.run_id),
        task=str(task.id),
        step=task.step,
        action=task.action,
        outcome=type(outcome).__name__.lower(),
        state=state,
        external_id=getattr(outcome, "external_id", None),
        error=outcome.error.as_json() if isinstance(outcome, Refused) else None,
    )


def _stood_still(services: Services, task: Task) -> bool:
    """Whether so much time has passed since the claim that others may soon take the submission for lost, and send it
    themselves: then it is not sent here. (A machine that is suspended or swaps stands still anywhere.)"""
    now = services.now()
    if task.submitted_at is None or now < task.submitted_at + timedelta(seconds=services.config.submit_timeout):
        return False
    error = TaskError("stood_still", "the worker stood still before it could send it")
    with services.db.connection() as connection:
        state = submissions.refuse_submission(
            connection, task.id, error, retry_at=now, now=now, submission=task.submissions
        )
    log.warning("stood still", account=task.account, task=str(task.id), state=state and state.value)
    return True


def settle(services: Services, account: Account, task: Task, outcome: SubmitOutcome) -> str:
    """Carry out what an outcome means for its task; the state it led to."""
    match outcome:
        case Accepted():
            return _accepted(services, account, task, outcome)
        case Refused():
            error = TaskError(outcome.error.code, masked(outcome.error.message))  # it may quote our callback URL
            return _refused(services, account, task, replace(outcome, error=error))
        case Ambiguous():
            note_refusal(services, account.name, outcome)
            return _doubted(services, task, outcome)


def _accepted(services: Services, account: Account, task: Task, outcome: Accepted) -> str:
    quiet = account.quiet if account.callback == "push" else account.poll
    with services.db.connection() as connection:
        parked = submissions.record_submitted(connection, task.id, outcome.external_id, quiet=quiet, now=services.now())
    news = tuple(event for event in outcome.events if event.kind is not EventKind.ACCEPTED)  # that is recorded above
    if news:
        take_events(services, account, task.id, news, body=_body(news), source=Source.ANSWER)
    if parked:
        take_parked(services, account, outcome.external_id)
    return TaskState.WAITING.value


def _refused(services: Services, account: Account, task: Task, outcome: Refused) -> str:
    now = services.now()
    elsewhere = outcome.account and may_go_elsewhere(task)
    again = outcome.retry or elsewhere
    retry_at = now + timedelta(seconds=_pause(task, outcome)) if again else None
    note_refusal(services, account.name, outcome)
    with services.db.connection() as connection:
        if retry_at and outcome.account and outcome.retry:
            accounts.pause_account(connection, account.name, until=retry_at, reason=outcome.error.message[:200])
        state = submissions.refuse_submission(
            connection, task.id, outcome.error, retry_at=retry_at, now=now, submission=task.submissions
        )
    if state is TaskState.FAILED:
        nudge_for(services, advance(services, task.run_id))
    elif may_go_elsewhere(task):
        move_on(services)
    return state.value if state else MOVED_ON


def _pause(task: Task, outcome: Refused) -> float:
    """Seconds until the next try: what the provider asked for, but never at once, or longer each time."""
    chance = (task.id.int & 0xFFFF) / 0x10000
    return REFUSED.wait(task.submissions, chance) if outcome.after is None else max(outcome.after, REFUSED.first)


def _doubted(services: Services, task: Task, outcome: Ambiguous) -> str:
    now = services.now()
    reason = f"a look at the provider: {masked(outcome.reason)}"[:300]
    wake_at = now + timedelta(seconds=min(FIRST_LOOK, services.config.settle))
    with services.db.connection() as connection:
        doubted = submissions.doubt_submission(
            connection, task.id, reason, wake_at=wake_at, now=now, submission=task.submissions
        )
    return TaskState.UNCERTAIN.value if doubted else MOVED_ON


def _reporter(services: Services, account: Account, task: Task) -> Report:
    def report(events: tuple[Event, ...], line: bytes) -> None:
        take_events(services, account, task.id, events, body=line, source=Source.STREAM)

    return report


def _body(events: tuple[Event, ...]) -> bytes:
    """What an answer said, under a name of its own: the same words may be new evidence a second time."""
    return json.dumps({"answer": str(uuid7()), "events": [event.as_json() for event in events]}, default=str).encode()
