"""One looks, all the others are told; and nobody waits for who looks once there is an answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from orchestrator.api.latest import FRESH, STUCK, WAITING, Latest
from orchestrator.errors import Overloaded

PATIENCE = 30.0  # seconds


class Source:
    """Counts the looks; each waits while the way is shut. The time is what the test says."""

    def __init__(self) -> None:
        self.now, self.looks = 0.0, 0
        self.way, self.reached = threading.Event(), threading.Event()
        self.way.set()
        self.latest = Latest(self.look, clock=lambda: self.now)

    def look(self) -> int:
        self.looks += 1
        self.reached.set()
        assert self.way.wait(PATIENCE)
        return self.looks

    @contextmanager
    def slow_look(self) -> Iterator[None]:
        """Somebody else looks for the length of a block."""
        self.way.clear()
        self.reached.clear()
        with ThreadPoolExecutor(1) as pool:
            one = pool.submit(self.latest.get)
            try:
                assert self.reached.wait(PATIENCE)
                yield
            finally:
                self.way.set()
            assert one.result() == self.looks


def test_an_answer_is_good_for_a_second() -> None:
    source = Source()
    assert [source.latest.get() for _ in range(3)] == [1, 1, 1]
    source.now += FRESH
    assert source.latest.get() == 1
    source.now += 0.1
    assert source.latest.get() == 2


def test_while_one_looks_the_others_are_told_the_last_answer_at_once() -> None:
    source = Source()
    source.latest.get()
    source.now += 30
    with source.slow_look():
        assert [source.latest.get() for _ in range(50)] == [1] * 50
    assert (source.latest.get(), source.looks) == (2, 2)


def test_a_look_that_never_comes_back_is_not_covered_by_an_old_answer() -> None:
    source = Source()
    source.latest.get()
    source.now += 2
    with source.slow_look():
        source.now += STUCK + 1
        with pytest.raises(Overloaded):
            source.latest.get()
    assert source.latest.get() == 2


def test_the_first_answer_is_waited_for_by_few_only() -> None:
    source = Source()
    with ThreadPoolExecutor(WAITING + 7) as pool, source.slow_look():
        asked = [pool.submit(source.latest.get) for _ in range(WAITING + 7)]
        refused = [one for one in asked if isinstance(one.exception(PATIENCE), Overloaded)]
        assert len(refused) == len(asked)
    assert (source.latest.get(), source.looks) == (1, 1)


def test_who_waits_for_the_first_answer_is_told_it() -> None:
    source = Source()
    with ThreadPoolExecutor(1) as pool:
        with source.slow_look():
            waiting = pool.submit(source.latest.get)
        assert (waiting.result(PATIENCE), source.looks) == (1, 1)


def test_who_looks_in_vain_keeps_nobody_from_looking() -> None:
    answers = iter([ZeroDivisionError, None])

    def look() -> str:
        if error := next(answers):
            raise error
        return "found"

    latest = Latest(look)
    with pytest.raises(ZeroDivisionError):
        latest.get()
    assert latest.get() == "found"
