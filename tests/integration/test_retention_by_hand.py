"""``orchestrator prune``, and the job that does the same every minute."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from typing import Any

import pytest
from caller import Caller
from celery import Celery
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from ops.cli.main import root
from orchestrator.broker.application import ROUTES
from orchestrator.config import Keep
from orchestrator.store.clock import utc_now
from workers import jobs
from workers.prune import prune as prune_job

AGE = "UPDATE {table} SET {column} = {column} - interval '100 days' WHERE {column} IS NOT NULL"


@pytest.fixture
def run(web: Caller) -> Any:
    """A run that ended a hundred days ago."""
    opened = web.open_run()
    web.deliver(web.submit())
    web.post(f"/v1/runs/{opened['id']}/cancel")
    with web.services.db.connection() as connection:
        for table, column in (("runs", "finished_at"), ("tasks", "finished_at"), ("callbacks", "received_at")):
            connection.execute(AGE.format(table=table, column=column).encode())
    return opened


@pytest.fixture
def prune(web: Caller, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in [name for name in os.environ if name.startswith("ORCHESTRATOR_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(web.services.config.home))
    monkeypatch.setenv("DATABASE_URL", str(web.services.config.database_url))

    def invoke(*arguments: str, **environment: str) -> Result:
        return CliRunner(env=environment).invoke(root, ["prune", *arguments])

    return invoke


def test_a_dry_run_says_what_would_go_and_the_command_removes_it(run: Any, prune: Any, web: Caller) -> None:
    rehearsed = json.loads(prune("--dry-run", "--json").stdout)
    assert rehearsed["dry_run"] is True
    assert (rehearsed["removed"]["bodies"], rehearsed["removed"]["callbacks"], rehearsed["removed"]["runs"]) == (
        1,
        1,
        0,
    )
    assert len(web.get("/v1/callbacks")["items"]) == 1

    result = prune("--dry-run")
    assert result.exit_code == 0, result.output
    assert "WOULD GO" in result.stdout
    assert "90d (ORCHESTRATOR_KEEP_CALLBACKS)" in result.stdout

    assert json.loads(prune("--json").stdout)["removed"]["callbacks"] == 1
    assert web.get("/v1/callbacks")["items"] == []
    assert "Nothing is old enough." in prune().stderr
    assert prune(ORCHESTRATOR_KEEP_RUNS="50d").exit_code == 0
    web.refused(404, "GET", f"/v1/runs/{run['id']}")


def test_what_cannot_be_pruned_is_told(prune: Any) -> None:
    assert prune(DATABASE_URL="").exit_code == 2
    assert prune(DATABASE_URL="postgresql://127.0.0.1:9/x").exit_code == 3
    assert "ORCHESTRATOR_KEEP_RUNS" in prune(ORCHESTRATOR_KEEP_RUNS="soon").stderr


def test_the_job_does_a_pass_with_the_service_s_own_times(run: Any, web: Caller, make_services: Any) -> None:
    services = make_services(keep=Keep(callbacks=None))
    app = Celery("workers")
    jobs.register(app, lambda: services)

    with capture_logs() as logs:
        app.tasks["prune"]()
        app.tasks["prune"]()

    (kept,) = web.get("/v1/callbacks")["items"]
    assert kept["stripped"] is True
    (line,) = [one for one in logs if one["event"] == "pruned"]
    assert (line["bodies"], line["runs"], line["whole"]) == (1, 0, True)
    assert set(ROUTES) == {name for name in app.tasks if not name.startswith("celery.")}


def test_a_worker_whose_clock_has_jumped_ahead_removes_nothing(run: Any, make_services: Any, web: Caller) -> None:
    ahead = make_services(clock=lambda: utc_now() + timedelta(days=3650), keep=Keep(runs=timedelta(days=365)))

    prune_job(ahead)

    assert web.get(f"/v1/runs/{run['id']}")["id"] == run["id"]
