"""Everything that is known of one run, for who takes it out or away."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from orchestrator.store.pool import Connection, Row, rows
from orchestrator.store.queries import load

_SQL = load("evidence")


def deliveries_of(connection: Connection, run_id: UUID) -> list[UUID]:
    """Of its tasks' own URLs, and those to an account's hook that name one of its jobs."""
    return [one["id"] for one in rows(connection, _SQL["deliveries_of"], run_id=run_id)]


def whole_deliveries(connection: Connection, callback_ids: Collection[UUID]) -> list[Row]:
    """With bodies; ``scope`` is the task whose own URL it came to, None for an account's hook."""
    return rows(connection, _SQL["whole_deliveries"], callback_ids=list(callback_ids))


def histories(connection: Connection, task_ids: Collection[UUID]) -> list[Row]:
    return rows(connection, _SQL["histories"], task_ids=list(task_ids))
