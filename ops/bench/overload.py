"""What callbacks notice of a flood of API reads, many times what can be answered; and what is left of it afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg

from ops.bench import deliveries
from ops.bench.children import BenchError
from ops.bench.figures import Times, resident, times
from ops.bench.load import Load, write
from ops.bench.receiver import WEB
from ops.bench.stack import Stack

TOKEN = "a-token-of-the-bench"  # noqa: S105 - the server lives as long as the measurement
CALLERS, READERS = 8, 32  # connections that are never silent; a reader asks again at once when it is refused
BATCH = 256
READS = 20_000


@dataclass(frozen=True, slots=True)
class Overload:
    """Callbacks accepted per second and their times, alone and in the flood. Of the flood: reads asked for, answered
    and shed per second, and answered per second when four ask in peace. Megabytes before, in and after it.
    recovered: of the first hundred reads afterwards, how many were answered."""

    calm_rate: float
    calm: Times
    flooded_rate: float
    flooded: Times
    asked: float
    answered: float
    shed: float
    peaceful: float
    before: float
    during: float
    after: float
    recovered: int


def measure(stack: Stack) -> Overload:
    with ExitStack() as opened:
        url = opened.enter_context(stack.database("bench_overload"))
        log = stack.home / "overload.log"
        env = {"ORCHESTRATOR_API_TOKENS": f"bench:viewer:{TOKEN}", "ORCHESTRATOR_API_RATE": "off"}
        port, process = opened.enter_context(stack.second_web(WEB, url, log, env))
        connection = opened.enter_context(psycopg.connect(url, autocommit=True))
        _callbacks(stack.home, connection, port)  # to warm up
        peaceful = _read(stack.home, port, 400, 4)
        before = resident(process.pid)
        calm = [_callbacks(stack.home, connection, port) for _ in range(4)]
        reads, flooded, during = _reads(stack.home / "flood", READS), list[Load](), 0.0
        flood = _start(reads, port, READERS)
        while flood.poll() is None:
            flooded.append(_callbacks(stack.home, connection, port))
            during = max(during, resident(process.pid))
        flooded_reads = _end(flood, reads)
        after = _read(stack.home, port, 100, 1)
        return Overload(
            calm_rate=_rate(calm),
            calm=times(time for one in calm for time in one.milliseconds),
            flooded_rate=_rate(flooded),
            flooded=times(time for one in flooded for time in one.milliseconds),
            asked=READS / flooded_reads.seconds,
            answered=flooded_reads.statuses.get("200", 0) / flooded_reads.seconds,
            shed=flooded_reads.statuses.get("503", 0) / flooded_reads.seconds,
            peaceful=peaceful.statuses.get("200", 0) / peaceful.seconds,
            before=before,
            during=during,
            after=resident(process.pid),
            recovered=after.statuses.get("200", 0),
        )


def _rate(loads: list[Load]) -> float:
    return BATCH * len(loads) / sum(one.seconds for one in loads)


def _callbacks(folder: Path, connection: psycopg.Connection, port: int) -> Load:
    """A batch of deliveries, each accepted and ending a task of its own."""
    file = folder / "callbacks"
    deliveries.as_requests(file, deliveries.prepare(connection, BATCH))
    done = _end(_start(file, port, CALLERS), file)
    if done.statuses != {"200": BATCH}:
        raise BenchError(f"{BATCH} callbacks were sent, answered were {done.statuses}")
    return done


def _read(folder: Path, port: int, count: int, connections: int) -> Load:
    file = _reads(folder / "reads", count)
    return _end(_start(file, port, connections), file)


def _reads(file: Path, count: int) -> Path:
    """Requests for the list of runs."""
    head = f"GET /v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    write(file, (head.encode() for _ in range(count)))
    return file


def _start(file: Path, port: int, connections: int) -> subprocess.Popen[bytes]:
    """What it says goes to a file: in a pipe that nobody reads yet it would wait to be done."""
    argv = [sys.executable, "-m", "ops.bench.load", "127.0.0.1", str(port), str(connections), str(file)]
    with _said(file).open("wb") as output:
        return subprocess.Popen(argv, stdout=output)  # noqa: S603 - our own program


def _end(started: subprocess.Popen[bytes], file: Path) -> Load:
    if started.wait():
        raise BenchError(f"the load generator failed with status {started.returncode}")
    return Load(**json.loads(_said(file).read_text()))


def _said(file: Path) -> Path:
    return file.with_suffix(".json")
