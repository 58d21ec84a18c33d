"""GET /items: what the provider says about rows, which rows it has, and how it is."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from orchestrator.config import Account
from orchestrator.core.events import Event, EventKind, TaskError
from orchestrator.errors import MalformedDelivery, ProviderError
from orchestrator.providers.http import Answer, Lost, NotSent, Transport
from orchestrator.providers.imagineapi import singles
from orchestrator.providers.imagineapi.calls import IMAGES, STATUS, look, row_path
from orchestrator.providers.imagineapi.reading import event_of, id_of
from orchestrator.providers.imagineapi.refusals import FORBIDDEN, error_in
from orchestrator.providers.outcomes import retry_after, without_token
from orchestrator.providers.payload import objects

logger = logging.getLogger(__name__)
Row = Mapping[str, Any]

_BATCH = 50


def fetch(transport: Transport, account: Account, external_ids: Iterable[str]) -> tuple[Event, ...]:
    """One event for each of these jobs that the provider knows. Raises ProviderError."""
    names = list(dict.fromkeys(external_ids))
    wanted = list(dict.fromkeys(map(singles.row_in, names)))
    found = {id_of(row): row for row in _wanted(transport, account, wanted)}
    events = (_event(name, found.get(singles.row_in(name))) for name in names)
    return tuple(event for event in events if event)


def ping(transport: Transport, account: Account) -> str:
    """Ask how the provider's bot is: free, and it needs a valid token. Raises ProviderError."""
    good = f"{account.base_url} answers and accepts the token"
    item = ask(transport, account, STATUS, {}, excused=frozenset({FORBIDDEN, "route_not_found"}))
    if item is None:  # not every server shows it to its users
        ask(transport, account, IMAGES, {"limit": 1, "fields": "id"})
        return f"{good}; how its bot is it does not show"
    data = item.get("data")
    status = data if isinstance(data, Mapping) else {}
    message = f" ({status['message']})" if status.get("message") else ""
    return f"{good}; its bot is {status.get('bot_status') or 'in an unknown state'}{message}"


def listed(
    transport: Transport, account: Account, query: Mapping[str, str | int], excused: frozenset[str] = frozenset()
) -> list[Row] | None:
    """The rows of a query; None when it is refused with one of the ``excused`` codes. Raises ProviderError."""
    item = ask(transport, account, IMAGES, query, excused=excused)
    return None if item is None else _rows(item)


def ask(
    transport: Transport,
    account: Account,
    path: str,
    query: Mapping[str, str | int],
    *,
    excused: frozenset[str] = frozenset(),
) -> Row | None:
    """The answer's object; None when it is refused with one of the ``excused`` codes. Raises ProviderError."""
    answer = transport.send(look(account, path, query))
    if isinstance(answer, NotSent | Lost):
        raise ProviderError(f"{account.base_url}: {answer.reason}")
    error = error_in(answer.body)
    if error and error.code in excused:
        return None
    if not 200 <= answer.status < 300 or error:
        raise ProviderError(_sentence(account, answer, error))
    try:
        return objects(answer.body)[0]
    except MalformedDelivery as unreadable:
        raise ProviderError(f"{account.base_url}: unreadable answer: {unreadable.message}") from unreadable


def _wanted(transport: Transport, account: Account, names: list[str]) -> list[Row]:
    """The rows of these ids. One that is no UUID is asked for alone: it would spoil the answer about the others."""
    fit = [name for name in names if _is_uuid(name)]
    alone = [name for name in names if name not in set(fit)] + (fit if len(fit) == 1 else [])
    rows: list[Row] = []
    for start in range(0, len(fit) if len(fit) > 1 else 0, _BATCH):
        batch = fit[start : start + _BATCH]
        rows += listed(transport, account, {"filter[id][_in]": ",".join(batch), "limit": len(batch)}) or []
    for name in alone:
        item = ask(transport, account, row_path(name), {}, excused=frozenset({FORBIDDEN}))  # there is none, or not ours
        rows += _rows(item) if item is not None else []
    return rows


def _rows(item: Row) -> list[Row]:
    data = item.get("data")
    if isinstance(data, list):
        return [row for row in data if isinstance(row, Mapping)]
    if isinstance(data, Mapping):
        return [data]
    raise ProviderError("the provider's answer has no data")


def _event(name: str, row: Row | None) -> Event | None:
    if row is None:
        return None
    try:
        event = event_of(row)
    except MalformedDelivery as error:
        # One odd row must not hide the others of its batch. Its own task is given up at its deadline only.
        logger.warning("imagineapi: row %s cannot be read: %s", name, error)
        return Event(EventKind.ACCEPTED, name)
    if name == event.external_id:
        return event
    single = singles.event_of(name, event.result or {}) if event.kind is EventKind.SUCCEEDED else None
    return single or Event(EventKind.ACCEPTED, name)


def _is_uuid(name: str) -> bool:
    try:
        return str(UUID(name)) == name.lower()
    except ValueError:
        return False


def _sentence(account: Account, answer: Answer, error: TaskError | None) -> str:
    after = retry_after(answer.headers.get("retry-after"), datetime.now(UTC))
    reason = without_token(error, account) if error else TaskError("none", "no reason given")
    hint = f" (try again in {after:g} s)" if after is not None else ""
    return f"{account.base_url} answered {answer.status} {reason.code}: {reason.message}{hint}"
