"""Deliveries while the database is away: answered 202, and taken when it is back as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from caller import Caller
from stage import ACCOUNT, GRID, Stage

from orchestrator.core.run import Task
from orchestrator.core.states import RunState, TaskState, Verdict
from orchestrator.core.tokens import account_token
from orchestrator.errors import DatabaseBusy, DatabaseUnavailable, MalformedDelivery
from orchestrator.intake import deliveries, events
from orchestrator.intake.deliveries import Spooled, take_callback
from orchestrator.receiver import Drainer, drainer
from orchestrator.services import Services
from orchestrator.store import session

MILLISECONDS = 0.25  # seconds that an answer may take which waits for nobody, on a busy machine


@pytest.fixture(name="stage")
def _stage(make_stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage with one task that waits for its callback; nobody waits long for the database."""
    monkeypatch.setattr(session, "LOCK_TIMEOUT", timedelta(milliseconds=100))
    stage = make_stage({"instant": False, "latency": 3600})
    stage.open(GRID)
    stage.work()
    for module, name in (
        (events, "FIRST_TRY"),
        (events, "SECOND_TRY"),
        (deliveries, "FIRST_TRY"),
        (deliveries, "PATIENCE"),
    ):
        monkeypatch.setattr(module, name, 0.3)
    return stage


@pytest.fixture
def task(stage: Stage) -> Task:
    return stage.tasks(stage.rows("SELECT id FROM runs")[0]["id"])[0]


def success(task: Task) -> dict[str, Any]:
    url = "http://127.0.0.1/grid.webp"
    return {"success": True, "task_id": task.external_id, "image_url": url, "image_id": "1", "actions": []}


def progress(task: Task) -> dict[str, Any]:
    return {"success": True, "task_id": task.external_id, "progress": 40, "image_url": "http://127.0.0.1/x.webp"}


@contextmanager
def read_only(services: Services) -> Iterator[None]:
    """The database takes no writes; its connections were cut, as at a failover."""
    with psycopg.connect(services.config.database_url or "", autocommit=True) as admin:
        name = admin.execute("SELECT current_database()").fetchone()[0]  # type: ignore[index]
        admin.execute("SET default_transaction_read_only = off")
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
        _cut(admin, name)
        yield
        admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())
        _cut(admin, name)


@contextmanager
def locked(services: Services) -> Iterator[None]:
    """Somebody has locked the task's row and does not let go."""
    with psycopg.connect(services.config.database_url or "") as holder:
        holder.execute("SELECT FROM tasks FOR UPDATE")
        yield


@contextmanager
def hung(services: Services) -> Iterator[None]:
    """The server's processes are stopped: connections stay open and say nothing."""
    with services.db.connection() as connection:
        found = connection.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()").fetchall()
    pids = [row["pid"] for row in found]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def refused(services: Services) -> Iterator[None]:
    """The database lets nobody in."""
    parts = urlsplit(services.config.database_url or "")
    name = parts.path[1:]
    with psycopg.connect(urlunsplit(parts._replace(path="/postgres")), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        _cut(admin, name)
        yield
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())


def _cut(admin: psycopg.Connection[Any], database: str) -> None:
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
        [database],
    )


def drain(services: Services) -> int:
    """As many passes as a thread would make until one finds a database."""
    over = time.monotonic() + 20
    while True:
        try:
            return Drainer(services).drain()
        except DatabaseUnavailable:
            assert time.monotonic() < over, "the database never came back"


@pytest.mark.parametrize("absence", [read_only, locked, hung, refused])
def test_what_comes_while_the_database_is_away_is_taken_when_it_is_back(
    stage: Stage, task: Task, absence: Callable[[Services], AbstractContextManager[None]]
) -> None:
    with absence(stage.services):
        first = stage.deliver(task, success(task))
        began = time.monotonic()
        second = stage.deliver(task, progress(task))
        took = time.monotonic() - began
        assert stage.services.spool.depth().deliveries == 2
    assert isinstance(first, Spooled)
    assert isinstance(second, Spooled)
    assert took < MILLISECONDS

    assert drain(stage.services) == 2

    kept = stage.rows("SELECT id, verdict, received_at, copies FROM callbacks WHERE source = 'callback' ORDER BY 3")
    assert [(row["id"], row["verdict"], row["copies"]) for row in kept] == [
        (first.delivery_id, "accepted", 1),
        (second.delivery_id, "stale", 1),
    ]
    assert stage.task(task.run_id).finished_at == kept[0]["received_at"]
    if absence is hung:
        stage.pass_time(4)  # it took the delivery too when it went on, and told nobody: the sweep finds that
    assert stage.end(task.run_id).state is RunState.SUCCEEDED
    assert not list(stage.services.spool.folder.iterdir())
    assert stage.deliver(task, success(task)).verdict is Verdict.DUPLICATE


def test_a_pass_that_finds_no_database_loses_nothing_and_goes_on_where_it_was(stage: Stage, task: Task) -> None:
    drains = Drainer(stage.services)
    with read_only(stage.services):
        for n in range(3):
            stage.deliver(task, progress(task) | {"progress": 10 + n})
        with pytest.raises(DatabaseUnavailable):
            drains.drain()
        assert stage.services.spool.depth().deliveries == 3
        assert stage.services.db.circuit.open
    assert drain(stage.services) == 3
    assert stage.task(task.run_id).progress == 12
    assert not stage.services.db.circuit.open


def test_a_delivery_for_a_locked_row_lets_the_others_pass(stage: Stage, task: Task) -> None:
    drains = Drainer(stage.services)
    with locked(stage.services):
        stage.deliver(task, progress(task))
        _to_hook(stage, {"success": True, "task_id": "nobody's", "progress": 1})
        for _ in range(2):
            with pytest.raises(DatabaseBusy):
                drains.drain()
        assert stage.verdicts() == ["parked"]
    assert drains.drain() == 1
    assert stage.task(task.run_id).progress == 40


def test_a_delivery_that_makes_the_trouble_itself_is_set_aside_and_can_be_tried_again(
    stage: Stage, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drainer, "TRIES", 2)
    with monkeypatch.context() as broken:
        broken.setattr(events, "_enriched", lambda event, now: 1 / 0)
        assert isinstance(stage.deliver(task, success(task)), Spooled)
        assert [Drainer(stage.services).drain() for _ in range(3)] == [1, 1, 0]
    assert stage.verdicts() == []
    depth = stage.services.spool.depth()
    assert (depth.deliveries, depth.aside) == (0, 1)

    assert stage.services.spool.try_again() == 1

    assert Drainer(stage.services).drain() == 1
    assert stage.task(task.run_id).state is TaskState.SUCCEEDED


def test_what_cannot_be_read_is_refused_and_its_evidence_comes_later(stage: Stage) -> None:
    with read_only(stage.services):
        with pytest.raises(MalformedDelivery):
            _to_hook(stage, b"junk")
        with pytest.raises(MalformedDelivery):
            _to_hook(stage, b"junk")
    drain(stage.services)
    (row,) = stage.rows("SELECT verdict, copies FROM callbacks WHERE body = 'junk'")
    assert (row["verdict"], row["copies"]) == ("rejected", 2)


def test_a_stranger_never_gets_to_the_disk(make_services: Callable[..., Services]) -> None:
    services = make_services()
    services.db.circuit.failed()
    answer = Caller(services).http.post("/callbacks/acedata/forged", json={"task_id": "1"})
    assert answer.status_code == 404
    assert not services.spool.folder.exists()


def test_a_full_spool_says_so(make_services: Callable[..., Services]) -> None:
    services = make_services(spool_size=2048)
    web = Caller(services)
    services.db.circuit.failed()
    answers = [web.deliver(job=f"job-{n}") for n in range(4)]
    assert answers[0].status_code == 202
    assert answers[0].json == {"verdict": "spooled"}
    assert answers[-1].status_code == 503
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert json.loads(answers[-1].data)["type"] == "/problems/spool_unavailable"
    taken = sum(answer.status_code == 202 for answer in answers)

    assert Drainer(services).drain() == taken

    assert web.deliver(job="job-9").status_code == 202
    assert len(web.get("/v1/callbacks", verdict="parked")["items"]) == taken + 1


def test_the_thread_drains_at_start_what_another_process_has_left(
    make_services: Callable[..., Services],
) -> None:
    former, later = make_services(), make_services()
    former.db.circuit.failed()
    Caller(former).deliver(job="job-1")
    drains = Drainer(later)
    assert drains.drain() == 0  # the other process lives
    former.spool.close()
    drains.start()
    try:
        _until(lambda: not later.spool.waits())
    finally:
        drains.stop()
    assert [one["external_id"] for one in Caller(later).get("/v1/callbacks")["items"]] == ["job-1"]


def test_health_and_figures_tell_what_waits(make_services: Callable[..., Services]) -> None:
    services = make_services(spool_size=4096)
    web = Caller(services)
    empty = web.ask("GET", "/readyz", role=None).json
    assert (empty["parts"]["spool"], empty["spool"]) == ("ok", {"deliveries": 0, "bytes": 0, "since": None, "aside": 0})
    services.db.circuit.failed()
    web.deliver(job="job-1")
    waiting = Caller(services).ask("GET", "/readyz", role=None).json["spool"]
    assert (waiting["deliveries"], waiting["aside"]) == (1, 0)
    assert waiting["bytes"] > 500
    assert waiting["since"]
    figures = web.ask("GET", "/metrics", role=None).text
    assert "orchestrator_spool_deliveries 1.0" in figures
    while web.deliver(job="job-1").status_code == 202:
        """Until it is full."""
    web.deliver(job="job-1")
    found = Caller(services).ask("GET", "/readyz", role=None)
    assert found.status_code == 200  # there is a database
    assert "full" in found.json["parts"]["spool"]


def _to_hook(stage: Stage, body: dict[str, Any] | bytes) -> Any:
    """Deliver to the account's own hook."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    token = account_token(stage.services.config.secrets, ACCOUNT)
    return take_callback(stage.services, ACCOUNT, token, lambda: content, "application/json")


def _until(seen: Callable[[], bool]) -> None:
    over = time.monotonic() + 20
    while not seen():
        assert time.monotonic() < over
        time.sleep(0.02)  # between two looks
