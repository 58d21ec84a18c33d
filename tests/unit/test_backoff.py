"""How long to wait before the next try."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.backoff import Backoff


def test_each_wait_is_longer_up_to_the_longest() -> None:
    backoff = Backoff(first=1, factor=2, most=10)
    assert [backoff.wait(tries, 0.0) for tries in range(1, 7)] == [1, 2, 4, 8, 10, 10]


def test_before_the_first_try_it_is_the_first_wait() -> None:
    assert Backoff(first=3).wait(0, 0.0) == Backoff(first=3).wait(1, 0.0) == 3


def test_chance_adds_up_to_the_jitters_share() -> None:
    backoff = Backoff(first=10, jitter=0.5)
    assert [backoff.wait(1, chance) for chance in (0.0, 0.5, 1.0)] == [10, 12.5, 15]


@given(
    st.integers(-5, 10**9),
    st.floats(0, 1),
    st.floats(0, 2_592_000),
    st.floats(1, 100),
    st.floats(0, 2_592_000),
)
def test_every_wait_is_finite_and_bounded(tries: int, chance: float, first: float, factor: float, most: float) -> None:
    backoff = Backoff(first=first, factor=factor, most=most)
    assert 0 <= backoff.wait(tries, chance) <= most * 1.25
    assert backoff.wait(tries, chance) <= backoff.wait(tries + 1, chance) + 1e-6
