"""The bench still measures: the smallest round of its first part, from start to report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMALL = ["--only", "receiver", "--rounds", "1", "--callbacks", "64"]


def test_a_small_round_ends_with_figures() -> None:
    argv = [sys.executable, "-m", "ops.bench", "--json", *SMALL]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    receiver = json.loads(done.stdout)["receiver"]
    assert receiver["times"]["count"] == 64
    assert receiver["share"]["median"] > 0
