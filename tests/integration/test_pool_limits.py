"""Nobody waits for ever: not for a connection, a lock, a statement, a silent server, or a client who went away."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from caller import Caller
from psycopg.conninfo import conninfo_to_dict
from stage import GRID, Stage
from wire import Wire

from orchestrator.errors import ConfigError, DatabaseBusy, DatabaseUnavailable, UnfitDatabase
from orchestrator.intake import events
from orchestrator.intake.deliveries import Spooled
from orchestrator.receiver import Drainer
from orchestrator.services import Services
from orchestrator.store import Database, session
from orchestrator.store.checkup import check_up
from orchestrator.store.migrate import migrate
from orchestrator.store.pool import value

BOUND = 30.0  # seconds; a hang would be ended by the test's own time-out
SHORT = timedelta(milliseconds=100)


@pytest.fixture
def make_pool() -> Iterator[Callable[..., Database]]:
    with ExitStack() as opened:

        def make(url: str, **settings: Any) -> Database:
            made = Database(url, **settings)
            opened.callback(made.close)
            return made

        yield make


def setting(database: Database, name: str) -> str:
    with database.connection() as connection:
        return str(value(connection, "SELECT current_setting(%(name)s)", name=name))


# Connections -----------------------------------------------------------------------------------------------


@pytest.fixture
def crowded(make_services: Callable[..., Services]) -> Services:
    """Services with two connections, for which nobody waits long."""
    services = make_services(pool=1)
    services.db.close()
    services.db = Database(services.config.database_url or "", size=2, timeout=0.2)
    return services


def test_when_all_connections_are_taken_the_api_says_so_and_goes_on_when_one_is_free(crowded: Services) -> None:
    web = Caller(crowded)
    with crowded.db.connection(), crowded.db.connection():
        problem = web.refused(503, "GET", "/v1/runs")
        order = {"pipeline": "x", "inputs": {}}
        answer = web.ask("POST", "/v1/runs", json=order, headers={"Idempotency-Key": "1"})
        assert crowded.db.stats()["idle"] == 0
    assert problem["type"] == "/problems/database_unavailable"
    assert problem["detail"] == "all 2 connections to the database are in use"
    assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True)
    assert web.get("/v1/runs")["items"] == []


def test_when_all_connections_are_taken_a_delivery_is_spooled(
    crowded: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "FIRST_TRY", 0.2)
    web = Caller(crowded)
    with crowded.db.connection(), crowded.db.connection():
        assert [web.deliver(job=f"job-{n}").json for n in range(3)] == [{"verdict": "spooled"}] * 3
        with pytest.raises(DatabaseUnavailable):
            Drainer(crowded).drain()
    assert Drainer(crowded).drain() == 3
    assert len(web.get("/v1/callbacks", verdict="parked")["items"]) == 3


def test_a_server_that_lets_nobody_in_is_given_up(make_pool: Callable[..., Database]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://x@127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=2"
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="not reachable"), make_pool(url, timeout=0.2).connection():
            raise AssertionError
        with pytest.raises(DatabaseUnavailable):
            check_up(url)
        assert time.monotonic() - began < BOUND


def test_what_the_url_says_goes_before_our_own(database_url: str, make_pool: Callable[..., Database]) -> None:
    url = f"{database_url}&keepalives_idle=7&application_name=mine&options=-c%20lock_timeout%3D1234ms"
    known = conninfo_to_dict(url, **session.parameters(url, "orchestrator"))
    assert (known["keepalives_idle"], known["keepalives_interval"], known["tcp_user_timeout"]) == ("7", 10, 20000)
    database = make_pool(url)
    found = [setting(database, name) for name in ("lock_timeout", "statement_timeout", "application_name", "TimeZone")]
    assert found == ["1234ms", "15s", "mine", "UTC"]


def test_what_is_no_url_is_told_without_its_password(make_services: Callable[..., Services]) -> None:
    with pytest.raises(ConfigError, match="DATABASE_URL") as told:
        Database("postgresql://me:secret@host/x?nonsense=1")
    assert "secret" not in str(told.value)


def test_a_peer_that_is_gone_without_a_word_is_noticed(database_url: str, make_pool: Callable[..., Database]) -> None:
    wire = Wire(database_url)
    try:
        with make_pool(wire.url).connection() as connection, socket.socket(fileno=os.dup(connection.fileno())) as line:
            assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
            assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000
    finally:
        wire.close()


# Statements, locks, transactions ---------------------------------------------------------------------------


def test_a_statement_that_takes_too_long_is_ended(
    database_url: str, make_pool: Callable[..., Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "STATEMENT_TIMEOUT", SHORT)
    database = make_pool(database_url)
    with pytest.raises(DatabaseBusy, match="in time"), database.connection() as connection:
        connection.execute("SELECT pg_sleep(60)")
    assert setting(database, "statement_timeout") == "100ms"


@pytest.fixture
def waiting(make_stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage with a run whose task waits for its callback; nobody waits long for a lock."""
    monkeypatch.setattr(session, "LOCK_TIMEOUT", SHORT)
    stage = make_stage({"instant": False, "latency": 3600})
    stage.open(GRID)
    stage.work()
    return stage


@pytest.mark.parametrize("table", ["runs", "tasks", "slots"])
def test_a_row_that_somebody_holds_makes_nobody_hang(waiting: Stage, table: str) -> None:
    web = Caller(waiting.services)
    (run,) = web.get("/v1/runs")["items"]
    task = waiting.tasks(run["id"])[0]
    body = {"success": True, "task_id": task.external_id, "image_url": "http://127.0.0.1/x.png", "image_id": "1"}
    with psycopg.connect(waiting.services.config.database_url or "") as holder:
        holder.execute(f"SELECT FROM {table} FOR UPDATE".encode())
        if table == "runs":
            assert web.refused(503, "POST", f"/v1/runs/{run['id']}/cancel")["type"] == "/problems/database_busy"
        else:
            assert isinstance(waiting.deliver(task, body), Spooled)
            assert waiting.task(task.run_id).finished_at is None
        assert web.get(f"/v1/runs/{run['id']}")["state"] == "running"  # who only reads is not kept waiting
    if table == "runs":
        assert web.post(f"/v1/runs/{run['id']}/cancel")["state"] == "cancelled"
    else:
        assert Drainer(waiting.services).drain() == 1
        assert waiting.end(task.run_id).state == "succeeded"


def test_a_transaction_that_is_left_open_is_ended_and_lets_go(
    database_url: str, make_pool: Callable[..., Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "IDLE_TIMEOUT", SHORT)
    database = make_pool(database_url)

    def leave_open() -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO accounts (name, provider, slots) VALUES ('a', 'acedata', 1)")
            _until_gone(database_url, connection.info.backend_pid)
            connection.execute("SELECT 1")

    with pytest.raises(DatabaseBusy):
        leave_open()
    with database.connection() as connection:
        assert value(connection, "SELECT count(*) FROM accounts") == 0


def _until_gone(url: str, pid: int) -> None:
    over = time.monotonic() + BOUND
    with psycopg.connect(url, autocommit=True) as other:
        while other.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [pid]).fetchall():
            assert time.monotonic() < over
            time.sleep(0.02)  # between two looks


# Servers that are too old ----------------------------------------------------------------------------------


def test_a_server_that_is_too_old_is_refused_with_the_reason(
    database_url: str, make_services: Callable[..., Services], monkeypatch: pytest.MonkeyPatch
) -> None:
    web = Caller(make_services())
    monkeypatch.setattr(session, "OLDEST", 99)
    reason = r"Postgres \d+\.\d+.* is too old; 99 or newer is needed"
    for ask in (check_up, migrate):
        with pytest.raises(UnfitDatabase, match=reason):
            ask(database_url)
    web.services.db.close()
    web.services.db = Database(database_url, timeout=1.0)
    problem = web.refused(503, "GET", "/v1/runs")
    assert problem["type"] == "/problems/database_unfit"
    assert "too old" in problem["detail"]
