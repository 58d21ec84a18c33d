"""States and their arrows."""

from __future__ import annotations

import pytest

from orchestrator.core.states import FINAL_RUN_STATES, FINAL_TASK_STATES, IN_FLIGHT, TASK_ARROWS, RunState, TaskState


def test_every_state_says_where_it_leads() -> None:
    assert set(TASK_ARROWS) == set(TaskState)
    assert {state for state, arrows in TASK_ARROWS.items() if not arrows} == FINAL_TASK_STATES


def test_every_state_is_reached_and_leads_to_an_end() -> None:
    reached = {TaskState.READY}
    while new := {arrow for state in reached for arrow in TASK_ARROWS[state]} - reached:
        reached |= new
    assert reached == set(TaskState)
    for state in set(TaskState) - FINAL_TASK_STATES:
        assert TASK_ARROWS[state] >= FINAL_TASK_STATES, f"{state} cannot end in every way"


def test_no_state_leads_to_itself_and_what_may_have_been_paid_for_is_not_begun_again_unasked() -> None:
    assert not [state for state, arrows in TASK_ARROWS.items() if state in arrows]
    assert TaskState.SUBMITTING not in TASK_ARROWS[TaskState.UNCERTAIN]
    assert TaskState.SUBMITTING not in TASK_ARROWS[TaskState.WAITING]


def test_what_is_in_flight_is_not_over() -> None:
    assert not IN_FLIGHT & FINAL_TASK_STATES
    assert {TaskState.SUBMITTING, TaskState.UNCERTAIN, TaskState.WAITING} == IN_FLIGHT
    assert set(RunState) - FINAL_RUN_STATES == {RunState.RUNNING, RunState.PAUSED}


@pytest.mark.parametrize("state", sorted(TaskState))
def test_a_task_is_over_in_the_final_states_only(state: TaskState) -> None:
    from factories import make_task

    assert make_task(state=state).final is (state in FINAL_TASK_STATES)
