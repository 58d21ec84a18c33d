"""What a run has cost."""

from __future__ import annotations

from factories import make_task

from orchestrator.core.cost import cost
from orchestrator.core.states import TaskState

PRICES = {"acedata": {"imagine": 0.05, "upscale": 0.01}}


def test_accepted_actions_are_summed_up() -> None:
    tasks = [
        make_task(action="imagine", account="acedata", state=TaskState.SUCCEEDED),
        make_task(action="upscale", account="acedata", state=TaskState.WAITING),
        make_task(action="upscale", account="acedata", state=TaskState.READY),
        make_task(action="imagine", account="acedata", state=TaskState.FAILED),
    ]

    assert cost(tasks, PRICES) == 0.06


def test_an_accepted_action_without_a_price_makes_it_unknown() -> None:
    tasks = [make_task(action="reroll", account="acedata", state=TaskState.SUCCEEDED)]

    assert cost(tasks, PRICES) is None
    assert cost([], PRICES) == 0
