"""How much memory the stack keeps."""

from __future__ import annotations

import time
from collections.abc import Mapping

import psutil

from ops.bench.figures import resident
from ops.bench.stack import Stack
from ops.supervisor import running

CALM = 3.0  # seconds in which no process grows any more
PATIENCE = 30.0


def measure(stack: Stack) -> Mapping[str, float]:
    """MB of each process of ``orchestrator up`` (with its children), once all have finished starting."""
    deadline = time.monotonic() + PATIENCE
    found = _look(stack)
    while time.monotonic() < deadline:
        time.sleep(CALM)
        before, found = found, _look(stack)
        if sum(found.values()) - sum(before.values()) < 1.0:
            break
    return found


def _look(stack: Stack) -> dict[str, float]:
    services = (running(stack.home) or {}).get("services", {})
    pids = {name: entry["pid"] for name, entry in services.items() if entry["pid"] and psutil.pid_exists(entry["pid"])}
    whole = resident(stack.pid)
    found = {name: resident(pid) for name, pid in pids.items()}
    return {**found, "supervisor": max(0.0, whole - sum(found.values()))}
