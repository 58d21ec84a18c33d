"""/healthz, /readyz and /metrics: open to everybody who reaches the port, and cheap to ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from orchestrator.api.here import ready, services
from orchestrator.api.problems import problem
from orchestrator.core.identity import PROCESS, PROOF, QUESTION, answer
from orchestrator.errors import DatabaseUnavailable
from orchestrator.metrics import REGISTRY
from orchestrator.services import Services
from orchestrator.store import health, processes, retention

PATIENCE = 1  # seconds; whoever asks after our health asks again soon
blueprint = Blueprint("health", __name__)

_GAUGES = {
    "runs": ("state", "Unfinished runs, counted up to 10,000 of each state."),
    "tasks": ("state", "Unfinished tasks, counted up to 10,000 of each state."),
    "callbacks": ("verdict", "Kept deliveries that want a person's look, counted up to 10,000 of each verdict."),
    "slots": ("account", "Slots in use."),
    "attention": ("kind", "Paused accounts, images about to be lost, jobs of accounts that are not configured."),
}
_SPOOLED = {
    "deliveries": "Deliveries on this machine's disk that wait for the database.",
    "bytes": "Size of the spool's files.",
    "aside": "Files of the spool that a person has to look at.",
    "age_seconds": "Since when a delivery has waited, at most.",
}


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process lives. Who asks with one of our secrets (``orchestrator doctor``) also learns which one it is."""
    alive = jsonify({"status": "ok"})
    name = str(services().id)
    proof = answer(services().config.secrets, request.headers.get(QUESTION, ""), name)
    if proof:
        alive.headers[PROCESS], alive.headers[PROOF] = name, proof
    return alive


@blueprint.get("/readyz")
def readyz() -> Response:
    """What is needed to work is there: a sentence for each part. 503 only when callbacks cannot be taken.

    No flood of it or of anything else changes that: the answer is found out once a second at most, for all who ask.
    """
    found = ready().get()
    facts: dict[str, Any] = {"parts": found.parts, "spool": found.spool}
    # A later version's schema is no reason to be taken out of service: so an upgrade goes on while we serve.
    if found.skew:
        facts["version_skew"] = found.skew
    if not found.takes:
        return problem(503, "not_ready", "Not ready.", f"not ready: {', '.join(found.wanting)}", **facts)
    return jsonify({"status": "degraded" if found.wanting else "ready", "degraded": found.wanting} | facts)


@blueprint.get("/metrics")
def metrics() -> Response:
    """This process's counters, and a few gauges from the database."""
    asked = CollectorRegistry()
    asked.register(Gauges(services()))
    return Response(generate_latest(REGISTRY) + generate_latest(asked), content_type=CONTENT_TYPE_LATEST)


class Gauges(Collector):
    """What is asked at each scrape."""

    def __init__(self, asked: Services) -> None:
        self._services = asked

    def collect(self) -> Iterator[Metric]:
        pool = GaugeMetricFamily("orchestrator_pool_connections", "This process's connections.", labels=["kind"])
        for kind, number in self._services.db.stats().items():
            pool.add_metric([kind], number)
        yield pool
        for name, figure in _spooled(self._services).items():
            yield GaugeMetricFamily(f"orchestrator_spool_{name}", _SPOOLED[name], value=figure)
        reachable = GaugeMetricFamily("orchestrator_database_up", "Whether the database answers.", value=1)
        try:
            with self._services.db.connection(timeout=PATIENCE) as connection:
                rows = health.figures(connection, self._services.config.accounts, now=self._services.now())
                removals = retention.list_removals(connection)
                at_work = processes.list_processes(connection)
                swept = processes.seconds_since_pass(connection, "sweep")
        except DatabaseUnavailable:
            yield GaugeMetricFamily("orchestrator_database_up", "Whether the database answers.", value=0)
            return
        yield reachable
        for what, (label, meaning) in _GAUGES.items():
            gauge = GaugeMetricFamily(f"orchestrator_{what}_now", meaning, labels=[label])
            for row in rows:
                if row["what"] == what:
                    gauge.add_metric([row["label"]], row["number"])
            yield gauge
        yield from _removed(removals)
        yield from _at_work(at_work, swept)


def _at_work(rows: list[dict[str, Any]], swept: float | None) -> Iterator[Metric]:
    """Who lives; a kind that has not been seen for a week is left out, so ask for ``absent`` too."""
    living = GaugeMetricFamily("orchestrator_processes_now", "Processes that live, of all hosts.", labels=["kind"])
    for kind in dict.fromkeys(row["kind"] for row in rows):
        living.add_metric([kind], sum(row["kind"] == kind and row["lives"] for row in rows))
    yield living
    if swept is not None:
        yield GaugeMetricFamily("orchestrator_sweep_age_seconds", "Since the last sweep passed.", value=swept)


def _removed(rows: list[dict[str, Any]]) -> Iterator[Metric]:
    """What retention has removed, by all processes."""
    removed = CounterMetricFamily(
        "orchestrator_removed", "Rows that were kept long enough, and removed.", labels=["what"]
    )
    looked = GaugeMetricFamily("orchestrator_removed_last_seconds", "When that was last looked for.", labels=["what"])
    for row in rows:
        removed.add_metric([row["what"]], row["removed"])
        looked.add_metric([row["what"]], row["last_at"].timestamp())
    yield from (removed, looked)


def _spooled(asked: Services) -> dict[str, float]:
    depth = asked.spool.depth()
    age = (asked.now() - depth.since).total_seconds() if depth.since else 0.0
    return {"deliveries": depth.deliveries, "bytes": depth.bytes, "aside": depth.aside, "age_seconds": age}
