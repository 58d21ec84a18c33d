"""/midjourney/tasks: what the provider says about jobs, and which jobs it has."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orchestrator.config import Account
from orchestrator.core.events import Event, EventKind, TaskError
from orchestrator.errors import MalformedDelivery, ProviderError
from orchestrator.providers.acedata.calls import call
from orchestrator.providers.acedata.reading import error_of, event_of
from orchestrator.providers.acedata.refusals import error_in
from orchestrator.providers.acedata.words import TASKS
from orchestrator.providers.http import Answer, Lost, NotSent, Transport
from orchestrator.providers.outcomes import retry_after, without_token
from orchestrator.providers.payload import objects

logger = logging.getLogger(__name__)

_BATCH = 50
_PAGES = (
    100  # of recent jobs, newest first: a busy account makes some hundred a minute, and a look-up stops when it can
)
_TIMEOUT = 20.0
_PATIENCE = 40.0  # seconds for all pages but the last
_LIMIT = 32 * 1024 * 1024  # a task repeats its request, and with it a mask
_UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Listing:
    """The account's tasks as the provider lists them. complete: there are no others."""

    tasks: tuple[Mapping[str, Any], ...]
    complete: bool


def fetch(transport: Transport, account: Account, external_ids: Iterable[str]) -> tuple[Event, ...]:
    """One event for each of these jobs that the provider knows. Raises ProviderError."""
    ids = list(dict.fromkeys(external_ids))
    tasks: list[Mapping[str, Any]] = []
    for start in range(0, len(ids), _BATCH):
        tasks += _retrieve(transport, account, ids[start : start + _BATCH])
    wanted = set(ids)
    return tuple(event for event in map(_event, tasks) if event.external_id in wanted)


def ping(transport: Transport, account: Account) -> str:
    """Ask for a job that does not exist: free, and it needs a valid token. Raises ProviderError."""
    _retrieve(transport, account, [_UNKNOWN_ID])
    return f"{account.base_url} answers and accepts the token"


def recent(transport: Transport, account: Account, enough: Callable[[Listing], bool]) -> Listing:
    """The account's tasks page by page, until there are no more or ``enough`` says so, or it takes too long: then the
    listing is not complete. Raises ProviderError."""
    tasks: dict[str, Mapping[str, Any]] = {}
    offset, over = 0, time.monotonic() + _PATIENCE
    for _ in range(_PAGES):
        page = _items(_ask(transport, account, {"action": "retrieve_batch", "offset": offset, "limit": _BATCH}))
        known = len(tasks)
        for task in page:
            tasks.setdefault(id_of(task) or repr(task), task)
        listing = Listing(tuple(tasks.values()), complete=not page)
        # A page may be shorter than what was asked for, so only an empty one is the end. One without news means that
        # the offset is not heeded, and then there is no end to be seen.
        if listing.complete or len(tasks) == known or enough(listing) or time.monotonic() > over:
            return listing
        offset += len(page)
    return Listing(tuple(tasks.values()), complete=False)


def task_event(task: Mapping[str, Any]) -> Event:
    """The event in one task. There is no status: it is over when there is a response. Raises MalformedDelivery."""
    external_id, response = id_of(task), task.get("response")
    if isinstance(response, Mapping) and response:
        over = task.get("finished_at") is not None and not (response.get("success") is False or response.get("error"))
        return event_of({**response, "task_id": external_id, **({"success": True, "progress": 100} if over else {})})
    if task.get("state") == "failed":
        return Event(EventKind.FAILED, external_id, error=error_of(task.get("error")))
    begun = task.get("started_at") is not None or task.get("state") == "generating"
    return Event(EventKind.PROGRESSED if begun else EventKind.ACCEPTED, external_id)


def id_of(task: Mapping[str, Any]) -> str | None:
    """The job's id as an exact string."""
    value = task.get("id") or task.get("task_id")
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _event(task: Mapping[str, Any]) -> Event:
    try:
        return task_event(task)
    except MalformedDelivery as error:
        # One odd task must not hide the others of its batch. Its own is known, so it is given up at its deadline only.
        logger.warning("acedata: task %s cannot be read: %s", id_of(task), error)
        return Event(EventKind.ACCEPTED, id_of(task))


def _retrieve(transport: Transport, account: Account, ids: list[str]) -> list[Mapping[str, Any]]:
    if len(ids) > 1:
        return _items(_ask(transport, account, {"action": "retrieve_batch", "ids": ids, "limit": len(ids)}))
    task = _ask(transport, account, {"action": "retrieve", "id": ids[0]})
    return [task] if id_of(task) else []


def _items(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    items = answer.get("items")
    if not isinstance(items, list):
        raise ProviderError("the provider's list of tasks has no items")
    return [item for item in items if isinstance(item, Mapping)]


def _ask(transport: Transport, account: Account, body: Mapping[str, Any]) -> Mapping[str, Any]:
    answer = transport.send(call(account, TASKS, body, timeout=_TIMEOUT, limit=_LIMIT))
    if isinstance(answer, NotSent | Lost):
        raise ProviderError(f"{account.base_url}: {answer.reason}")
    error = error_in(answer.body)
    if answer.status == 404 and (error is None or error.code != "no_api"):
        return {}  # one of the conceivable answers about an unknown id; which one is given is not documented
    if not 200 <= answer.status < 300:
        raise ProviderError(_sentence(account, answer, error))
    try:
        item = objects(answer.body)[0]
    except MalformedDelivery as unreadable:
        raise ProviderError(f"{account.base_url}: unreadable answer: {unreadable.message}") from unreadable
    if error is not None and id_of(item) is None:  # that of a job which it names is the job's own
        raise ProviderError(_sentence(account, answer, error))
    return item


def _sentence(account: Account, answer: Answer, error: TaskError | None) -> str:
    after = retry_after(answer.headers.get("retry-after"), datetime.now(UTC))
    reason = without_token(error, account) if error else TaskError("none", "no reason given")
    hint = f" (try again in {after:g} s)" if after is not None else ""
    return f"{account.base_url} answered {answer.status} {reason.code}: {reason.message}{hint}"
