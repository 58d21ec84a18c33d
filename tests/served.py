"""The web process as `up` runs it: granian with its limits, and a client of it."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from ops.cli.stack import THREADS, granian

SECRET = "a secret of sixteen or more"
PATIENCE = 30.0  # seconds


class Served:
    """A running web process."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port

    def ask(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """status, headers, body. A body that is an iterable is sent in chunks."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            with suppress(BrokenPipeError):  # refused before all of it was sent
                connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def wait(self) -> None:
        over = time.monotonic() + PATIENCE
        while True:
            assert self.process.poll() is None, "the server has ended"
            try:
                assert self.ask("GET", "/healthz")[0] == 200
                return
            except OSError:
                assert time.monotonic() < over, "the server never answered"
                time.sleep(0.05)  # between two tries to connect


@contextmanager
def serving(home: Path, *options: str) -> Iterator[Callable[..., Served]]:
    """Gives a function that starts the web process with an environment. options: of the server, after ours."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(**environment: str) -> Served:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = granian("orchestrator.web:create", "127.0.0.1", port, threads=THREADS)
        base = {"PATH": os.environ["PATH"], "ORCHESTRATOR_HOME": str(home), "ORCHESTRATOR_SECRET": SECRET}
        base |= {"BROKER_URL": "redis://127.0.0.1:9/0", "ACEDATA_TOKEN": "token-of-acedata"}
        base |= {name: value for name in ("PYTHONPATH",) if (value := os.environ.get(name))}
        started.append(subprocess.Popen([*command[:-1], *options, command[-1]], env=base | environment))
        served = Served(started[-1], port)
        served.wait()
        return served

    try:
        yield begin
    finally:
        for process in started:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
