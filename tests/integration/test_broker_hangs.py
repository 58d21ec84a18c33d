"""A broker that takes connections and never answers: what is to be said to it does not pile up."""

from __future__ import annotations

import socket
from contextlib import closing
from uuid import uuid4

from orchestrator.broker.application import make_app
from orchestrator.broker.sender import MOST, Broker
from orchestrator.metrics import REGISTRY


def unsent() -> float:
    labels = {"kind": "nudges", "limit": "unsent"}
    return REGISTRY.get_sample_value("orchestrator_shed_total", labels) or 0.0


def test_nudges_for_a_broker_that_hangs_are_dropped_not_kept() -> None:
    before = unsent()
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        broker = Broker(make_app(f"redis://127.0.0.1:{server.getsockname()[1]}/0"))
        for _ in range(3 * MOST):
            broker.advance(uuid4())
        dropped = unsent() - before
    # What the sender had taken out before it began to wait is no longer in the outbox.
    assert MOST <= dropped <= 2 * MOST
    broker.close()
