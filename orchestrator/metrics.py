"""What this process counts and measures, for Prometheus. Several web processes each tell their own part."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

CALLBACKS = Counter(
    "orchestrator_callbacks", "Deliveries taken by this process.", ["account", "verdict"], registry=REGISTRY
)
REQUESTS = Histogram(
    "orchestrator_request_seconds",
    "Time from a request to its answer.",
    ["method", "route", "status"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
    registry=REGISTRY,
)
SHED = Counter(
    "orchestrator_shed",
    "Requests and nudges refused so that others are served, by what they are and which limit was met.",
    ["kind", "limit"],
    registry=REGISTRY,
)
PLACES = Gauge(
    "orchestrator_places_taken",
    "Requests that are being worked on; what waits for its turn is not counted.",
    ["kind"],
    registry=REGISTRY,
)
