"""The sockets of a download: the one place where a connection is made on a stranger's word."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from types import TracebackType
from typing import Self

from urllib3.connection import HTTPConnection, HTTPSConnection

from orchestrator.core.addresses import AddressPolicy, unmapped
from orchestrator.errors import DownloadRefused

Resolver = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> list[str]:
    """The system's addresses of ``host``, best first, as text."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Wire:
    """The sockets of one call: opened only to permitted addresses, cut when the call's time is over.

    A time-out per read does not stop a server that sends a byte every second, in headers or in a TLS handshake; a timer
    that shuts the socket down does. It works on a duplicate, because wrapping a socket in TLS consumes the original.
    """

    def __init__(self, policy: AddressPolicy, resolver: Resolver, timeout: float, total_timeout: float) -> None:
        self.timeout = timeout
        self.total_timeout = total_timeout
        self._deadline = time.monotonic() + total_timeout
        self.over = False
        self._policy = policy
        self._resolver = resolver
        self._lock = threading.Lock()
        self._watched: socket.socket | None = None
        self._timer = threading.Timer(total_timeout, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._timer.cancel()
        self._watch(None)

    def open(self, host: str, port: int) -> socket.socket:
        """A connection to the first permitted address of ``host`` that answers."""
        failure: OSError | None = None
        for address in self._permitted(host, port):
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            try:
                connected = socket.create_connection((address, port), min(self.timeout, left))
            except OSError as error:
                failure = error
                continue
            connected.settimeout(self.timeout)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._watch(connected.dup())
            return connected
        raise failure or OSError("the name has no address")

    def _permitted(self, host: str, port: int) -> list[str]:
        found = [unmapped(ip_address(text)) for text in self._resolver(host, port)]
        permitted = [str(address) for address in found if self._policy.permits(host, address)]
        if found and not permitted:
            raise DownloadRefused(f"{host}: its address is not public; ORCHESTRATOR_ALLOW_HOSTS can allow it")
        return permitted

    def _watch(self, watched: socket.socket | None) -> None:
        with self._lock:
            if self._watched is not None:
                self._watched.close()
            self._watched = watched
        if self.over:
            self._cut()

    def _cut(self) -> None:
        with self._lock:
            self.over = True
            if self._watched is not None:
                try:
                    self._watched.shutdown(socket.SHUT_RDWR)
                except OSError:  # the other side was quicker
                    return


class PlainConnection(HTTPConnection):
    def __init__(self, host: str, port: int, wire: Wire) -> None:
        super().__init__(host, port, timeout=wire.timeout)
        self._wire = wire

    def _new_conn(self) -> socket.socket:
        return self._wire.open(self.host, self.port)


class TlsConnection(HTTPSConnection):
    def __init__(self, host: str, port: int, wire: Wire, tls: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=wire.timeout, ssl_context=tls)
        self._wire = wire

    def _new_conn(self) -> socket.socket:
        return self._wire.open(self.host, self.port)
