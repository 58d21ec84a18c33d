"""Small trials on each broker: what `make chaos` does with 10,000 runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.timeout(600)
# Under seed 4446 the broker is emptied soon.
TRIALS = [("embedded", 20, 60, ""), ("redis", 4446, 24, "redis-server"), ("rabbitmq", 4446, 24, "rabbitmq-server")]


@pytest.mark.parametrize(("broker", "seed", "runs", "program"), TRIALS)
def test_nothing_is_lost_stuck_or_paid_for_twice_while_processes_are_killed(
    broker: str, seed: int, runs: int, program: str
) -> None:
    if program and not shutil.which(program):
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{program} is not installed")
    command = [sys.executable, "-m", "ops.cli.main", "chaos", "--json", "--seed", str(seed), "--broker", broker]
    size = ["--runs", str(runs), "--kill-every", "2", "--minutes", "2"]

    ended = subprocess.run([*command, *size], capture_output=True, text=True, timeout=560, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads(ended.stdout)
    assert (report["broker"], report["runs"]["opened"]) == (broker, runs)
    assert not [one for one in report["checks"] if one["wrong"] or not one["looked_at"]]
    assert "broker" in {one["victim"] for one in report["faults"] if one["pid"] and not one["failed"]}
