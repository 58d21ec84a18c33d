"""What has ended and is old enough goes, a window of rows at a time: a window bounds what one statement reads, too.

A row that somebody else has locked is left for the next pass, so that nobody waits long for us, nor we for anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import UUID

from orchestrator.core.states import Verdict
from orchestrator.store.paging import Place
from orchestrator.store.pool import Connection, Row, execute, json, planned, rows, value
from orchestrator.store.queries import load

_SQL = load("retention")
START = Place(datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))


@dataclass(frozen=True, slots=True)
class Window:
    """found: rows that may go. removed: those that went. next: where the next window begins, None after the last."""

    found: int
    removed: int
    next: Place | None


def clock(connection: Connection) -> datetime:
    """The database's."""
    found: datetime = value(connection, _SQL["clock"])
    return found


def oldest_unnamed(connection: Connection) -> datetime | None:
    """When the oldest submission was opened of which nobody knows the job."""
    found: datetime | None = value(connection, _SQL["oldest_unnamed"])
    return found


def strip_bodies(connection: Connection, *, before: datetime, after: Place, limit: int, remove: bool) -> Window:
    """Empty the bodies of deliveries that came before then, and whose runs had ended by then. remove: or only count."""
    return _window(connection, _SQL["strip_bodies"], after, before=before, limit=limit, remove=remove)


def remove_callbacks(connection: Connection, *, before: datetime, after: Place, limit: int, remove: bool) -> Window:
    """The same for the deliveries themselves, but those that are parked or rejected."""
    return _window(connection, _SQL["remove_callbacks"], after, before=before, limit=limit, remove=remove)


def remove_strays(
    connection: Connection, *, verdict: Verdict, before: datetime, after: Place, limit: int, remove: bool
) -> Window:
    """The same for those that are parked, or rejected."""
    values = {"verdict": verdict.value, "before": before, "limit": limit, "remove": remove}
    return _window(connection, _SQL["remove_strays"], after, **values)


def remove_history(connection: Connection, *, before: datetime, after: int, limit: int, remove: bool) -> Row:
    """``found``, ``removed``, ``last`` (the id where the next window begins, None after the last one) and ``stale``:
    how many of the window are older than that; 0: what follows is younger."""
    found = planned(connection, _SQL["remove_history"], before=before, after=after, limit=limit, remove=remove)
    return found[0]


def forget_keys(connection: Connection, *, before: datetime, after: Place, limit: int, remove: bool) -> Window:
    """Give up the idempotency keys of runs that ended before then."""
    return _window(connection, _SQL["forget_keys"], after, before=before, limit=limit, remove=remove)


def ended_runs(
    connection: Connection, *, before: datetime, after: Place, limit: int, remove: bool
) -> tuple[Window, list[UUID]]:
    """Runs that ended before then, with every task of theirs. The second: those of them that are locked for us now."""
    found = planned(connection, _SQL["ended_runs"], before=before, limit=limit, remove=remove, **_after(after))
    if not found:
        return Window(0, 0, None), []
    free = found[0]["free"] or []
    return Window(found[0]["found"], len(free), Place(found[0]["at"], found[0]["id"])), free


def lock_tasks_of(connection: Connection, run_ids: list[UUID]) -> list[UUID]:
    return [one["id"] for one in rows(connection, _SQL["lock_tasks_of"], run_ids=run_ids)]


def remove_callbacks_of(connection: Connection, task_ids: list[UUID], *, limit: int) -> int:
    """How many: ``limit`` means that there may be more."""
    return int(value(connection, _SQL["remove_callbacks_of"], task_ids=task_ids, limit=limit))


def remove_history_of(connection: Connection, task_ids: list[UUID], *, limit: int) -> int:
    """How many: ``limit`` means that there may be more."""
    return execute(connection, _SQL["remove_history_of"], task_ids=task_ids, limit=limit)


def delete_runs(connection: Connection, run_ids: list[UUID]) -> int:
    return execute(connection, _SQL["delete_runs"], run_ids=run_ids)


def note_removals(connection: Connection, removed: Mapping[str, int], *, now: datetime) -> None:
    """Add to what has been removed since ever, for the figures."""
    counted = [{"what": what, "removed": number} for what, number in sorted(removed.items())]
    execute(connection, _SQL["note_removals"], rows=json(counted), now=now)


def list_removals(connection: Connection) -> list[Row]:
    """what, removed (rows since ever) and last_at (when it was last looked for)."""
    return rows(connection, _SQL["list_removals"])


def _window(connection: Connection, statement: LiteralString, after: Place, **values: Any) -> Window:
    # Planned for these very values each time: the first row after a place is read from the index, not found by sorting.
    found = planned(connection, statement, **values, **_after(after))
    if not found:
        return Window(0, 0, None)
    return Window(found[0]["found"], found[0]["removed"], Place(found[0]["at"], found[0]["id"]))


def _after(place: Place) -> dict[str, Any]:
    return {"after_at": place.at, "after_id": place.id}
