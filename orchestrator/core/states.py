"""The states of runs and tasks, and which arrows exist between them; the SQL enums are tested to equal them."""

from __future__ import annotations

from enum import StrEnum


class RunState(StrEnum):
    RUNNING = "running"  # some step is not finished
    PAUSED = "paused"  # held by a person: nothing new is opened
    SUCCEEDED = "succeeded"  # every step that had to run has succeeded
    FAILED = "failed"  # a step failed for good and nothing tolerates it
    CANCELLED = "cancelled"  # a person ended it


class TaskState(StrEnum):
    READY = "ready"  # may be taken by a worker; the row is the outbox
    SUBMITTING = "submitting"  # a worker is talking to the provider
    UNCERTAIN = "uncertain"  # sent, but nobody knows whether it arrived
    WORKING = "working"  # a worker does a local act
    WAITING = "waiting"  # the provider, or a person, has it
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Verdict(StrEnum):
    """What became of a delivery."""

    ACCEPTED = "accepted"  # it changed the task
    DUPLICATE = "duplicate"  # the same was known already
    STALE = "stale"  # progress that is behind what is known
    LATE = "late"  # contradicts a state that is final
    PARKED = "parked"  # belongs to no task we know (yet)
    REJECTED = "rejected"  # cannot be read


class TaskKind(StrEnum):
    PROVIDER = "provider"  # a paid action at a provider
    CHOOSE = "choose"  # pick a quadrant
    ARCHIVE = "archive"  # keep an image


FINAL_RUN_STATES = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED})
FINAL_TASK_STATES = frozenset({TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED})
IN_FLIGHT = frozenset({TaskState.SUBMITTING, TaskState.UNCERTAIN, TaskState.WAITING})

# from -> to; every arrow is one named query in orchestrator/store/sql (docs/states.md draws them).
TASK_ARROWS: dict[TaskState, frozenset[TaskState]] = {
    TaskState.READY: frozenset(
        {
            TaskState.SUBMITTING,  # claim_submission
            TaskState.WORKING,  # claim_act
            TaskState.WAITING,  # receive: evidence that a refused submission did arrive
            TaskState.SUCCEEDED,
            TaskState.FAILED,
            TaskState.CANCELLED,
        }
    ),
    TaskState.SUBMITTING: frozenset(
        {
            TaskState.WAITING,  # record_submitted, receive
            TaskState.READY,  # refuse_submission with a retry
            TaskState.UNCERTAIN,  # doubt_submission
            TaskState.SUCCEEDED,
            TaskState.FAILED,
            TaskState.CANCELLED,
        }
    ),
    TaskState.UNCERTAIN: frozenset(
        {
            TaskState.WAITING,  # found at the provider, a callback, a person
            TaskState.READY,  # known never to have arrived
            TaskState.SUCCEEDED,
            TaskState.FAILED,
            TaskState.CANCELLED,
        }
    ),
    TaskState.WORKING: frozenset(
        {TaskState.READY, TaskState.WAITING, TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED}
    ),
    TaskState.WAITING: frozenset({TaskState.READY, TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED}),
    TaskState.SUCCEEDED: frozenset(),
    TaskState.FAILED: frozenset(),
    TaskState.CANCELLED: frozenset(),
}
