"""The runs table."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from orchestrator.core.run import Run
from orchestrator.core.states import RunState
from orchestrator.errors import NotFound, TooManyOpenRuns
from orchestrator.store.paging import Place
from orchestrator.store.pool import Connection, Row, json, planned, row, rows, value
from orchestrator.store.queries import load

_SQL = load("runs")
LOOK = timedelta(seconds=5)  # between two counts of what is open
_FIELDS = tuple(Run.__dataclass_fields__)


def as_run(found: Row) -> Run:
    """A row as the rules see it."""
    fields = {name: found[name] for name in _FIELDS}
    return Run(**fields | {"state": RunState(found["state"]), "accounts": tuple(found["accounts"])})


class OpenRuns:
    """How many runs are open, and whether there may be more. Counted now and then: what other processes open meanwhile
    may go over the bound."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._look_at: datetime | None = None

    def one_more(self, connection: Connection, now: datetime) -> None:
        """Raises TooManyOpenRuns."""
        if self._look_at is None or not self._look_at - LOOK <= now < self._look_at:  # a clock may be set back
            self._count = count_open(connection, most=self._most)
            self._look_at = now + LOOK
        if self._count >= self._most:
            raise TooManyOpenRuns(f"{self._most} runs are open, the most that may be")
        self._count += 1


def count_open(connection: Connection, *, most: int) -> int:
    """Runs that have not ended, counted up to ``most``."""
    return int(value(connection, _SQL["count_open"], most=most))


def insert_run(
    connection: Connection, run: Run, *, idempotency_key: str | None, request_digest: bytes | None
) -> Run | None:
    """The run as stored, or None when the idempotency key is taken."""
    found = row(
        connection,
        _SQL["insert_run"],
        id=run.id,
        pipeline=run.pipeline,
        version=run.version,
        inputs=json(run.inputs),
        labels=json(run.labels),
        accounts=list(run.accounts),
        priority=run.priority,
        idempotency_key=idempotency_key,
        request_digest=request_digest,
        now=run.created_at,
    )
    return as_run(found) if found else None


def run_by_idempotency_key(connection: Connection, key: str) -> tuple[Run, bytes | None] | None:
    """The run that the key opened, and the digest of its request, None when that is erased."""
    found = row(connection, _SQL["run_by_idempotency_key"], key=key)
    return (as_run(found), found["request_digest"] and bytes(found["request_digest"])) if found else None


def lock_run(connection: Connection, run_id: UUID) -> Run:
    """The run, locked until the transaction ends. Raises NotFound."""
    return _found(row(connection, _SQL["lock_run"], run_id=run_id), run_id)


def get_run(connection: Connection, run_id: UUID) -> Run:
    """Raises NotFound."""
    return _found(row(connection, _SQL["get_run"], run_id=run_id), run_id)


def finish_run(
    connection: Connection, run_id: UUID, state: RunState, *, error: dict[str, Any] | None, now: datetime
) -> Run | None:
    """The run as it is now, or None when it was over already."""
    found = row(connection, _SQL["finish_run"], run_id=run_id, state=state.value, error=json(error), now=now)
    return as_run(found) if found else None


def reopen_run(connection: Connection, run_id: UUID) -> Run | None:
    """The run, running again; None when it has succeeded or is paused."""
    found = row(connection, _SQL["reopen_run"], run_id=run_id)
    return as_run(found) if found else None


def list_runs(
    connection: Connection,
    *,
    state: RunState | None = None,
    pipeline: str | None = None,
    labels: dict[str, str] | None = None,
    words: str | None = None,
    after: Place | None = None,
    limit: int,
) -> list[Run]:
    """Newest first, long inputs shortened. labels: all of them; words: a web search's syntax over the inputs' texts."""
    found = planned(
        connection,
        _SQL["list_runs"],
        state=state.value if state else None,
        pipeline=pipeline,
        labels=json(labels or None),
        words=words,
        after_at=after.at if after else None,
        after_id=after.id if after else None,
        limit=limit,
    )
    return [as_run(one) for one in found]


def objects_of_runs(connection: Connection, run_ids: Collection[UUID]) -> list[Row]:
    return rows(connection, _SQL["objects_of_runs"], run_ids=list(run_ids))


def objects_of_run(connection: Connection, run_id: UUID) -> list[Row]:
    return rows(connection, _SQL["objects_of_run"], run_id=run_id)


def _found(found: Row | None, run_id: UUID) -> Run:
    if found is None:
        raise NotFound(f"there is no run {run_id}")
    return as_run(found)
