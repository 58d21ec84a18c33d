"""Where the processes of this machine listen, and whether they can."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterable

from orchestrator.errors import ConfigError

LOOPBACK = "127.0.0.1"


def url_of(host: str, port: int) -> str:
    """Where a server that listens there is reached from this machine."""
    reached = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def check_free(wanted: Iterable[tuple[str, str, int]], *, patience: float) -> None:
    """Raises ConfigError naming whose (name, host, port) cannot be had, after so many seconds for one that is taken."""
    over = time.monotonic() + patience
    for name, host, port in wanted:
        while error := _hindrance(host, port):
            if error.errno != errno.EADDRINUSE:
                raise ConfigError(f"nobody can listen at {host}, port {port} ({name}): {error.strerror}") from error
            if time.monotonic() > over:
                raise ConfigError(f"port {port} ({name}) is taken; choose another --port") from error
            time.sleep(0.05)


def _hindrance(host: str, port: int) -> OSError | None:
    """Why nobody can listen there; None when one can."""
    try:
        socket.create_server((host, port), family=_family(host)).close()
    except OSError as error:
        return error
    return None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
