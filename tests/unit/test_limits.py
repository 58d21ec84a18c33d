"""How often and how many at a time: the arithmetic, the count by key, the places."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from orchestrator.config import load
from orchestrator.config.rates import shown
from orchestrator.core.rate import Rate
from orchestrator.errors import ConfigError, Overloaded, TooManyRequests
from orchestrator.limits import FEW_KEYS, Gate, Meter


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def passed(meter: Meter, times: int, key: object = "k") -> int:
    """How many of so many were let in."""
    count = 0
    for _ in range(times):
        try:
            meter.take(key)
        except TooManyRequests:
            continue
        count += 1
    return count


def test_a_burst_passes_and_then_so_many_a_second() -> None:
    clock = Clock()
    meter = Meter("test", Rate(10, 30), clock)

    assert passed(meter, 100) == 30
    clock.now += 1
    assert passed(meter, 100) == 10
    clock.now += 3600
    assert passed(meter, 100) == 30


def test_what_is_left_is_told() -> None:
    clock = Clock()
    meter = Meter("api", Rate(2, 4), clock)
    first = meter.take("k")
    assert first is not None
    assert meter.headers(first) == {"RateLimit-Policy": '"api";q=4;w=2', "RateLimit": '"api";r=3;t=1'}

    passed(meter, 3)
    with pytest.raises(TooManyRequests) as refused:
        meter.take("k")

    assert refused.value.retry_after == 1
    assert refused.value.headers["RateLimit"] == '"api";r=0;t=2'
    clock.now += refused.value.retry_after
    assert passed(meter, 1) == 1, "who waits as long as it was told gets in"


def test_each_key_has_a_count_of_its_own_and_none_is_kept_longer_than_it_matters() -> None:
    clock = Clock()
    meter = Meter("test", Rate(1, 2), clock)
    assert passed(meter, 5, "a") == passed(meter, 5, "b") == 2

    for number in range(10 * FEW_KEYS):
        meter.take(number)
        clock.now += 0.01

    assert len(meter) <= FEW_KEYS + 1


def test_without_a_rate_everything_passes() -> None:
    assert Meter("test", None).take("k") is None


@pytest.mark.parametrize(
    ("text", "rate"), [("5:20", Rate(5, 20)), ("0.5:1", Rate(0.5, 1)), ("20", Rate(20, 200)), ("off", None)]
)
def test_a_rate_is_read(text: str, rate: Rate | None) -> None:
    assert load({"ORCHESTRATOR_HOOK_RATE": text}).hook_rate == rate
    assert load({"ORCHESTRATOR_HOOK_RATE": shown(rate)}).hook_rate == rate


@pytest.mark.parametrize("text", ["0", "-1", "1:0", "fast", "1:2:3", "1e9", "2000000", "1:9999999", "nan"])
def test_what_is_no_rate_is_refused_with_the_variable(text: str) -> None:
    with pytest.raises(ConfigError, match=r"ORCHESTRATOR_CALLBACK_RATE: .*allowed: off"):
        load({"ORCHESTRATOR_CALLBACK_RATE": text})


def test_a_full_gate_refuses_at_once_who_has_no_room_to_wait() -> None:
    gate = Gate("test", 2, waiting=0, patience=60)
    with ExitStack() as held:
        held.enter_context(gate.place())
        held.enter_context(gate.place())
        with pytest.raises(Overloaded):
            held.enter_context(gate.place())
    with gate.place():
        """There is a place again, although a request failed."""


def test_who_waits_gets_the_place_that_is_given_back() -> None:
    gate = Gate("test", 1, waiting=1, patience=60)
    order: list[str] = []
    waits, over = threading.Event(), threading.Event()

    def second() -> None:
        waits.set()
        with gate.place():
            order.append("second")

    with ThreadPoolExecutor(1) as pool:
        with gate.place():
            done = pool.submit(second)
            assert waits.wait(30)
            assert not over.wait(0.05)
            order.append("first")
        done.result(30)
    assert order == ["first", "second"]


def test_patience_ends() -> None:
    gate = Gate("test", 1, waiting=1, patience=0.01)
    with gate.place():
        for _ in range(3):  # the room of who has given up is free again
            with pytest.raises(Overloaded), gate.place():
                pytest.fail("there was no place")
