"""A small trial: what `make chaos` does with 10,000 runs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.timeout(600)


def test_nothing_is_lost_stuck_or_paid_for_twice_while_processes_are_killed() -> None:
    command = [sys.executable, "-m", "ops.cli.main", "chaos", "--json", "--seed", "20"]
    size = ["--runs", "60", "--kill-every", "2.5", "--minutes", "2"]

    ended = subprocess.run([*command, *size], capture_output=True, text=True, timeout=560, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads(ended.stdout)
    assert report["runs"]["opened"] == 60
    assert not [one for one in report["checks"] if one["wrong"] or not one["looked_at"]]
    assert {one["victim"] for one in report["faults"] if one["pid"]} == {"postgres", "broker", "web", "worker", "beat"}
