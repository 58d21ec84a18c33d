"""The order of docs/adr/0003-lock-order.md, measured: while somebody holds a row and an operation waits for it, what
does the operation hold? Only what comes earlier in the order. So no two can wait for each other."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import set_json_dumps
from test_races import FAN, SUCCEEDED, claim_all, open_run, with_pipeline

from orchestrator.advance import advance
from orchestrator.core.events import TaskError
from orchestrator.core.run import Task
from orchestrator.core.states import TaskState, Verdict
from orchestrator.core.tokens import account_token, task_token
from orchestrator.errors import Conflict
from orchestrator.intake.deliveries import take_callback
from orchestrator.intervene import cancel_run, retry_run
from orchestrator.launch import Request, launch
from orchestrator.services import Services
from orchestrator.store import Connection, accounts, callbacks, retention, submissions, tasks
from orchestrator.store.jsonb import dumps
from orchestrator.store.retention import START

ORDER = ["jobs", "runs", "accounts", "tasks", "slots", "callbacks"]
KEYS = {"runs": "id", "accounts": "name", "tasks": "id", "slots": "account || '/' || number", "callbacks": "id"}
HOLDS = {"accounts": "FOR NO KEY UPDATE"}  # nobody ever deletes one
OVER = 60.0  # seconds for anything to be seen
Row = tuple[str, Any]


@dataclass
class World:
    """Rows of every kind, and those who hold, look and tell. at: tasks by what became of them."""

    services: Services
    at: dict[str, Task]
    operator: Connection
    holder: psycopg.Connection[Any]
    onlooker: psycopg.Connection[Any]

    def rehearse(self, operation: Callable[[Rehearsal], object]) -> None:
        """Do it in a transaction that leaves no trace."""
        with suppress(Conflict), self.operator.transaction(force_rollback=True):
            operation(Rehearsal(self, self.operator))

    def rows(self) -> list[Row]:
        """Everything that can be locked."""
        found: list[Row] = [("jobs", key) for key in ("job-waiting", "job-second", "job-late", "job-nobody")]
        for table, key in KEYS.items():
            found += [(table, one[0]) for one in self.onlooker.execute(f"SELECT {key} FROM {table}".encode())]
        return found

    @contextmanager
    def held(self, row: Row) -> Iterator[None]:
        """Somebody holds it."""
        with self.holder.transaction(force_rollback=True):
            self._lock(self.holder, row, "")
            yield

    def _lock(self, connection: psycopg.Connection[Any], row: Row, otherwise: str) -> bool:
        """Whether it was to be had. otherwise: what to do when it is not."""
        table, key = row
        if table == "jobs":
            sql = "SELECT pg_advisory_xact_lock(hashtextextended('acedata/' || %s, 0))"
        else:
            sql = f"SELECT FROM {table} WHERE {KEYS[table]} = %s {HOLDS.get(table, 'FOR UPDATE')} {otherwise}"
        return connection.execute(sql.encode(), [key]).rowcount == 1

    def holdings(self, but: Row) -> list[Row]:
        """What the operation holds now."""
        pid = self.operator.info.backend_pid
        advisory = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = %s"
        found: list[Row] = [("jobs", None)] if self.onlooker.execute(advisory, [pid]).rowcount else []
        for row in self.rows():
            if row[0] != "jobs" and row != but:
                with self.onlooker.transaction(force_rollback=True):
                    if not self._lock(self.onlooker, row, "SKIP LOCKED"):
                        found.append(row)
        return found

    def waits(self) -> bool:
        state = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
        return self.onlooker.execute(state, [self.operator.info.backend_pid]).rowcount == 1


class Rehearsal(Services):
    """The services of the world, all of whose statements run in one transaction."""

    def __init__(self, world: World, connection: Connection) -> None:
        self.__dict__ = copy.copy(world.services.__dict__)
        self.world, self.tape = world, connection
        self.db: Any = self

    @contextmanager
    def connection(self, **_: Any) -> Iterator[Connection]:
        yield self.tape

    transaction = connection

    @property
    def circuit(self) -> Any:
        return self.world.services.db.circuit

    def task(self, name: str) -> UUID:
        return self.world.at[name].id


@pytest.fixture
def world(make_services: Callable[..., Services]) -> Iterator[World]:
    services = with_pipeline(make_services(pool=2), FAN, slots=8)
    at = _tasks(services)
    url = services.config.database_url or ""
    with services.db.connection() as operator, psycopg.connect(url, autocommit=True) as holder:
        operator.execute("SET lock_timeout = 0")
        set_json_dumps(dumps, operator)
        with psycopg.connect(url, autocommit=True) as onlooker:
            yield World(services, at, operator, holder, onlooker)


def _tasks(services: Services) -> dict[str, Task]:
    """Two runs that go on and one that was cancelled, with tasks in every state."""
    cancelled = open_run(services).id
    cancel_run(services, cancelled)
    going, other = (open_run(services).id for _ in range(2))
    claim_all(services)
    now = services.now()
    with services.db.connection() as connection:
        first, second, sent = tasks.load_tasks(connection, going)
        doubted, back, late = tasks.load_tasks(connection, other)
        for task, job in ((first, "job-waiting"), (second, "job-second"), (late, "job-late")):
            submissions.record_submitted(connection, task.id, job, quiet=60, now=now)
        submissions.doubt_submission(connection, doubted.id, "lost", wake_at=now, now=now)
        submissions.refuse_submission(connection, back.id, TaskError("busy", "busy"), retry_at=now, now=now)
        (dead, *_) = tasks.load_tasks(connection, cancelled)
    deliver(services, late.id, SUCCEEDED % b"job-late")
    hook(services, b'{"task_id": "job-nobody", "progress": 3}')
    advance(services, other)
    with services.db.connection() as connection:
        connection.execute("UPDATE accounts SET submits_per_second = 9, strikes = 2 WHERE name = 'acedata'")
        connection.execute("DELETE FROM accounts WHERE name <> 'acedata'")
        known = tasks.load_tasks(connection, other)
        act = next(task for task in known if task.step == "keep")
    return {"waiting": first, "second": second, "sent": sent, "doubted": doubted, "back": back, "act": act,
            "ended": late, "dead": dead}  # fmt: skip


def deliver(services: Services, task_id: UUID, body: bytes) -> object:
    token = task_token(services.config.secrets, "acedata", task_id)
    return take_callback(services, "acedata", token, lambda: body, None)


def hook(services: Services, body: bytes) -> object:
    token = account_token(services.config.secrets, "acedata")
    return take_callback(services, "acedata", token, lambda: body, None)


# The operations --------------------------------------------------------------------------------------------

BOTH = b"[%s, %s]" % (SUCCEEDED % b"job-second", SUCCEEDED % b"job-waiting")
BUSY = TaskError("busy", "busy")


def remove_a_run(on: Rehearsal) -> None:
    """As the removal of old runs does it."""
    _, free = retention.ended_runs(on.tape, before=on.now(), after=START, limit=5, remove=True)
    gone = retention.lock_tasks_of(on.tape, free)
    retention.remove_callbacks_of(on.tape, gone, limit=100)
    retention.remove_history_of(on.tape, gone, limit=100)
    retention.delete_runs(on.tape, free)


def on_task(statement: Any, name: str, **values: Any) -> Callable[[Rehearsal], object]:
    """One statement of the store on one of the world's tasks."""
    return lambda on: statement(on.tape, on.task(name), now=on.now(), **values)


OPERATIONS: dict[str, tuple[Callable[[Rehearsal], object], set[str]]] = {
    "receive at a task's url": (
        lambda on: deliver(on, on.task("waiting"), SUCCEEDED % b"job-waiting"), {"jobs", "tasks", "slots"}
    ),
    "receive at the hook": (lambda on: hook(on, BOTH), {"jobs", "tasks", "slots"}),
    "receive what nobody knows": (
        lambda on: hook(on, b'{"task_id": "job-nobody", "progress": 3}'), {"jobs", "callbacks"}
    ),
    "receive what is late": (
        lambda on: deliver(on, on.task("ended"), b'{"success": false, "task_id": "job-late"}'), {"jobs", "tasks"}
    ),
    "record a submission": (
        on_task(submissions.record_submitted, "sent", external_id="job-nobody", quiet=60), {"jobs", "accounts", "tasks"}
    ),
    "record a submission that was sent back": (
        on_task(submissions.record_submitted, "back", external_id="job-nobody", quiet=60), {"jobs", "accounts", "tasks"}
    ),
    "refuse for now": (
        lambda on: submissions.refuse_submission(on.tape, on.task("sent"), BUSY, retry_at=on.now(), now=on.now()),
        {"tasks", "slots"},
    ),
    "refuse for good": (
        lambda on: submissions.refuse_submission(on.tape, on.task("doubted"), BUSY, retry_at=None, now=on.now()),
        {"tasks", "slots"},
    ),
    "doubt": (
        lambda on: submissions.doubt_submission(on.tape, on.task("sent"), "lost", wake_at=on.now(), now=on.now()),
        {"tasks"},
    ),
    "give up": (
        lambda on: tasks.finish_task(
            on.tape, on.task("waiting"), TaskState.FAILED, from_states=[TaskState.WAITING], cause="deadline",
            now=on.now(), error=BUSY,
        ),
        {"tasks", "slots"},
    ),
    "claim a submission": (lambda on: submissions.claim_submission(on.tape, "acedata", lease=60, now=on.now()), set()),
    "claim an act": (lambda on: tasks.claim_act(on.tape, lease=60, now=on.now()), set()),
    "claim what is due": (lambda on: tasks.claim_due(on.tape, lease=60, limit=50, now=on.now()), set()),
    "look later": (
        lambda on: tasks.look_later(on.tape, on.task("waiting"), wake_at=on.now()), {"tasks"}
    ),
    "move on": (
        lambda on: accounts.move_on(on.tape, configured=on.config.accounts, limit=50, now=on.now()), set()
    ),
    "advance": (lambda on: advance(on, on.world.at["act"].run_id), {"runs"}),
    "cancel": (lambda on: cancel_run(on, on.world.at["back"].run_id), {"runs", "tasks"}),
    "retry": (lambda on: retry_run(on, on.world.at["dead"].run_id), {"runs", "tasks"}),
    "launch": (lambda on: launch(on, Request(pipeline="raced", inputs={}, labels={})), set()),
    "put accounts": (
        lambda on: accounts.put_accounts(on.tape, [replace(on.config.account("acedata"), slots=2)]),
        {"accounts", "slots"},
    ),
    "pause": (
        lambda on: accounts.pause_account(on.tape, "acedata", until=on.now(), reason="busy"), {"accounts"}
    ),
    "judge": (
        lambda on: [
            callbacks.judge(on.tape, row[1], Verdict.LATE, reason=None, task_id=None)
            for row in on.world.rows() if row[0] == "callbacks"
        ][:1],
        {"callbacks"},
    ),
    "remove a run": (remove_a_run, {"tasks"}),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATIONS)
def test_whoever_waits_holds_only_what_comes_before(world: World, name: str) -> None:
    operation, expected = OPERATIONS[name]
    waited = set()
    for row in world.rows():
        held = while_held(world, row, partial(world.rehearse, operation))
        if held is None:
            continue
        waited.add(row[0])
        for one in held:
            assert before(one, row), f"{name} holds {one} and waits for {row}"
    assert waited >= expected


def before(held: Row, waited: Row) -> bool:
    """Tasks by their id; slots and what belongs to a task are only waited for by who holds the task."""
    one, other = ORDER.index(held[0]), ORDER.index(waited[0])
    return one < other or (one == other and (held[0] != "tasks" or held[1] < waited[1]) and held[0] != "runs")


def while_held(world: World, row: Row, operation: Callable[[], None]) -> list[Row] | None:
    """What the operation holds while it waits for this row; None when it does not wait."""
    failed: list[BaseException] = []

    def work() -> None:
        try:
            operation()
        except BaseException as error:  # noqa: BLE001 - raised by the thread that waits for it
            failed.append(error)

    thread = threading.Thread(target=work)
    with world.held(row):
        thread.start()
        found = _seen(world, thread, row)
    thread.join(OVER)
    assert not thread.is_alive()
    assert not failed, failed
    return found


def _seen(world: World, thread: threading.Thread, row: Row) -> list[Row] | None:
    over = time.monotonic() + OVER
    while thread.is_alive():
        if world.waits():
            return world.holdings(row)
        assert time.monotonic() < over
        thread.join(0.002)  # between two looks
    return None
