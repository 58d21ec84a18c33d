"""What the health page and a metrics scrape ask the database: little, and at a bounded cost."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from orchestrator.store.migrate import files
from orchestrator.store.pool import Connection, Row, rows, value
from orchestrator.store.queries import load

_SQL = load("health")
MOST = 10_000  # rows counted of each kind
SOON = timedelta(hours=1)  # until an image's address dies


def missing_migrations(connection: Connection) -> list[str]:
    """The migrations that this program has and the database lacks, in order."""
    applied = _applied(connection)
    return [name for name in files() if name not in applied]


def unknown_migrations(connection: Connection) -> list[str]:
    """The migrations that the database has and this program does not know: those of a later version."""
    return sorted(_applied(connection) - files().keys())


def _applied(connection: Connection) -> set[str]:
    exists = value(connection, _SQL["migrations_table"])
    return {one["name"] for one in rows(connection, _SQL["migrations_applied"])} if exists else set()


def figures(connection: Connection, configured: Iterable[str] | None, *, now: datetime) -> list[Row]:
    """what (runs, tasks, callbacks, slots, attention), label (state, verdict, account, kind) and number, at most
    ``MOST``. configured: the accounts that there are, if that is known."""
    names = None if configured is None else list(configured)
    return rows(connection, _SQL["figures"], configured=names, soon=now + SOON, now=now, limit=MOST)
