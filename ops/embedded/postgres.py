"""The embedded Postgres: ``start(home)``, and a server answers on a unix socket in the home folder."""

from __future__ import annotations

import signal
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ops.embedded.binaries import find_binaries
from ops.embedded.cluster import PORT, Cluster
from ops.embedded.failure import EmbeddedError
from ops.embedded.process import end, last_lines, lives, locked, log_file, wait_until

__all__ = ["EmbeddedError", "Postgres", "find_binaries", "start"]

STOP = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)  # fast, immediate, and the one nobody refuses


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server.

    ``dsn`` (libpq URL over the unix socket) is the same for every start on the same home. ``attached`` says that it
    ran already, so that somebody else may be using it. ``tcp_dsn`` is None unless TCP was asked for; it holds the
    password.
    """

    dsn: str
    pid: int
    attached: bool
    tcp_dsn: str | None
    _cluster: Cluster
    _child: subprocess.Popen[bytes] | None

    def alive(self) -> bool:
        """Whether the server's main process lives (a zombie and a recycled pid don't count)."""
        if self._child is not None:
            return self._child.poll() is None
        return lives(self.pid, self._cluster.mark)

    def stop(self, timeout: float = 10.0) -> None:
        """Stop the server, whoever started it; harder after ``timeout`` seconds. Nothing happens when it is gone."""
        with locked(self._cluster.lock, timeout * 3):
            end(self.pid, self._cluster.mark, STOP, timeout, self._child)


def start(
    home: Path,
    *,
    tcp: bool = False,
    bindir: Path | None = None,
    output: int | IO[bytes] | None = None,
    die_with_parent: bool = False,
    timeout: float = 60.0,
) -> Postgres:
    """Start the server of ``home``, or attach to it if it runs; it accepts connections on return.

    ``bindir`` is the value of PG_BINDIR; ``output`` takes the server's log instead of ``<home>/log/postgres.log``;
    with ``die_with_parent`` the server shuts down when the calling thread dies, even by kill -9 (Linux). Safe to call
    from several processes at once. Raises EmbeddedError.
    """
    cluster = Cluster.of(home, find_binaries(bindir))
    with locked(cluster.lock, timeout):
        if cluster.status() is not None:
            stuck = f"the Postgres of {home} runs but never gets ready"
            wait_until(lambda: cluster.status() is None or cluster.ready(), timeout, stuck)
            if cluster.status() is not None:  # else it was being killed at this very moment
                return _handle(cluster, None, tcp=tcp)
        cluster.tidy()
        cluster.create_data()
        port = cluster.open_tcp() if tcp else PORT
        with ExitStack() as stack:
            stream = output if output is not None else stack.enter_context(log_file(cluster.log))
            child = cluster.serve(port, tcp=tcp, output=stream, die_with_parent=die_with_parent)
        try:
            wait_until(lambda: cluster.ready(child), timeout, f"Postgres was not ready after {timeout:.0f} s")
            return _handle(cluster, child, tcp=tcp)
        except BaseException as error:
            end(child.pid, cluster.mark, STOP[1:], 5.0, child)
            if isinstance(error, EmbeddedError) and output is None:
                raise EmbeddedError(f"{error}; the end of {cluster.log}:\n{last_lines(cluster.log)}") from error
            raise


def _handle(cluster: Cluster, child: subprocess.Popen[bytes] | None, *, tcp: bool) -> Postgres:
    status = cluster.status()
    if status is None:
        raise EmbeddedError("Postgres ended just after it was ready")
    if tcp and not status.listens:
        raise EmbeddedError(f"the Postgres of {cluster.home} runs without TCP; stop it first")
    tcp_dsn = cluster.tcp_dsn(status.port) if tcp else None
    return Postgres(cluster.dsn(status.port), status.pid, child is None, tcp_dsn, cluster, child)
