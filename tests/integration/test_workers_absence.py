"""Messages that get lost, a database that goes away, a broker that is not there: every run still ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from celery import Celery
from stage import IMAGINE, PATIENCE, Stage
from structlog.testing import capture_logs

from orchestrator.core.states import RunState, TaskState
from orchestrator.errors import DatabaseUnavailable
from orchestrator.services import Services
from orchestrator.store import accounts, pool
from workers.jobs import Lazily, register
from workers.sweep import sweep

MakeStage = Callable[..., Stage]
EVERY = {"advance", "submit", "look", "act"}


@contextmanager
def away(stage: Stage) -> Iterator[None]:
    """The database takes no connections, and those that there were are cut."""
    dsn = str(stage.services.config.database_url)
    server, _, name = dsn.partition("?")[0].rpartition("/")
    admin = dsn.replace(f"{server}/{name}", f"{server}/postgres", 1)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
    _reconnect(stage)


def _reconnect(stage: Stage) -> None:
    """Use up the connections that were cut: each fails once."""
    over, good = time.monotonic() + PATIENCE, 0
    while good < 10:
        assert time.monotonic() < over
        try:
            stage.rows("SELECT 1")
            good += 1
        except DatabaseUnavailable:
            good = 0


@pytest.mark.parametrize("pipeline", ["hero-image", "four-singles"])
def test_without_any_message_the_sweeps_alone_bring_a_run_to_its_end(make_stage: MakeStage, pipeline: str) -> None:
    """A sweep sends messages too: so only its own are heard, as from a broker that was restarted."""
    stage = make_stage()
    stage.nudges.lost = EVERY
    run_id = stage.open(pipeline)
    for _ in range(40):
        if stage.run(run_id).finished_at:
            break
        stage.forward(3)
        stage.nudges.lost = ()
        sweep(stage.services)
        stage.nudges.lost = EVERY
        stage.work()
        stage.quiet()
    assert stage.run(run_id).state is RunState.SUCCEEDED
    assert stage.slots_in_use() == 0


def test_every_end_that_nobody_was_told_of_is_noticed(stage: Stage) -> None:
    stage.nudges.lost = {"advance"}
    run_id = stage.open()
    stage.until(lambda: stage.state(run_id) is TaskState.SUCCEEDED)
    assert stage.run(run_id).finished_at is None
    stage.nudges.lost = ()
    stage.sweep()
    assert stage.run(run_id).finished_at is None  # the end is so young that its message may be under way
    stage.pass_time(4)
    assert stage.run(run_id).state is RunState.SUCCEEDED


def jobs(services: Services) -> dict[str, Any]:
    """The jobs as a worker has them, to be called here."""
    app = Celery("test", broker="memory://", set_as_current=False)
    register(app, lambda: services)
    return {name: app.tasks[name] for name in ("advance", "submit", "look", "act", "sweep")}


def test_a_job_without_a_database_is_given_up_and_later_goes_on(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool.Database.__init__, "__kwdefaults__", {"size": 8, "timeout": 0.1, "name": "impatient"})
    stage = make_stage()
    run_id = stage.open()
    task = stage.task(run_id)
    calls = {
        "advance": [str(run_id)],
        "submit": ["acedata"],
        "look": ["acedata", [str(task.id)]],
        "act": [],
        "sweep": [],
    }
    with away(stage), capture_logs() as lines:
        for name, job in jobs(stage.services).items():
            job(*calls[name])
    assert [line["job"] for line in lines if line["event"] == "job given up"] == list(calls)
    assert stage.asked(IMAGINE) == 0
    assert stage.end(run_id).state is RunState.SUCCEEDED


def test_a_database_that_is_away_when_the_answer_comes_leaves_a_task_that_is_found(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool.Database.__init__, "__kwdefaults__", {"size": 8, "timeout": 0.1, "name": "impatient"})
    stage = make_stage()
    stage.emulator.state.courier.hold()
    run_id = stage.open()
    dialect = stage.services.dialect("acedata")
    submit = dialect.submit

    gone = away(stage)

    def cut(*order: Any) -> Any:
        outcome = submit(*order)
        gone.__enter__()
        return outcome

    with monkeypatch.context() as patch:
        patch.setattr(dialect, "submit", cut, raising=False)
        with pytest.raises(DatabaseUnavailable):
            stage.work()
    gone.__exit__(None, None, None)
    stage.emulator.state.courier.release()
    stage.pass_time(90)
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert (stage.paid, stage.asked(IMAGINE)) == (1, 1)


def test_a_job_for_a_row_that_is_gone_is_no_error(stage: Stage) -> None:
    done = jobs(stage.services)
    with capture_logs() as lines:
        done["advance"](str(uuid4()))
        done["look"]("acedata", [str(uuid4())])
    assert [line["event"] for line in lines] == ["nothing there"] * 2


def test_a_worker_whose_first_job_found_no_database_puts_its_accounts_later(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = make_stage()
    lazily = Lazily(lambda: Services(stage.services.config, nudge=stage.nudges))
    with monkeypatch.context() as patch:
        patch.setattr(accounts, "put_accounts", _unavailable)
        with pytest.raises(DatabaseUnavailable):
            lazily()
    with stage.services.db.connection() as connection:
        connection.execute("DELETE FROM slots")
        connection.execute("DELETE FROM accounts")
    services = lazily()
    assert len(stage.rows("SELECT FROM slots")) == 5
    assert lazily() is services
    services.close()


def _unavailable(*_: object) -> None:
    raise DatabaseUnavailable
