"""The web process as it is run: granian, the environment, nothing in memory that it does not need."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from served import PATIENCE, SECRET, Served, serving

from orchestrator.core.tokens import account_token

HEAVY = ("numpy", "PIL", "obstore", "workers", "ops")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts the web process with this environment, and stops it at the end."""
    with serving(tmp_path) as begin:
        yield begin


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
    assert (status, json.loads(answer)["parts"]["database"]) == (200, "ok")
    assert "broker" in json.loads(answer)["degraded"]


def test_it_starts_although_the_database_is_away(serve: Callable[..., Served]) -> None:
    served = serve(DATABASE_URL="postgresql://nobody@127.0.0.1:9/nothing")
    status, headers, answer = served.ask("GET", "/readyz")
    assert (status, headers["content-type"]) == (200, "application/json")  # there is the spool
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
