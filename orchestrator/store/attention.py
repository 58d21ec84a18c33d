"""What wants a person: each kind with its rows (``id``, ``since`` and what else is known), at most so many."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from orchestrator.core.states import Verdict
from orchestrator.store.pool import Connection, Row, planned
from orchestrator.store.queries import load

_SQL = load("attention")
LOOKED = 10_000  # open runs whose tasks are looked at


def uncertain_tasks(connection: Connection, *, limit: int) -> list[Row]:
    return planned(connection, _SQL["uncertain_tasks"], limit=limit)


def open_choices(connection: Connection, *, limit: int) -> list[Row]:
    return planned(connection, _SQL["open_choices"], limit=limit)


def stray_tasks(connection: Connection, configured: Iterable[str], *, limit: int) -> list[Row]:
    """configured: the accounts that there are."""
    return planned(connection, _SQL["stray_tasks"], configured=list(configured), limit=limit)


def risky_archivings(connection: Connection, *, before: datetime, limit: int, now: datetime) -> list[Row]:
    """since: when the image's address dies. before: what dies later is in no danger yet."""
    return planned(connection, _SQL["risky_archivings"], before=before, limit=limit, now=now)


def kept_callbacks(connection: Connection, verdict: Verdict, *, limit: int) -> list[Row]:
    return planned(connection, _SQL["kept_callbacks"], verdict=verdict.value, limit=limit)


def paused_accounts(connection: Connection, *, limit: int, now: datetime) -> list[Row]:
    return planned(connection, _SQL["paused_accounts"], limit=limit, now=now)


def unwatched_tasks(connection: Connection, *, before: datetime, limit: int) -> list[Row]:
    """before: to be looked at then, and not looked at since."""
    return planned(connection, _SQL["unwatched_tasks"], before=before, limit=limit)


def stranded_runs(connection: Connection, *, before: datetime, limit: int) -> list[Row]:
    """before: nothing of the run has ended after it. Of the ``LOOKED`` runs that are open for longest."""
    return planned(connection, _SQL["stranded_runs"], before=before, looked=LOOKED, limit=limit)
