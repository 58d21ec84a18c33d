"""How many callbacks a second one receiver takes, beside what its server and its database could do at most."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg

from ops.bench import deliveries, pgbench
from ops.bench.children import BenchError
from ops.bench.deliveries import PGBENCH, Delivery
from ops.bench.figures import Series, Times, resident, series, times
from ops.bench.load import Load
from ops.bench.stack import Stack

CONNECTIONS = 32
WEB = "orchestrator.web:create"
BLANK = "ops.bench.blank:create"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Rates per second of the receiver and its two ceilings, the share of the lower ceiling that is reached, the time
    of a callback, and the receiver's memory in MB before and after."""

    rate: Series
    blank: Series
    database: Series
    share: Series
    times: Times
    blank_times: Times
    idle: float
    loaded: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a round goes."""

    folder: Path
    url: str
    real: int
    blank: int


def measure(stack: Stack, *, rounds: int, count: int) -> Receiver:
    """Rounds of all three in turn, so that a busy moment of the machine strikes them alike."""
    with ExitStack() as opened:
        url = opened.enter_context(stack.database("bench_receiver"))
        real, process = opened.enter_context(stack.second_web(WEB, url, stack.home / "receiver.log"))
        blank, _ = opened.enter_context(stack.second_web(BLANK, url, stack.home / "blank.log"))
        place = Place(stack.home, url, real, blank)
        _round(place, 20 * CONNECTIONS)  # to warm up
        idle = resident(process.pid)
        found = [_round(place, count) for _ in range(rounds)]
        loaded = resident(process.pid)
    rates = [(count / real.seconds, count / empty.seconds, stored.rate) for real, empty, stored in found]
    return Receiver(
        rate=series(one[0] for one in rates),
        blank=series(one[1] for one in rates),
        database=series(one[2] for one in rates),
        share=series(one[0] / min(one[1:]) for one in rates),
        times=times(time for one, _, _ in found for time in one.milliseconds),
        blank_times=times(time for _, one, _ in found for time in one.milliseconds),
        idle=idle,
        loaded=loaded,
    )


def _round(place: Place, count: int) -> tuple[Load, Load, pgbench.Measured]:
    """The empty handler, the database, the receiver; each callback ends a task of its own."""
    with psycopg.connect(place.url, autocommit=True) as connection:
        prepared = deliveries.prepare(connection, 2 * count)
        deliveries.as_rows(connection, prepared[:count])
        deliveries.tidy(connection)
        empty = _load(place, place.blank, prepared[:count])
        stored = pgbench.run(place.url, PGBENCH, clients=CONNECTIONS, transactions=count, folder=place.folder)
        received = _load(place, place.real, prepared[count:])
        ended = connection.execute("SELECT count(*) FROM tasks WHERE state = 'succeeded'").fetchone()
        connection.execute("ALTER SEQUENCE bench_next RESTART")
        connection.execute(
            "TRUNCATE runs, tasks, slots, callbacks, transitions, objects, bench_deliveries RESTART IDENTITY CASCADE"
        )
    if ended != (2 * count,):
        raise BenchError(f"{2 * count} callbacks were sent, but {ended and ended[0]} tasks have ended")
    return received, empty, stored


def _load(place: Place, port: int, sent: list[Delivery]) -> Load:
    file = place.folder / "requests"
    deliveries.as_requests(file, sent)
    argv = [sys.executable, "-m", "ops.bench.load", "127.0.0.1", str(port), str(CONNECTIONS), str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    if done.returncode:
        raise BenchError(f"the load generator failed: {done.stderr.strip()[-800:]}")
    load = Load(**json.loads(done.stdout))
    if load.statuses != {"200": len(sent)}:
        raise BenchError(f"{len(sent)} callbacks were sent, answered were {load.statuses}")
    return load
