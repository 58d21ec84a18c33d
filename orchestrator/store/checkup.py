"""A look at a database from outside: is it there, is its schema today's, what time does it have."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import dict_row

from orchestrator.errors import ConfigError, DatabaseUnavailable
from orchestrator.store.health import missing_migrations, unknown_migrations
from orchestrator.store.pool import Row, row
from orchestrator.store.queries import load
from orchestrator.store.session import check_version

_SQL = load("checkup")


@dataclass(frozen=True, slots=True)
class Checkup:
    """missing: migrations that the database lacks. unknown: those that only a later version of this program has.
    now: its clock. version: of the server."""

    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    now: datetime
    version: str


def check_up(url: str) -> Checkup:
    """One connection, closed again. Raises DatabaseUnavailable with the reason, ConfigError for what is no URL."""
    if urlsplit(url).netloc.count("@") > 1:
        # Half of such a password is taken for the host, and would be told in the error.
        raise ConfigError("DATABASE_URL: an @ in the password is written %40")
    try:
        with psycopg.Connection[Row].connect(
            url, connect_timeout=5, autocommit=True, row_factory=dict_row
        ) as connection:
            check_version(connection.info.server_version, connection.info.parameter_status("server_version") or "")
            # The clock last: nothing comes between it and the caller's own.
            missing = tuple(missing_migrations(connection))
            unknown = tuple(unknown_migrations(connection))
            found = row(connection, _SQL["read_clock"]) or {}
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(str(error).strip().splitlines()[0]) from error
    except psycopg.ProgrammingError:
        # Its message repeats what it could not read, and there may be a password in it.
        raise ConfigError("DATABASE_URL: it is not the URL of a Postgres database") from None
    return Checkup(missing, unknown, found["now"], found["version"])
