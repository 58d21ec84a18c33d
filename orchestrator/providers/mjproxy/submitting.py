"""One submission: a POST, and a second one where the provider opens a window first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from orchestrator.config import Account
from orchestrator.core.events import (
    Accepted,
    Ambiguous,
    Event,
    EventKind,
    Refused,
    SubmitOutcome,
    TaskError,
)
from orchestrator.errors import InvalidInput
from orchestrator.providers.base import Order, Report
from orchestrator.providers.fields import is_url
from orchestrator.providers.http import Answer, Lost, NotSent, Transport
from orchestrator.providers.mjproxy.answers import TAKEN, Window, meaning, reply_in
from orchestrator.providers.mjproxy.calls import call
from orchestrator.providers.mjproxy.ordering import Plan, plan_of
from orchestrator.providers.mjproxy.words import ACTION, MODAL
from orchestrator.providers.outcomes import unanswered

_SEED_WAIT = 1.9  # times the answer's time-out: a seed may take a minute, and the worker's lease is twice that time-out


def submit(transport: Transport, account: Account, order: Order, report: Report) -> SubmitOutcome:
    """Send the order once."""
    try:
        plan = plan_of(account, order)
    except InvalidInput as error:
        return Refused(TaskError(error.code, error.message))
    if order.action == "seed":
        return _seed(transport, account, order, plan, report)
    answer = transport.send(call(account, plan.path, plan.body, timeout=order.answer_timeout))
    if order.action == "upload" and (uploaded := _uploaded(order, answer, report)):
        return uploaded
    outcome = _meaning(answer, order, plan)
    return _confirmed(transport, account, order, plan, outcome) if isinstance(outcome, Window) else outcome


def _meaning(answer: Answer | NotSent | Lost, order: Order, plan: Plan) -> SubmitOutcome | Window:
    if isinstance(answer, NotSent | Lost):
        return unanswered(answer)
    return meaning(answer, datetime.now(UTC), pressed=plan.path == ACTION, orphan=order.parent is None)


def _confirmed(transport: Transport, account: Account, order: Order, plan: Plan, window: Window) -> SubmitOutcome:
    """Confirm a window. Its job keeps the id that the window has, so whatever becomes of the answer, the job can be
    asked for: only a plain refusal says that there is none. An unconfirmed window costs nothing and is never worked on.
    """
    body = plan.answer_to(window.external_id, window.prompt)
    answer = transport.send(call(account, MODAL, body, timeout=order.answer_timeout))
    outcome = _meaning(answer, order, plan)
    return outcome if isinstance(outcome, Accepted | Refused) else Accepted(window.external_id)


def _uploaded(order: Order, answer: Answer | NotSent | Lost, report: Report) -> Accepted | None:
    """An upload is over with its answer, which is a list of addresses. Its job has no id, so it gets one of ours."""
    if not isinstance(answer, Answer) or not 200 <= answer.status < 300:
        return None
    reply = reply_in(answer.body)
    if reply is None or reply.code not in TAKEN:
        return None
    urls = reply.result if isinstance(reply.result, list) else [reply.result]
    whole = bool(urls) and all(isinstance(url, str) and is_url(url) for url in urls)
    return _done(order, {"urls": urls}, answer.body, report) if whole else None


def _seed(transport: Transport, account: Account, order: Order, plan: Plan, report: Report) -> SubmitOutcome:
    """A seed is only looked up: nothing is paid, so when no answer comes it may be asked for again."""
    answer = transport.send(call(account, plan.path, timeout=order.answer_timeout * _SEED_WAIT))
    outcome = _meaning(answer, order, plan)
    if isinstance(outcome, Accepted) and isinstance(answer, Answer):
        seed = outcome.external_id
        return _done(order, {"seed": seed, "text": seed, "texts": [seed]}, answer.body, report)
    if isinstance(outcome, Ambiguous):
        return Refused(TaskError("no_answer", outcome.reason), retry=True)
    return outcome if isinstance(outcome, Refused) else Refused(TaskError("no_seed", "a window instead of a seed"))


def _done(order: Order, result: dict[str, Any], body: bytes, report: Report) -> Accepted:
    """There is no job to ask for again, so the event is reported before anything else."""
    event = Event(EventKind.SUCCEEDED, f"sync-{order.task_id}", 100, result)
    report((event,), body)
    return Accepted(str(event.external_id), (event,))
