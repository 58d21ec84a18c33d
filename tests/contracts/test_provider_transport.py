"""The transport under all dialects: one request at most, and an honest word about what became of it."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
from scripted_server import Step, answer, close, scripted, stream

from orchestrator.providers.http import MAX_LINE, Answer, BrokenOff, Lost, NotSent, Opened, Request, Transport


def get(url: str, **changes: Any) -> Request:
    return Request(method="GET", url=url, **{"headers": {}, "timeout": 5, **changes})


def dribble(connection: socket.socket, over: threading.Event) -> bool:
    """Never silent for long, and never done."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
    while not over.wait(0.02):
        connection.sendall(b" ")
    return False


@pytest.mark.parametrize(
    "step", [close, answer(503, Retry_After="0"), answer(429, Retry_After="0"), answer(302, Location="/"), answer(500)]
)
def test_nothing_is_sent_a_second_time(step: Step) -> None:
    with scripted(step) as server:
        Transport().send(get(server.url))
        assert len(server.requests) == 1


def test_an_answer_is_handed_over_whole() -> None:
    with scripted(answer(418, b"short and stout", content_type="text/plain")) as server:
        outcome = Transport().send(get(server.url, headers={"X-Ours": "1"}))
        assert server.requests[0][1]["user-agent"] == "midjourney-orchestrator"
        assert server.requests[0][1]["x-ours"] == "1"
    assert isinstance(outcome, Answer)
    assert (outcome.status, outcome.headers["content-type"], outcome.body) == (418, "text/plain", b"short and stout")


def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with scripted(answer(200)) as server:
        assert isinstance(Transport().send(get(server.url)), Answer)


@pytest.mark.parametrize("url", ["http://", "http://a" + "b" * 70 + ".example", "http://127.0.0.1:99999"])
def test_a_wrong_address_is_not_sent_to(url: str) -> None:
    assert isinstance(Transport().send(get(url)), NotSent)


def test_an_answer_that_never_ends_is_given_up() -> None:
    with scripted(dribble) as server:
        assert Transport().send(get(server.url, total=0.1)) == Lost("the answer was not complete after 0.1 s")


def test_an_answer_that_is_too_long_is_given_up() -> None:
    with scripted(answer(200, b" " * 1001)) as server:
        assert Transport().send(get(server.url, limit=1000)) == Lost("the answer is longer than 1000 bytes")
        assert isinstance(Transport().send(get(server.url, limit=1001)), Answer)


def lines_of(step: Step, **changes: Any) -> list[bytes]:
    with scripted(step) as server, Transport().opened(get(server.url, **changes)) as opened:
        assert isinstance(opened, Opened)
        return list(opened.lines)


def test_lines_come_without_blank_ones_and_without_a_last_newline() -> None:
    assert lines_of(answer(200, b"a\n\n \r\nb\r\nc")) == [b"a", b"b\r", b"c"]
    assert lines_of(stream(b"a" * 200_000, b"b")) == [b"a" * 200_000, b"b"]


def test_a_line_that_is_too_long_is_given_up() -> None:
    with pytest.raises(BrokenOff, match="longer than"):
        lines_of(stream(b"a" * (MAX_LINE + 2**17)))


def test_a_stream_that_never_ends_is_given_up() -> None:
    with pytest.raises(BrokenOff, match="not complete after"):
        lines_of(dribble, total=0.1)


def test_a_stream_that_is_left_early_leaves_no_connection_behind() -> None:
    transport = Transport()
    with scripted(stream(b"a", b"b")) as server:
        for _ in range(2):
            with transport.opened(get(server.url)) as opened:
                assert isinstance(opened, Opened)
                assert next(opened.lines) == b"a"
        assert server.connections == 2
