"""Durations as people write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.durations import seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", 90.0),
        ("90s", 90.0),
        ("10m", 600.0),
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        ("2d", 172800.0),
        ("250ms", 0.25),
        ("1.5h", 5400.0),
        ("0", 0.0),
        (" 90 s ", 90.0),
        (90, 90.0),
        (0.5, 0.5),
        (0, 0.0),
    ],
)
def test_a_duration_is_read(text: str | float, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


NO_TEXT = ["", " ", "s", "10x", "-5", "-5s", "1h-5m", "5 minutes", "1,5h", "h1", "1e3", "nan", "inf"]
TOO_LONG = ["9" * 400, "9" * 400 + "s", 10**400, float("inf"), "36501d"]
NO_NUMBER = [-1, -0.1, float("nan"), True, None, [], {}]


@pytest.mark.parametrize("text", [*NO_TEXT, *TOO_LONG, *NO_NUMBER])
def test_what_is_no_duration_is_refused_with_the_forms_that_are_allowed(text: Any) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(text)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none()))
def test_anything_is_a_finite_duration_or_refused(text: Any) -> None:
    try:
        found = seconds(text)
    except ValueError:
        return
    assert 0 <= found < float("inf")
