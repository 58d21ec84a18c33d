"""A machine whose clock is wrong goes by the database's, whatever the answer takes."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from factories import NOW

from orchestrator.store.clock import CLOSE, EVERY, Clock


class Machine:
    """A machine with a wrong clock, and a database with a right one that needs ``slow`` seconds to answer."""

    def __init__(self, wrong: float, slow: float = 0.0) -> None:
        self.passed, self.wrong, self.slow, self.asked = 0.0, wrong, slow, 0
        self.clock = Clock(self.own, lambda: self.passed)

    def right(self) -> float:
        """By how many seconds the clock is off."""
        return (self.clock.now() - self.true).total_seconds()

    @property
    def true(self) -> datetime:
        return NOW + timedelta(seconds=self.passed)

    def own(self) -> datetime:
        return self.true + timedelta(seconds=self.wrong)

    def ask(self) -> datetime:
        self.asked += 1
        self.passed += self.slow / 2
        told = self.true
        self.passed += self.slow / 2
        return told

    def compare(self) -> None:
        self.clock.compare(self.ask)


@pytest.mark.parametrize("wrong", [-7200.0, -30.0, 30.0, 7200.0])
def test_a_wrong_clock_is_set_right(wrong: float) -> None:
    machine = Machine(wrong)
    machine.compare()
    assert machine.right() == 0


@pytest.mark.parametrize(("wrong", "slow"), [(0.5, 0.0), (-1.9, 0.0), (0.0, 40.0), (1.0, 40.0)])
def test_a_clock_that_is_right_is_left_alone_however_slow_the_answer(wrong: float, slow: float) -> None:
    machine = Machine(wrong, slow)
    machine.compare()
    assert machine.right() == wrong


def test_a_wrong_clock_is_no_worse_than_half_the_wait_for_the_answer() -> None:
    machine = Machine(600.0, slow=4.0)
    machine.compare()
    assert abs(machine.right()) <= 2 + CLOSE.total_seconds()


def test_it_is_compared_now_and_then_and_at_once_when_it_was_set() -> None:
    machine = Machine(0.0)
    machine.compare()
    machine.passed += EVERY / 2
    machine.compare()
    assert machine.asked == 1
    machine.wrong = -300.0
    machine.compare()
    assert (machine.asked, machine.right()) == (2, 0)
    machine.passed += EVERY
    machine.wrong = 0.0
    machine.compare()
    assert (machine.asked, machine.right()) == (3, 0)


def test_who_cannot_ask_goes_on_as_before_and_asks_again() -> None:
    machine = Machine(60.0)
    machine.compare()

    def away() -> datetime:
        raise ConnectionError

    machine.passed += EVERY
    with pytest.raises(ConnectionError):
        machine.clock.compare(away)
    assert machine.right() == 0
    machine.compare()
    assert machine.asked == 2


def test_a_clock_that_is_set_while_the_database_answers_is_compared_again() -> None:
    machine = Machine(3600.0)

    def ask() -> datetime:
        machine.wrong = 0.0
        return machine.ask()

    machine.clock.compare(ask)
    machine.compare()
    assert machine.asked == 2
    assert machine.right() == 0
