"""One suite for every broker: the embedded Valkey, Redis, RabbitMQ."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from brokers import Process, RabbitMQ, Redis, Server, Valkey, free_port, running
from kombu import Connection, Queue
from stage import ACCOUNT, TOKEN, Stage, stage
from structlog.testing import capture_logs

from orchestrator.broker.application import MOST_WAITING, make_app, queues
from orchestrator.broker.sender import Broker
from orchestrator.core.states import RunState
from orchestrator.errors import BrokerUnavailable
from orchestrator.services import Services

ROOT = Path(__file__).parents[2]
PATIENCE = 10.0
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@pytest.fixture(scope="module", params=[Valkey, Redis, RabbitMQ], ids=lambda kind: kind.__name__.lower())
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(request.param, tmp_path_factory.mktemp("broker")) as started:
        yield started


@pytest.fixture
def broker(server: Server) -> Iterator[Broker]:
    """What a process sends its nudges with; the queues are empty at the beginning."""
    with Connection(server.url) as connection:
        for named in queues(server.url):
            with connection.SimpleQueue(named) as queue:
                queue.clear()
    made = Broker(make_app(server.url))
    yield made
    made.close()


def called(server: Server, name: str) -> Queue:
    """The queue that is called so by those who send and by a worker's -Q."""
    return next(queue for queue in queues(server.url) if name in {queue.name, queue.alias})


def heard(server: Server, name: str, count: int) -> list[tuple[str, Any]]:
    """(job, arguments) of the messages in a queue, which has no more of them than these."""
    with Connection(server.url) as connection, connection.SimpleQueue(called(server, name)) as queue:
        messages = [queue.get(timeout=PATIENCE) for _ in range(count)]
        for message in messages:
            message.ack()
        assert not queue.clear()  # how many there were
    return [(message.headers["task"], message.payload[0]) for message in messages]


def test_a_queue_that_nobody_empties_grows_no_further(
    server: Server, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    if server.url.startswith("amqp"):
        assert all(queue.queue_arguments["x-max-length"] == MOST_WAITING for queue in queues(server.url))
        return  # what the queue is declared with is RabbitMQ's own affair
    monkeypatch.setattr("orchestrator.broker.sender.MOST_WAITING", 3)
    monkeypatch.setattr("orchestrator.broker.sender._LOOK", 0.0)
    for _ in range(10):
        broker.act()
    broker.advance(uuid4())  # another queue has its own length
    broker.close()
    heard(server, "media", 3)
    heard(server, "advance", 1)


def test_each_nudge_arrives_once_in_its_queue_and_carries_ids_only(server: Server, broker: Broker) -> None:
    run_id, task_id = uuid4(), uuid4()
    broker.advance(run_id)
    broker.submit("acedata", 3)
    broker.look("acedata", [task_id])
    broker.act()
    broker.close()  # all have been sent
    assert heard(server, "advance", 1) == [("advance", [str(run_id)])]
    assert sorted(heard(server, "submit", 2)) == [("look", ["acedata", [str(task_id)]]), ("submit", ["acedata", 3])]
    assert heard(server, "media", 1) == [("act", [])]
    assert heard(server, "sweep", 0) == []


def test_a_broker_that_answers_is_said_to_be_there(broker: Broker) -> None:
    broker.ping(5)


def test_what_is_still_to_be_sent_is_sent_at_the_end(server: Server) -> None:
    leaving = Broker(make_app(server.url))
    run_ids = [uuid4() for _ in range(40)]
    for run_id in run_ids:
        leaving.advance(run_id)
    leaving.close()
    with Connection(server.url) as connection, connection.SimpleQueue(called(server, "advance")) as queue:
        told: set[str] = set()
        while len(told) < len(run_ids):
            message = queue.get(timeout=PATIENCE)
            message.ack()
            told.update(message.payload[0])
    assert told == {str(run_id) for run_id in run_ids}


def test_a_real_worker_brings_a_run_to_its_end(
    server: Server, make_services: Callable[..., Services], tmp_path: Path
) -> None:
    """Without beat: every step follows from a message."""
    app = make_app(server.url)
    with ExitStack() as built:
        ours = built.enter_context(stage(make_services, {}, {}, {"nudge": Broker(app)}))
        worker = Process([*WORKER, *FLAGS], *of(ours, server, tmp_path))
        built.callback(worker.end)
        run_id = ours.open("hero-image")
        run = ours.end(run_id, within=45.0)
        assert run.state is RunState.SUCCEEDED, worker.told()
        assert ours.paid == 3
        assert len(ours.rows("SELECT FROM objects")) == 1
        tokens = [TOKEN, *map(ours.callback_token, ours.tasks(run_id))]
    log = worker.told()
    assert log.count('"event": "submission"') == 3
    assert "Traceback" not in log
    assert [token for token in tokens if token in log] == []


def test_a_broker_that_loses_its_whole_content_loses_nothing(
    server: Server, make_services: Callable[..., Services], tmp_path: Path
) -> None:
    """Under the hands of a worker and of a sender that know nothing of it."""
    with ExitStack() as built:
        ours = built.enter_context(stage(make_services, {}, {}, {"nudge": Broker(make_app(server.url))}))
        worker = Process([*WORKER, *FLAGS], *of(ours, server, tmp_path))
        built.callback(worker.end)
        first = ours.open("hero-image")
        seen(lambda: ours.paid, worker)
        server.empty()
        second = ours.open("hero-image")
        server.empty()
        for run_id in (first, second):
            seen(lambda run_id=run_id: swept(ours) or ours.run(run_id).finished_at, worker, pause=0.5)
            assert ours.run(run_id).state is RunState.SUCCEEDED, worker.told()
        assert ours.paid == 6
    assert "Unrecoverable" not in worker.told()


WORKER = [sys.executable, "-m", "celery", "-A", "workers.app", "worker"]
BEAT = [*WORKER[:-1], "beat", "--scheduler", "celery.beat:Scheduler", "--pidfile="]
FLAGS = ["--pool", "threads", "--concurrency", "4", "--without-gossip", "--without-mingle"]


def of(ours: Stage, server: Server, folder: Path) -> tuple[Path, dict[str, str]]:
    """The worker's log and environment: the configuration of the stage."""
    config = ours.services.config
    account = config.account(ACCOUNT)
    listed = [{"name": ACCOUNT, "provider": ACCOUNT, "base_url": account.base_url, "token": account.token}]
    (folder / "accounts.yaml").write_text(yaml.safe_dump(listed))
    return folder / "worker.log", {
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "DATABASE_URL": str(config.database_url),
        "BROKER_URL": server.url,
        "ORCHESTRATOR_SECRET": config.secrets[0].decode(),
        "ORCHESTRATOR_ACCOUNTS": str(folder / "accounts.yaml"),
        "ORCHESTRATOR_PUBLIC_URL": config.public_url,
        "ORCHESTRATOR_ALLOW_HOSTS": ",".join(config.allow_hosts),
        "ORCHESTRATOR_ARCHIVE_URL": config.archive_url,
        "ORCHESTRATOR_HOME": str(config.home),
        "ORCHESTRATOR_SWEEP_EVERY": "0.5",
    }


@pytest.mark.parametrize("kind", [Valkey, Redis, RabbitMQ])
def test_worker_and_beat_outlive_a_broker_that_vanishes_while_they_are_at_work(
    kind: type[Valkey | Redis | RabbitMQ], make_services: Callable[..., Services], tmp_path: Path
) -> None:
    with ExitStack() as built:
        server = built.enter_context(running(kind, tmp_path))
        ours = built.enter_context(stage(make_services, {}, {}, {"nudge": Broker(make_app(server.url))}))
        log, environment = of(ours, server, tmp_path)
        worker = Process([*WORKER, *FLAGS], log, environment)
        built.callback(worker.end)
        beat = Process(BEAT, tmp_path / "beat.log", environment)
        built.callback(beat.end)
        seen(lambda: last_pass(ours) > LONG_AGO, worker)  # beat has a connection, and has used it
        with ours.services.db.transaction() as connection:
            connection.execute("LOCK TABLE tasks")
            ours.services.nudge.act()
            seen(lambda: ours.rows("SELECT FROM pg_locks WHERE NOT granted"), worker)
            server.stop()
            seen(lambda: "Connection to broker lost" in worker.told(), worker)
            seen(lambda: "apply scheduled task sweep" in beat.told(), beat)
        seen(lambda: not ours.rows("SELECT FROM pg_locks WHERE NOT granted"), worker)
        server.start()
        # What was said before may still be done; but beat fails twice a second until it has another connection.
        seen(lambda: last_pass(ours) > last_failure(beat) + timedelta(seconds=5), beat)
        run_id = ours.open("hero-image")
        seen(lambda: ours.run(run_id).finished_at, worker, pause=0.5)
        assert ours.run(run_id).state is RunState.SUCCEEDED
    assert "Unrecoverable" not in worker.told()


def last_pass(ours: Stage) -> datetime:
    """When the last sweep ended."""
    return ours.rows("SELECT max(at) AS at FROM passes WHERE name = 'sweep'")[0]["at"] or LONG_AGO


def last_failure(beat: Process) -> datetime:
    """When beat could last not send something."""
    failed = [line for line in beat.told().splitlines() if "apply scheduled task" in line]
    return datetime.fromisoformat(json.loads(failed[-1])["timestamp"])


def swept(ours: Stage) -> None:
    """Have the worker sweep, whose clock goes on, as beat does."""
    broker = ours.services.nudge
    assert isinstance(broker, Broker)
    broker._put("sweep")


def seen(look: Callable[[], object], worker: Process, pause: float = 0.02) -> None:
    """Wait until it is there."""
    over = time.monotonic() + 90
    while not look():
        assert worker.child.poll() is None, worker.told()
        assert time.monotonic() < over, worker.told()
        time.sleep(pause)  # between two looks


@pytest.mark.parametrize("url", ["redis://127.0.0.1:{}/0", "amqp://guest:s3cret@127.0.0.1:{}//"])
def test_nobody_waits_for_a_broker_that_is_away(url: str) -> None:
    broker = Broker(make_app(url.format(free_port())))
    begun = time.monotonic()
    with capture_logs() as lines:
        for _ in range(200):
            broker.submit("acedata")
        broker.close()
    assert time.monotonic() - begun < 2
    assert [line["event"] for line in lines] == ["nudge lost"]  # once, and then nothing for a second
    assert "s3cret" not in str(lines)
    with pytest.raises(BrokerUnavailable):
        Broker(make_app(url.format(free_port()))).ping(1)


@pytest.mark.parametrize("kind", [Valkey, Redis])
def test_a_broker_that_goes_away_and_comes_back_is_used_again(kind: type[Valkey | Redis], tmp_path: Path) -> None:
    with running(kind, tmp_path) as server:
        broker = Broker(make_app(server.url))
        broker.act()
        assert heard(server, "media", 1) == [("act", [])]
        server.stop()
        with capture_logs() as lines:
            over = time.monotonic() + PATIENCE
            while not lines and time.monotonic() < over:
                broker.act()
        assert {line["event"] for line in lines} == {"nudge lost"}
        assert {line["log_level"] for line in lines} == {"warning"}
        server.start()
        broker._silent_until = 0.0  # the second is over
        broker.act()
        assert heard(server, "media", 1) == [("act", [])]
        broker.close()


@pytest.mark.parametrize("kind", [Valkey, Redis])
def test_a_broker_whose_memory_is_full_loses_nudges_and_no_more(kind: type[Valkey | Redis], tmp_path: Path) -> None:
    with running(kind, tmp_path) as server:
        broker = Broker(make_app(server.url))
        broker.act()
        assert heard(server, "media", 1) == [("act", [])]
        with Connection(server.url) as connection:
            connection.default_channel.client.config_set("maxmemory", 1)
        with capture_logs() as lines:
            broker.act()
            broker.close()
        assert [(line["event"], line["log_level"]) for line in lines] == [("nudge lost", "warning")]
