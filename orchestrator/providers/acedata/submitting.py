"""One submission, in each of the four ways of waiting; what yields text is answered at once (``texts``).

callback_url: pushed, once. callback_url + NDJSON: pushed, once per frame. NDJSON alone: the answer is the stream, read
here. async: polled at /midjourney/tasks. Only /midjourney/imagine is known to stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from orchestrator.config import Account
from orchestrator.core.events import Accepted, Ambiguous, Event, Refused, SubmitOutcome, TaskError
from orchestrator.errors import InvalidInput, MalformedDelivery
from orchestrator.providers.acedata import texts
from orchestrator.providers.acedata.calls import JSON, NDJSON, call
from orchestrator.providers.acedata.ordering import body_of
from orchestrator.providers.acedata.reading import event_of, named
from orchestrator.providers.acedata.refusals import refusal, refusal_in
from orchestrator.providers.acedata.words import IMAGINE, TEXTS, path_of
from orchestrator.providers.base import Order, Report
from orchestrator.providers.http import Answer, BrokenOff, Lost, NotSent, Opened, Request, Transport
from orchestrator.providers.outcomes import unanswered, without_token
from orchestrator.providers.payload import objects

_PROVIDER_TIMEOUT = 480.0  # seconds after which AceData ends a stream, when the order says nothing else
_GRACE = 30.0


def submit(transport: Transport, account: Account, order: Order, report: Report) -> SubmitOutcome:
    """Send the order once. What ``report`` raises is raised, after the connection is closed."""
    try:
        request = request_of(account, order)
    except InvalidInput as error:
        return Refused(TaskError(error.code, error.message))
    outcome: SubmitOutcome
    if order.action in TEXTS:
        outcome = texts.answered(transport.send(request), order, report)
    elif _streams(account, order):
        outcome = _streamed(transport, request, report if order.callback_url is None else None)
    else:
        outcome = _answered(transport.send(request))
    if isinstance(outcome, Refused):
        return replace(outcome, error=without_token(outcome.error, account))
    return outcome


def request_of(account: Account, order: Order) -> Request:
    """The request of an order. Raises InvalidInput."""
    body, path = body_of(account, order), path_of(order.action)
    if order.action in TEXTS:
        return call(account, path, body, timeout=order.answer_timeout)
    accept = NDJSON if _streams(account, order) else JSON
    if order.callback_url is not None:
        pushed = body | {"callback_url": order.callback_url}
        return call(account, path, pushed, timeout=order.answer_timeout, accept=accept)
    if accept == NDJSON:
        patience = float(body.get("timeout", _PROVIDER_TIMEOUT)) + _GRACE
        return call(account, path, body, timeout=patience, accept=accept)
    return call(account, path, body | {"async": True}, timeout=order.answer_timeout)


def _streams(account: Account, order: Order) -> bool:
    return account.stream and path_of(order.action) == IMAGINE


def _answered(answer: Answer | NotSent | Lost) -> SubmitOutcome:
    if isinstance(answer, NotSent | Lost):
        return unanswered(answer)
    if not 200 <= answer.status < 300:
        return _begun(answer) or refusal(answer, datetime.now(UTC))
    try:
        items = objects(answer.body)
        return _taken(items) or _not_taken(items)
    except MalformedDelivery as error:
        return Ambiguous(f"the provider answered {answer.status} and something unreadable: {error.message}")


def _begun(answer: Answer) -> Accepted | None:
    """A server error about a job that it names: there is one, and it has failed or (504) is merely slow."""
    if answer.status < 500:
        return None
    try:
        taken = _taken(objects(answer.body))
    except MalformedDelivery:
        return None
    return taken and Accepted(taken.external_id, _but_timeouts(taken.events))


def _but_timeouts(events: tuple[Event, ...]) -> tuple[Event, ...]:
    """In an answer, ``timeout`` means that the wait is over, not that the job is: it is polled from then on."""
    return tuple(event for event in events if event.error is None or event.error.code != "timeout")


def _taken(items: list[dict[str, Any]]) -> Accepted | None:
    external_id = _job_in(items)
    if external_id is None:
        return None
    try:
        return Accepted(external_id, tuple(event_of(item) for item in items))
    except MalformedDelivery:
        return Accepted(external_id)  # the job exists; what else there is to know, a poll will say


def _job_in(items: list[dict[str, Any]]) -> str | None:
    return next((name for name in map(named, items) if name), None)


def _not_taken(items: list[dict[str, Any]]) -> Refused | Ambiguous:
    return refusal_in(items[0]) or Ambiguous("the provider's answer has no task_id")


def _streamed(transport: Transport, request: Request, report: Report | None) -> SubmitOutcome:
    with transport.opened(request) as answer:
        if isinstance(answer, NotSent | Lost):
            return unanswered(answer)
        if 200 <= answer.status < 300 and NDJSON in answer.headers.get("content-type", ""):
            return _first_named(answer.lines) if report is None else _followed(answer.lines, report)
        whole = _collected(answer)
    outcome = _answered(whole)
    if report is not None and isinstance(outcome, Accepted) and isinstance(whole, Answer):
        report(outcome.events, whole.body)
    return outcome


def _collected(answer: Opened) -> Answer | Lost:
    try:
        return Answer(answer.status, answer.headers, b"\n".join(answer.lines))
    except BrokenOff as error:
        return Lost(str(error))


def _first_named(lines: Iterator[bytes]) -> SubmitOutcome:
    """What follows comes to the callback URL too, so nobody has to wait for it here."""
    try:
        for line in lines:
            items = objects(line)
            return _taken(items) or _not_taken(items)
    except (BrokenOff, MalformedDelivery) as error:
        return Ambiguous(f"the stream broke off before it named a job: {error}")
    return Ambiguous("the stream ended before it named a job")


def _followed(lines: Iterator[bytes], report: Report) -> SubmitOutcome:
    """Report line after line. Once a line has named the job, whatever happens to the stream, the job is known."""
    external_id: str | None = None
    last: tuple[Event, ...] = ()
    reason = "the stream ended before it named a job"
    try:
        for line in lines:
            items = objects(line)
            external_id = external_id or _job_in(items)
            if external_id is None and (refused := refusal_in(items[0])):
                return refused
            events = tuple(event_of(item) for item in items)
            if _but_timeouts(events) != events:
                break
            report(events, line)
            last = events
            if any(event.terminal for event in events):
                break
    except (BrokenOff, MalformedDelivery) as error:
        reason = f"the stream broke off before it named a job: {error}"
    return Accepted(external_id, last) if external_id else Ambiguous(reason)
