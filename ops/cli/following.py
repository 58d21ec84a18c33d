"""Follow a run to its end: ask for it again and again, gently, and outlive a restart of the service."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ops.cli import display, summary
from ops.cli.client import Client
from ops.cli.failures import Failure, Interrupted, Unreachable
from ops.cli.view import View, make_view

Run = dict[str, Any]
OVER = frozenset({"succeeded", "failed", "cancelled"})
SHORTEST, LONGEST, GROWTH = 0.2, 2.0, 1.3  # seconds between two looks, while nothing changes
PATIENCE = 300.0  # seconds without any answer until we believe that the service is gone


def attend(client: Client, run_id: str, *, timeout: float | None, as_json: bool) -> None:
    """Follow a run, then print it. Raises Failure when it has not succeeded, Unreachable when the time is over."""
    with _interruptible(run_id), make_view(display.console(err=True)) as view:
        run = follow(client, run_id, view, timeout=timeout)
    if as_json:
        display.show_json(run)
    else:
        summary.show(run)
    if run["state"] == "succeeded":
        return
    raise Failure(
        f"run {run_id} {'has failed' if run['state'] == 'failed' else 'was cancelled'}",
        lines=[line for line in [summary.cause(run)] if line],
        hint=f"Run it again from there: orchestrator runs retry {run_id}",
    )


def follow(client: Client, run_id: str, view: View, *, timeout: float | None) -> Run:
    """The run as it is at its end; ``view`` is shown every state in between."""
    begun = answered = time.monotonic()
    pause, known = SHORTEST, None
    while True:
        try:
            run: Run = client.get("v1", "runs", run_id)
        except Unreachable as failure:
            _endure(failure, run_id, time.monotonic() - answered)
            view.note(f"{failure.message}; waiting for it to come back")
        else:
            answered = time.monotonic()
            view.note(None)
            view.show(run)
            if run["state"] in OVER:
                return run
            pause, known = (SHORTEST if run != known else pause * GROWTH), run
        _check_time(begun, timeout, run_id)
        time.sleep(min(pause, LONGEST))


def _endure(failure: Unreachable, run_id: str, silence: float) -> None:
    if silence > PATIENCE:
        raise Unreachable(
            f"gave up after {display.span(silence)}: {failure.message}",
            hint=f"The run goes on when the service is back: orchestrator runs watch {run_id}",
        )


def _check_time(begun: float, timeout: float | None, run_id: str) -> None:
    if timeout is not None and time.monotonic() - begun >= timeout:
        raise Unreachable(
            f"run {run_id} has not ended within {timeout:g} s; it goes on",
            hint=f"Watch on: orchestrator runs watch {run_id}",
        )


@contextmanager
def _interruptible(run_id: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(
            f"stopped watching; run {run_id} goes on",
            hint=[f"Watch on: orchestrator runs watch {run_id}", f"End it:   orchestrator runs cancel {run_id}"],
        ) from None
