"""Migrations: numbered .sql files, applied once each, in order, under one lock."""

from __future__ import annotations

from importlib import resources

import psycopg

from orchestrator.errors import DatabaseUnavailable
from orchestrator.store.queries import load

_SQL = load("migrations")


def files() -> dict[str, str]:
    """Every migration's text by its name (NNNN_words), in order."""
    folder = resources.files(__package__).joinpath("migrations")
    found = sorted(one.name for one in folder.iterdir() if one.name.endswith(".sql"))
    return {name.removesuffix(".sql"): folder.joinpath(name).read_text(encoding="utf-8") for name in found}


def migrate(url: str) -> list[str]:
    """Apply what is missing; the names applied. Safe to run by several at once. Raises DatabaseUnavailable."""
    try:
        with psycopg.connect(url, connect_timeout=5, options="-c lock_timeout=5000") as connection:
            connection.execute(_SQL["lock"])
            connection.execute(_SQL["create_table"])
            applied = {one[0] for one in connection.execute(_SQL["applied"])}
            missing = {name: text for name, text in files().items() if name not in applied}
            for name, text in missing.items():
                connection.execute(text.encode())
                connection.execute(_SQL["record"], {"name": name})
            return list(missing)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"the database is not reachable: {error}") from error


def missing(url: str) -> list[str]:
    """The migrations that a database lacks."""
    with psycopg.connect(url, connect_timeout=5) as connection:
        exists = connection.execute(_SQL["table_exists"]).fetchone()
        applied = {one[0] for one in connection.execute(_SQL["applied"])} if exists and exists[0] else set()
    return [name for name in files() if name not in applied]
