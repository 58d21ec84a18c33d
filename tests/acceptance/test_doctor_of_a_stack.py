"""The doctor beside a whole system of real processes: it finds nothing, and then what was broken."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(600)
TRIES = 60  # each takes a second or more


def consult(world: Any, **changes: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """How the doctor ends, and what is not well, by subject."""
    command = [sys.executable, "-m", "ops.cli.main", "doctor", "--json"]
    done = subprocess.run(command, env=world.environment | changes, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    checks = json.loads(done.stdout)["checks"]
    return done.returncode, {one["subject"]: one for one in checks if one["level"] != "ok" and one["subject"] != "disk"}


def until(world: Any, *subjects: str) -> dict[str, dict[str, Any]]:
    """What is not well, once these subjects are among it; without any, once all is well."""
    found: dict[str, dict[str, Any]] = {}
    for _ in range(TRIES):
        _, found = consult(world)
        if set(subjects) <= set(found) and (subjects or not found):
            return found
    raise AssertionError(f"wanted {subjects}, found {found}")


@contextmanager
def stopped(world: Any, name: str) -> Iterator[None]:
    """A process that stands still."""
    pid = world.pids()[name]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_the_doctor_finds_a_whole_system_well_and_then_what_stands_still_or_differs(make_world: Any) -> None:
    world = make_world("--instant")
    until(world)

    status, found = consult(world, ORCHESTRATOR_SECRET="another secret of sixteen")
    assert (status, {"public URL", "secret"} <= set(found)) == (1, True)
    with stopped(world, "beat"):
        found = until(world, "embedded servers", "sweep")  # its own silence takes longer
    assert "beat" in found["embedded servers"]["detail"]
    until(world)

    assert world.down() == 0
    status, found = consult(world)
    assert (status, {"database", "broker", "public URL"} <= set(found)) == (1, True)
