"""The load generator: what it sends is what was written, and half an answer is none."""

from __future__ import annotations

import socket
import threading
from collections import deque
from pathlib import Path

import pytest

from ops.bench import load

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def test_a_file_gives_back_the_requests_in_their_order(tmp_path: Path) -> None:
    requests = [load.request(f"/{number}", b"x" * number) for number in range(5)]
    load.write(tmp_path / "requests", requests)
    assert load.read(tmp_path / "requests") == deque(requests)


@pytest.mark.parametrize("length", range(len(ANSWER)))
def test_a_beginning_of_an_answer_is_not_complete(length: int) -> None:
    assert not load.complete(ANSWER[:length])
    assert load.complete(ANSWER)


def test_each_request_is_sent_once_and_its_answer_counted() -> None:
    requests = deque(load.request(f"/{number}", b"{}") for number in range(7))
    expected = list(requests)
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_answer, args=(server, heard))
        thread.start()
        done = load.send_all(server.getsockname(), 1, requests)
        thread.join()
    assert heard == expected
    assert done.statuses == {"200": 7}
    assert len(done.milliseconds) == 7


def test_a_server_that_hangs_up_is_an_error_and_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_hang_up, args=(server,))
        thread.start()
        with pytest.raises(ConnectionResetError):
            load.send_all(server.getsockname(), 1, deque([load.request("/", b"{}")]))
        thread.join()


def _hang_up(server: socket.socket) -> None:
    server.accept()[0].close()


def _answer(server: socket.socket, heard: list[bytes]) -> None:
    """One connection; each answer in two pieces."""
    connection, _ = server.accept()
    with connection:
        while request := connection.recv(65536):
            heard.append(request)
            connection.sendall(ANSWER[:9])
            connection.sendall(ANSWER[9:])
