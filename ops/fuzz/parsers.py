"""Bodies at the dialects' readers: each gives events that can be stored, or MalformedDelivery, and nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from ops.fuzz.bodies import Body
from ops.fuzz.findings import Findings
from orchestrator.core.events import Event, EventKind
from orchestrator.core.expiry import expires_at
from orchestrator.errors import MalformedDelivery
from orchestrator.providers import dialect

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_MOST = 1000  # events of one delivery
_LONGEST_ID = 200


def read_all(bodies: Iterable[Body]) -> Findings:
    """Read each body by its own dialect."""
    found, began = Findings(), time.perf_counter()
    for body in bodies:
        found.bodies += 1
        found.bytes += len(body.data)
        outcome = tried(body.dialect, body.data)
        if outcome.startswith("!"):
            found.blame(f"body {body.number} ({body.dialect}): {outcome[1:]}; it begins {body.data[:200]!r}")
        found.count("read", "wrong" if outcome.startswith("!") else outcome)
    found.seconds = time.perf_counter() - began
    return found


def tried(name: str, data: bytes) -> str:
    """``events``, ``rejected``, or with ``!`` before it what is wrong."""
    try:
        events = dialect(name).read(data)
    except MalformedDelivery as error:
        return "rejected" if _sayable(error) else f"!its refusal cannot be said: {error.message[:200]!r}"
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        return f"!{type(error).__name__}: {error}"
    if len(events) > _MOST:
        return f"!{len(events)} events"
    return next((f"!{wrong}" for event in events if (wrong := impossible(event))), "events")


def impossible(event: Event) -> str | None:
    """What is wrong with an event, if anything."""
    if event.external_id is not None and not (isinstance(event.external_id, str) and 0 < len(event.external_id) <= 200):
        return f"the job's name is {event.external_id!r}"
    if event.progress is not None and not (type(event.progress) is int and 0 <= event.progress <= 100):
        return f"the progress is {event.progress!r}"
    if (event.error is not None) != (event.kind is EventKind.FAILED):
        return f"{event.kind} with the error {event.error}"
    for key in ("image_url", "raw_image_url"):
        if event.result and event.result.get(key):
            expires_at(event.result[key], NOW)
    return _unstorable(event)


def _unstorable(event: Event) -> str | None:
    try:
        text = json.dumps(event.as_json(), ensure_ascii=False, allow_nan=False)
        text.encode()
    except ValueError as error:  # not a number of JSON, or half of a surrogate pair
        return f"it cannot be stored: {error}"
    return "it cannot be stored: NUL" if "\\u0000" in text.replace("\\\\", "") else None


def _sayable(error: MalformedDelivery) -> bool:
    try:
        (error.message + json.dumps(error.fields, ensure_ascii=False)).encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in error.message
