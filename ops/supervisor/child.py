"""A program that the supervisor started itself: the leader of a process group that ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from ops.embedded.process import launch
from ops.supervisor.service import Service


class Child:
    """A running ``argv``; a Handle with an exit status."""

    def __init__(self, process: subprocess.Popen[bytes], stop_signal: signal.Signals) -> None:
        self._process = process
        self._stop_signal = stop_signal
        self.pid = process.pid

    @classmethod
    def begin(cls, service: Service, output: int, mark: dict[str, str]) -> Child:
        """Start the service's program; it receives its stop signal should the supervisor die (Linux)."""
        process = launch(
            service.argv,
            output=output,
            env=service.environment() | {"PYTHONUNBUFFERED": "1"} | mark,
            cwd=service.cwd or Path.cwd(),
            death_signal=service.stop_signal,
        )
        return cls(process, service.stop_signal)

    @property
    def status(self) -> int | None:
        """The exit status (negative: the signal that ended it); None while it runs."""
        return self._process.poll()

    def alive(self) -> bool:
        return self.status is None

    def stop(self, timeout: float, hurry: Callable[[], bool] = lambda: False) -> None:
        """Ask the leader, who knows how to end its workers; kill the group after ``timeout`` or in a hurry."""
        if self.alive():
            self._process.send_signal(self._stop_signal)
        deadline = time.monotonic() + timeout
        while self.alive() and time.monotonic() < deadline and not hurry():
            time.sleep(0.01)
        self.end_group()
        self._process.wait()

    def end_group(self) -> None:
        """Kill what is left of the process group, so that no worker outlives its leader."""
        end_group(self.pid)


def end_group(leader: int) -> None:
    """Kill the group of ``leader`` if it has members."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # nobody left; macOS says the second of a group of zombies
        return
