"""The callbacks table: raw deliveries and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from orchestrator.core.states import Verdict
from orchestrator.errors import NotFound
from orchestrator.store.paging import Place
from orchestrator.store.pool import Connection, Row, execute, json, planned, row, rows
from orchestrator.store.queries import load

_SQL = load("callbacks")
_WANTING = (Verdict.PARKED, Verdict.REJECTED, Verdict.LATE)  # a person, until they are dismissed


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a delivery. ended_runs: runs with a task that it ended."""

    verdict: Verdict
    reason: str | None
    task_id: UUID | None
    ended_runs: tuple[UUID, ...]


def receive(
    connection: Connection,
    *,
    callback_id: UUID,
    account: str,
    task_id: UUID | None,
    source: str,
    content_type: str | None,
    digest: bytes,
    body: bytes,
    events: list[dict[str, Any]],
    keep: bool,
    now: datetime,
) -> Taken:
    """Correlate, merge and record one delivery: one round trip, one transaction."""
    found = row(
        connection,
        _SQL["receive"],
        id=callback_id,
        account=account,
        task_id=task_id,
        source=source,
        content_type=content_type,
        digest=digest,
        body=body,
        events=json(events),
        keep=keep,
        now=now,
    )
    if found is None:
        raise AssertionError("the function receive answers every call")
    return Taken(
        Verdict(found["verdict"]), found["reason"], found["task_id"], tuple(dict.fromkeys(found["ended_runs"]))
    )


def insert_rejected(
    connection: Connection,
    *,
    callback_id: UUID,
    account: str,
    task_id: UUID | None,
    reason: str,
    content_type: str | None,
    digest: bytes,
    size: int,
    body: bytes,
    now: datetime,
) -> None:
    """Keep what could not be read: of ``size`` bytes, the beginning."""
    execute(
        connection,
        _SQL["insert_rejected"],
        id=callback_id,
        account=account,
        task_id=task_id,
        reason=reason,
        content_type=content_type,
        digest=digest,
        size=size,
        body=body,
        now=now,
    )


def get_callback(connection: Connection, callback_id: UUID) -> Row:
    """Raises NotFound."""
    found = row(connection, _SQL["get_callback"], callback_id=callback_id)
    if found is None:
        raise NotFound(f"there is no callback {callback_id}")
    return found


def list_callbacks(
    connection: Connection,
    *,
    verdict: Verdict | None = None,
    account: str | None = None,
    external_id: str | None = None,
    task_id: UUID | None = None,
    dismissed: bool | None = None,
    after: Place | None = None,
    limit: int,
) -> list[Row]:
    """Newest first, without bodies; ``kept`` is the number of bytes that are stored."""
    asked = {
        "verdict": verdict.value if verdict else None,
        "account": account,
        "external_id": external_id,
        "task_id": task_id,
        "after_at": after.at if after else None,
        "after_id": after.id if after else None,
        "limit": limit,
    }
    if dismissed:
        return list_dismissed(connection, asked)
    if dismissed is False and verdict in _WANTING:
        return list_unheeded(connection, asked)
    return planned(connection, _SQL["list_callbacks"], **asked, dismissed=dismissed)


def list_dismissed(connection: Connection, asked: Mapping[str, Any]) -> list[Row]:
    """asked: as ``list_callbacks`` was."""
    return planned(connection, _SQL["list_dismissed"], **asked)


def list_unheeded(connection: Connection, asked: Mapping[str, Any]) -> list[Row]:
    """asked: as ``list_callbacks`` was, with a verdict that wants a person."""
    return planned(connection, _SQL["list_unheeded"], **asked)


def parked_for(connection: Connection, account: str, external_id: str) -> list[Row]:
    return rows(connection, _SQL["parked_for"], account=account, external_id=external_id)


def judge(
    connection: Connection, callback_id: UUID, verdict: Verdict, *, reason: str | None, task_id: UUID | None
) -> None:
    execute(connection, _SQL["judge"], callback_id=callback_id, verdict=verdict.value, reason=reason, task_id=task_id)


def dismiss(connection: Connection, callback_id: UUID, *, now: datetime) -> None:
    """Once is enough."""
    execute(connection, _SQL["dismiss"], callback_id=callback_id, now=now)


def dismiss_many(
    connection: Connection, verdict: Verdict, *, account: str | None, before: datetime, limit: int, now: datetime
) -> int:
    """How many; fewer than ``limit`` when there are no more."""
    return execute(
        connection,
        _SQL["dismiss_many"],
        verdict=verdict.value,
        account=account,
        before=before,
        limit=limit,
        now=now,
    )
