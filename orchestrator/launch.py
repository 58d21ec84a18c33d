"""Open a run: check its inputs, insert it with its first tasks in one transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uuid_utils.compat import uuid7

from orchestrator import loader
from orchestrator.advance import advance_locked, nudge_for
from orchestrator.core.run import Run
from orchestrator.core.states import RunState
from orchestrator.errors import Conflict, IdempotencyMismatch
from orchestrator.services import Services
from orchestrator.store import Connection, pipelines, runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asks for. version: None is the newest. priority: higher goes first.

    accounts: in place of the pipeline's; a step's own stay.
    """

    pipeline: str
    version: int | None = None
    inputs: Mapping[str, Any]
    labels: Mapping[str, str]
    priority: int = 0
    accounts: tuple[str, ...] = ()
    idempotency_key: str | None = None

    @property
    def digest(self) -> bytes:
        """Of everything but the key, so that the same key with another body is noticed."""
        body = [self.pipeline, self.version, dict(self.inputs), dict(self.labels), self.priority, self.accounts]
        return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).digest()


@dataclass(frozen=True, slots=True)
class Launched:
    run: Run
    new: bool


def launch(services: Services, request: Request) -> Launched:
    """Open a run. Raises NotFound, InvalidInput, InvalidPipeline, IdempotencyMismatch, Conflict,
    TooManyOpenRuns."""
    with services.db.transaction() as connection:
        if request.idempotency_key:
            former = _former(connection, request)
            if former:
                return Launched(former, new=False)
        services.open_runs.one_more(connection, services.now())
        run = _run(services, connection, request)
        stored = runs.insert_run(
            connection, run, idempotency_key=request.idempotency_key, request_digest=request.digest
        )
        if stored is None:
            # Somebody else committed the same key after our look.
            former = _former(connection, request)
            if former is None:
                raise Conflict("the Idempotency-Key was just given up by another request; try again")
            return Launched(former, new=False)
        opened = advance_locked(services, connection, stored, [])
    nudge_for(services, opened)
    return Launched(stored, new=True)


def _former(connection: Connection, request: Request) -> Run | None:
    found = runs.run_by_idempotency_key(connection, str(request.idempotency_key))
    if found is None:
        return None
    run, digest = found
    if digest is None:
        raise Conflict(f"the run of this Idempotency-Key, {run.id}, was erased: open another one with another key")
    if digest != request.digest:
        raise IdempotencyMismatch
    return run


def _run(services: Services, connection: Connection, request: Request) -> Run:
    stored = pipelines.get_pipeline(connection, request.pipeline, request.version)
    pipeline = services.pipeline(connection, stored["name"], stored["version"])
    # Accounts come and go: what was possible when the pipeline was stored may not be today.
    services.check_fit(stored, request.accounts)
    return Run(
        id=uuid7(),
        pipeline=stored["name"],
        version=stored["version"],
        state=RunState.RUNNING,
        inputs=loader.check_inputs(pipeline, request.inputs),
        labels=dict(request.labels),
        priority=request.priority,
        accounts=request.accounts,
        created_at=services.now(),
    )
