"""A look at a database from outside: is it there, is its schema today's, what time does it have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import dict_row

from orchestrator.errors import ConfigError, DatabaseUnavailable, UnfitDatabase
from orchestrator.store.health import missing_migrations, unknown_migrations
from orchestrator.store.pool import Connection, Row, row, rows, value
from orchestrator.store.queries import load
from orchestrator.store.session import greet

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
    """One connection, closed again. Raises DatabaseUnavailable with the reason, of which UnfitDatabase is one of the
    server's kind, and ConfigError for what is no URL."""
    if urlsplit(url).netloc.count("@") > 1:
        # Half of such a password is taken for the host, and would be told in the error.
        raise ConfigError("DATABASE_URL: an @ in the password is written %40")
    try:
        with _connect(url) as connection:
            greet(connection)
            # The clock last: nothing comes between it and the caller's own.
            missing = tuple(missing_migrations(connection))
            unknown = tuple(unknown_migrations(connection))
            found = row(connection, _SQL["read_clock"]) or {}
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(str(error).strip().splitlines()[0]) from error
    except psycopg.Error as error:
        raise UnfitDatabase(f"the applied migrations cannot be read: {error.diag.message_primary or error}") from error
    return Checkup(missing, unknown, found["now"], found["version"])


def _connect(url: str) -> Connection:
    try:
        return psycopg.Connection[Row].connect(url, connect_timeout=5, autocommit=True, row_factory=dict_row)
    except psycopg.ProgrammingError:
        # Its message repeats what it could not read, and there may be a password in it.
        raise ConfigError("DATABASE_URL: it is not the URL of a Postgres database") from None


def read_only(connection: Connection) -> bool:
    """A standby, or set so."""
    return bool(value(connection, _SQL["read_only"]))


def not_durable(connection: Connection) -> list[str]:
    """The settings that are off, and without which a commit may be lost."""
    return [one["name"] for one in rows(connection, _SQL["not_durable"])]


def connections(connection: Connection) -> tuple[int, int]:
    """In use, and at most."""
    found = row(connection, _SQL["connections"]) or {}
    return found["used"], found["most"]


def invalid_indexes(connection: Connection) -> list[str]:
    """Left behind by a build or a check that failed."""
    return [one["name"] for one in rows(connection, _SQL["invalid_indexes"])]


def missing_parts(connection: Connection) -> dict[str, str]:
    """Indexes, constraints and functions that the migrations make and the database lacks; how each is made."""
    there = {one["name"] for one in rows(connection, _SQL["parts"])}
    return {name: text for name, text in _parts().items() if name not in there}


def _parts() -> dict[str, str]:
    """From schema.sql, which a test keeps equal to what the migrations make."""
    schema = resources.files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")
    indexes = re.finditer(r"^CREATE (?:UNIQUE )?INDEX (\w+) ON .*;$", schema, re.MULTILINE)
    found = {one[1]: one[0] for one in indexes}
    for table in re.finditer(r"^CREATE TABLE (\w+) \(\n(.*?)^\)", schema, re.MULTILINE | re.DOTALL):
        for name, what in re.findall(r"^    CONSTRAINT (\w+) (.*?),?$", table[2], re.MULTILINE):
            found[name] = f"ALTER TABLE {table[1]} ADD CONSTRAINT {name} {what};"
    functions = re.findall(r"^CREATE OR REPLACE FUNCTION (\w+)\(", schema, re.MULTILINE)
    return found | {name: f"(the function {name} of schema.sql)" for name in functions}
