"""/healthz, /readyz and /metrics."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from caller import Caller

from orchestrator.broker import Broker, make_app


def test_a_living_process_is_healthy_even_without_a_database(make_services: Any) -> None:
    services = make_services()
    web = Caller(services)
    services.db.close()
    assert web.ask("GET", "/healthz", role=None).json == {"status": "ok"}


def test_ready_names_every_part(shared_web: Caller) -> None:
    answer = shared_web.ask("GET", "/readyz", role=None).json
    assert answer["status"] == "ready"
    assert answer["parts"] == {"database": "ok", "migrations": "ok", "broker": "ok", "spool": "ok"}


def test_a_broker_that_is_away_is_named(make_services: Any) -> None:
    web = Caller(make_services(nudge=Broker(make_app("redis://127.0.0.1:9/0"))))
    parts = web.refused(503, "GET", "/readyz", role=None)["parts"]
    assert parts["database"] == "ok"
    assert "broker" in parts["broker"]


def test_a_database_that_is_away_is_named(make_services: Any) -> None:
    services = make_services()
    web = Caller(services)
    services.db.close()
    parts = web.refused(503, "GET", "/readyz", role=None)["parts"]
    assert (parts["broker"], parts["migrations"]) == ("ok", "unknown")
    assert "not reachable" in parts["database"]


def test_a_database_without_tables_is_not_ready_and_says_why(
    make_services: Any, make_database: Callable[..., str]
) -> None:
    web = Caller(make_services(database_url=make_database(empty=True), accounts={}))
    parts = web.refused(503, "GET", "/readyz", role=None)["parts"]
    assert parts["migrations"].startswith("missing: 0001")
    assert "orchestrator migrate" in web.refused(503, "GET", "/v1/runs")["detail"]


def test_metrics_tell_what_is_unfinished_and_what_was_taken(web: Caller) -> None:
    web.open_run()
    before = _metrics(web)
    web.deliver(web.submit())
    web.deliver(job="nobody's")
    web.http.post(web.hook(), data=b"junk")
    after = _metrics(web)
    taken = 'orchestrator_callbacks_total{account="acedata",verdict="%s"}'
    for verdict in ("accepted", "parked", "rejected"):
        assert after[taken % verdict] == before.get(taken % verdict, 0) + 1
    assert (before['orchestrator_tasks_now{state="ready"}'], after['orchestrator_tasks_now{state="ready"}']) == (1, 0)
    assert after['orchestrator_runs_now{state="running"}'] == 1
    assert after['orchestrator_callbacks_now{verdict="parked"}'] == 1
    assert after['orchestrator_slots_now{account="acedata"}'] == 0
    assert after["orchestrator_database_up"] == 1
    assert any("/callbacks/<account>/<token>" in name and 'status="202"' in name for name in after)


def test_metrics_are_told_without_a_database(make_services: Any) -> None:
    services = make_services()
    web = Caller(services)
    services.db.close()
    assert _metrics(web)["orchestrator_database_up"] == 0


@pytest.mark.parametrize("path", ["/nothing", "/v1/runs/abc", "/callbacks/a/b/c/d"])
def test_paths_of_strangers_are_no_labels(shared_web: Caller, path: str) -> None:
    shared_web.ask("GET", path)
    assert not [name for name in _metrics(shared_web) if path in name]


def _metrics(web: Caller) -> dict[str, float]:
    lines = web.ask("GET", "/metrics", role=None).text.splitlines()
    return {line.rpartition(" ")[0]: float(re.split(r" ", line)[-1]) for line in lines if not line.startswith("#")}
