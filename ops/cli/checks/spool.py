"""Deliveries on this machine's disk. While the service runs and the database answers there is none for long."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from ops.cli.checks.finding import Finding
from orchestrator.config import Config
from orchestrator.errors import OrchestratorError
from orchestrator.spool import Spool


def check(config: Config) -> Iterator[Finding]:
    spool = Spool(config.home / "spool", config.spool_size)
    depth = spool.depth()
    if depth.aside:
        advice = f"see the log for why, then `orchestrator callbacks spool --retry` or remove *.bad in {spool.folder}"
        yield Finding("spool", "warn", f"{depth.aside} files could not be taken or read and were set aside", advice)
    try:
        spool.check()
    except OrchestratorError as error:
        yield Finding("spool", "fail", error.message, "bring the database back, or raise ORCHESTRATOR_SPOOL_SIZE")
        return
    if depth.since:
        seconds = (datetime.now(UTC) - depth.since).total_seconds()
        detail = f"{depth.deliveries} deliveries wait for the database, the oldest for {seconds:.0f} s"
        yield Finding("spool", "warn", detail, "is the service running, and does its database take writes?")
    elif not depth.aside:
        yield Finding("spool", "ok", "empty")
