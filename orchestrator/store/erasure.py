"""What is personal in a run's rows goes, and the rows stay."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from orchestrator.store.pool import Connection, Row, execute, json, rows
from orchestrator.store.queries import load

_SQL = load("erasure")


def list_erasures(connection: Connection, run_ids: Collection[UUID]) -> list[Row]:
    """run_id, at and by of those of the runs that are erased."""
    return rows(connection, _SQL["list_erasures"], run_ids=list(run_ids))


def note_erasure(connection: Connection, run_id: UUID, *, by: str, now: datetime) -> None:
    execute(connection, _SQL["note_erasure"], run_id=run_id, by=by, now=now)


def erase_run(connection: Connection, run_id: UUID, *, error: dict[str, Any] | None) -> None:
    """error: what may stay of it."""
    execute(connection, _SQL["erase_run"], run_id=run_id, error=json(error))


def lock_tasks(connection: Connection, run_id: UUID) -> None:
    execute(connection, _SQL["lock_tasks"], run_id=run_id)


def erase_tasks(connection: Connection, run_id: UUID, left: list[dict[str, Any]]) -> None:
    """left: what may stay, ``{id, params, result, error}`` for each task."""
    execute(connection, _SQL["erase_tasks"], run_id=run_id, rows=json(left))


def erase_deliveries(connection: Connection, run_id: UUID) -> int:
    """How many there are."""
    return execute(connection, _SQL["erase_deliveries"], run_id=run_id)


def erase_objects(connection: Connection, run_id: UUID) -> None:
    execute(connection, _SQL["erase_objects"], run_id=run_id)


def erase_pause(connection: Connection, account: str, *, reason: str) -> None:
    execute(connection, _SQL["erase_pause"], account=account, reason=reason)


def list_pauses(connection: Connection, accounts: Collection[str]) -> dict[str, str]:
    """Why accounts pause, or did, by their names."""
    found = rows(connection, _SQL["list_pauses"], accounts=list(accounts))
    return {one["name"]: one["paused_reason"] for one in found}


def shared_images(connection: Connection, run_id: UUID, hashes: Collection[str]) -> frozenset[str]:
    """Those of these images that other runs have archived too."""
    found = rows(connection, _SQL["shared_images"], run_id=run_id, hashes=list(hashes))
    return frozenset(one["sha256"] for one in found)


def drop_objects(connection: Connection, run_id: UUID, hashes: Collection[str]) -> None:
    execute(connection, _SQL["drop_objects"], run_id=run_id, hashes=list(hashes))
