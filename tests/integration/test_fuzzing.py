"""A small round of ``make fuzz``: malformed bodies through the receiver into a database, and all of it shown."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.timeout(300)
def test_a_round_finds_nothing() -> None:
    command = [
        sys.executable,
        "-m",
        "ops.fuzz",
        "--only",
        "receiver",
        "--bodies",
        "600",
        "--seed",
        "4",
        "--processes",
        "1",
        "--json",
    ]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)

    report = json.loads(ended.stdout or "null")
    assert ended.returncode == 0, report or ended.stderr
    found = report["parts"]["receiver"]
    assert found["wrong"] == 0
    assert found["bodies"] == 600
    assert found["counts"]["verdict"].keys() >= {"accepted", "rejected", "parked", "late", "stale"}
    assert found["counts"]["looked at"]["deliveries"] > 400
