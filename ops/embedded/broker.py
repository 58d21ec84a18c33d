"""The embedded broker: ``start(home)``, and a Valkey (or Redis) server answers on a unix socket in the home folder.

Nothing is written to disk: messages are hints, the rows in Postgres are the truth, and the sweep sends again what a
killed broker forgot. When the memory is full, sending fails (noeviction) instead of silently dropping queues.
"""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

from ops.embedded.binaries import find_broker
from ops.embedded.failure import EmbeddedError
from ops.embedded.process import end, last_lines, launch, lives, locked, log_file, wait_until
from ops.embedded.socket_folder import short_path

__all__ = ["Broker", "EmbeddedError", "start"]

STOP = (signal.SIGTERM, signal.SIGKILL)
MEMORY = "64mb"  # some 100,000 waiting nudges


@dataclass(frozen=True, slots=True)
class Broker:
    """A running server; ``url`` (for kombu) is the same for every start on a home; ``attached``: it ran already."""

    url: str
    pid: int
    attached: bool
    _place: Place
    _child: subprocess.Popen[bytes] | None

    def alive(self) -> bool:
        """Whether the server lives (a zombie and a recycled pid don't count)."""
        if self._child is not None:
            return self._child.poll() is None
        return lives(self.pid, self._place.mark)

    def stop(self, timeout: float = 5.0) -> None:
        """Stop the server, whoever started it; kill it after ``timeout`` seconds. Nothing happens when it is gone."""
        with locked(self._place.lock, timeout * 3):
            end(self.pid, self._place.mark, STOP, timeout, self._child)


def start(
    home: Path, *, output: int | IO[bytes] | None = None, die_with_parent: bool = False, timeout: float = 30.0
) -> Broker:
    """Start the broker of ``home``, or attach to it if it runs; it answers on return.

    ``output`` takes the server's log instead of ``<home>/log/broker.log``; with ``die_with_parent`` it ends when the
    calling thread dies, even by kill -9 (Linux). Safe to call from several processes at once. Raises EmbeddedError.
    """
    place = Place.of(home)
    with locked(place.lock, timeout):
        if (pid := place.running()) is not None:
            silent = f"the broker of {home} (pid {pid}) runs but does not answer"
            wait_until(lambda: place.answers() or place.running() is None, timeout, silent)
            if place.running() is not None:  # else it was being killed at this very moment
                return Broker(place.url, pid, True, place, None)
        place.socket.unlink(missing_ok=True)
        with ExitStack() as stack:
            stream = output if output is not None else stack.enter_context(log_file(place.log))
            death_signal = signal.SIGTERM if die_with_parent else None
            child = launch(place.command(find_broker()), output=stream, death_signal=death_signal)
        try:
            place.pid_file.write_text(str(child.pid))
            wait_until(lambda: place.ready(child), timeout, f"the broker was not ready after {timeout:.0f} s")
        except BaseException as error:
            end(child.pid, place.mark, STOP, 5.0, child)
            if isinstance(error, EmbeddedError) and output is None:
                raise EmbeddedError(f"{error}; the end of {place.log}:\n{last_lines(place.log)}") from error
            raise
        return Broker(place.url, child.pid, False, place, child)


@dataclass(frozen=True, slots=True)
class Place:
    """One home folder's broker: its files and its command line."""

    home: Path

    @classmethod
    def of(cls, home: Path) -> Place:
        place = cls(home.expanduser().resolve())
        place.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.folder.mkdir(mode=0o700, exist_ok=True)
        return place

    @property
    def folder(self) -> Path:
        return self.home / "broker"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def pid_file(self) -> Path:
        return self.folder / "pid"

    @property
    def log(self) -> Path:
        return self.home / "log" / "broker.log"

    @property
    def socket(self) -> Path:
        return short_path(self.folder) / "broker.sock"

    @property
    def mark(self) -> str:
        """What the server shows in its command line, before and after it has set its title."""
        return str(self.socket)

    @property
    def url(self) -> str:
        return f"redis+socket://{quote(str(self.socket))}?virtual_host=0"

    def command(self, program: Path) -> Sequence[str | Path]:
        """Unix socket only, no disk, a small memory."""
        quiet = ["--port", "0", "--save", "", "--appendonly", "no", "--daemonize", "no", "--loglevel", "warning"]
        small = ["--maxmemory", MEMORY, "--maxmemory-policy", "noeviction"]
        place: list[str | Path] = ["--dir", self.folder, "--unixsocket", self.socket, "--unixsocketperm", "700"]
        return [program, *quiet, *small, *place]

    def running(self) -> int | None:
        """The pid of the running server; None when none runs."""
        text = self.pid_file.read_text() if self.pid_file.exists() else ""
        return int(text) if text.isdigit() and lives(int(text), self.mark) else None

    def ready(self, child: subprocess.Popen[bytes]) -> bool:
        """Whether it answers. Raises EmbeddedError when it has ended."""
        if child.poll() is not None:
            raise EmbeddedError(f"the broker ended with status {child.returncode} while starting")
        return self.answers()

    def answers(self) -> bool:
        """Whether somebody behind the socket says PONG."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1.0)
            try:
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
            except OSError:
                return False
