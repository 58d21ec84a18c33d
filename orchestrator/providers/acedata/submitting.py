"""One submission to /midjourney/imagine, in each of the four ways of waiting.

callback_url: pushed, once. callback_url + NDJSON: pushed, once per frame. NDJSON alone: the answer is the stream, read
here. async: polled at /midjourney/tasks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from orchestrator.config import Account
from orchestrator.core.events import Accepted, Ambiguous, Event, Refused, SubmitOutcome, TaskError
from orchestrator.errors import InvalidInput, MalformedDelivery
from orchestrator.providers.acedata.calls import IMAGINE, JSON, NDJSON, call, without_token
from orchestrator.providers.acedata.ordering import body_of
from orchestrator.providers.acedata.reading import event_of, read
from orchestrator.providers.acedata.refusals import refusal, refusal_in
from orchestrator.providers.base import Order, Report
from orchestrator.providers.http import Answer, BrokenOff, Lost, NotSent, Opened, Request, Transport
from orchestrator.providers.payload import objects

_PROVIDER_TIMEOUT = 480.0  # seconds after which AceData ends a stream, when the order says nothing else
_GRACE = 30.0


def submit(transport: Transport, account: Account, order: Order, report: Report) -> SubmitOutcome:
    """Send the order once. What ``report`` raises is raised, after the connection is closed."""
    try:
        request = request_of(account, order)
    except InvalidInput as error:
        return Refused(TaskError(error.code, error.message))
    if account.stream and order.callback_url is None:
        outcome = _streamed(transport, request, report)
    else:
        outcome = _answered(transport.send(request))
    if isinstance(outcome, Refused):
        return replace(outcome, error=without_token(outcome.error, account))
    return outcome


def request_of(account: Account, order: Order) -> Request:
    """The request of an order. Raises InvalidInput."""
    body = body_of(account, order)
    accept = NDJSON if account.stream else JSON
    if order.callback_url is not None:
        return call(account, IMAGINE, body | {"callback_url": order.callback_url}, timeout=_wait(order), accept=accept)
    if account.stream:
        patience = float(body.get("timeout", _PROVIDER_TIMEOUT)) + _GRACE
        return call(account, IMAGINE, body, timeout=patience, accept=accept)
    return call(account, IMAGINE, body | {"async": True}, timeout=_wait(order))


def _wait(order: Order) -> float:
    return order.answer_timeout


def _answered(answer: Answer | NotSent | Lost) -> SubmitOutcome:
    if isinstance(answer, NotSent | Lost):
        return _unanswered(answer)
    if not 200 <= answer.status < 300:
        return refusal(answer, datetime.now(UTC))
    try:
        items = objects(answer.body)
        return _taken(items) or _not_taken(items)
    except MalformedDelivery as error:
        return Ambiguous(f"the provider answered {answer.status} and something unreadable: {error.message}")


def _unanswered(outcome: NotSent | Lost) -> Refused | Ambiguous:
    if isinstance(outcome, NotSent):
        return Refused(TaskError("unreachable", outcome.reason), retry=True)
    return Ambiguous(outcome.reason)


def _taken(items: list[dict[str, Any]]) -> Accepted | None:
    events = [event_of(item) for item in items]
    external_id = next((event.external_id for event in events if event.external_id), None)
    return Accepted(external_id, tuple(events)) if external_id else None


def _not_taken(items: list[dict[str, Any]]) -> Refused | Ambiguous:
    return refusal_in(items[0]) or Ambiguous("the provider's answer has no task_id")


def _streamed(transport: Transport, request: Request, report: Report) -> SubmitOutcome:
    with transport.opened(request) as answer:
        if isinstance(answer, NotSent | Lost):
            return _unanswered(answer)
        if not 200 <= answer.status < 300:
            return _answered(_collected(answer))
        if NDJSON not in answer.headers.get("content-type", ""):
            return _reported(_collected(answer), report)
        return _followed(answer.lines, report)


def _collected(answer: Opened) -> Answer | Lost:
    try:
        return Answer(answer.status, answer.headers, b"\n".join(answer.lines))
    except BrokenOff as error:
        return Lost(str(error))


def _reported(answer: Answer | Lost, report: Report) -> SubmitOutcome:
    outcome = _answered(answer)
    if isinstance(outcome, Accepted) and isinstance(answer, Answer):
        report(outcome.events, answer.body)
    return outcome


def _followed(lines: Iterator[bytes], report: Report) -> SubmitOutcome:
    """Report line after line. Once a line has named the job, whatever happens to the stream, the job is known."""
    external_id: str | None = None
    last: tuple[Event, ...] = ()
    reason = "the stream ended before it named a job"
    try:
        for line in lines:
            events = read(line)
            external_id = external_id or next((event.external_id for event in events if event.external_id), None)
            if external_id is None and (refused := refusal_in(objects(line)[0])):
                return refused
            report(events, line)
            last = events
            if any(event.terminal for event in events):
                break
    except (BrokenOff, MalformedDelivery) as error:
        reason = f"the stream broke off before it named a job: {error}"
    return Accepted(external_id, last) if external_id else Ambiguous(reason)
