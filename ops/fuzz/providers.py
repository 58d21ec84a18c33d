"""Malformed answers of a provider to submissions, look-ups and searches: an outcome or ProviderError, nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain, cycle
from random import Random
from typing import Any
from uuid import UUID

from ops.fuzz.bodies import Bodies, Body
from ops.fuzz.findings import Findings
from ops.fuzz.parsers import impossible
from ops.fuzz.seeds import answer_seeds
from orchestrator.config import Account
from orchestrator.core.events import Accepted, Ambiguous, Event, EventKind, Refused, Sighting
from orchestrator.errors import InvalidInput, ProviderError
from orchestrator.providers.acedata import AceData
from orchestrator.providers.base import Dialect, Order, Parent
from orchestrator.providers.http import Answer, BrokenOff, Lost, NotSent, Opened, Request, Transport
from orchestrator.providers.imagineapi import ImagineAPI
from orchestrator.providers.mjproxy import MjProxy

_DIALECTS: dict[str, Callable[[Transport], Dialect]] = {
    "acedata": AceData,
    "mjproxy": MjProxy,
    "imagineapi": ImagineAPI,
}
_STATUSES = (200, 200, 200, 200, 201, 204, 301, 400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504, 599)
_TYPES = ("application/json", "application/x-ndjson", "text/html", "", "application/x-ndjson; charset=\x00")
_WAITS = ("", "5", "-1", "1e9", "9" * 400, "Wed, 21 Oct 2015 07:28:00 GMT", "nan", "soon", "\x00", "9999-99-99")
_SENT_AT = datetime(2026, 1, 1, tzinfo=UTC)
_URL = "https://images.example/a.png"


class Hostile(Transport):
    """A provider that answers with these bodies in turn, whatever it is asked, and now and then not at all."""

    def __init__(self, bodies: Iterable[bytes], random: Random) -> None:
        super().__init__()
        self._bodies = cycle(bodies)
        self._random = random

    def send(self, request: Request) -> Answer | NotSent | Lost:
        del request
        if self._random.random() < 0.02:
            return Lost("gone") if self._random.random() < 0.5 else NotSent("nobody there")
        status: int = self._random.choice(_STATUSES)
        return Answer(status, self._headers(), next(self._bodies))

    @contextmanager
    def opened(self, request: Request) -> Iterator[Opened | NotSent | Lost]:
        whole = self.send(request)
        if not isinstance(whole, Answer):
            yield whole
            return
        lines = (line for line in whole.body.split(b"\n") if line.strip())
        ends = self._random.random() < 0.8
        yield Opened(whole.status, whole.headers, lines if ends else chain(lines, _breaking()))

    def _headers(self) -> dict[str, str]:
        return {"content-type": self._random.choice(_TYPES), "retry-after": self._random.choice(_WAITS)}


def answer_all(seed: int, start: int, count: int) -> Findings:
    """As many calls of dialects at providers that answer with these bodies."""
    found, began = Findings(), time.perf_counter()
    bodies = Bodies(seed, answer_seeds())
    for body in bodies.range(start, count):
        more = [bodies.body(body.number + further * 3).data for further in (1, 2)]
        found.bodies += 1
        found.bytes += len(body.data)
        said = answered(body, more, Random(f"{seed}/{body.number}/call"))
        if said.startswith("!"):
            found.blame(f"body {body.number} ({body.dialect}): {said[1:]}; it begins {body.data[:200]!r}")
        found.count("call", "wrong" if said.startswith("!") else said)
    found.seconds = time.perf_counter() - began
    return found


def answered(body: Body, more: list[bytes], random: Random) -> str:
    """Which call it was and what came of it; with ``!`` before it what is wrong."""
    dialect = _DIALECTS[body.dialect](Hostile([body.data, *more], random))
    name = random.choice(list(_CALLS))
    account = Account(
        name="a", provider=body.dialect, base_url="http://127.0.0.1:9", token="t" * 20, stream=random.random() < 0.5
    )
    try:
        outcome = _CALLS[name](dialect, account, _order(random, dialect))
    except (ProviderError, InvalidInput) as error:
        return f"{name} {type(error).__name__}"
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        return f"!{name}: {type(error).__name__}: {error}"
    wrong = next(filter(None, map(impossible, _events(outcome))), None)
    return f"!{name}: {wrong}" if wrong else f"{name} {type(outcome).__name__}"


def _submit(dialect: Dialect, account: Account, order: Order) -> Any:
    reported: list[Event] = []
    outcome = dialect.submit(account, order, lambda events, _: reported.extend(events))
    if not isinstance(outcome, Accepted | Refused | Ambiguous):
        raise TypeError(f"the outcome is {outcome!r}")
    for wrong in filter(None, map(impossible, reported)):
        raise ValueError(wrong)
    if isinstance(outcome, Refused):
        outcome.error.message.encode()
        if outcome.after is not None and not 0 <= outcome.after < 10**10:
            raise ValueError(f"it is to be tried again after {outcome.after}")
    return outcome


def _events(outcome: Any) -> tuple[Event, ...]:
    if isinstance(outcome, Accepted | Sighting):
        named = (Event(EventKind.ACCEPTED, outcome.external_id),) if outcome.external_id is not None else ()
        return (*named, *outcome.events)
    return outcome if isinstance(outcome, tuple) else ()


def _order(random: Random, dialect: Dialect) -> Order:
    action = random.choice([*dialect.actions, *["imagine"] * 10])
    parent = Parent(
        external_id="job-1",
        action="imagine",
        result={"image_id": "1", "image_url": _URL, "actions": ["upscale1", action], "sub_image_urls": [_URL] * 4},
    )
    given = {"prompt": "a red fox", "images": [_URL, _URL], "image": _URL, "text": "ein Fuchs", "mask": _URL}
    wanted = dialect.actions[action].inputs
    return Order(
        task_id=UUID(int=random.getrandbits(100)),
        action=action,
        inputs={name: value for name, value in given.items() if name in wanted},
        parent=None if action in ("imagine", "blend", "describe", "shorten") else parent,
        quadrant=random.choice([None, 1]),
        callback_url=random.choice([None, "https://us.example/callbacks/a/t"]),
        sent_at=_SENT_AT,
        answer_timeout=1.0,
        taken=frozenset({"job-1"}),
    )


def _breaking() -> Iterator[bytes]:
    raise BrokenOff("the connection was closed before a complete answer")
    yield b""


_CALLS: dict[str, Callable[[Dialect, Account, Order], Any]] = {
    "submit": _submit,
    "fetch": lambda dialect, account, _: dialect.fetch(account, ["job-1"]),
    "fetch several": lambda dialect, account, _: dialect.fetch(account, [f"job-{number}" for number in range(60)]),
    "find": lambda dialect, account, order: dialect.find(account, order),
    "ping": lambda dialect, account, _: dialect.ping(account),
}
