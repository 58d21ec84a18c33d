"""Each process says every few seconds that it lives, and what it was configured with, so that others can compare.

A receiver that does not know the secret with which the workers sign refuses every callback, and neither knows why.
"""

from __future__ import annotations

import os
import platform
import socket
import threading
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import structlog

from orchestrator.config import Config
from orchestrator.core.identity import fingerprint
from orchestrator.errors import DatabaseUnavailable
from orchestrator.logs import masked
from orchestrator.store import processes
from orchestrator.store.migrate import files
from orchestrator.store.pool import Row
from orchestrator.store.processes import Process

log = structlog.get_logger(__name__)
EVERY, PARTING = 10.0, 3.0  # seconds


def program_version() -> str:
    """Of the installed package; 0 where it is not installed."""
    try:
        return version("midjourney-orchestrator")
    except PackageNotFoundError:
        return "0"


def described(config: Config, queues: Iterable[str] = ()) -> dict[str, Any]:
    """In what processes of one installation have to agree; nothing of it is secret."""
    return {
        "secrets": [fingerprint(secret) for secret in config.secrets],
        "public_url": masked(config.public_url),
        "archive": masked(config.archive_url),
        "accounts": sorted(config.accounts),
        "queues": sorted(queues),
        "sweep_every": config.sweep_every,
        "schema": max(files()),
        "python": platform.python_version(),
    }


def machine() -> str:
    """Within which a process id names one process: machines and containers may share a host's name."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:  # not Linux
        return socket.gethostname()


class Presence:
    """kind: web, worker or beat. id: by which the process is known. queues: that a worker takes jobs from."""

    def __init__(self, config: Config, kind: str, *, id: UUID | None = None, queues: Iterable[str] = ()) -> None:  # noqa: A002 - the column's name
        self._url = str(config.database_url)
        self.process = Process(
            id=id or uuid4(),
            kind=kind,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=program_version(),
            about=described(config, queues) | {"machine": machine()},
        )
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="presence", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Say that the process ends; within a few seconds, whatever the database does."""
        if not self._ended.is_set():
            self._ended.set()
            self._thread.join(PARTING)

    def tell(self, *, first: bool = False) -> None:
        """Once. Raises DatabaseUnavailable."""
        with processes.alone(self._url) as connection:
            processes.tell(connection, self.process)
            if first:
                processes.forget(connection)
                processes.bury(
                    connection, [row["id"] for row in processes.list_processes(connection) if self._dead(row)]
                )

    def _dead(self, row: Row) -> bool:
        """A predecessor on this machine that was killed: else there would seem to be two of it for a while."""
        here = row["about"].get("machine") == self.process.about["machine"]
        return bool(row["lives"] and here and not _runs(row["pid"]))

    def _work(self) -> None:
        told, trouble = False, ""
        while True:
            if self._ended.is_set():
                self.process.about["ended"] = True
            try:
                self.tell(first=not told)
                told, trouble = True, ""
            except DatabaseUnavailable as error:
                if error.message != trouble:
                    trouble = error.message
                    log.warning("nobody can see that this process lives", kind=self.process.kind, error=trouble)
            except Exception:  # the thread has to live: without it the process counts as dead
                log.exception("nobody can see that this process lives", kind=self.process.kind)
            if self._ended.wait(EVERY) and "ended" in self.process.about:
                return


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
