"""A flood of slow reads, at the real server: callbacks are taken all the same, the rest is refused, and it passes."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from served import SECRET, Served, serving

from ops.cli.stack import THREADS
from orchestrator.api import latest
from orchestrator.api.admission import OTHERS, OTHERS_WAITING, READINESS, WAITING
from orchestrator.config import Config
from orchestrator.core.tokens import account_token

TOKEN = "admin-token-0123"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PATIENCE = 60.0  # seconds
HOOK = f"/callbacks/acedata/{account_token((SECRET.encode(),), 'acedata')}"


def test_reads_and_writes_together_leave_threads_for_callbacks() -> None:
    defaults = Config.__dataclass_fields__
    at_work = defaults["reads_at_once"].default + defaults["writes_at_once"].default + OTHERS + READINESS
    waiting = 2 * WAITING + OTHERS_WAITING + latest.WAITING
    assert THREADS - at_work - waiting >= 4


@pytest.fixture
def served(tmp_path: Path, database_url: str) -> Iterator[Served]:
    environment = {"DATABASE_URL": database_url, "ORCHESTRATOR_API_TOKENS": f"me:admin:{TOKEN}"}
    with serving(tmp_path) as begin:
        yield begin(ORCHESTRATOR_READ_TIMEOUT="2", **environment)


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    """Nobody reads this table meanwhile."""
    with psycopg.connect(url) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield


@contextmanager
def flood(served: Served, method: str, path: str, clients: int) -> Iterator[Counter[int]]:
    """So many clients ask again and again for the length of a block; the answers by status."""
    over, answers = threading.Event(), Counter[int]()

    def client() -> None:
        while not over.is_set():
            answers[served.ask(method, path, b"{}" if method == "POST" else None, **BEARER)[0]] += 1

    with ThreadPoolExecutor(clients) as pool:
        asking = [pool.submit(client) for _ in range(clients)]
        try:
            yield answers
        finally:
            over.set()
    for one in asking:
        one.result()


def until(seen: Callable[[], object], what: str) -> None:
    over = time.monotonic() + PATIENCE
    while not seen():
        assert time.monotonic() < over, f"never seen: {what}"
        time.sleep(0.02)  # between two looks


def shed(served: Served) -> bool:
    return 'orchestrator_shed_total{kind="reads",limit="places"}' in served.ask("GET", "/metrics")[2].decode()


@pytest.mark.parametrize(("table", "path"), [("runs", "/v1/runs"), ("pipelines", "/v1/pipelines")])
def test_slow_reads_hold_no_callback_up(served: Served, database_url: str, table: str, path: str) -> None:
    with locked(database_url, table), flood(served, "GET", path, clients=40) as answers:
        until(lambda: answers[503] > 40, "reads that are refused")

        for number in range(50):
            status, _, answer = served.ask("POST", HOOK, json.dumps({"task_id": f"job-{number}", "progress": 1}))
            assert (status, json.loads(answer)["verdict"]) == (202, "parked"), "into the database, not the spool"

        assert answers[200] == 0, "the reads were slow all the time"
        assert served.ask("GET", "/healthz")[0] == 200
    assert set(answers) <= {200, 503}
    until(lambda: served.ask("GET", path, **BEARER)[0] == 200, "an answered read when the flood is over")


def test_a_flood_of_figures_takes_no_receiver_out_of_service(served: Served, database_url: str) -> None:
    with locked(database_url, "runs"), flood(served, "GET", "/metrics", clients=24) as answers:
        until(lambda: answers[503] > 40, "figures that are refused")

        ready = Counter(served.ask("GET", "/readyz")[0] for _ in range(50))

    assert ready == {200: 50}


def test_a_flood_of_readiness_is_answered_and_holds_no_callback_up(served: Served, database_url: str) -> None:
    assert served.ask("GET", "/readyz")[0] == 200
    with locked(database_url, "processes"), flood(served, "GET", "/readyz", clients=40) as answers:
        until(lambda: answers[200] > 400, "answers although the look does not come back")
        assert served.ask("POST", HOOK, b'{"task_id": "job", "progress": 1}')[0] == 202
    assert set(answers) == {200}


def test_the_refused_are_told_when_to_come_back(served: Served, database_url: str) -> None:
    refused: list[tuple[str, dict[str, object]]] = []

    def read() -> None:
        status, headers, body = served.ask("GET", "/v1/runs", **BEARER)
        assert status == 503
        refused.append((headers["Retry-After"], json.loads(body)))

    with locked(database_url, "runs"), ThreadPoolExecutor(20) as pool:
        for one in [pool.submit(read) for _ in range(20)]:
            one.result()

    types = Counter(problem["type"] for _, problem in refused)
    assert set(types) == {"/problems/overloaded", "/problems/database_busy"}, "some waited in vain, some for the lock"
    assert {after for after, _ in refused} == {"2"}
    assert shed(served)


def archive_of_a_run(url: str) -> str:
    """The path of an export that is larger than what lies between server and client."""
    run_id, task_id = uuid4(), uuid4()
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO pipelines VALUES ('p', 1, '{}', now())")
        connection.execute(
            "INSERT INTO runs (id, pipeline, version, state, inputs, created_at, finished_at)"
            " VALUES (%s, 'p', 1, 'succeeded', '{}', now(), now())",
            [run_id],
        )
        connection.execute(
            "INSERT INTO tasks (id, run_id, step, item, attempt, kind, action, state, params, account, timeout,"
            " created_at, finished_at)"
            " VALUES (%s, %s, 's', 0, 1, 'provider', 'imagine', 'succeeded', '{}', 'acedata', 60, now(), now())",
            [task_id, run_id],
        )
        connection.execute(
            "INSERT INTO callbacks (id, account, scope, task_id, source, verdict, digest, size, body, received_at)"
            " SELECT gen_random_uuid(), 'acedata', %(task)s, %(task)s, 'callback', 'accepted', int4send(n), 1900000,"
            " convert_to(repeat('x', 1900000), 'UTF8'), now() FROM generate_series(1, 16) n",
            {"task": task_id},
        )
    return f"/v1/runs/{run_id}/export"


def test_exports_that_nobody_reads_on_hold_nothing_up(served: Served, database_url: str) -> None:
    path = archive_of_a_run(database_url)
    with ExitStack() as held:
        for _ in range(THREADS + 4):
            one = held.enter_context(socket.socket())
            one.settimeout(PATIENCE)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            one.connect(("127.0.0.1", served.port))
            one.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
            assert one.recv(12) in (b"HTTP/1.1 200", b"HTTP/1.1 503")

        assert served.ask("POST", HOOK, b'{"task_id": "job", "progress": 1}')[0] == 202
        assert served.ask("GET", "/v1/runs", **BEARER)[0] == 200
        assert served.ask("GET", path, **BEARER)[0] == 503

    until(lambda: served.ask("GET", path, **BEARER)[0] == 200, "an export when the others are given up")
