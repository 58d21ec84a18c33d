"""Requests made from the OpenAPI document, right and wrong ones, by Schemathesis: no 5xx, answers as documented."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Flask

from ops.fuzz.findings import Findings

# Not judged: whether valid data is taken (that a text is a cursor, or a pipeline in order, no schema says); what an
# answer is without its token (of a WSGI application Schemathesis cannot ask again: the tests ask without one anyway).
_CHECKS = {"positive_data_acceptance": {"enabled": False}, "ignored_auth": {"enabled": False}}


def attack(app: Flask, *, seed: int, examples: int, token: str | None = None, ids: Mapping[str, str] = {}) -> Findings:
    """Every operation of the application's own document, with this bearer token.

    examples: of each operation beside those that its schema's limits suggest. ids: for the parameters of paths, so
    that something is found there.
    """
    from schemathesis.engine import events, from_schema  # noqa: PLC0415 - of the tests' extra; the rest works without

    found, began = Findings(), time.perf_counter()
    for event in from_schema(_schema(app, seed, examples, token, ids)).execute():
        if isinstance(event, events.ScenarioFinished):
            for sentence in _judged(event.recorder, found):
                found.blame(sentence)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            found.blame(f"Schemathesis cannot go on: {getattr(event, 'info', event)}")
    found.seconds = time.perf_counter() - began
    return found


def _schema(app: Flask, seed: int, examples: int, token: str | None, ids: Mapping[str, str]) -> Any:
    import schemathesis  # noqa: PLC0415 - see above

    config = {
        "seed": seed,
        "generation": {"deterministic": True, "max-examples": examples, "database": "none"},
        "phases": {"stateful": {"enabled": False}, "examples": {"enabled": False}},
        "checks": _CHECKS,
        "cache": {"enabled": False},
        "parameters": {f"path.{name}": value for name, value in ids.items()},
        "headers": {"Authorization": f"Bearer {token}"} if token else {},
    }
    given = schemathesis.Config.from_dict({key: value for key, value in config.items() if value})
    return schemathesis.openapi.from_wsgi("/openapi.json", app, config=given)


def _judged(recorder: Any, found: Findings) -> Iterator[str]:
    """Sentences on what was wrong with the answers of one scenario."""
    for case_id, one in recorder.interactions.items():
        found.bodies += 1
        found.count("status", str(one.response.status_code) if one.response else "none")
        for check in recorder.checks.get(case_id, ()):
            case = recorder.cases[case_id].value
            if check.failure_info:
                failure = check.failure_info.failure
                asked = f"{case.method} {case.formatted_path} query {case.query!r} body {case.body!r}"
                yield f"{check.name}: {asked[:500]}: {failure.title}: {failure.message[:500]}"
