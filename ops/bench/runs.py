"""Whole runs against the instant provider: how many a second, and how soon a callback leads to the next submission."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ops.bench import chain
from ops.bench.children import BenchError
from ops.bench.figures import Times, busy, resident, times
from ops.bench.stack import ACCOUNT, Stack
from orchestrator import catalog
from orchestrator.launch import Request, launch
from orchestrator.services import Services

IN_FLIGHT = 64
CALLBACKS = 3  # of one run
WARM = 128  # runs before anything is measured
PIPELINE = {
    "pipeline": "bench",
    "inputs": {"prompt": {"type": "string", "required": True}},
    "account": ACCOUNT,
    "steps": {
        "grid": {"action": "imagine", "with": {"prompt": "${inputs.prompt}"}},
        "best": {"choose": "quadrant", "of": "grid", "by": 1},
        "single": {"action": "upscale", "of": "best"},
        "large": {"action": "upscale_4x", "of": "single"},
    },
}
PATIENCE = 60.0  # seconds without the end of any run
LOOK = 0.005


@dataclass(frozen=True, slots=True)
class Runs:
    """rate: runs a second, of three callbacks each. chain: the same of a chain written by hand. idle, busy: from a
    callback's sending to the next submission, with 4 runs a second and with IN_FLIGHT runs at once. web, worker: MB
    after the load. cpu: milliseconds of CPU that a process spent on one callback and what follows from it, with
    IN_FLIGHT runs at once."""

    rate: float
    chain: float
    idle: Times
    busy: Times
    web: float
    worker: float
    cpu: Mapping[str, float]


class Client:
    """Who launches runs and sees them end."""

    def __init__(self, services: Services, provider: int) -> None:
        self._services = services
        self._provider = provider
        self._under_way = 0

    def hurry(self, count: int) -> float:
        """Carry ``count`` runs to their end, IN_FLIGHT at a time; runs a second."""
        begin = time.perf_counter()
        for _ in range(count):
            self._wait_until(lambda: self._under_way < IN_FLIGHT)
            self.launch()
            self._under_way += 1
        self._wait_until(lambda: self._under_way == 0)
        return count / (time.perf_counter() - begin)

    def stroll(self, count: int, each: float) -> None:
        """Launch a run every ``each`` seconds, and wait for the last one's end."""
        for _ in range(count):
            self.launch()
            time.sleep(each)
        self._under_way = count
        self._wait_until(lambda: self._under_way == 0)

    def launch(self) -> None:
        launch(self._services, Request(pipeline="bench", inputs={"prompt": "a cat"}, labels={}))

    def gaps(self, delay: float = 0.0) -> list[float]:
        """Milliseconds from a callback to the next submission since the last call; the jobs take ``delay`` from now."""
        url = f"http://127.0.0.1:{self._provider}/_bench?delay={delay}"
        with urllib.request.urlopen(url, data=b"", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
        if found["refused"]:
            raise BenchError(f"{len(found['refused'])} callbacks were not taken, the first: {found['refused'][0]}")
        return list(found["milliseconds"])

    def _wait_until(self, enough: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not enough():
            time.sleep(LOOK)
            before, self._under_way = self._under_way, self._count()
            if self._under_way < before:
                deadline = time.monotonic() + PATIENCE
            elif time.monotonic() > deadline:
                self.gaps()  # raises when it was the callbacks
                raise BenchError(f"{self._under_way} runs do not end; their tasks: {self._story()}")

    def _count(self) -> int:
        with self._services.db.connection() as connection:
            found = connection.execute("SELECT count(*) AS n FROM runs WHERE state = 'running'").fetchone()
        return int(found["n"]) if found else 0

    def _story(self) -> str:
        """How many unfinished or unnoticed tasks there are of each kind, and what they wait for."""
        with self._services.db.connection() as connection:
            found = connection.execute(
                "SELECT count(*), step, t.state, waiting_for, submissions, array_agg(DISTINCT c.verdict) AS verdicts"
                " FROM tasks t JOIN runs r ON r.id = run_id LEFT JOIN callbacks c ON c.task_id = t.id"
                " WHERE r.state = 'running' AND NOT (t.finished_at IS NOT NULL AND settled) GROUP BY 2, 3, 4, 5"
            ).fetchall()
        return "; ".join(", ".join(str(value) for value in one.values()) for one in found)


@contextmanager
def client(stack: Stack, provider: int) -> Iterator[Client]:
    """A client of the stack; the pipeline is stored."""
    services = Services(stack.config, pool=2)
    try:
        catalog.push(services, PIPELINE, where="the bench's pipeline")
        yield Client(services, provider)
    finally:
        services.close()


def measure(stack: Stack, provider: int, *, count: int, idle_count: int) -> Runs:
    """First at leisure, then with as many in flight as there may be."""
    with client(stack, provider) as one:
        one.hurry(WARM)
        one.gaps(delay=0.05)  # so that a callback finds the submission's own worker at rest, as in life
        one.stroll(idle_count, each=0.25)
        idle = one.gaps()
        before = _spent(stack)
        rate = one.hurry(count)
        after = _spent(stack)
        gaps = one.gaps()
    by_hand = chain.measure(stack, provider, count=count)
    web, worker = resident(stack.pid_of("web")), resident(stack.pid_of("worker"))
    cpu = {name: (after[name] - before[name]) * 1000 / count / CALLBACKS for name in before}
    return Runs(rate, by_hand, times(idle), times(gaps), web, worker, cpu)


def _spent(stack: Stack) -> dict[str, float]:
    return {name: busy(stack.pid_of(name)) for name in ("worker", "postgres", "web", "broker")}
