"""Who sends a body slowly, or stops in the middle of it, does not keep the server's few threads from all the others.

A thread that waits for a body cannot be called back. So one sender may have few of them at once, and a connection on
which nothing moves any more is cut.
"""

from __future__ import annotations

import math
import os
import socket
import stat
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import structlog

from orchestrator.errors import SlowSender

log = structlog.get_logger(__name__)
MOST = 3  # slow ones of a sender, of the threads that the server has
SLOW = 2.0  # seconds; a body that takes longer is slow
HALF = 12  # of the threads; a provider may tell all its news at once, and the network delay some of it
SILENCE = 20.0  # seconds
LOOK = 2.0  # seconds between looks for connections that are silent
_MOVED = struct.Struct("@44xI4xI")  # of Linux' tcp_info: milliseconds since data was sent, and since it came


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A body that is being read. peer, port: the connection's other end, and our port."""

    sender: str
    peer: str
    port: int
    began: float


class Bodies:
    """The bodies that one process is reading. One per process; safe to share between threads."""

    def __init__(self) -> None:
        self._readings: set[Reading] = set()
        self._lock = threading.Lock()

    @contextmanager
    def reading(
        self, sender: str, *, slow: int = MOST, at_once: float = math.inf, peer: str = "", port: int = 0
    ) -> Iterator[None]:
        """While a body is read. Raises SlowSender when the sender has too many others under way.

        slow: of those that take long. at_once: of all, for senders who have no reason to send very many.
        """
        now = time.monotonic()
        mine = Reading(sender, peer, port, now)
        with self._lock:
            ages = [now - one.began for one in self._readings if one.sender == sender]
            if sum(age > SLOW for age in ages) >= slow or len(ages) >= at_once:
                raise SlowSender
            self._readings.add(mine)
        try:
            yield
        finally:
            with self._lock:
                self._readings.discard(mine)

    def watch(self) -> None:
        """Cut what is silent, in a thread, as long as the process lives."""
        threading.Thread(target=self._watch, name="bodies", daemon=True).start()

    def cut(self, silence: float = SILENCE) -> int:
        """Cut the connections of overdue bodies on which nothing has moved for so many seconds: how many."""
        late = time.monotonic() - silence
        with self._lock:
            overdue = {(one.peer, one.port) for one in self._readings if one.began < late and one.port}
        found = [end for peer, port in overdue for end in _silent(peer, port, silence)]
        for connection in found:
            with connection, suppress(OSError):  # it has ended meanwhile
                log.warning("a connection was cut: its body does not come", peer=connection.getpeername()[0])
                connection.shutdown(socket.SHUT_RDWR)
        return len(found)

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK)
            try:
                self.cut()
            except Exception:  # the thread has to live
                log.exception("silent connections could not be cut")


def _silent(peer: str, port: int, silence: float) -> Iterator[socket.socket]:
    """This process's connections from ``peer`` to our ``port`` on which nothing moves; none where that is not told."""
    if not hasattr(socket, "TCP_INFO"):  # macOS
        return
    seen: set[int] = set()
    for name in os.listdir("/dev/fd"):
        found = _socket(int(name), seen)
        if found and _is_silent(found, peer, port, silence):
            yield found
        elif found:
            found.close()


def _socket(descriptor: int, seen: set[int]) -> socket.socket | None:
    """A handle of its own to what may be a socket that was not seen yet: a copy may get the number of another one."""
    try:
        told = os.fstat(descriptor)
        if not stat.S_ISSOCK(told.st_mode) or told.st_ino in seen:
            return None
        seen.add(told.st_ino)
        return socket.socket(fileno=os.dup(descriptor))
    except OSError:  # closed meanwhile
        return None


def _is_silent(found: socket.socket, peer: str, port: int, silence: float) -> bool:
    try:
        if found.type != socket.SOCK_STREAM or found.getsockname()[1] != port or found.getpeername()[0] != peer:
            return False
        told = found.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _MOVED.size)
    except (OSError, IndexError):  # not connected, or no socket of the internet
        return False
    sent, came = _MOVED.unpack(told)
    return bool(min(sent, came) >= silence * 1000)
