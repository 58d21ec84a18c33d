"""Who can write to the broker makes a worker look at rows, and no more: a message carries no code."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from kombu.exceptions import ContentDisallowed

from orchestrator.broker.application import make_app


class Evil:
    """Unpickled, it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["pickle", "yaml"])
def test_a_worker_decodes_nothing_but_json(tmp_path: Path, kind: str) -> None:
    trap = tmp_path / "trap"
    app = make_app("memory://")
    body = pickle.dumps(Evil(trap)) if kind == "pickle" else f"!!python/object/apply:os.mkdir ['{trap}']".encode()
    refused: list[Exception] = []
    with app.connection() as connection:
        channel = connection.default_channel
        consumer = app.amqp.TaskConsumer(channel)  # as a worker has it
        consumer.on_decode_error = lambda _message, error: refused.append(error)
        consumer.register_callback(lambda *_: pytest.fail("it was decoded"))
        consumer.consume()
        app.amqp.Producer(channel).publish(
            body,
            routing_key="advance",
            exchange="advance",
            content_type=f"application/x-{kind}",
            content_encoding="binary",
        )
        connection.drain_events(timeout=5)
    assert isinstance(refused[0], ContentDisallowed)
    assert not trap.exists()
    app.close()
