"""What a pass of the sweep costs while a hundred thousand tasks wait."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import psycopg

from ops.bench import deliveries
from ops.bench.children import BenchError
from ops.bench.stack import Stack

WAITING, PORTION, PASSES = 100_000, 10_000, 9


@dataclass(frozen=True, slots=True)
class Waits:
    """Milliseconds of a pass, the median and the longest: nothing due, and a full portion due. memory: megabytes that
    Python needs more in a pass with everything due."""

    idle: float
    idle_longest: float
    busy: float
    busy_longest: float
    memory: float


def measure(stack: Stack) -> Waits:
    with stack.database("bench_waits") as url, psycopg.connect(url, autocommit=True) as connection:
        for _ in range(WAITING // PORTION):
            deliveries.prepare(connection, PORTION)
        connection.execute("UPDATE tasks SET wake_at = now() + interval '1 hour'")
        deliveries.tidy(connection)
        idle = _passes(stack, url)
        connection.execute("UPDATE tasks SET wake_at = now() - interval '1 s'")
        deliveries.tidy(connection)
        busy = _passes(stack, url)
    calm, full = idle["milliseconds"], busy["milliseconds"]
    return Waits(statistics.median(calm), max(calm), statistics.median(full), max(full), busy["megabytes"])


def _passes(stack: Stack, url: str) -> Any:
    argv = [sys.executable, "-m", "workers.passes", str(PASSES)]
    env = {**stack.env, "DATABASE_URL": url}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    if done.returncode:
        raise BenchError(f"the passes of the sweep failed: {done.stderr.strip()[-800:]}")
    return json.loads(done.stdout)
