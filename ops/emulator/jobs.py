"""What was ordered, the job it became, and the book all jobs are kept in."""

from __future__ import annotations

import queue
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from ops.emulator.ids import snowflake, uuid_of
from ops.emulator.pictures import Picture

TERMINAL = frozenset({"finished", "failed", "cancelled"})


class Dialect(Protocol):
    """How one provider words the state of a job.

    fails_first: whether a false failure may also come before the success, not only after it."""

    fails_first: bool

    def body(self, job: Job) -> dict[str, Any]:
        """The job as it stands, as callbacks, streams and answers carry it."""

    def announces(self, job: Job) -> bool:
        """Whether the callback URL is to hear of the state the job is in now."""

    def contrary(self, job: Job) -> dict[str, Any]:
        """A false failure of a finished job, for chaos."""

    def straggler(self, job: Job) -> dict[str, Any] | None:
        """The body of a progress event that comes after the end, for chaos; None where that can't happen."""


@dataclass(frozen=True, slots=True)
class Order:
    """One accepted request, in no provider's words.

    picture      recipe of the result (its seed is added when the job has a number)
    actions      what can be done with the result
    frames       rising progress values shown before the result
    seconds      how long the work takes
    error        (code, message) when the work is doomed to fail
    every_frame  whether the callback URL is told each frame, not just the end
    request      the body as sent, long values shortened
    task_id      the name of the job, where the dialect gives names of its own
    client_state what the client wants to have back, where the dialect has such a field
    button       which of the parent's buttons was pressed, where actions alone don't tell
    queues       whether the order waits in line when every slot is taken
    endless      whether that line has room for any number
    unpaid       whether the order takes nothing from the quota
    overdue      seconds of work after which the service gives the job up, though it may still succeed
    traced       whether the job remembers when it was in which state
    """

    dialect: Dialect
    action: str
    prompt: str
    picture: Picture
    token: str
    base_url: str
    request: dict[str, Any]
    trace_id: str
    image_id: str | None = None
    callback_url: str | None = None
    actions: tuple[str, ...] = ()
    frames: tuple[int, ...] = ()
    seconds: float = 0.0
    error: tuple[str, str] | None = None
    every_frame: bool = False
    split: bool = False
    task_id: str | None = None
    client_state: str | None = None
    button: str | None = None
    queues: bool = False
    endless: bool = False
    unpaid: bool = False
    overdue: float | None = None
    traced: bool = False


@dataclass(slots=True, eq=False)
class Job:
    """An order at work. `frame` counts the frames shown so far; times are epoch seconds.

    state    queued, pending, started, generating; finished, failed, cancelled
    error    (reason, message) of a failure
    ahead    how many waited in line when it was submitted
    told     rank of the last state its callback URL heard of
    trace    (time, state, frame) of every change, when the order asks for it
    """

    seed: int
    ordinal: int
    order: Order
    picture: Picture
    submitted_at: float
    state: str = "pending"
    frame: int = 0
    started_at: float | None = None
    finished_at: float | None = None
    listeners: list[queue.SimpleQueue[dict[str, Any] | None]] | None = None
    error: tuple[str, str] | None = None
    launched: bool = False
    late: bool = False
    ahead: int = 0
    told: float = -1.0
    trace: list[tuple[float, str, int]] | None = None

    @property
    def task_id(self) -> str:
        return self.order.task_id or uuid_of(self.seed, "task", self.ordinal)

    @property
    def job_id(self) -> str:
        """The upstream's own name of the job, seen in file names."""
        return uuid_of(self.seed, "job", self.ordinal)

    @property
    def image_id(self) -> str:
        """The picture to be seen now: each frame has its own, and so has the result."""
        return self.image_id_at(0 if self.done else self.frame)

    @property
    def done(self) -> bool:
        return self.state in TERMINAL

    @property
    def progress(self) -> int:
        if self.state == "finished":
            return 100
        return self.order.frames[self.frame - 1] if self.frame else 0

    def image_id_at(self, frame: int) -> str:
        return snowflake(self.seed, self.ordinal, frame)

    def facts(self) -> dict[str, Any]:
        """What the control API tells of a job."""
        return {
            "ordinal": self.ordinal,
            "task_id": self.task_id,
            "action": self.order.action,
            "image_id": self.order.image_id,
            "button": self.order.button,
            "client_state": self.order.client_state,
            "prompt": self.order.prompt,
            "token": self.order.token,
            "callback_url": self.order.callback_url,
            "state": self.state,
            "progress": self.progress,
            "result_image_id": self.image_id_at(0) if self.state == "finished" else None,
            "error": self.error[0] if self.error else None,
            "submitted_at": self.submitted_at,
            "finished_at": self.finished_at,
        }


class JobBook:
    """The newest `keep` jobs by number and by task id. Its caller holds the lock."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._jobs: OrderedDict[int, Job] = OrderedDict()
        self._by_task: dict[str, Job] = {}
        self._open: set[Job] = set()
        self.accepted = 0
        self.in_flight: Counter[str] = Counter()

    def add(self, job: Job) -> None:
        self.accepted += 1
        self._jobs[job.ordinal] = job
        self._by_task[job.task_id] = job
        self._open.add(job)
        self.in_flight[job.order.token] += 1
        while len(self._jobs) > self._keep:
            _, oldest = self._jobs.popitem(last=False)
            del self._by_task[oldest.task_id]

    def closed(self, job: Job) -> None:
        """The job has ended: its token has a slot more."""
        if job in self._open:
            self._open.remove(job)
            self.in_flight[job.order.token] -= 1

    def by_ordinal(self, ordinal: int) -> Job | None:
        return self._jobs.get(ordinal)

    def by_task(self, task_id: str) -> Job | None:
        return self._by_task.get(task_id)

    def newest_first(self) -> Iterator[Job]:
        return reversed(list(self._jobs.values()))

    def oldest_first(self) -> list[Job]:
        return list(self._jobs.values())
