"""The beat's job that removes what has been kept long enough."""

from __future__ import annotations

import structlog

from orchestrator.retention import earlier
from orchestrator.retention import prune as prune_once
from orchestrator.services import Services

log = structlog.get_logger(__name__)
EVERY = 60.0  # seconds between two passes


def prune(services: Services) -> None:
    """One pass, of a few seconds at the most."""
    done = prune_once(services.db, services.config.keep, now=earlier(services.db, services.now()))
    if done.total:
        log.info("pruned", **done.removed, whole=done.whole)
