"""A pipeline as the engine sees it: parsed and checked, every step after those it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from orchestrator.core.backoff import Backoff
from orchestrator.core.states import TaskKind

InputType = Literal["string", "integer", "number", "boolean", "list", "object"]

# Failure codes that a step is tried again for when its ``retry`` names no ``on``: the provider's passing troubles.
PASSING = frozenset({"api_error", "timeout", "too_many_requests", "rate_limited", "unreachable", "download_failed"})

# Failures after which the provider may still be at work on the job: another attempt may be paid for a second time.
PERHAPS_PAID = frozenset({"submission_uncertain", "timed_out", "forgotten", "given_up"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A named input of a pipeline."""

    name: str
    type: InputType = "string"
    required: bool = False
    default: Any = None
    enum: tuple[Any, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """attempts: executions of the step in all (1: no retry). on: failure codes worth another.

    "any" is every code but those after which the former job may still be paid for: these have to be named.
    """

    attempts: int = 1
    backoff: Backoff = field(default_factory=lambda: Backoff(first=5.0))
    on: frozenset[str] = PASSING

    def allows(self, code: str, attempts_made: int) -> bool:
        wanted = code in self.on or ("any" in self.on and code not in PERHAPS_PAID)
        return attempts_made < self.attempts and wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step.

    action: a neutral action, or "choose", or "archive". source: the step whose image it works on (``of``, ``archive``).
    inputs: its ``with``, expressions not yet evaluated. needs: steps that must be over before it starts (named by
    ``needs`` or by an expression); the source is not among them. when: expression, or None. for_each: a list or an
    expression that yields one. by: how a quadrant is chosen: a scorer's name, 1..4, "all", "person".
    fallback: how it is chosen when the person does not answer within the timeout (None: the step fails).
    on_failure: "fail" ends the run, "continue" goes on without it. otherwise: the step that stands in when this fails.
    timeout: seconds from submission (or from asking the person) until it is given up.
    accounts: tried in order; empty: the pipeline's.
    """

    name: str
    kind: TaskKind
    action: str
    source: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    when: str | None = None
    for_each: Any = None
    by: str | int = "quality"
    fallback: str | int | None = None
    retry: Retry = field(default_factory=Retry)
    timeout: int = 1800
    on_failure: Literal["fail", "continue"] = "fail"
    otherwise: str | None = None
    accounts: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """steps: in topological order. labels: given to each of its runs."""

    name: str
    description: str = ""
    inputs: Mapping[str, Input] = field(default_factory=dict)
    accounts: tuple[str, ...] = ()
    steps: Mapping[str, Step] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def accounts_of(self, step: Step, run_accounts: tuple[str, ...] = ()) -> tuple[str, ...]:
        """The accounts a step tries in order: its own, else the run's, else the pipeline's."""
        return step.accounts or run_accounts or self.accounts

    def stand_ins(self) -> Mapping[str, str]:
        """For each step that stands in for another: the step whose failure brings it in."""
        return {step.otherwise: step.name for step in self.steps.values() if step.otherwise}

    def downstream(self, name: str) -> frozenset[str]:
        """The step and every step whose course depends on it: who uses it or its stand-in, and the stand-in itself."""
        stands_in_for = self.stand_ins()
        found = {name}
        for step in self.steps.values():
            used = {one for need in (step.source, *step.needs) if need for one in self._chain(need)}
            if found & (used | {stands_in_for.get(step.name)}):
                found.add(step.name)
        return frozenset(found)

    def _chain(self, name: str | None) -> Iterator[str]:
        """The step, the step that stands in for it, the one that stands in for that, ..."""
        while name:
            yield name
            name = self.steps[name].otherwise
