"""A wire to Postgres that breaks where a test says: a TCP proxy that knows where a request and an answer end."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from urllib.parse import parse_qs, urlsplit

_WHOLE = b"QS"  # a simple query, or the Sync that ends what was sent before it: then the server begins to work
_PARTS = b"PBDECF"
_READY = b"Z"


class Moment(Enum):
    """When the wire breaks: the server never sees the request, sees its beginning, or has done it and nobody hears."""

    UNSENT = "unsent"
    HALF_SENT = "half sent"
    UNHEARD = "unheard"


@dataclass
class Cut:
    """at: which request it is, from 1. seen: requests so far. made: whether it has happened."""

    at: int
    moment: Moment
    seen: int = 0
    made: bool = False


class Wire:
    """Between our code and the Postgres behind a unix socket. ``url`` is the database's, through the wire."""

    def __init__(self, dsn: str) -> None:
        parts = urlsplit(dsn)
        query = parse_qs(parts.query)
        self._server = f"{query['host'][0]}/.s.PGSQL.{query.get('port', ['5432'])[0]}"
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}?sslmode=disable&gssencmode=disable"
        self._away = False
        self._cut: Cut | None = None
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, name="wire")]
        self._threads[0].start()

    @contextlib.contextmanager
    def cut(self, at: int, moment: Moment = Moment.UNSENT) -> Iterator[Cut]:
        """The request with this number, counted from here over all connections, breaks the connection it is sent on."""
        self._cut = Cut(at, moment)
        try:
            yield self._cut
        finally:
            self._cut = None

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Nobody is let in."""
        self._away = True
        try:
            yield
        finally:
            self._away = False

    def sever(self) -> None:
        """Break every connection there is."""
        with self._lock:
            for one in self._open:
                _close(one)

    def close(self) -> None:
        _close(self._listener)
        self._listener.close()
        self.sever()
        for thread in self._threads:
            thread.join(10)
        for one in self._open:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            if self._away:
                client.close()
                continue
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            with self._lock:
                self._open |= {client, server}
            pair = _Pair(self, client, server)
            for work in (pair.carry_requests, pair.carry_answers):
                self._threads.append(threading.Thread(target=work, name="wire"))
                self._threads[-1].start()

    def fate(self) -> Moment | None:
        """What becomes of the request that has just come."""
        with self._lock:
            cut = self._cut
            if cut is None or cut.made:
                return None
            cut.seen += 1
            cut.made = cut.seen == cut.at
            return cut.moment if cut.made else None


class _Pair:
    """One client's connection and the server's."""

    def __init__(self, wire: Wire, client: socket.socket, server: socket.socket) -> None:
        self._wire, self._client, self._server = wire, client, server
        self._unheard = False

    def carry_requests(self) -> None:
        with self._ending():
            self._server.sendall(_message(self._client, typed=False)[1])  # the startup packet
            request = b""
            while True:
                kind, message = _message(self._client)
                request += message
                if kind not in _PARTS:
                    self._forward(request, whole=kind in _WHOLE)
                    request = b""

    def _forward(self, request: bytes, *, whole: bool) -> None:
        fate = self._wire.fate() if whole else None
        if fate is Moment.UNSENT:
            raise ConnectionResetError
        if fate is Moment.HALF_SENT:
            self._server.sendall(request[:-3])
            raise ConnectionResetError
        self._unheard = fate is Moment.UNHEARD
        self._server.sendall(request)

    def carry_answers(self) -> None:
        with self._ending():
            while True:
                kind, message = _message(self._server)
                if not self._unheard:
                    self._client.sendall(message)
                elif kind == _READY:
                    raise ConnectionResetError

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        """Where one half ends, both do."""
        with contextlib.suppress(OSError):
            yield
        _close(self._client)
        _close(self._server)


def _message(source: socket.socket, *, typed: bool = True) -> tuple[bytes, bytes]:
    """One message of the protocol: its type and all of its bytes. Raises OSError at the end."""
    head = _exactly(source, 5 if typed else 4)
    (length,) = struct.unpack("!I", head[-4:])
    return head[:1], head + _exactly(source, length - 4)


def _exactly(source: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = source.recv(count - len(found))
        if not piece:
            raise ConnectionResetError
        found += piece
    return found


def _close(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
