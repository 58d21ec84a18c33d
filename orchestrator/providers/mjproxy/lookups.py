"""What the provider says about jobs: one by its id, several by their ids, and the latest of them all."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from orchestrator.config import Account
from orchestrator.core.events import Event, EventKind, TaskError
from orchestrator.errors import MalformedDelivery, ProviderError
from orchestrator.providers.http import Answer, Lost, NotSent, Transport
from orchestrator.providers.mjproxy.answers import TAKEN, Reply, reply_in
from orchestrator.providers.mjproxy.calls import call
from orchestrator.providers.mjproxy.reading import event_of, named
from orchestrator.providers.outcomes import retry_after, without_token
from orchestrator.providers.payload import objects

logger = logging.getLogger(__name__)

_SEVERAL = "/mj/task/list-by-condition"
_LATEST = "/mj/task/list"
_BATCH = 50
_MOST = 20_000  # tasks in one list; the open Java version lists all that it has
_TIMEOUT = 20.0
_LIMIT = 64 * 1024 * 1024
_NOTHING = (b"", b"null", b"[]")  # three ways of saying that there is no such task
_NOT_FOUND = frozenset({3, 4})  # codes of a 400 or 404 that mean the same


def fetch(transport: Transport, account: Account, external_ids: Iterable[str]) -> tuple[Event, ...]:
    """One event for each of these jobs that the provider knows. Raises ProviderError."""
    ids = list(dict.fromkeys(external_ids))
    tasks: list[dict[str, Any]] = []
    for start in range(0, len(ids), _BATCH):
        tasks += _retrieve(transport, account, ids[start : start + _BATCH])
    wanted = set(ids)
    return tuple(event for event in map(_event, tasks) if event.external_id in wanted)


def latest(transport: Transport, account: Account) -> list[dict[str, Any]] | None:
    """The tasks that the provider lists, in no certain order; None where there is no list. Raises ProviderError."""
    answer = _ask(transport, account, _LATEST)
    return None if answer.status == 404 else _tasks(account, answer)


def ping(transport: Transport, account: Account) -> str:
    """Ask for no job at all: free, and it needs a valid token on every layer. Raises ProviderError."""
    _tasks(account, _ask(transport, account, _SEVERAL, {"ids": []}))
    return f"{account.base_url} answers and accepts the token"


def _retrieve(transport: Transport, account: Account, ids: list[str]) -> list[dict[str, Any]]:
    if len(ids) > 1:
        return _tasks(account, _ask(transport, account, _SEVERAL, {"ids": ids}))
    answer = _ask(transport, account, f"/mj/task/{quote(ids[0], safe='')}/fetch")
    reply = reply_in(answer.body) if answer.status in (400, 404) else None
    return [] if reply and _unknown(answer, reply) else _tasks(account, answer)


def _unknown(answer: Answer, reply: Reply) -> bool:
    return reply.code in _NOT_FOUND and (answer.status == 404 or "task_no_found" in reply.description)


def _event(task: Mapping[str, Any]) -> Event:
    """Of a window that was asked for, and of what cannot be read, that it is there: such a task is given up at its
    deadline only. One that is odd must not hide the others of its batch."""
    event: Event | None = None
    try:
        event = event_of(task)
    except MalformedDelivery as error:
        logger.warning("mjproxy: task %s cannot be read: %s", named(task), error)
    return event or Event(EventKind.ACCEPTED, named(task))


def _ask(transport: Transport, account: Account, path: str, body: Mapping[str, Any] | None = None) -> Answer:
    answer = transport.send(call(account, path, body, timeout=_TIMEOUT, limit=_LIMIT))
    if isinstance(answer, NotSent | Lost):
        raise ProviderError(f"{account.base_url}: {answer.reason}")
    return answer


def _tasks(account: Account, answer: Answer) -> list[dict[str, Any]]:
    """The task objects in an answer. Raises ProviderError for one that is none."""
    if not 200 <= answer.status < 300:
        raise _failure(account, answer)
    if answer.body.strip() in _NOTHING:
        return []
    try:
        tasks = objects(answer.body, most=_MOST)
    except MalformedDelivery as error:
        raise ProviderError(f"{account.base_url}: unreadable answer: {error.message}") from error
    reply = reply_in(answer.body) if len(tasks) == 1 and "id" not in tasks[0] else None
    if reply and reply.code is not None and reply.code not in TAKEN:
        raise _failure(account, answer)
    return tasks


def _failure(account: Account, answer: Answer) -> ProviderError:
    reply = reply_in(answer.body)
    code = "" if reply is None or reply.code is None else f" {reply.code}"
    error = without_token(TaskError("", (reply.description if reply else "") or "no reason given"), account)
    after = retry_after(answer.headers.get("retry-after"), datetime.now(UTC))
    hint = "" if after is None else f" (try again in {after:g} s)"
    return ProviderError(f"{account.base_url} answered {answer.status}{code}: {error.message}{hint}")
