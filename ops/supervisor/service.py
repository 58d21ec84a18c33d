"""What a supervisor is told about one service."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol


class SupervisorError(RuntimeError):
    """A service could not be started; the message names it and ends with the last lines it wrote."""


class Handle(Protocol):
    """A process that somebody else started for us; the embedded servers' handles are such."""

    @property
    def pid(self) -> int: ...

    def alive(self) -> bool:
        """Whether it still runs."""
        ...

    def stop(self, timeout: float) -> None:
        """End it, harder after ``timeout`` seconds; nothing happens when it has ended."""
        ...


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a restart: ``first`` seconds, doubled each time up to ``limit``.

    A service that ran for ``stable`` seconds begins at ``first`` again.
    """

    first: float = 0.5
    limit: float = 30.0
    stable: float = 30.0

    def delay(self, failures: int) -> float:
        """Seconds before the restart after the ``failures``-th end in a row (1 for the first)."""
        return min(self.limit, self.first * 2.0 ** min(failures - 1, 30))


@dataclass(frozen=True, slots=True)
class Service:
    """One entry of the process table; the table's order is the order of starting, its reverse that of stopping.

    Either ``argv`` is run, or ``start`` is called with a file descriptor for the output and returns a Handle of a
    process that is ready. ``env`` is the whole environment of ``argv``; as a callable it is asked just before each
    start, when the services before it have addresses. ``ready`` is polled until true, for at most ``ready_timeout``
    seconds; with ``says``, a line that contains this has to be written, too. Lines that ``noise`` finds are kept from
    the terminal; the log file has them. With ``once`` the program must end with status 0 before the next service
    starts (a migration). ``url`` is shown in the state file.
    """

    name: str
    argv: Sequence[str | Path] = ()
    start: Callable[[int], Handle] | None = None
    env: Mapping[str, str] | Callable[[], Mapping[str, str]] = field(default_factory=dict)
    cwd: Path | None = None
    ready: Callable[[], bool] | None = None
    says: str | None = None
    noise: re.Pattern[str] | None = None
    ready_timeout: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout: float = 10.0
    restart: Literal["always", "on-failure", "never"] = "always"
    backoff: Backoff = Backoff()
    once: bool = False
    url: str | Callable[[], str] | None = None

    def __post_init__(self) -> None:
        if bool(self.argv) == (self.start is not None):
            raise ValueError(f"service {self.name}: give either argv or start")

    def environment(self) -> dict[str, str]:
        """The environment of the next start."""
        return dict(self.env() if callable(self.env) else self.env)

    def address(self) -> str | None:
        """Where it answers, as far as one was named."""
        return self.url() if callable(self.url) else self.url

    def restarts_after(self, status: int | None) -> bool:
        """Whether to start it again; ``status`` is None when it is unknown (somebody else's process)."""
        return self.restart == "always" or (self.restart == "on-failure" and status != 0)
