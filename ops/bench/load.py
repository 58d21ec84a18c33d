"""A load generator that costs little: one process, one thread, prepared bytes on keep-alive connections.

``python -m ops.bench.load HOST PORT CONNECTIONS FILE`` sends the requests of a file (see ``write``), each once, and
prints ``Load`` as JSON.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

SILENCE = 10.0  # seconds without any answer after which the server is given up
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Load:
    """answers by status; seconds from the first request to the last answer; milliseconds of each request."""

    statuses: dict[str, int]
    seconds: float
    milliseconds: list[float]


def request(path: str, body: bytes, host: str = "127.0.0.1") -> bytes:
    """The bytes of one POST of JSON."""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def write(path: Path, requests: Iterable[bytes]) -> None:
    """A file of requests, each after its length."""
    with path.open("wb") as file:
        for one in requests:
            file.write(_LENGTH.pack(len(one)) + one)


def read(path: Path) -> deque[bytes]:
    """What ``write`` has written."""
    content, place, found = path.read_bytes(), 0, deque[bytes]()
    while place < len(content):
        (length,) = _LENGTH.unpack_from(content, place)
        found.append(content[place + 4 : place + 4 + length])
        place += 4 + length
    return found


def complete(answer: bytes) -> bool:
    """Whether these bytes are a whole answer with a Content-Length."""
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    _, announced, rest = head.lower().partition(b"content-length:")
    return bool(announced) and len(body) >= int(rest.split(b"\r\n", 1)[0])


def send_all(address: tuple[str, int], connections: int, requests: deque[bytes]) -> Load:
    """Send each request once, ``connections`` at a time. Raises OSError, or TimeoutError when nobody answers."""
    statuses: Counter[str] = Counter()
    spent: list[float] = []
    with selectors.DefaultSelector() as selector, ExitStack() as opened:
        wanted = min(connections, len(requests))
        sockets = [opened.enter_context(socket.create_connection(address, SILENCE)) for _ in range(wanted)]
        clock = time.perf_counter
        begin = clock()
        for one in sockets:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            key = selector.register(one, selectors.EVENT_READ, [clock(), b""])
            one.sendall(requests.popleft())
        busy = len(sockets)
        while busy:
            ready = selector.select(SILENCE)
            if not ready:
                raise TimeoutError(f"{busy} requests without an answer for {SILENCE:g} s")
            for key, _ in ready:
                connection, state = key.fileobj, key.data
                assert isinstance(connection, socket.socket)  # noqa: S101 - nothing else is registered
                piece = connection.recv(65536)
                if not piece:
                    raise ConnectionResetError("the server closed a connection instead of answering")
                state[1] += piece
                if not complete(state[1]):
                    continue
                now = clock()
                spent.append((now - state[0]) * 1000)
                statuses[state[1][9:12].decode()] += 1
                if requests:
                    state[:] = [now, b""]
                    connection.sendall(requests.popleft())
                else:
                    selector.unregister(connection)
                    busy -= 1
        seconds = clock() - begin
    return Load(dict(statuses), seconds, spent)


def main(host: str, port: str, connections: str, path: str) -> None:
    done = send_all((host, int(port)), int(connections), read(Path(path)))
    sys.stdout.write(json.dumps(asdict(done)))


if __name__ == "__main__":
    main(*sys.argv[1:])
