"""The creation of one row. How its result comes back is a matter of the user's account there, not of the request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from orchestrator.config import Account
from orchestrator.core.events import Accepted, Ambiguous, Refused, SubmitOutcome, TaskError
from orchestrator.errors import InvalidInput, MalformedDelivery
from orchestrator.providers.base import Order
from orchestrator.providers.http import Answer, Lost, NotSent, Transport
from orchestrator.providers.imagineapi.calls import creation
from orchestrator.providers.imagineapi.ordering import body_of
from orchestrator.providers.imagineapi.reading import event_of, id_of, rows
from orchestrator.providers.imagineapi.refusals import FORBIDDEN, refusal, refusal_in
from orchestrator.providers.outcomes import unanswered, without_token
from orchestrator.providers.payload import objects


def submit(transport: Transport, account: Account, order: Order) -> SubmitOutcome:
    """Create the row; once more, without our reference, when that is what a refusal may be about.

    A server of one's own may have no ``ref``, and Directus forbids a row with a field that the user may not write.
    Such an answer is certain: nothing was made.
    """
    try:
        body = body_of(account, order)
    except InvalidInput as error:
        return Refused(TaskError(error.code, error.message))
    outcome = _created(transport, account, order, body)
    if isinstance(outcome, Refused) and outcome.error.code == FORBIDDEN:
        outcome = _created(transport, account, order, {"prompt": body["prompt"]})
    if isinstance(outcome, Refused):
        return replace(outcome, error=without_token(outcome.error, account))
    return outcome


def _created(transport: Transport, account: Account, order: Order, body: Mapping[str, Any]) -> SubmitOutcome:
    answer = transport.send(creation(account, body, timeout=order.answer_timeout))
    if isinstance(answer, NotSent | Lost):
        return unanswered(answer)
    if not 200 <= answer.status < 300:
        return refusal(answer, datetime.now(UTC))
    return _taken(answer)


def _taken(answer: Answer) -> SubmitOutcome:
    try:
        item = objects(answer.body)[0]
    except MalformedDelivery as error:
        return Ambiguous(f"the provider answered {answer.status} and something unreadable: {error.message}")
    try:
        row = rows(item)[0]
    except MalformedDelivery:
        row = {}
    name = id_of(row)
    if name is None:
        return refusal_in(item) or Ambiguous("the provider's answer has no id")
    try:
        return Accepted(name, (event_of(row),))
    except MalformedDelivery:
        return Accepted(name)  # the row exists; what else there is to know, a poll will say
