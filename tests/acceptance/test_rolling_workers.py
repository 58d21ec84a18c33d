"""Workers replaced one after the other while runs come in: every run ends well, and nothing is sent twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import urllib3
from served import SECRET, Served, serving

from ops.embedded import broker
from ops.emulator.options import Options
from ops.emulator.server import Emulator

pytestmark = pytest.mark.timeout(300)
PATIENCE = 120.0  # seconds, of a slow machine
ENOUGH, AT_ONCE = 6, 8  # runs that end between two acts; runs that are open
ADMIN = {"Authorization": "Bearer admin-token-0123", "Content-Type": "application/json"}
PIPELINE = """
pipeline: rolled
account: acedata
steps:
  grid: {action: imagine, with: {prompt: a fox}}
  best: {choose: quadrant, of: grid, by: 1}
  single: {action: upscale, of: best}
  keep: {archive: single}
"""
ACCOUNT = """
accounts:
- {{name: acedata, provider: acedata, base_url: '{url}', token: a-token-of-the-tests, slots: 8, quiet: 20, poll: 1}}
"""


def until(seen: Callable[[], Any], what: str) -> None:
    over = time.monotonic() + PATIENCE
    while not seen():
        assert time.monotonic() < over, f"waited in vain for {what}"
        time.sleep(0.05)  # between two looks


class Process:
    """A process of Celery's, and what it has said."""

    def __init__(self, stack: ExitStack, log: Path, command: list[str], environment: dict[str, str]) -> None:
        self._log = log
        output = stack.enter_context(log.open("wb"))
        celery = [sys.executable, "-m", "celery", "--quiet", "-A", "workers.app", *command]
        self._process = subprocess.Popen(celery, env=environment, stdout=output, stderr=subprocess.STDOUT)
        stack.callback(self._process.wait)
        stack.callback(self._process.kill)

    @property
    def said(self) -> str:
        return self._log.read_text()

    def wait_for(self, words: str) -> None:
        until(lambda: words in self.said or self._process.poll() is not None, words)
        assert self._process.poll() is None, self.said

    def ask_to_end(self) -> None:
        assert self._process.poll() is None, self.said
        self._process.send_signal(signal.SIGTERM)

    def ended(self) -> int:
        return self._process.wait(PATIENCE)


class Stream:
    """Opens run after run, so that about so many are open, until it is told to stop."""

    def __init__(self, served: Served) -> None:
        self._served, self._over = served, threading.Event()
        self.opened: list[str] = []
        self._thread = threading.Thread(target=self._flow)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(PATIENCE)

    def ended(self) -> int:
        """How many of the runs are over."""
        opened = len(self.opened)  # first: what is opened after this look may be running
        return opened - len(self._items("/v1/runs?state=running&limit=200"))

    def more(self) -> None:
        """Wait until some more have ended."""
        before = self.ended()
        until(lambda: self.ended() >= before + ENOUGH, f"{ENOUGH} more runs to end")

    def states(self) -> Counter[str]:
        """Of all runs, once all are over."""
        until(lambda: self.ended() == len(self.opened), "all runs to be over")
        return Counter(json.loads(self._ask("GET", f"/v1/runs/{run}"))["state"] for run in self.opened)

    def _flow(self) -> None:
        while not self._over.is_set():
            if len(self.opened) - self.ended() >= AT_ONCE:
                self._over.wait(0.05)  # between two looks
            else:
                order = {"pipeline": "rolled", "inputs": {}}
                self.opened.append(json.loads(self._ask("POST", "/v1/runs", json.dumps(order)))["id"])

    def _items(self, path: str) -> list[Any]:
        found: list[Any] = json.loads(self._ask("GET", path))["items"]
        return found

    def _ask(self, method: str, path: str, body: str | None = None) -> bytes:
        status, _, answer = self._served.ask(method, path, body, **ADMIN)
        assert status in {200, 201}, answer
        return answer


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_workers_are_replaced_under_load_and_every_run_ends_well_once(
    tmp_path: Path, database_url: str, stack: ExitStack
) -> None:
    emulator = stack.enter_context(Emulator(Options(latency=0.3, concurrency=20, image_size=256)))
    environment = _environment(tmp_path, database_url, emulator.url, stack)
    served = stack.enter_context(serving(tmp_path))(**environment)
    environment |= {"ORCHESTRATOR_PUBLIC_URL": f"http://127.0.0.1:{served.port}"}
    assert served.ask("PUT", "/v1/pipelines/rolled", PIPELINE, **ADMIN | {"Content-Type": "application/yaml"})[0] < 300
    workers: list[Process] = []

    def start() -> None:
        command = ["worker", "--pool", "threads", "-Q", "advance,submit,media,sweep", "--concurrency", "4"]
        command += ["--without-gossip", "--without-mingle"]
        workers.append(Process(stack, tmp_path / f"worker-{len(workers)}.log", command, environment))

    beat = ["beat", "--pidfile", "", "--scheduler", "celery.beat:Scheduler"]
    Process(stack, tmp_path / "beat.log", beat, environment)
    start()
    start()
    for worker in workers:
        worker.wait_for("worker ready")
    stream = Stream(served)
    stack.callback(stream.stop)

    for number in (0, 1):
        stream.more()
        workers[number].ask_to_end()
        start()
        assert workers[number].ended() == 0, workers[number].said
        workers[-1].wait_for("worker ready")
    stream.more()
    stream.stop()

    assert stream.states() == {"succeeded": len(stream.opened)}
    asked = Counter(job["callback_url"] for job in _provider(emulator, "jobs?limit=10000")["items"])
    assert set(asked.values()) == {1}, "a job has been paid for twice"
    assert len(asked) == 2 * len(stream.opened)


def _provider(emulator: Emulator, path: str) -> Any:
    return urllib3.request("GET", f"{emulator.url}/_emulator/{path}").json()


def _environment(home: Path, database_url: str, provider: str, stack: ExitStack) -> dict[str, str]:
    """Of the processes, with a broker of their own."""
    accounts = home / "accounts.yaml"
    accounts.write_text(ACCOUNT.format(url=provider))
    queues = broker.start(home / "broker", die_with_parent=True)
    stack.callback(queues.stop)
    return {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ} | {
        "ORCHESTRATOR_HOME": str(home),
        "ORCHESTRATOR_SECRET": SECRET,
        "ORCHESTRATOR_ACCOUNTS": str(accounts),
        "ORCHESTRATOR_ALLOW_HOSTS": "127.0.0.1",
        "ORCHESTRATOR_API_TOKENS": "me:admin:admin-token-0123",
        "DATABASE_URL": database_url,
        "BROKER_URL": queues.url,
    }
