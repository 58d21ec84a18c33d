"""``make fuzz``: malformed bodies and hostile requests, seeded. docs/fuzzing.md says what it proves."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Callable

import click

from ops.embedded.postgres import EmbeddedError
from ops.fuzz import crew
from ops.fuzz.bodies import Bodies
from ops.fuzz.findings import Findings
from ops.fuzz.parsers import tried
from ops.fuzz.report import Report

PARTS: dict[str, Callable[[int, int, int, int, crew.Say], Findings]] = {
    "parsers": crew.parsers,
    "providers": crew.providers,
    "requests": crew.requests,
    "receiver": crew.receiver,
}


@click.command()
@click.option("--bodies", type=click.IntRange(1), default=100_000, show_default=True, help="How many, for each part.")
@click.option("--seed", type=int, help="Decides every body; default: a new one each time.")
@click.option("--start", type=click.IntRange(0), default=0, help="Number of the first body, to do a part again.")
@click.option("--only", type=click.Choice(list(PARTS)), multiple=True, help="These parts only.")
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option("--show", type=click.IntRange(0), help="Print this body as it is, and what its reader makes of it.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
def fuzz(
    bodies: int, seed: int | None, start: int, only: tuple[str, ...], processes: int, show: int | None, as_json: bool
) -> None:
    """Send malformed bodies and see that nothing breaks. Ends with 1 when something did."""
    seed = secrets.randbelow(10**6) if seed is None else seed
    if show is not None:
        _show(seed, show)
        return
    _say(f"seed {seed}")
    report = Report(seed)
    for name in only or PARTS:
        began = time.monotonic()
        try:
            found: Findings = PARTS[name](seed, start, bodies, processes, _say)
        except EmbeddedError as error:
            raise click.ClickException(str(error)) from error
        report.parts[name] = found, time.monotonic() - began
    click.echo(json.dumps(report.facts(), indent=1) if as_json else report.text())
    sys.exit(0 if report.good else 1)


def _show(seed: int, number: int) -> None:
    body = Bodies(seed).body(number)
    sys.stdout.buffer.write(body.data + b"\n")
    _say(f"{body.dialect}, {body.content_type}: {tried(body.dialect, body.data)}")


def _say(line: str) -> None:
    click.echo(line, file=sys.__stderr__)  # a receiver in this process takes stderr for its log


if __name__ == "__main__":
    fuzz()
