"""The scheduler does things in their order, when the clock, pushed or not, says so."""

from __future__ import annotations

import queue
from collections.abc import Iterator

import pytest

from ops.emulator.clock import Clock, Scheduler

DEADLINE = 5.0


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler(Clock())
    yield scheduler
    scheduler.stop()


def test_actions_are_done_in_the_order_of_their_times(scheduler: Scheduler) -> None:
    done: queue.SimpleQueue[int] = queue.SimpleQueue()
    for place in (3, 1, 2):
        scheduler.after(place * 1000.0, lambda place=place: done.put(place))
    scheduler.advance(5000)
    assert [done.get(timeout=DEADLINE) for _ in range(3)] == [1, 2, 3]
    assert scheduler.waiting() == 0


def test_what_is_not_due_waits(scheduler: Scheduler) -> None:
    done: queue.SimpleQueue[str] = queue.SimpleQueue()
    scheduler.after(1000, lambda: done.put("late"))
    scheduler.after(0, lambda: done.put("now"))
    assert done.get(timeout=DEADLINE) == "now"
    assert (scheduler.waiting(), done.empty()) == (1, True)


def test_a_broken_action_does_not_stop_the_others(scheduler: Scheduler, caplog: pytest.LogCaptureFixture) -> None:
    done: queue.SimpleQueue[str] = queue.SimpleQueue()
    scheduler.after(0, lambda: {}["missing"])
    scheduler.after(0, lambda: done.put("done"))
    assert done.get(timeout=DEADLINE) == "done"
    assert "a scheduled action failed" in caplog.text
