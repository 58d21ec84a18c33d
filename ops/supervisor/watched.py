"""One service's life under the supervisor: begun, ready, ended, begun again after a pause, stopped."""

from __future__ import annotations

import time
from collections.abc import Callable

from ops.supervisor.child import Child
from ops.supervisor.home import Entry
from ops.supervisor.output import Relay
from ops.supervisor.service import Handle, Service, SupervisorError


class Watched:
    """Keeps one service running. Every method belongs to the supervisor's thread."""

    def __init__(self, service: Service, relay: Relay, entry: Entry, mark: dict[str, str]) -> None:
        self.service = service
        self._relay = relay
        self._entry = entry
        self._mark = mark
        self._handle: Handle | None = None
        self._begun = 0.0  # monotonic seconds
        self._due: float | None = None
        self._failures = 0

    # Starting -----------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start the process. Raises what the service's own ``start`` raises, OSError when there is no such program."""
        self._due = None
        self._begun = time.monotonic()
        self._relay.listen(self.service.says)
        if self.service.start is not None:
            self._handle = self.service.start(self._relay.fd)
        else:
            self._handle = Child.begin(self.service, self._relay.fd, self._mark)
        self._entry.begun(self._handle.pid, self.service.address())

    def settled(self) -> bool:
        """Whether the next service may start. Raises SupervisorError when this one has failed."""
        alive = self._handle is not None and self._handle.alive()
        if self.service.once:
            return not alive and self._succeeded()
        if not alive:
            raise self.failure(f"ended with status {self._status()} before it was ready")
        if self._relay.heard and (self.service.ready is None or self.service.ready()):
            return True
        if time.monotonic() > self._begun + self.service.ready_timeout:
            raise self.failure(f"was not ready after {self.service.ready_timeout:.0f} s")
        return False

    def _succeeded(self) -> bool:
        if status := self._status():
            raise self.failure(f"ended with status {status}")
        self._finished()
        return True

    def failure(self, what: str) -> SupervisorError:
        """The error with the service's last words."""
        self._relay.settle()
        words = "\n".join(f"  {line}" for line in self._relay.last)
        return SupervisorError(f"{self.service.name} {what}" + (f":\n{words}" if words else ""))

    # Watching -----------------------------------------------------------------------------------------

    def look(self) -> bool:
        """Notice an end, start again when it is time; True when something changed."""
        if self._handle is not None and not self._handle.alive():
            self._ended()
            return True
        if self._due is not None and time.monotonic() >= self._due:
            self._again()
            return True
        return False

    def _ended(self) -> None:
        status = self._status()
        self._finished()
        if self.service.restarts_after(status):
            self._pause(f"ended with status {status}" if status is not None else "ended")
        else:
            self._relay.say(f"ended with status {status}")

    def _pause(self, what: str) -> None:
        lasted = time.monotonic() - self._begun
        self._failures = 1 if lasted >= self.service.backoff.stable else self._failures + 1
        delay = self.service.backoff.delay(self._failures)
        self._due = time.monotonic() + delay
        self._relay.say(f"{what}; starting again in {delay:.1f} s")

    def _again(self) -> None:
        try:
            self.begin()
        except (OSError, RuntimeError) as error:  # RuntimeError: an embedded server's start; both pass with time
            self._pause(f"could not be started: {error}")
        else:
            self._entry.restarts += 1

    def _status(self) -> int | None:
        return self._handle.status if isinstance(self._handle, Child) else None

    def _finished(self) -> None:
        if isinstance(self._handle, Child):
            self._handle.end_group()
        self._handle = self._entry.pid = self._entry.created = None

    # Stopping -----------------------------------------------------------------------------------------

    def stop(self, hurry: Callable[[], bool]) -> None:
        """End the process if it runs, at once when ``hurry()``."""
        handle, self._due = self._handle, None
        if isinstance(handle, Child):
            handle.stop(self.service.stop_timeout, hurry)
        elif handle is not None:
            handle.stop(0.5 if hurry() else self.service.stop_timeout)
        if handle is not None:
            self._finished()
