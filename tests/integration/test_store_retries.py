"""Trying again pays for what failed and for nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from factories import wipe

from orchestrator import catalog
from orchestrator.advance import advance
from orchestrator.core.events import TaskError
from orchestrator.core.run import Task
from orchestrator.core.states import FINAL_TASK_STATES, RunState, TaskState
from orchestrator.errors import Conflict, InvalidInput
from orchestrator.intervene import cancel_run, retry_run, retry_task
from orchestrator.launch import Request, launch
from orchestrator.services import Services
from orchestrator.store import runs, submissions, tasks

if TYPE_CHECKING:
    from caller import Caller

IMAGINE = {"action": "imagine", "with": {"prompt": "x"}}
AGAIN = {**IMAGINE, "retry": {"attempts": 2, "backoff": 0}}
LINE = {
    "grid": AGAIN,
    "best": {"choose": "quadrant", "of": "grid", "by": 1},
    "single": {"action": "upscale", "of": "best"},
}
FAN = {"each": {**IMAGINE, "for_each": [1, 2, 3]}, "keep": {"archive": "each"}}
ELSE = {
    "grid": {**IMAGINE, "on_failure": {"else": "plainer"}},
    "plainer": IMAGINE,
    "single": {"action": "upscale", "of": "grid", "with": {"quadrant": 1}},
    "aside": {**IMAGINE, "on_failure": "continue"},
}


class Story:
    """A run whose tasks end as the test says."""

    def __init__(self, services: Services, steps: dict[str, Any]) -> None:
        self.services = services
        catalog.push(services, {"pipeline": "retried", "account": "acedata", "steps": steps}, where="test")
        self.id = launch(services, Request(pipeline="retried", inputs={}, labels={})).run.id

    @property
    def state(self) -> RunState:
        with self.services.db.connection() as connection:
            return runs.get_run(connection, self.id).state

    def tasks(self) -> list[Task]:
        with self.services.db.connection() as connection:
            return tasks.load_tasks(connection, self.id)

    def current(self) -> dict[tuple[str, int], tuple[int, str]]:
        """(attempt, state) of each item's last task that a retry has not replaced."""
        found = sorted((one for one in self.tasks() if not one.superseded), key=lambda one: one.attempt)
        return {(one.step, one.item): (one.attempt, one.state.value) for one in found}

    def task(self, step: str, item: int = 0) -> Task:
        return max((t for t in self.tasks() if (t.step, t.item) == (step, item)), key=lambda t: t.attempt)

    def end(self, step: str, item: int = 0, *, code: str | None = None) -> None:
        """The task succeeds, or fails with a code; then the run advances."""
        with self.services.db.connection() as connection:
            done = tasks.finish_task(
                connection,
                self.task(step, item).id,
                TaskState.FAILED if code else TaskState.SUCCEEDED,
                from_states=set(TaskState) - FINAL_TASK_STATES,
                cause="test",
                now=self.services.now(),
                result=None if code else {"image_url": "http://x/y.png"},
                error=TaskError(code, "as the test says") if code else None,
            )
        assert done
        advance(self.services, self.id)

    def submit(self) -> UUID:
        with self.services.db.connection() as connection:
            task = submissions.claim_submission(connection, "acedata", lease=60, now=self.services.now())
        assert task is not None
        return task.id


@pytest.fixture
def services(shared_web: Caller) -> Services:
    with shared_web.services.db.connection() as connection:
        wipe(connection)
    return shared_web.services


def test_what_a_second_attempt_has_paid_for_is_kept(services: Services) -> None:
    story = Story(services, LINE)
    story.end("grid", code="api_error")
    story.end("grid")
    story.end("single", code="forbidden")
    assert story.state is RunState.FAILED
    assert retry_run(services, story.id).state is RunState.RUNNING
    assert story.current() == {
        ("grid", 0): (2, "succeeded"),
        ("best", 0): (1, "succeeded"),
        ("single", 0): (2, "ready"),
    }


def test_of_several_items_only_those_that_failed_are_done_again(services: Services) -> None:
    story = Story(services, FAN)
    story.end("each", 0)
    story.end("each", 1)
    story.end("each", 2, code="forbidden")
    retry_run(services, story.id)
    current = story.current()
    assert [current["each", item] for item in range(3)] == [(1, "succeeded"), (1, "succeeded"), (2, "ready")]
    assert [current["keep", item] for item in range(2)] == [(2, "ready"), (2, "ready")]  # they were cancelled


def test_a_failure_that_was_tolerated_or_replaced_is_not_done_again(services: Services) -> None:
    story = Story(services, ELSE)
    story.end("aside", code="forbidden")
    story.end("grid", code="forbidden")
    story.end("plainer")
    story.end("single", code="forbidden")
    retry_run(services, story.id)
    assert story.current() == {
        ("grid", 0): (1, "failed"),
        ("aside", 0): (1, "failed"),
        ("plainer", 0): (1, "succeeded"),
        ("single", 0): (2, "ready"),
    }


def test_from_a_step_all_that_follows_is_done_again(services: Services) -> None:
    story = Story(services, LINE)
    story.end("grid")
    story.end("single", code="forbidden")
    retry_run(services, story.id, "best")
    assert story.current() == {
        ("grid", 0): (1, "succeeded"),
        ("best", 0): (2, "succeeded"),
        ("single", 0): (2, "ready"),
    }


def test_what_is_under_way_is_not_paid_for_a_second_time(services: Services) -> None:
    story = Story(services, {**FAN, "note": {"action": "translate", "with": {"text": "x"}, "needs": "each"}})
    story.submit()
    under_way = next(one.item for one in story.tasks() if one.state is TaskState.SUBMITTING)
    story.end("each", (under_way + 1) % 3, code="forbidden")
    with pytest.raises(Conflict, match="each: still under way"):
        retry_run(services, story.id, "each")
    retry_run(services, story.id)
    assert story.current()["each", under_way] == (1, "submitting")
    assert story.current()["each", (under_way + 1) % 3] == (2, "ready")


def test_a_cancelled_run_goes_on_with_what_it_has(services: Services) -> None:
    story = Story(services, LINE)
    story.end("grid")
    cancel_run(services, story.id)
    retry_run(services, story.id)
    assert story.current() == {
        ("grid", 0): (1, "succeeded"),
        ("best", 0): (1, "succeeded"),
        ("single", 0): (2, "ready"),
    }
    assert story.state is RunState.RUNNING


def test_a_run_that_has_succeeded_is_not_retried(services: Services) -> None:
    story = Story(services, {"grid": IMAGINE})
    story.end("grid")
    with pytest.raises(Conflict, match="succeeded"):
        retry_run(services, story.id)


def test_a_step_that_does_not_exist_is_named(services: Services) -> None:
    with pytest.raises(InvalidInput, match="there is no step 'gird'; allowed: grid"):
        retry_run(services, Story(services, {"grid": IMAGINE}).id, "gird")


def test_one_task_is_retried(services: Services) -> None:
    story = Story(services, LINE)
    story.end("grid")
    story.end("single", code="forbidden")
    assert retry_task(services, story.task("single").id).state is RunState.RUNNING
    assert story.current()["single", 0] == (2, "ready")


def test_a_former_attempt_is_not_retried(services: Services) -> None:
    story = Story(services, LINE)
    first = story.task("grid").id
    story.end("grid", code="api_error")
    with pytest.raises(Conflict, match="not the last attempt"):
        retry_task(services, first)
    story.end("grid")
    with pytest.raises(Conflict, match="not the last attempt"):
        retry_task(services, first)
    assert story.current()["grid", 0] == (2, "succeeded")


def test_a_task_is_not_retried_while_another_failure_would_end_the_run_again(services: Services) -> None:
    story = Story(services, FAN)
    story.submit()
    story.submit()
    sent = [one.item for one in story.tasks() if one.state is TaskState.SUBMITTING]
    for item in sent:
        story.end("each", item, code="forbidden")
    with pytest.raises(Conflict, match="retry the run"):
        retry_task(services, story.task("each", sent[0]).id)
    retry_run(services, story.id)
    assert {story.current()["each", item] for item in sent} == {(2, "ready")}


def test_an_earlier_failure_of_another_step_is_no_obstacle(services: Services) -> None:
    story = Story(services, LINE)
    story.end("grid", code="api_error")
    story.end("grid")
    story.end("single", code="forbidden")
    assert retry_task(services, story.task("single").id).state is RunState.RUNNING
