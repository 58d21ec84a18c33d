"""The server against raw bytes: requests that are read in two ways, that never end, that are too large."""

from __future__ import annotations

import json
import select
import shlex
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from served import PATIENCE, SECRET, Served, serving

from ops.cli.stack import HTTP_LIMITS
from orchestrator.bodies import HALF
from orchestrator.core.tokens import account_token, task_token

HOST = b"Host: x\r\n"
ENDLESS = b"Content-Length: 100\r\n\r\n{"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A web process without a database: what is taken is on its disk. It waits a second for headers, not ten."""
    with serving(tmp_path_factory.mktemp("served"), "--http1-header-read-timeout", "1000") as begin:
        yield begin(
            DATABASE_URL="postgresql://nobody@127.0.0.1:9/nothing",
            ORCHESTRATOR_API_TOKENS="me:admin:admin-token-0123",
        )


def hook(task_id: UUID | None = None) -> str:
    secrets = (SECRET.encode(),)
    token = task_token(secrets, "acedata", task_id) if task_id else account_token(secrets, "acedata")
    return f"/callbacks/acedata/{token}"


def said(served: Served, *parts: bytes, shut: bool = False) -> bytes:
    """Everything that the server answers until it closes the connection, or falls silent for a second."""
    answer = b""
    with closing(socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE)) as connection:
        for part in parts:
            connection.sendall(part)
        if shut:
            connection.shutdown(socket.SHUT_WR)
        try:
            while more := connection.recv(65536):
                answer += more
        except ConnectionResetError:
            return answer
    return answer


def spooled(served: Served) -> int:
    """Of the figures: the readiness may be a second old."""
    figures = served.ask("GET", "/metrics")[2].decode().splitlines()
    return next(int(float(line.split()[1])) for line in figures if line.startswith("orchestrator_spool_deliveries "))


def post(path: str, *headers: bytes, body: bytes = b"") -> bytes:
    return b"".join([f"POST {path} HTTP/1.1\r\n".encode(), HOST, *(line + b"\r\n" for line in headers), b"\r\n", body])


SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
TWO_READINGS = {
    "two lengths": [b"Content-Length: 3", b"Content-Length: 5"],
    "a list of lengths": [b"Content-Length: 3, 3"],
    "a length with a sign": [b"Content-Length: +3"],
    "a negative length": [b"Content-Length: -3"],
    "a length of two hundred digits": [b"Content-Length: " + b"9" * 200],
    "an unknown coding": [b"Transfer-Encoding: xchunked"],
    "chunked, but not last": [b"Transfer-Encoding: chunked, identity"],
    "identity and a length": [b"Transfer-Encoding: identity", b"Content-Length: 3"],
    "two codings": [b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"],
    "a control character": [b"Transfer-Encoding: \x0bchunked", b"Content-Length: 3"],
    "a space before the colon": [b"Transfer-Encoding : chunked", b"Content-Length: 3"],
    "a folded line": [b"X: a", b" Transfer-Encoding: chunked"],
    "a NUL": [b"X: a\x00b"],
    "a lone carriage return": [b"X: a\rTransfer-Encoding: chunked"],
}


@pytest.mark.parametrize("headers", TWO_READINGS.values(), ids=TWO_READINGS)
def test_a_request_that_could_be_read_in_two_ways_is_refused_and_the_connection_closed(
    served: Served, headers: list[bytes]
) -> None:
    answer = said(served, post("/healthz", *headers, body=SMUGGLED))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1, "the second request was not read"


def test_of_a_length_and_chunks_the_chunks_count_and_nothing_behind_them(served: Served) -> None:
    both = [b"Content-Length: 6", b"Transfer-Encoding: chunked"]
    answer = said(served, post(hook(), *both, body=b"0\r\n\r\n" + SMUGGLED))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answer


@pytest.mark.parametrize("size", [b"zz", b"-1", b"f" * 18, b"0x3", b"3\n", b""])
def test_chunks_of_no_size_end_the_connection(served: Served, size: bytes) -> None:
    answer = said(served, post(hook(), b"Transfer-Encoding: chunked", body=size + b"\r\nabc\r\n0\r\n\r\n" + SMUGGLED))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 422 "))


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\n" + HOST + b"".join(b"X-%d: 1\r\n" % n for n in range(500)) + b"\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 200_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    ],
    ids=["five hundred headers", "one of 200 kB", "a long path"],
)
def test_headers_have_a_limit(served: Served, request_: bytes, status: int) -> None:
    assert said(served, request_).startswith(b"HTTP/1.1 %d " % status)


def test_no_other_protocol_is_spoken(served: Served) -> None:
    assert said(served, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0") == b""
    upgrade = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    assert said(served, upgrade).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
def test_who_does_not_finish_his_headers_is_left(served: Served, begun: bytes) -> None:
    assert said(served, begun) == b""


def test_the_limits_of_up_and_of_the_procfile_are_the_same() -> None:
    wanted = dict(zip(HTTP_LIMITS[::2], HTTP_LIMITS[1::2], strict=True))
    assert wanted["--http"] == "1"
    for line in Path("Procfile").read_text().splitlines():
        if "ops.serve" in line:
            words = shlex.split(line)
            assert {name: words[words.index(name) + 1] for name in wanted} == wanted


# Bodies that do not come ------------------------------------------------------------------------------


def test_one_tasks_token_holds_few_threads(served: Served) -> None:
    """Who has got hold of the address of one task cannot keep the receiver from all the others."""
    task = hook(uuid4())
    with ExitStack() as held:
        waiting = [
            held.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE))
            for _ in range(40)  # more than the server has threads
        ]
        for one in waiting:
            one.sendall(f"POST {task} HTTP/1.1\r\nHost: x\r\n".encode() + ENDLESS)
        while len(waiting) > HALF:
            answered = select.select(waiting, [], [], PATIENCE)[0]
            assert answered, f"{len(waiting)} are waited for"
            for one in answered:
                answer = one.recv(4096)
                assert answer.startswith(b"HTTP/1.1 503 ")
                assert b"retry-after" in answer.lower()
                waiting.remove(one)
        assert served.ask("POST", hook(uuid4()), b'{"task_id": "other", "success": true}')[0] == 202
        assert not select.select(waiting, [], [], 0)[0]


def test_all_that_a_provider_has_to_say_of_a_task_may_come_at_once(served: Served) -> None:
    path, count = hook(uuid4()), HALF - 2
    together = Barrier(count)

    def tell(progress: int) -> int:
        together.wait(PATIENCE)
        body = json.dumps({"task_id": "job", "progress": progress, "said": "x" * 20_000})
        return served.ask("POST", path, body)[0]

    with ThreadPoolExecutor(count) as provider:
        for _ in range(5):
            assert set(provider.map(tell, range(count))) == {202}


def test_a_body_that_breaks_off_is_not_taken_for_a_whole_one(served: Served) -> None:
    before = spooled(served)
    whole = b'{"task_id": "cut", "success": true}'
    said(served, post(hook(), b"Content-Length: %d" % (len(whole) + 9), body=whole), shut=True)
    served.ask("POST", hook(), b'{"task_id": "other", "success": true}')
    assert spooled(served) == before + 1


def test_of_a_pipeline_in_chunks_nobody_knows_whether_it_is_whole(served: Served) -> None:
    head = [b"Transfer-Encoding: chunked", b"Authorization: Bearer admin-token-0123"]
    broken = b"8\r\npipeline\r\nzz\r\n"
    answer = said(served, post("/v1/pipelines:validate", *head, body=broken))
    assert answer.startswith(b"HTTP/1.1 411 ")


def test_who_does_not_read_his_answer_keeps_nobody_waiting(served: Served) -> None:
    with ExitStack() as held:
        for _ in range(20):
            one = held.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            one.connect(("127.0.0.1", served.port))
            one.sendall(b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n" * 4)
        assert served.ask("GET", "/healthz")[0] == 200


def test_a_compressed_body_is_not_unpacked(served: Served) -> None:
    import gzip

    bomb = gzip.compress(b" " * 50_000_000)
    status, _, answer = served.ask("POST", hook(), bomb, **{"Content-Encoding": "gzip"})
    assert (status, json.loads(answer)["verdict"]) == (400, "rejected")
    bearer = {"Authorization": "Bearer admin-token-0123", "Content-Type": "application/json"}
    assert served.ask("POST", "/v1/runs", bomb, **bearer, **{"Content-Encoding": "gzip"})[0] == 400


ODD_HEADERS = [
    b"Content-Type: \xff\xfe",
    b"Content-Type: " + b"a" * 60_000,
    b"Content-Type: application/json; charset=\xc3\xa9",
    b"Authorization: Bearer \xff",
    b"Idempotency-Key: \xff",
    b"Host: \xff",
    b"Accept: \xff",
    b"X_Forwarded-For: a",
]


@pytest.mark.parametrize("line", ODD_HEADERS, ids=range(len(ODD_HEADERS)))
def test_odd_bytes_in_headers_are_nobodys_fault_but_the_clients(served: Served, line: bytes) -> None:
    for path in (hook(), "/v1/runs"):
        head = [line, b"Content-Length: 2", b"Connection: close"]
        if b"Authorization" not in line:
            head.append(b"Authorization: Bearer admin-token-0123")
        answer = said(served, post(path, *head, body=b"{}"))
        assert answer[9:12] in {b"400", b"401", b"415", b"422", b"503", b"202"}, answer
        assert b"internal" not in answer


@pytest.mark.parametrize("question", [b"\xff.\xff", b"a.\xed\xb2\x80", b"." * 50_000, b"a.b"], ids=range(4))
def test_odd_questions_are_not_answered_but_the_process_lives(served: Served, question: bytes) -> None:
    head = (
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\nOrchestrator-Question: " + question + b"\r\n\r\n"
    )
    answer = said(served, head)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"orchestrator-proof" not in answer.lower()
