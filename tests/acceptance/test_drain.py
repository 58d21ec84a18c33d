"""SIGTERM: what is in flight is finished, nothing new is begun, nothing is left unsaid, and it ends within a bound."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from served import SECRET, serving

from ops.embedded import broker
from orchestrator.core.states import TaskState
from orchestrator.core.tokens import account_token
from orchestrator.services import Services
from orchestrator.store import tasks

sys.path.insert(0, str(Path(__file__).parents[1] / "contracts"))  # the scripted provider is at home there
from scripted_server import ScriptedServer, answer, hang

pytestmark = pytest.mark.timeout(240)
PATIENCE = 90.0  # seconds, of a slow machine
HOOK = f"/callbacks/acedata/{account_token((SECRET.encode(),), 'acedata')}"
ADMIN = {"Authorization": "Bearer admin-token-0123", "Content-Type": "application/json"}
GRID = "pipeline: one\naccount: acedata\nsteps: {grid: {action: imagine, with: {prompt: a fox}}}\n"
AGAIN = (signal.SIGTERM, signal.SIGTERM, signal.SIGINT)


def until(seen: Callable[[], Any], what: str) -> Any:
    over = time.monotonic() + PATIENCE
    while not (found := seen()):
        assert time.monotonic() < over, f"waited in vain for {what}"
        time.sleep(0.05)  # between two looks
    return found


@pytest.fixture
def queues(tmp_path: Path) -> Iterator[tuple[str, redis.Redis]]:
    """A broker's URL, and a client that looks into it."""
    server = broker.start(tmp_path / "broker", die_with_parent=True)
    with redis.Redis(unix_socket_path=urlsplit(server.url).path) as client:
        yield server.url, client
    server.stop()


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    except ConnectionRefusedError:
        return True
    except TimeoutError:
        return False
    return False


def read_all(connection: socket.socket) -> bytes:
    connection.settimeout(PATIENCE)
    return b"".join(iter(lambda: connection.recv(65_536), b""))


# The web process --------------------------------------------------------------------------------------


def test_a_request_in_flight_is_answered_and_a_new_one_refused(tmp_path: Path, database_url: str) -> None:
    body = json.dumps({"task_id": "job-1", "success": True, "image_url": "https://example.org/a.png"}).encode()
    head = f"POST {HOOK} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with serving(tmp_path) as serve:
        served = serve(DATABASE_URL=database_url, ORCHESTRATOR_API_TOKENS="me:admin:admin-token-0123")
        with closing(socket.create_connection(("127.0.0.1", served.port))) as slow:
            slow.sendall(head + body[:10])
            assert served.ask("GET", "/healthz")[0] == 200  # it has been accepted: connections are taken in order

            for number in AGAIN:
                served.process.send_signal(number)
            until(lambda: refused(served.port), "the port to be closed")
            slow.sendall(body[10:])
            said = read_all(slow)

        assert served.process.wait(PATIENCE) == 0
        assert said.startswith(b"HTTP/1.1 202 ")
        assert b"connection: close" in said.lower()
        kept = serve(DATABASE_URL=database_url, ORCHESTRATOR_API_TOKENS="me:admin:admin-token-0123")
        items = json.loads(kept.ask("GET", "/v1/callbacks", **ADMIN)[2])["items"]
        assert [one["external_id"] for one in items] == ["job-1"]


def test_nudges_that_wait_for_the_broker_are_sent_before_the_end(
    tmp_path: Path, database_url: str, queues: tuple[str, redis.Redis]
) -> None:
    url, client = queues
    pid = client.info("server")["process_id"]
    with serving(tmp_path) as serve:
        served = serve(DATABASE_URL=database_url, BROKER_URL=url, ORCHESTRATOR_API_TOKENS="me:admin:admin-token-0123")
        assert served.ask("PUT", "/v1/pipelines/one", GRID, **ADMIN | {"Content-Type": "application/yaml"})[0] < 300
        os.kill(pid, signal.SIGSTOP)
        try:
            assert served.ask("POST", "/v1/runs", json.dumps({"pipeline": "one", "inputs": {}}), **ADMIN)[0] == 201
            served.process.send_signal(signal.SIGTERM)
        finally:
            os.kill(pid, signal.SIGCONT)

        assert served.process.wait(PATIENCE) == 0
        assert client.llen("submit") == 1


# The workers ------------------------------------------------------------------------------------------


class Worker:
    """A worker process with one thread, and what it has said."""

    def __init__(self, stack: ExitStack, home: Path, **environment: str) -> None:
        self.log = home / "worker.log"
        output = stack.enter_context(self.log.open("wb"))
        celery = [sys.executable, "-m", "celery", "--quiet", "-A", "workers.app", "worker", "--pool", "threads"]
        queues = ["-Q", "advance,submit,media,sweep", "--concurrency", "1", "--without-gossip", "--without-mingle"]
        inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        self.process = subprocess.Popen(
            [*celery, *queues], env=inherited | environment, stdout=output, stderr=subprocess.STDOUT
        )
        stack.callback(self._end)

    def wait_ready(self) -> None:
        until(lambda: self.process.poll() is not None or "worker ready" in self.said, "a worker that is ready")
        assert self.process.poll() is None, self.said

    @property
    def said(self) -> str:
        return self.log.read_text()

    def _end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def system(
    tmp_path: Path, make_services: Callable[..., Services], queues: tuple[str, redis.Redis]
) -> Iterator[Callable[..., tuple[ScriptedServer, Worker, Services]]]:
    """``system(step, ...)``: a provider with that script, a worker, and services with one run opened on them."""
    with ExitStack() as stack:

        def make(*script: Any, **environment: str) -> tuple[ScriptedServer, Worker, Services]:
            provider = ScriptedServer(*script)
            stack.callback(provider.stop)
            services = make_services(nudge=None)
            home = tmp_path / "home"
            home.mkdir(exist_ok=True)
            accounts = home / "accounts.yaml"
            accounts.write_text(
                f"accounts: [{{name: acedata, provider: acedata, base_url: '{provider.url}', token: a-token-here}}]"
            )
            worker = Worker(
                stack,
                home,
                ORCHESTRATOR_HOME=str(home),
                ORCHESTRATOR_SECRET=SECRET,
                ORCHESTRATOR_ACCOUNTS=str(accounts),
                ORCHESTRATOR_ALLOW_HOSTS="127.0.0.1",
                DATABASE_URL=str(services.config.database_url),
                BROKER_URL=queues[0],
                **environment,
            )
            worker.wait_ready()
            return provider, worker, services

        yield make


def open_run(services: Services, url: str) -> Any:
    """A run of one step, and more nudges for it than one worker can take."""
    from orchestrator import catalog
    from orchestrator.broker.application import make_app
    from orchestrator.broker.sender import Broker
    from orchestrator.launch import Request, launch

    document = {
        "pipeline": "one",
        "account": "acedata",
        "steps": {"grid": {"action": "imagine", "with": {"prompt": "x"}}},
    }
    catalog.push(services, document, where="test")
    run = launch(services, Request(pipeline="one", inputs={}, labels={})).run
    with closing(Broker(make_app(url))) as nudge:
        for account in ("acedata", "acedata", "acedata"):
            nudge.app.send_task("submit", args=[account], queue="submit", ignore_result=True)
    return run.id


def the_task(services: Services, run_id: Any) -> Any:
    with services.db.connection() as connection:
        (task,) = tasks.load_tasks(connection, run_id)
    return task


def test_a_worker_finishes_what_it_has_in_hand_and_gives_back_the_rest(
    system: Any, queues: tuple[str, redis.Redis]
) -> None:
    import threading

    release = threading.Event()

    def slowly(connection: socket.socket, over: threading.Event) -> bool:
        release.wait(PATIENCE)
        return answer(200, {"success": True, "task_id": "job-1"})(connection, over)

    provider, worker, services = system(slowly)
    run_id = open_run(services, queues[0])
    until(lambda: provider.requests, "the submission")

    for number in AGAIN:
        worker.process.send_signal(number)
    until(lambda: "shutdown" in worker.said, "the worker to hear of it")
    release.set()

    assert worker.process.wait(PATIENCE) == 0, worker.said
    assert (the_task(services, run_id).state, the_task(services, run_id).external_id) == (TaskState.WAITING, "job-1")
    assert len(provider.requests) == 1
    assert queues[1].hlen("unacked") == 0, "what it had taken and not begun has gone back"
    assert queues[1].llen("submit") >= 2


def test_what_takes_too_long_is_handed_back(system: Any, queues: tuple[str, redis.Redis]) -> None:
    provider, worker, services = system(hang, ORCHESTRATOR_DRAIN="0.5")
    run_id = open_run(services, queues[0])
    until(lambda: provider.requests, "the submission")

    worker.process.send_signal(signal.SIGTERM)

    assert worker.process.wait(PATIENCE) == 0, worker.said
    task = the_task(services, run_id)
    assert (task.state, task.waiting_for) == (TaskState.UNCERTAIN, "the worker was stopped")
    assert (task.wake_at - datetime.now(UTC)).total_seconds() < 10, "nobody waits for the lease of a minute"


def test_beat_ends_cleanly(tmp_path: Path, database_url: str, queues: tuple[str, redis.Redis]) -> None:
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    environment = {"DATABASE_URL": database_url, "BROKER_URL": queues[0], "ORCHESTRATOR_SECRET": SECRET}
    command = [sys.executable, "-m", "celery", "--quiet", "-A", "workers.app", "beat", "--pidfile", ""]
    command += ["--scheduler", "celery.beat:Scheduler"]
    with (tmp_path / "beat.log").open("wb") as output:
        beat = subprocess.Popen(command, env=inherited | environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        until(lambda: queues[1].llen("sweep"), "a sweep")

        for number in AGAIN:
            beat.send_signal(number)

        assert beat.wait(PATIENCE) == 0
        assert "Traceback" not in (tmp_path / "beat.log").read_text()
    finally:
        beat.kill()
        beat.wait()
