"""A provider may answer what it likes: every call of a dialect has an outcome, or fails as a provider's fault."""

from __future__ import annotations

import logging

import pytest

from ops.fuzz.providers import answer_all


def test_any_answer_has_an_outcome(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "orchestrator.providers")

    found = answer_all(seed=4, start=0, count=400)

    assert found.wrong == []
    assert found.counts["call"].keys() >= {"submit Accepted", "submit Refused", "submit Ambiguous", "find Sighting"}
