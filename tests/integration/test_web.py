"""The web process as it is run: granian, the environment, nothing in memory that it does not need."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.core.tokens import account_token

SECRET = "a secret of sixteen or more"
PATIENCE = 20.0  # seconds
HEAVY = ("numpy", "PIL", "obstore", "workers", "ops")


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


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts the web process with this environment, and stops it at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(**environment: str) -> Served:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "--host", "127.0.0.1"]
        command += ["--port", str(port), "--workers", "1", "--blocking-threads", "2", "--no-access-log"]
        base = {"PATH": os.environ["PATH"], "ORCHESTRATOR_HOME": str(tmp_path), "ORCHESTRATOR_SECRET": SECRET}
        base |= {"BROKER_URL": "redis://127.0.0.1:9/0", "ACEDATA_TOKEN": "token-of-acedata"}
        started.append(subprocess.Popen([*command, "orchestrator.web:create"], env=base | environment))
        served = Served(started[-1], port)
        served.wait()
        return served

    yield begin
    for process in started:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_granian_serves_receiver_and_api(serve: Callable[..., Served], database_url: str) -> None:
    served = serve(DATABASE_URL=database_url, ORCHESTRATOR_API_TOKENS="me:admin:admin-token-0123")
    hook = f"/callbacks/acedata/{account_token((SECRET.encode(),), 'acedata')}"
    body = json.dumps({"task_id": "job-1", "success": True, "image_url": "https://example.org/a.png"}).encode()
    assert served.ask("POST", hook, body)[0] == 202
    # A client that does not know the length in advance sends chunks.
    chunked = served.ask("POST", hook, (part for part in (body[:10], body[10:].replace(b"job-1", b"job-2"))))
    assert chunked[0] == 202, chunked
    assert served.ask("POST", hook, b"x" * 3_000_000)[0] == 413
    assert served.ask("POST", hook, (b"x" * 100_000 for _ in range(30)))[0] == 413
    bearer = {"Authorization": "Bearer admin-token-0123"}
    assert served.ask("PUT", "/v1/pipelines/a", (b"#" * 100_000 for _ in range(30)), **bearer)[0] == 413
    status, headers, answer = served.ask("GET", "/v1/callbacks", **bearer)
    assert (status, headers["Cache-Control"], headers["X-Content-Type-Options"]) == (200, "no-store", "nosniff")
    assert {one["external_id"] for one in json.loads(answer)["items"]} == {"job-1", "job-2"}
    accounts = json.loads(served.ask("GET", "/v1/accounts", **bearer)[2])
    assert [one["name"] for one in accounts["items"]] == ["acedata"]
    status, _, answer = served.ask("GET", "/readyz")
    assert (status, json.loads(answer)["parts"]["database"]) == (503, "ok")  # there is no broker


def test_it_starts_although_the_database_is_away(serve: Callable[..., Served]) -> None:
    served = serve(DATABASE_URL="postgresql://nobody@127.0.0.1:9/nothing")
    status, headers, answer = served.ask("GET", "/readyz")
    assert (status, headers["content-type"]) == (503, "application/problem+json")
    assert "not reachable" in json.loads(answer)["parts"]["database"]


def test_what_a_killed_process_has_spooled_is_taken_by_the_next_one(
    serve: Callable[..., Served], database_url: str
) -> None:
    served = serve(DATABASE_URL="postgresql://nobody@127.0.0.1:9/nothing")
    hook = f"/callbacks/acedata/{account_token((SECRET.encode(),), 'acedata')}"
    names = [f"job-{n}" for n in range(5)]
    for name in names:
        body = json.dumps({"task_id": name, "success": True, "image_url": "https://example.org/a.png"})
        status, _, answer = served.ask("POST", hook, body)
        assert (status, json.loads(answer)) == (202, {"verdict": "spooled"})
    assert served.ask("POST", hook.replace("acedata/", "acedata/x"), b"{}")[0] == 404
    assert json.loads(served.ask("GET", "/readyz")[2])["spool"]["deliveries"] == 5
    for process in [*psutil.Process(served.process.pid).children(recursive=True), served.process]:
        process.kill()
    served.process.wait()

    served = serve(DATABASE_URL=database_url, ORCHESTRATOR_API_TOKENS="me:admin:admin-token-0123")

    bearer = {"Authorization": "Bearer admin-token-0123"}
    over = time.monotonic() + PATIENCE
    while json.loads(served.ask("GET", "/readyz")[2])["spool"]["deliveries"]:
        assert time.monotonic() < over, "it was never drained"
        time.sleep(0.05)  # between two looks
    kept = json.loads(served.ask("GET", "/v1/callbacks", **bearer)[2])["items"]
    assert [(one["external_id"], one["verdict"]) for one in reversed(kept)] == [(name, "parked") for name in names]


def test_the_web_process_does_not_load_what_only_workers_need() -> None:
    script = "import sys, orchestrator.web; print([name for name in sys.argv[1:] if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script, *HEAVY], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_strangers_whose_bodies_never_end_keep_nobody_waiting(serve: Callable[..., Served], database_url: str) -> None:
    served = serve(DATABASE_URL=database_url)
    head = b"POST /callbacks/acedata/not-ours HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"

    with ExitStack() as held:
        for _ in range(12):  # more than the server has threads
            one = held.enter_context(socket.create_connection(("127.0.0.1", served.port)))
            one.sendall(head)
        assert served.ask("GET", "/healthz")[0] == 200
