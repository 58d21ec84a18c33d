"""Jobs that wait for a slot of their token, first come, first served."""

from __future__ import annotations

from collections import defaultdict, deque

from ops.emulator.jobs import Job


class WaitingLine:
    """One line per token. Its caller holds the lock."""

    def __init__(self) -> None:
        self._lines: defaultdict[str, deque[Job]] = defaultdict(deque)

    def length(self, token: str) -> int:
        """How many of the token's jobs wait."""
        return len(self._lines[token])

    def add(self, job: Job) -> None:
        """The job waits from now on."""
        job.state = "queued"
        self._lines[job.order.token].append(job)

    def next(self, token: str) -> Job | None:
        """The job whose turn it is, out of the line and ready to be launched."""
        line = self._lines[token]
        if not line:
            return None
        job = line.popleft()
        job.state = "pending"
        return job

    def remove(self, job: Job) -> None:
        """The job waits no longer, if it did."""
        if job.state == "queued":
            self._lines[job.order.token].remove(job)
