"""Migrations: numbered .sql files, applied once each, in order, while the former version serves (docs/upgrading.md).

Each file is one transaction: it is applied whole or not at all. Only a file that begins with OUTSIDE is not; its
statements, each ending with a semicolon at a line's end, must bear being run again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from importlib import resources
from importlib.resources.abc import Traversable
from typing import LiteralString

import psycopg

from orchestrator.errors import DatabaseBusy, DatabaseUnavailable, MigrationFailed, UnfitDatabase
from orchestrator.store.queries import load
from orchestrator.store.session import check_version, is_pooled

_SQL = load("migrations")
OUTSIDE = "-- outside a transaction"
PATIENCE = 120.0  # seconds of trying for a lock that somebody holds
PAUSE = 0.5  # seconds between two tries, in which those are served who had queued up behind ours


class Taken(psycopg.OperationalError):
    """Another migrator is at work."""


def files() -> dict[str, str]:
    """Every migration's text by its name (NNNN_words), in order. Raises MigrationFailed for a file that is no text."""
    folder = resources.files(__package__).joinpath("migrations")
    found = sorted(one.name for one in folder.iterdir() if one.name.endswith(".sql"))
    return {name.removesuffix(".sql"): _text(folder.joinpath(name)) for name in found}


def _text(file: Traversable) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise MigrationFailed(f"migration {file.name} is not UTF-8 text") from error


def migrate(url: str, *, patience: float = PATIENCE) -> list[str]:
    """Apply what is missing; the names applied. Safe to run by several at once, and under load.

    Raises DatabaseUnavailable, of which DatabaseBusy says that locks were held for ``patience`` seconds, and
    MigrationFailed for what Postgres refuses. What had been applied by then stays; of the migration that failed there
    is nothing, unless it is one of those that are done outside a transaction.
    """
    over = time.monotonic() + patience
    try:
        with psycopg.connect(url, connect_timeout=5, autocommit=True) as connection:
            check_version(connection.info.server_version, connection.info.parameter_status("server_version") or "")
            known = _applied(connection)
            missing = {name: text for name, text in files().items() if name not in known}
            if missing and is_pooled(connection):
                # What is made outside a transaction is guarded by a lock of the session.
                raise UnfitDatabase("migrations need the database's own address, not that of a connection pooler")
            return [name for name, text in missing.items() if _patiently(connection, name, text, over)]
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"the database is not reachable: {error}") from error


def _patiently(connection: psycopg.Connection, name: str, text: str, over: float) -> bool:
    """Apply one as soon as its locks can be had; whether it was us who did."""
    apply: Callable[[psycopg.Connection, str, str], bool] = _one_by_one if text.startswith(OUTSIDE) else _whole
    while True:
        try:
            return apply(connection, name, text)
        except (Taken, psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            if time.monotonic() > over:
                reason = str(error).partition("\n")[0]
                raise DatabaseBusy(f"migration {name} is not applied: {reason}; try again") from error
        except psycopg.errors.QueryCanceled as error:
            raise DatabaseBusy(f"migration {name} is not applied: it took too long") from error
        except psycopg.Error as error:
            if connection.closed:
                raise
            whole = not text.startswith(OUTSIDE)
            raise MigrationFailed(f"migration {name}.sql failed: {_reason(error)}", whole=whole) from error
        time.sleep(PAUSE)


def _reason(error: psycopg.Error) -> str:
    """Postgres' own sentence, and the line of SQL at which it stopped, if it shows one."""
    sentence = error.diag.message_primary or str(error).partition("\n")[0]
    line = re.search(r"^\w+ \d+: (.*)$", str(error), re.MULTILINE)  # LINE 2: ..., in the server's language
    return f"{sentence}, at {line[1]}" if line else sentence


def _whole(connection: psycopg.Connection, name: str, text: str) -> bool:
    with connection.transaction():
        connection.execute(_SQL["hurry"])
        _take(connection, _SQL["lock"])
        connection.execute(_SQL["create_table"])
        if name in _applied(connection):
            return False
        connection.execute(text.encode())
        connection.execute(_SQL["record"], {"name": name})
        return True


def _one_by_one(connection: psycopg.Connection, name: str, text: str) -> bool:
    _take(connection, _SQL["lock_session"])
    try:
        if name in _applied(connection):
            return False
        for statement in filter(str.strip, re.split(r"(?<=;)\s*\n", text)):
            connection.execute(statement.encode())
        connection.execute(_SQL["record"], {"name": name})
        return True
    finally:
        if not connection.closed:
            connection.execute(_SQL["unlock_session"])


def _take(connection: psycopg.Connection, lock: LiteralString) -> None:
    """Raises Taken. Nobody waits inside a statement: what is made concurrently would wait for him in turn."""
    found = connection.execute(lock).fetchone()
    if not (found and found[0]):
        raise Taken("another migrator is at work")


def _applied(connection: psycopg.Connection) -> set[str]:
    exists = connection.execute(_SQL["table_exists"]).fetchone()
    return {one[0] for one in connection.execute(_SQL["applied"])} if exists and exists[0] else set()
