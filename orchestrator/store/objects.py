"""The objects table: the index of the archive."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from orchestrator.store.pool import Connection, execute
from orchestrator.store.queries import load

_SQL = load("objects")


def insert_object(
    connection: Connection,
    *,
    task_id: UUID,
    run_id: UUID,
    source_task_id: UUID | None,
    uri: str,
    sha256: str,
    bytes: int,  # noqa: A002 - the name of the column and of the public field
    width: int,
    height: int,
    content_type: str,
    source_url: str,
    now: datetime,
) -> None:
    execute(
        connection,
        _SQL["insert_object"],
        task_id=task_id,
        run_id=run_id,
        source_task_id=source_task_id,
        uri=uri,
        sha256=sha256,
        bytes=bytes,
        width=width,
        height=height,
        content_type=content_type,
        source_url=source_url,
        now=now,
    )
