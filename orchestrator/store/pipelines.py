"""The pipelines table: documents by name and version; a version never changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from orchestrator.errors import NotFound
from orchestrator.store.pool import Connection, Row, json, row, rows, value
from orchestrator.store.queries import load

_SQL = load("pipelines")


def put_pipeline(connection: Connection, name: str, document: dict[str, Any], *, now: datetime) -> int:
    """The version that holds this document: the newest if it is the same, else a new one."""
    while True:
        version = value(connection, _SQL["put_pipeline"], name=name, document=json(document), now=now)
        if version is not None:  # else somebody else took the same number at the same moment
            return int(version)


def get_pipeline(connection: Connection, name: str, version: int | None = None) -> Row:
    """name, version, document, created_at. Raises NotFound."""
    found = row(connection, _SQL["get_pipeline"], name=name, version=version)
    if found is None:
        raise NotFound(f"there is no pipeline {name!r}" + (f" version {version}" if version else ""))
    return found


def list_pipelines(connection: Connection, *, after: str, limit: int) -> list[Row]:
    return rows(connection, _SQL["list_pipelines"], after=after, limit=limit)


def newest_version(connection: Connection, name: str) -> int:
    """0 when there is none."""
    return int(value(connection, _SQL["newest_version"], name=name))
