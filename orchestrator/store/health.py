"""What the health page and a metrics scrape ask the database: little, and at a bounded cost."""

from __future__ import annotations

from orchestrator.store.migrate import files
from orchestrator.store.pool import Connection, Row, rows, value
from orchestrator.store.queries import load

_SQL = load("health")
MOST = 10_000  # rows counted of each kind


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


def figures(connection: Connection) -> list[Row]:
    """what (runs, tasks, callbacks, slots), label (state, verdict, account) and number, at most ``MOST``."""
    return rows(connection, _SQL["figures"], limit=MOST)
