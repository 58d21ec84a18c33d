"""``make bench``: speed and memory of everything, measured here. docs/performance.md says what the figures mean."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from pathlib import Path

import click

from ops.bench import history, memory, overload, receiver, runs, waits
from ops.bench.children import BenchError, provider
from ops.bench.report import Report
from ops.bench.stack import stack
from ops.embedded.postgres import EmbeddedError

PARTS = ("receiver", "runs", "history", "overload", "waits")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="These parts only; memory is always measured.")
@click.option("--rounds", default=5, show_default=True, help="Rounds of the receiver and its two ceilings.")
@click.option("--callbacks", default=4096, show_default=True, help="Callbacks in each round, a multiple of 32.")
@click.option("--runs", "count", default=1500, show_default=True, help="Runs carried to their end.")
def bench(as_json: bool, only: tuple[str, ...], rounds: int, callbacks: int, count: int) -> None:
    """Start everything as `orchestrator up` does, on loopback and in a temporary folder, measure it, and stop it."""
    wanted = only or PARTS
    try:
        report = measure(wanted, rounds=rounds, callbacks=callbacks - callbacks % receiver.CONNECTIONS, count=count)
    except (BenchError, EmbeddedError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(report.as_json(), indent=1) if as_json else "\n".join(report.lines()))


def measure(wanted: tuple[str, ...], *, rounds: int, callbacks: int, count: int) -> Report:
    """Everything in one go."""
    with tempfile.TemporaryDirectory(prefix="orchestrator-bench-") as folder:
        home = Path(folder)
        with provider(home / "provider.log") as port, stack(home, port) as one:
            _say("idle memory")
            idle = memory.measure(one)
            _say("receiver")
            received = receiver.measure(one, rounds=rounds, count=callbacks) if "receiver" in wanted else None
            _say("runs")
            carried = runs.measure(one, port, count=count, idle_count=50) if "runs" in wanted else None
            _say("history")
            stored = history.measure(one, count=1000) if "history" in wanted else None
            _say("overload")
            flooded = overload.measure(one) if "overload" in wanted else None
            _say("waits")
            waiting = waits.measure(one) if "waits" in wanted else None
            return Report(_machine(), idle, received, carried, stored, flooded, waiting)


def _machine() -> dict[str, str | int | float]:
    load = round(os.getloadavg()[2], 1)  # of the last quarter of an hour: what else the machine has been doing
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {"Python": platform.python_version(), "cores": cores, "system": sys.platform, "load before": load}


def _say(part: str) -> None:
    click.echo(f"measuring: {part} ...", err=True)


if __name__ == "__main__":
    bench()
