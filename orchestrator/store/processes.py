"""The tables of who is at work, and when what has to be done again and again was last done."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from orchestrator.errors import DatabaseUnavailable
from orchestrator.store import session
from orchestrator.store.pool import Connection, PatientConnection, Row, execute, json, row, rows, value
from orchestrator.store.queries import load

_SQL = load("processes")
PATIENCE = 35.0  # seconds of silence after which a process is taken for dead
_SECONDS = 5.0  # for the answer to a statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """kind: web, worker or beat. about: what it was configured with (see ``orchestrator.presence``)."""

    id: UUID
    kind: str
    host: str
    pid: int
    version: str
    about: dict[str, Any]


@contextmanager
def alone(url: str) -> Iterator[Connection]:
    """A connection of one's own, closed again: no fork inherits it, no pool keeps it. Raises DatabaseUnavailable."""
    try:
        with PatientConnection.connect(
            url, autocommit=True, row_factory=dict_row, **session.parameters(url, "presence")
        ) as connection:
            connection.patience = _SECONDS
            yield connection
    except psycopg.Error as error:
        raise DatabaseUnavailable(f"the database is not reachable: {type(error).__name__}") from error


def tell(connection: Connection, process: Process) -> None:
    """It lives."""
    execute(
        connection,
        _SQL["tell"],
        id=process.id,
        kind=process.kind,
        host=process.host,
        pid=process.pid,
        version=process.version,
        about=json(process.about),
    )


def forget(connection: Connection) -> None:
    execute(connection, _SQL["forget"])


def list_processes(connection: Connection) -> list[Row]:
    """silent: seconds since it was last seen."""
    return rows(connection, _SQL["list_processes"], patience=PATIENCE)


def bury(connection: Connection, ids: Collection[UUID]) -> None:
    execute(connection, _SQL["bury"], ids=list(ids))


def note_pass(connection: Connection, name: str) -> None:
    execute(connection, _SQL["note_pass"], name=name)


def seconds_since_pass(connection: Connection, name: str) -> float | None:
    """None: it has never been done."""
    found = row(connection, _SQL["seconds_since_pass"], name=name)
    return float(next(iter(found.values()))) if found else None


def signed_between(connection: Connection, first: datetime, last: datetime) -> int:
    return int(value(connection, _SQL["signed_between"], first=first, last=last))
