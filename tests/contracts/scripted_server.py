"""An HTTP server that does to each request what a script says: for outcomes that no polite server produces."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

Step = Callable[[socket.socket, threading.Event], bool]  # whether the connection stays open


def answer(status: int, body: Any = b"", *, content_type: str = "application/json", **headers: str) -> Step:
    """A whole answer; the connection stays open."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return raw(_head(status, {"Content-Type": content_type, "Content-Length": str(len(content)), **headers}) + content)


def raw(data: bytes) -> Step:
    """These bytes; the connection stays open."""

    def step(connection: socket.socket, _: threading.Event) -> bool:
        connection.sendall(data)
        return True

    return step


def stream(*lines: Any, ending: Step | None = None) -> Step:
    """NDJSON in chunks; then the proper end, or what ``ending`` does."""

    def step(connection: socket.socket, over: threading.Event) -> bool:
        connection.sendall(_head(200, {"Content-Type": "application/x-ndjson", "Transfer-Encoding": "chunked"}))
        for line in lines:
            data = (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n"
            connection.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        if ending:
            return ending(connection, over)
        connection.sendall(b"0\r\n\r\n")
        return True

    return step


def close(_connection: socket.socket, _: threading.Event) -> bool:
    """End the connection without a word."""
    return False


def hang(_connection: socket.socket, over: threading.Event) -> bool:
    """Say nothing until the test is over."""
    over.wait(60)
    return False


class ScriptedServer:
    """requests: (path, headers, body) of each, in order. connections: how many were opened."""

    def __init__(self, *script: Step, greeting: bytes = b"") -> None:
        self._script = list(script)
        self._greeting = greeting
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = 0
        self._start(self._accept)

    def stop(self) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def sent(self, number: int = 0) -> dict[str, Any]:
        """The JSON body of a request."""
        body: dict[str, Any] = json.loads(self.requests[number][2])
        return body

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        # A client that has left already is no fault of the server's.
        with suppress(OSError), connection, connection.makefile("rb") as incoming:
            connection.settimeout(10)
            connection.sendall(self._greeting)
            while (request := _read(incoming)) is not None:
                self.requests.append(request)
                step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
                if not step(connection, self._over):
                    connection.shutdown(socket.SHUT_RDWR)
                    break
            self._open.discard(connection)


@contextmanager
def scripted(*script: Step, greeting: bytes = b"") -> Iterator[ScriptedServer]:
    """A server that follows the script, its last step for ever. greeting: said before any request."""
    server = ScriptedServer(*script, greeting=greeting)
    try:
        yield server
    finally:
        server.stop()


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def _read(incoming: Any) -> tuple[str, dict[str, str], bytes] | None:
    try:
        first = incoming.readline()
        headers = {}
        while first and (line := incoming.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        if not first:
            return None
        return first.split()[1].decode(), headers, incoming.read(int(headers.get("content-length", "0")))
    except OSError:
        return None
