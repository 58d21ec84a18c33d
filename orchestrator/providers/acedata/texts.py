"""The calls that yield text, answered at once: describe, translate, seed, shorten."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator.core.events import Accepted, Ambiguous, Event, EventKind, SubmitOutcome, TaskError
from orchestrator.errors import MalformedDelivery
from orchestrator.providers.acedata.reading import named
from orchestrator.providers.acedata.refusals import refusal, refusal_in
from orchestrator.providers.acedata.words import TEXTS
from orchestrator.providers.base import Order, Report
from orchestrator.providers.http import Answer, Lost, NotSent
from orchestrator.providers.outcomes import unanswered
from orchestrator.providers.payload import objects


def answered(answer: Answer | NotSent | Lost, order: Order, report: Report) -> SubmitOutcome:
    """What an answer means. There is no job to ask for again, so its event is reported before anything else."""
    if isinstance(answer, NotSent | Lost):
        return unanswered(answer)
    if not 200 <= answer.status < 300:
        return refusal(answer, datetime.now(UTC))
    try:
        item = objects(answer.body)[0]
    except MalformedDelivery as error:
        return Ambiguous(f"the provider answered {answer.status} and something unreadable: {error.message}")
    if refused := refusal_in(item):
        return refused
    event = event_of(item, order)
    report((event,), answer.body)
    return Accepted(str(event.external_id), (event,))


def event_of(item: Mapping[str, Any], order: Order) -> Event:
    """The end of a call. It gets an id of its own, unless the provider names one."""
    key = TEXTS[order.action].answers
    name = named(item) or f"sync-{order.task_id}"
    extra = {word: value for word, value in item.items() if word not in {key, "success", "task_id"}}
    extra = {word: value for word, value in extra.items() if value is not None}
    more = {"extra": extra} if extra else {}
    texts = _texts(item.get(key))
    if not texts:
        error = TaskError("no_text", f"the provider's answer has no {key}")
        return Event(EventKind.FAILED, name, None, more or None, error)
    return Event(EventKind.SUCCEEDED, name, 100, {"text": texts[0], "texts": texts, **more})


def _texts(value: Any) -> list[str]:
    """One text or several; a seed may be a number."""
    values = value if isinstance(value, list) else [value]
    words = (str(one) for one in values if isinstance(one, str | int) and not isinstance(one, bool))
    return [word for word in words if word.strip()]
