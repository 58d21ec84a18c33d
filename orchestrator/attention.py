"""Everything that wants a person, each with the commands that mend it. The doctor and the API tell the same."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from orchestrator.core.states import Verdict
from orchestrator.store import Connection, accounts, attention
from orchestrator.store.pool import Row

UNWATCHED = timedelta(minutes=5)  # past its time: long enough for a sweep that was stopped for an upgrade
STRANDED = timedelta(minutes=1)
RISKY = timedelta(hours=1)  # until an image's address dies

# What the kinds mean, the most urgent first.
MEANING: Mapping[str, str] = {
    "risky": "an image is not stored, and its address dies soon",
    "uncertain": "sent, but nobody knows whether it arrived",
    "choice": "a person is to choose a quadrant",
    "stray": "its account is not configured any more, so nobody can ask about it",
    "unwatched": "nobody looks at it",
    "stranded": "all its tasks have ended, and the run goes on",
    "leaked": "a finished task holds a slot",
    "paused": "nothing is submitted to the account",
    "parked": "a delivery belongs to no task that waits for it",
    "rejected": "a delivery could not be read",
    "late": "a delivery contradicts an end that is final",
}
_CLI = "orchestrator"
_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "risky": (f"{_CLI} tasks show {{id}}", f"{_CLI} doctor"),
    "risky failed": (f"{_CLI} tasks retry {{id}}",),
    "uncertain": (
        f"{_CLI} tasks resolve {{id}} submitted --external-id JOB",
        f"{_CLI} tasks resolve {{id}} not_submitted",
        f"{_CLI} tasks resolve {{id}} failed",
    ),
    "choice": (f"{_CLI} tasks choose {{id}} 1",),
    "stray": (f"{_CLI} tasks resolve {{id}} failed", f"{_CLI} runs cancel {{run_id}}"),
    "unwatched": (f"{_CLI} doctor",),
    "stranded": (f"{_CLI} runs cancel {{id}} && {_CLI} runs retry {{id}}",),
    "leaked": (f"{_CLI} providers resume {{account}}",),
    "paused": (f"{_CLI} providers check {{id}}", f"{_CLI} providers resume {{id}}"),
    "parked": (f"{_CLI} callbacks replay {{id}}", f"{_CLI} callbacks adopt {{id}} TASK"),
    "parked of a task": (f"{_CLI} callbacks adopt {{id}} {{to_task}}",),
    "rejected": (f"{_CLI} callbacks show {{id}}", f"{_CLI} callbacks replay {{id}}"),
    "late": (f"{_CLI} callbacks show {{id}}",),
}
_DISMISS = f"{_CLI} callbacks dismiss {{id}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that wants a person. id: of what kind says. since: null where no time is known."""

    kind: str
    id: str
    detail: str
    actions: tuple[str, ...]
    run_id: UUID | None = None
    account: str | None = None
    since: datetime | None = None
    meaning: str = field(default="")


def wanting(
    connection: Connection, configured: Collection[str], *, limit: int, now: datetime
) -> tuple[list[Item], list[str]]:
    """At most ``limit`` items of each kind, and the kinds of which there are more. configured: the accounts."""
    items: list[Item] = []
    more: list[str] = []
    for kind, rows in _kinds(connection, configured, limit + 1, now):
        items += [_item(kind, row) for row in rows[:limit]]
        more += [kind] if len(rows) > limit else []
    return items, more


def _kinds(
    connection: Connection, configured: Iterable[str], limit: int, now: datetime
) -> Iterator[tuple[str, list[Row]]]:
    """The kinds in the order of ``MEANING``."""
    yield "risky", attention.risky_archivings(connection, before=now + RISKY, limit=limit, now=now)
    yield "uncertain", attention.uncertain_tasks(connection, limit=limit)
    yield "choice", attention.open_choices(connection, limit=limit)
    yield "stray", attention.stray_tasks(connection, configured, limit=limit)
    yield "unwatched", attention.unwatched_tasks(connection, before=now - UNWATCHED, limit=limit)
    yield "stranded", attention.stranded_runs(connection, before=now - STRANDED, limit=limit)
    yield "leaked", [_leak(row) for row in accounts.leaked_slots(connection)][:limit]
    yield "paused", attention.paused_accounts(connection, limit=limit, now=now)
    for verdict in (Verdict.PARKED, Verdict.REJECTED, Verdict.LATE):
        yield verdict.value, attention.kept_callbacks(connection, verdict, limit=limit)


def _leak(row: Row) -> Row:
    return {"id": row["task_id"], "account": row["account"], "detail": f"slot {row['number']} of {row['account']}"}


def _item(kind: str, row: Row) -> Item:
    templates = _ACTIONS[kind]
    if kind == "parked" and row["to_task"]:
        templates = _ACTIONS["parked of a task"]
    elif kind == "risky" and row["state"] == "failed":
        templates = _ACTIONS["risky failed"]
    if kind in ("parked", "rejected", "late"):
        templates = (*templates, _DISMISS)
    return Item(
        kind=kind,
        id=str(row["id"]),
        detail=_detail(kind, row),
        actions=tuple(one.format(**row) for one in templates),
        run_id=row.get("run_id"),
        account=row.get("account"),
        since=row.get("since"),
        meaning=MEANING[kind],
    )


def _detail(kind: str, row: Row) -> str:
    if kind == "risky":
        return f"archiving is {row['state']}" + (f": {row['error']}" if row["error"] else "")
    if kind == "paused":
        return f"until {row['paused_until']:%Y-%m-%d %H:%M:%S} UTC: {row['detail'] or 'no reason is known'}"
    about = f" (job {row['external_id']})" if row.get("external_id") else ""
    return f"{row.get('detail') or MEANING[kind]}{about}"
