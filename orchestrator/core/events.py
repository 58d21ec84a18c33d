"""What a callback, a poll answer, a stream line or a local result means: the one vocabulary the reducer understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self


class EventKind(StrEnum):
    ACCEPTED = "accepted"  # the provider has the job
    PROGRESSED = "progressed"  # it is under way
    SUCCEEDED = "succeeded"  # terminal
    FAILED = "failed"  # terminal


class Source(StrEnum):
    """How the evidence reached us."""

    CALLBACK = "callback"
    POLL = "poll"
    STREAM = "stream"
    ANSWER = "answer"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class TaskError:
    """Why a task failed: a short code (the provider's own, or ours) and a sentence."""

    code: str
    message: str

    def as_json(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message}


@dataclass(frozen=True, slots=True)
class Event:
    """One piece of evidence about one job.

    external_id: the provider's id of the job, exact, as a string; None when the delivery does not name it.
    progress: 0..100, or None when the delivery does not say.
    result: neutral names (image_id, image_url, raw_image_url, width, height, raw_width, raw_height, actions,
    sub_image_urls, expires_at, text, texts ... and ``extra`` for what the provider said beyond them).
    """

    kind: EventKind
    external_id: str | None = None
    progress: int | None = None
    result: Mapping[str, Any] | None = None
    error: TaskError | None = None

    @property
    def terminal(self) -> bool:
        return self.kind in (EventKind.SUCCEEDED, EventKind.FAILED)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The event that ``as_json`` wrote."""
        error = document.get("error")
        return cls(
            EventKind(document["kind"]),
            document.get("external_id"),
            document.get("progress"),
            document.get("result"),
            TaskError(error["code"], error["message"]) if error else None,
        )

    def as_json(self) -> dict[str, Any]:
        """The form that the SQL function ``receive`` reads."""
        return {
            "kind": self.kind.value,
            "external_id": self.external_id,
            "progress": self.progress,
            "result": dict(self.result) if self.result is not None else None,
            "error": self.error.as_json() if self.error else None,
        }


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has the job. ``events`` carries what the answer already said (a synchronous result, say)."""

    external_id: str
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider is known not to have taken the job: nothing was paid.

    retry: whether the same submission may be sent again later; after: seconds the provider asked us to wait.
    account: the reason concerns the whole account (quota, credentials, rate), not this job.
    """

    error: TaskError
    retry: bool = False
    after: float | None = None
    account: bool = False


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """The request went out and no readable answer came back: the job may or may not exist."""

    reason: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a look-up says about an uncertain submission.

    external_id: the job's id when the provider has it. absent: True when the provider's list covers the time of the
    submission and the job is not in it. Neither: the look-up cannot tell. candidates: the jobs that may be it; without
    a callback URL, which no two submissions share, some of them may be known as another task's.
    """

    external_id: str | None = None
    absent: bool = False
    events: tuple[Event, ...] = field(default=())
    candidates: tuple[str, ...] = ()


SubmitOutcome = Accepted | Refused | Ambiguous
