"""Nudges: what the workers are told, with ids only. A nudge is a hint; losing one costs seconds, never work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Protocol
from uuid import UUID

TOGETHER = 16  # runs brought forward by one message at most, so that the workers share them


class Nudge(Protocol):
    """What the rest of the program may say to the workers."""

    def advance(self, run_id: UUID) -> None: ...

    def submit(self, account: str, ready: int = 1, after: float = 0.0) -> None:
        """ready: how many tasks wait to be submitted, as far as the caller knows. after: in so many seconds."""

    def look(self, account: str, task_ids: list[UUID]) -> None: ...

    def act(self) -> None: ...

    def ping(self, timeout: int) -> None:
        """Raises BrokerUnavailable when nobody would hear."""


class Silence:
    """A broker that says nothing: every run must still end, by the sweep alone."""

    def advance(self, run_id: UUID) -> None:
        """Say nothing."""

    def submit(self, account: str, ready: int = 1, after: float = 0.0) -> None:
        """Say nothing."""

    def look(self, account: str, task_ids: list[UUID]) -> None:
        """Say nothing."""

    def act(self) -> None:
        """Say nothing."""

    def ping(self, timeout: int) -> None:
        """Nobody is needed."""


class Message(NamedTuple):
    """A job's name, its arguments, and the seconds until it is to be done."""

    job: str
    arguments: tuple[Any, ...]
    after: float = 0.0


def together(messages: Iterable[Message]) -> Iterator[Message]:
    """The same messages in fewer: runs to advance share one, each named once; what is ready is added up by account."""
    run_ids: dict[Any, None] = {}
    ready: Counter[str] = Counter()
    for message in messages:
        if message.job == "advance":
            run_ids.update(dict.fromkeys(message.arguments))
        elif message.job == "submit" and not message.after:
            account, count = message.arguments
            ready[account] += count
        else:
            yield message
    names = tuple(run_ids)
    for start in range(0, len(names), TOGETHER):
        yield Message("advance", names[start : start + TOGETHER])
    for account, count in ready.items():
        yield Message("submit", (account, count))
