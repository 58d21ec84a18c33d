"""One row each: a run and its tasks, as the pure rules and the rest of the program see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from orchestrator.core.states import FINAL_TASK_STATES, RunState, TaskKind, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    id: UUID
    pipeline: str
    version: int
    state: RunState
    inputs: dict[str, Any]
    labels: dict[str, str]
    priority: int
    created_at: datetime
    accounts: tuple[str, ...] = ()  # in place of the pipeline's
    finished_at: datetime | None = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One execution of one step, for one item, at one attempt.

    params: what was rendered when it was opened (``with``, ``parent``, ``quadrant``, ``accounts``, ``item``...).
    wake_at: when somebody looks at it again at the latest. deadline_at: when it is given up.
    settled: the run has taken notice of its end. superseded: a retry has replaced it.
    """

    id: UUID
    run_id: UUID
    step: str
    item: int
    attempt: int
    kind: TaskKind
    action: str
    state: TaskState
    params: dict[str, Any]
    account: str | None = None
    provider: str | None = None
    external_id: str | None = None
    progress: int = 0
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    waiting_for: str | None = None
    wake_at: datetime | None = None
    deadline_at: datetime | None = None
    timeout: int = 0
    quiet: int = 0
    looks: int = 0
    submissions: int = 0
    priority: int = 0
    settled: bool = False
    superseded: bool = False
    created_at: datetime
    submitted_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def final(self) -> bool:
        return self.state in FINAL_TASK_STATES
