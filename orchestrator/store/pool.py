"""The connection pool, and how a statement is run on it. psycopg's errors leave as ours."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, LiteralString, Self, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb, set_json_dumps
from psycopg_pool import ConnectionPool, PoolTimeout

from orchestrator.errors import DatabaseBusy, DatabaseUnavailable, UnfitDatabase
from orchestrator.store import session
from orchestrator.store.circuit import Circuit
from orchestrator.store.clock import Clock
from orchestrator.store.jsonb import dumps
from orchestrator.store.queries import load

Row = dict[str, Any]
Connection = psycopg.Connection[Row]
T = TypeVar("T")

_SQL = load("pool")
PATIENCE = 20.0  # seconds for a statement, kept by ourselves: a server that hangs keeps no time-out
POLL = 0.1  # seconds


class Overdue(psycopg.OperationalError):
    """The server is silent."""


class PatientConnection(psycopg.Connection[Row]):
    """A connection that gives up on a server that says nothing for ``patience`` seconds."""

    patience: float = PATIENCE

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Self:
        """To a server, or to a pooler, which takes no options."""
        try:
            return super().connect(conninfo, **options)
        except psycopg.OperationalError as error:
            if not session.takes_no_options(error):
                raise
        return super().connect(conninfo, **options | {"options": ""})

    def wait(self, gen: PQGen[T], interval: float = POLL, timeout: float | None = None) -> T:
        try:
            return super().wait(_impatient(gen, time.monotonic() + self.patience), interval, timeout)
        except Overdue:
            self.pgconn.finish()  # an answer that came now would be taken for that of the next statement
            raise


def _impatient(gen: PQGen[T], deadline: float) -> PQGen[T]:
    """The same steps; what psycopg asks for in vain at each interval is asked for until the deadline only."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                raise Overdue("the server is silent")
            wanted = gen.send(ready)
    except StopIteration as done:
        result: T = done.value
        return result


class Database:
    """A pool of autocommit connections. ``lazy`` pools open with nobody there, and recover by themselves."""

    def __init__(self, url: str, *, size: int = 8, timeout: float = 5.0, name: str = "orchestrator") -> None:
        """timeout: seconds to wait for a connection. Raises ConfigError for what is no URL."""
        self.circuit = Circuit()
        self.clock = Clock()
        self._size, self._used, self._lock = size, 0, threading.Lock()
        self._unfit: UnfitDatabase | None = None  # what the last server was that we turned away from
        self._pool: ConnectionPool[PatientConnection] = ConnectionPool(
            url,
            min_size=1,
            max_size=size,
            timeout=timeout,
            open=False,
            name=name,
            check=None,
            reconnect_timeout=30,
            connection_class=PatientConnection,
            configure=self._configure,
            kwargs={"autocommit": True, "row_factory": dict_row, **session.parameters(url, name)},
        )
        self._pool.open()

    @contextlib.contextmanager
    def connection(self, *, timeout: float | None = None, patience: float | None = None) -> Iterator[Connection]:
        """A connection in autocommit: each statement is its own transaction.

        timeout: seconds to wait for it, if not the pool's own. patience: seconds for the answer to a statement.
        Raises DatabaseUnavailable, of which DatabaseBusy says that a lock or a statement took too long.
        """
        try:
            with self._pool.connection(timeout) as connection, self._counted():
                connection.patience = patience or PATIENCE
                self.clock.compare(lambda: read_time(connection))
                yield connection
        except PoolTimeout as error:
            raise self._none_free() from error
        except psycopg.errors.ProgramLimitExceeded:
            raise  # the database is there: it was asked for something that it cannot do, by our mistake
        except _ABSENCE as error:
            raise _unavailable(error) from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection inside one transaction: committed at the end, rolled back by an exception."""
        with self.connection() as connection, connection.transaction():
            yield connection

    @contextlib.contextmanager
    def reading(self, longest: float) -> Iterator[Connection]:
        """A connection for a reader who can ask again: the server gives up a statement after ``longest`` seconds."""
        with self.transaction() as connection:
            limit_statements(connection, longest)
            yield connection

    def renew(self) -> None:
        """Drop the connections that are cut, as all are after a restart of the database."""
        self._pool.check()

    def stats(self) -> Mapping[str, int]:
        """What the pool does now: connections open, idle, requests that wait for one."""
        found = self._pool.get_stats()
        return {
            "open": found.get("pool_size", 0),
            "idle": found.get("pool_available", 0),
            "waiting": found.get("requests_waiting", 0),
        }

    def close(self) -> None:
        self._pool.close()

    def _configure(self, connection: Connection) -> None:
        try:
            session.greet(connection)
        except UnfitDatabase as error:
            self._unfit = error
            raise
        self._unfit = None
        set_json_dumps(dumps, connection)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._used += 1
        try:
            yield
        finally:
            with self._lock:
                self._used -= 1

    def _none_free(self) -> DatabaseUnavailable:
        if self._unfit:
            return UnfitDatabase(self._unfit.message)
        if self._used >= self._size:
            return DatabaseUnavailable(f"all {self._size} connections to the database are in use")
        return DatabaseUnavailable("the database is not reachable: PoolTimeout")


def read_time(connection: Connection) -> datetime:
    """The database's."""
    found: datetime = value(connection, _SQL["read_time"])
    return found


def limit_statements(connection: Connection, seconds: float) -> None:
    """For the rest of this transaction."""
    value(connection, _SQL["limit_statements"], milliseconds=str(int(seconds * 1000)))


def rows(connection: Connection, statement: LiteralString, **values: Any) -> list[Row]:
    """Run a statement; its rows."""
    return connection.execute(statement, values).fetchall()


def row(connection: Connection, statement: LiteralString, **values: Any) -> Row | None:
    """Run a statement; its first row, if any."""
    return connection.execute(statement, values).fetchone()


def planned(connection: Connection, statement: LiteralString, **values: Any) -> list[Row]:
    """The rows of a statement with optional filters: planned each time for these very values, so that the index of
    the filters that are given serves it."""
    return connection.execute(statement, values, prepare=False).fetchall()


def value(connection: Connection, statement: LiteralString, **values: Any) -> Any:
    """Run a statement; the first column of its first row, or None."""
    found = row(connection, statement, **values)
    return next(iter(found.values())) if found else None


def execute(connection: Connection, statement: LiteralString, **values: Any) -> int:
    """Run a statement; how many rows it touched."""
    return connection.execute(statement, values).rowcount


def json(document: Mapping[str, Any] | list[Any] | None) -> Jsonb | None:
    """A JSON parameter; None stays SQL null."""
    return None if document is None else Jsonb(document)


_LEFT = (psycopg.errors.IdleInTransactionSessionTimeout, psycopg.errors.TransactionTimeout)
_LATE = (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled, *_LEFT)
_UNMIGRATED = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedFunction)
_READ_ONLY = (psycopg.errors.ReadOnlySqlTransaction,)
_ABSENCE = (psycopg.OperationalError, psycopg.InterfaceError, *_LATE, *_UNMIGRATED, *_READ_ONLY)


def _unavailable(error: psycopg.Error) -> DatabaseUnavailable:
    if isinstance(error, _LATE):
        return DatabaseBusy(f"the database does not answer in time: {type(error).__name__}")
    if isinstance(error, _UNMIGRATED):
        return DatabaseUnavailable("the database is not migrated; run `orchestrator migrate`")
    if isinstance(error, _READ_ONLY):
        return DatabaseUnavailable("the database is read-only")
    cut = not isinstance(error, Overdue)
    return DatabaseUnavailable(f"the database is not reachable: {type(error).__name__}", cut=cut)
