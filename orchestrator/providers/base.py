"""The contract that every dialect of an image API fulfils.

A dialect is stateless: bytes in, events out; an order in, an outcome out. It never touches the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from orchestrator.config import Account
from orchestrator.core.events import Event, Sighting, SubmitOutcome

# The provider's clock is not ours: up to NEAR before a lost submission a job can be recognised by its time, and only
# from FAR before on it is excluded by it.
NEAR, FAR = timedelta(seconds=5), timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """The job whose image an order works on, as its own task recorded it."""

    external_id: str
    action: str
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One submission, rendered: what a dialect turns into one HTTP request.

    inputs: the step's ``with`` after rendering (neutral names). quadrant: 1..4 for actions on one of four.
    callback_url: None when the account is only polled. sent_at: when the task was claimed, for look-ups.
    answer_timeout: seconds to wait for the answer to the submission (a stream is given longer). taken: jobs that are
    known as other tasks', for look-ups.
    """

    task_id: UUID
    action: str
    inputs: Mapping[str, Any]
    parent: Parent | None = None
    quadrant: int | None = None
    callback_url: str | None = None
    sent_at: datetime | None = None
    answer_timeout: float = 30.0
    taken: frozenset[str] = frozenset()


class Wait(StrEnum):
    """How a result can come back."""

    PUSH = "callback"  # to the task's own URL, or to the account's hook
    PUSHED_FRAMES = "callbacks with progress"
    POLL = "poll"
    STREAM = "stream"  # read by the worker
    ANSWER = "answer"  # with the submission
    NO_CALL = "no call"  # it came with the parent's result: nothing is sent or paid


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One neutral action in one dialect. name: the provider's own word for it (``{n}`` stands for the quadrant)."""

    name: str
    inputs: frozenset[str] = field(default_factory=frozenset)
    waits: frozenset[Wait] = frozenset({Wait.PUSH, Wait.POLL})


Report = Callable[[tuple[Event, ...], bytes], None]


class Dialect(Protocol):
    """One provider API."""

    name: str
    actions: Mapping[str, Capability]

    def read(self, body: bytes) -> tuple[Event, ...]:
        """The events in a delivered body (JSON object, JSON array or NDJSON). Raises MalformedDelivery."""

    def check(self, account: Account, order: Order) -> None:
        """Raises InvalidInput when the order cannot be sent, above all when the parent does not offer its action."""

    def submit(self, account: Account, order: Order, report: Report) -> SubmitOutcome:
        """Send the order once. ``report`` takes the events of each streamed line, with its bytes, as they come."""

    def fetch(self, account: Account, external_ids: Iterable[str]) -> tuple[Event, ...]:
        """What the provider says now about these jobs; unknown ones are left out. Raises ProviderError."""

    def find(self, account: Account, order: Order) -> Sighting:
        """Look for a submission whose answer was lost. Raises ProviderError."""

    def ping(self, account: Account) -> str:
        """Reach the provider and check the credentials without paying; a sentence. Raises ProviderError."""
