"""WHAT HAS ENDED GOES: raw bodies first, then deliveries and history, then the run, each after a time of its own.

Evidence of a run that has not ended stays, whatever its age; so does what a callback may still have to be matched with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from uuid import UUID

from orchestrator.config import Keep
from orchestrator.core.states import Verdict
from orchestrator.store import Connection, Database, retention
from orchestrator.store.clock import utc_now
from orchestrator.store.retention import START, Window

WINDOW = 500  # rows that one statement reads
RUNS = 20  # runs that one transaction removes, with their tasks
PASS = 10.0  # seconds of work at a time; what is left waits for the next pass

Windows = Iterator[tuple[int, int]]  # of each window: rows that may go, and rows that went
Look = Callable[..., Window]


@dataclass(frozen=True, slots=True)
class Pruned:
    """removed: rows by kind (in a rehearsal: those that would go). whole: nothing was left for want of time."""

    removed: dict[str, int] = field(default_factory=dict)
    whole: bool = True

    @property
    def total(self) -> int:
        return sum(self.removed.values())


def prune(
    db: Database, keep: Keep, *, now: datetime, within: float | None = PASS, remove: bool = True, window: int = WINDOW
) -> Pruned:
    """Remove what is old enough. Any number may do so at once: each takes other rows.

    within: seconds; None: until nothing is left. remove: False only counts.
    """
    over = None if within is None else time.monotonic() + within
    waiting = _kinds(db, keep, now, remove=remove, window=window)
    removed = dict.fromkeys(waiting, 0)
    while waiting:
        # One window of each in turn, so that none of them waits for the others to be done.
        for name, windows in list(waiting.items()):
            seen = next(windows, None)
            if seen is None:
                del waiting[name]
            else:
                removed[name] += seen[1] if remove else seen[0]
        if over is not None and time.monotonic() > over:
            break
    if remove:
        with db.connection() as connection:
            retention.note_removals(connection, removed, now=now)
    return Pruned(removed, whole=not waiting)


def earlier(db: Database, now: datetime) -> datetime:
    """What time it is: a clock that has gone wrong, ours or the database's, removes nothing before its time."""
    with db.connection() as connection:
        return min(now, utc_now(), retention.clock(connection))


def _kinds(db: Database, keep: Keep, now: datetime, *, remove: bool, window: int) -> dict[str, Windows]:
    """Each kind's windows. Those whose time is `forever` are left out."""
    kinds = {
        "bodies": (keep.bodies, partial(_each, db, retention.strip_bodies)),
        "callbacks": (keep.callbacks, partial(_each, db, retention.remove_callbacks)),
        "parked": (keep.strays, partial(_strays, db, Verdict.PARKED)),
        "rejected": (keep.strays, partial(_strays, db, Verdict.REJECTED)),
        "history": (keep.history, partial(_history, db)),
        "keys": (keep.keys, partial(_each, db, retention.forget_keys)),
        "runs": (keep.runs, partial(_runs, db)),
    }
    return {
        name: work(before=now - age, limit=window, remove=remove)
        for name, (age, work) in kinds.items()
        if age is not None
    }


def _each(db: Database, look: Look, *, before: datetime, limit: int, remove: bool) -> Windows:
    place = START
    while True:
        with db.connection() as connection:
            seen = look(connection, before=before, after=place, limit=limit, remove=remove)
        if seen.next is None:
            return
        yield seen.found, seen.removed
        place = seen.next


def _strays(db: Database, verdict: Verdict, *, before: datetime, limit: int, remove: bool) -> Windows:
    """A parked delivery may speak of a submission whose answer was lost: it stays until that one is resolved."""
    with db.connection() as connection:
        oldest = retention.oldest_unnamed(connection) if verdict is Verdict.PARKED else None
    look = partial(retention.remove_strays, verdict=verdict)
    yield from _each(db, look, before=min(before, oldest or before), limit=limit, remove=remove)


def _history(db: Database, *, before: datetime, limit: int, remove: bool) -> Windows:
    after = 0
    while True:
        with db.connection() as connection:
            seen = retention.remove_history(connection, before=before, after=after, limit=limit, remove=remove)
        yield seen["found"], seen["removed"]
        if not seen["stale"]:
            return
        after = seen["last"]


def _runs(db: Database, *, before: datetime, limit: int, remove: bool) -> Windows:
    place = START
    while True:
        with db.transaction() as connection:
            seen, free = retention.ended_runs(
                connection, before=before, after=place, limit=min(limit, RUNS), remove=remove
            )
            whole = not free or _delete(connection, free, limit)
        if seen.next is None:
            return
        yield seen.found, seen.removed if whole else 0
        place = seen.next if whole else place


def _delete(connection: Connection, run_ids: list[UUID], limit: int) -> bool:
    """These runs, or, of runs with very much evidence, a part of that. A run goes with all its tasks or not at all:
    without some of them a retry would pay for these again."""
    task_ids = retention.lock_tasks_of(connection, run_ids)
    for remove in (retention.remove_callbacks_of, retention.remove_history_of):
        if remove(connection, task_ids, limit=limit) == limit:
            return False
    retention.delete_runs(connection, run_ids)
    return True
