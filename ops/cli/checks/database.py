"""Postgres: is it there, is the schema the program's own, does it keep what it is given, what time does it have."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from ops.cli.checks import clock
from ops.cli.checks.finding import Finding
from orchestrator.config import Config
from orchestrator.errors import DatabaseUnavailable, OrchestratorError, UnfitDatabase
from orchestrator.store import Connection, checkup
from orchestrator.store.checkup import Checkup, check_up
from orchestrator.store.processes import alone

ROOM = 0.9  # of the server's connections


def check(config: Config) -> Iterator[Finding]:
    if not config.database_url:
        advice = "set DATABASE_URL, or start the embedded one with `orchestrator up`"
        yield Finding("database", "fail", "DATABASE_URL is not set, and no embedded one runs in the home", advice)
        return
    try:
        found = check_up(config.database_url)
    except UnfitDatabase as error:
        yield Finding("database", "fail", error.message, "see docs/postgres.md")
        return
    except OrchestratorError as error:
        away = isinstance(error, DatabaseUnavailable)
        advice = "is it running, and are user and password right?" if away else "correct DATABASE_URL"
        yield Finding("database", "fail", error.message, advice)
        return
    yield clock.judge("clock", "the database's", (datetime.now(UTC) - found.now).total_seconds())
    with alone(config.database_url) as connection:
        yield _writable(connection, found)
        yield from _durable(connection)
        yield from _connections(connection)
        yield _schema(found)
        if not found.missing:
            yield from _indexes(connection, later=bool(found.unknown))


def _writable(connection: Connection, found: Checkup) -> Finding:
    if checkup.read_only(connection):
        return Finding(
            "database", "fail", "it answers, but takes no writes", "make it the primary again, or correct DATABASE_URL"
        )
    return Finding("database", "ok", f"Postgres {found.version} answers")


def _durable(connection: Connection) -> Iterator[Finding]:
    off = checkup.not_durable(connection)
    if off:
        advice = f"turn on {', '.join(off)} in the server's configuration, and restart it"
        yield Finding("durability", "fail", f"off: {', '.join(off)}", advice)


def _connections(connection: Connection) -> Iterator[Finding]:
    used, most = checkup.connections(connection)
    if used > ROOM * most:
        advice = "raise max_connections, or run fewer processes (each web has 8, each worker up to 24)"
        yield Finding("connections", "warn", f"{used} of {most} are in use", advice)


def _schema(found: Checkup) -> Finding:
    if found.missing:
        return Finding("schema", "fail", f"it lacks {', '.join(found.missing)}", "run `orchestrator migrate`")
    if found.unknown:
        detail = f"version skew: {', '.join(found.unknown)} is of a later version than this program"
        return Finding("schema", "warn", detail, "upgrade this program too (docs/upgrading.md)")
    return Finding("schema", "ok", "up to date")


def _indexes(connection: Connection, *, later: bool) -> Iterator[Finding]:
    """later: a later version's migrations were applied; it may have dropped what this one made."""
    invalid = checkup.invalid_indexes(connection)
    if invalid:
        advice = "; ".join(f"REINDEX INDEX CONCURRENTLY {name}" for name in invalid)
        yield Finding("indexes", "fail", f"invalid: {', '.join(invalid)}", f"in psql: {advice}")
    missing = checkup.missing_parts(connection)
    if missing and not later:
        advice = "make them again as orchestrator/store/schema.sql has them, in psql: " + " ".join(missing.values())
        yield Finding("indexes", "fail", f"missing: {', '.join(missing)}", advice)
    elif not invalid:
        yield Finding("indexes", "ok", "all are there and valid")
