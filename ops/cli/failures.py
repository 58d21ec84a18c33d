"""How a command fails: what to say on stderr, and with which status to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.errors import OrchestratorError, Unavailable

FAILED, USAGE, UNREACHABLE, INTERRUPTED = 1, 2, 3, 130


class Failure(Exception):
    """The work itself failed: a run, a task, a check."""

    status = FAILED

    def __init__(self, message: str, *, lines: Sequence[str] = (), hint: str | Sequence[str] = ()) -> None:
        """``lines``: details, one below the other. ``hint``: what to do next, a line each."""
        super().__init__(message)
        self.message, self.lines = message, tuple(lines)
        self.hints = (hint,) if isinstance(hint, str) else tuple(hint)


class Refused(Failure):
    """What was asked for cannot be done as it was asked."""

    status = USAGE


class Absent(Refused):
    """The service has no such thing."""


class Unreachable(Failure):
    """The service did not answer, or not in time."""

    status = UNREACHABLE


class Interrupted(Failure):
    """The person pressed Ctrl-C."""

    status = INTERRUPTED


def by_field(fields: Mapping[str, Any], prefix: str = "") -> list[str]:
    """``{"inputs": {"prompt": ["missing"]}}`` as lines, ``inputs.prompt: missing``."""
    lines: list[str] = []
    for key, said in fields.items():
        path = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(said, Mapping):
            lines += by_field(said, path)
        else:
            lines += [f"{path}: {sentence}" for sentence in (said if isinstance(said, list) else [said])]
    return lines


def failure_of(error: OrchestratorError) -> Failure:
    """The same in the terms of a command line. The first sentence of an invalid thing has its place, if any."""
    kind = Unreachable if isinstance(error, Unavailable) else Refused
    lines = by_field(error.fields)
    if len(lines) > 1:
        return kind(error.message.partition(": ")[0] + f": {len(lines)} problems", lines=lines)
    return kind(error.message)
