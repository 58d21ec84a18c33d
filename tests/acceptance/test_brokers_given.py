"""The main job with a real Redis and a real RabbitMQ in the embedded broker's place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from brokers import RabbitMQ, Redis, Server, running

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(params=[Redis, RabbitMQ], ids=lambda kind: kind.__name__.lower())
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(request.param, tmp_path_factory.mktemp("broker")) as started:
        yield started


def test_runs_end_well_though_the_broker_is_emptied_and_restarted(make_world: Any, server: Server) -> None:
    world = make_world("--latency", "0.3", "--concurrency", "10", BROKER_URL=server.url)
    world.launch(4)
    server.empty()
    world.launch(2)
    server.stop()
    world.launch(2)
    server.start()

    finished = world.finished()
    assert {run["state"] for run in finished} == {"succeeded"}
    assert len(world.provider("jobs?limit=1000")["items"]) == 3 * len(world.runs)
    assert "broker" not in world.pids()
    assert world.down() == 0
