"""Web processes replaced one after the other on one port while callbacks arrive: each is answered, none is lost."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from served import SECRET

from ops.cli.stack import granian
from orchestrator.core.tokens import account_token

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="two processes cannot share a port here"),
]
PATIENCE = 90.0  # seconds, of a slow machine
HOOK = f"/callbacks/acedata/{account_token((SECRET.encode(),), 'acedata')}"
ENOUGH = 15  # callbacks between two acts


def until(seen: Callable[[], Any], what: str) -> None:
    over = time.monotonic() + PATIENCE
    while not seen():
        assert time.monotonic() < over, f"waited in vain for {what}"
        time.sleep(0.05)  # between two looks


class Provider:
    """Sends callbacks, each once, from several threads; connects again only when nobody was there to take it."""

    def __init__(self, port: int, threads: int = 3) -> None:
        self._port = port
        self._over = threading.Event()
        self.answers: Counter[str] = Counter()
        self.sent: set[str] = set()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _send(self, thread: int) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            name = f"job-{thread}-{number}"
            self.answers[
                self._answer(json.dumps({"task_id": name, "success": True, "image_url": "https://e.org/a"}))
            ] += 1
            self.sent.add(name)

    def _answer(self, body: str) -> str:
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)) as connection:
            try:
                connection.connect()
            except ConnectionRefusedError:
                return "refused"
            try:
                connection.request("POST", HOOK, body=body)
                return str(connection.getresponse().status)
            except OSError as error:
                return type(error).__name__


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="connections wait for a closed port elsewhere")
def test_a_rolling_restart_under_load_loses_no_callback(tmp_path: Path, database_url: str) -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        log = tmp_path / f"web-{len(processes)}.log"
        with log.open("wb") as output:
            command = granian("orchestrator.web:create", "127.0.0.1", port, threads=8)
            command[command.index("--log-level") + 1] = "info"
            processes.append(subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT))
        until(lambda: "Started worker" in log.read_text() or processes[-1].poll() is not None, "one that listens")
        assert processes[-1].poll() is None, log.read_text()

    environment = _environment(tmp_path, database_url)
    provider: Provider | None = None
    try:
        start()
        provider = Provider(port)
        for _ in range(2):
            start()
            until(lambda: _more(provider), "callbacks with both at work")
            processes[-2].send_signal(signal.SIGTERM)
            assert processes[-2].wait(PATIENCE) == 0
            until(lambda: _more(provider), "callbacks with the new one alone")
    finally:
        if provider:
            provider.stop()
        for process in processes:
            process.terminate()
            process.wait(PATIENCE)

    assert set(provider.answers) <= {"200", "202"}, provider.answers
    with psycopg.connect(database_url) as connection:
        kept = {row[0] for row in connection.execute("SELECT external_id FROM callbacks")}
    assert provider.sent - kept == set()


_seen: Counter[int] = Counter()


def _more(provider: Provider) -> bool:
    """Whether enough have been answered since this was last true."""
    if provider.answers.total() - _seen[id(provider)] < ENOUGH:
        return False
    _seen[id(provider)] = provider.answers.total()
    return True


def _environment(home: Path, database_url: str) -> dict[str, str]:
    base = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return base | {
        "ORCHESTRATOR_HOME": str(home),
        "ORCHESTRATOR_SECRET": SECRET,
        "ACEDATA_TOKEN": "token-of-acedata",
        "BROKER_URL": "redis://127.0.0.1:9/0",
        "DATABASE_URL": database_url,
    }
