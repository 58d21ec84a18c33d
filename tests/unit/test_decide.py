"""Every rule of what a run needs next: given a pipeline and what became of its tasks, when it advances, then ..."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from factories import NOW, Simulation, keys, make_run, make_task, pipeline

from orchestrator.core.decide import Finish, Plan
from orchestrator.core.pipeline import Pipeline, Retry, Step
from orchestrator.core.states import RunState, TaskKind, TaskState
from orchestrator.core.view import Standing

HERO = """
grid:    {action: imagine, with: {prompt: "${inputs.prompt}"}}
best:    {choose: quadrant, of: grid}
single:  {action: upscale, of: best}
keep:    {archive: single}
"""
GRID = "grid: {action: imagine, with: {prompt: x}}\n"
ITEMS = 'each: {action: imagine, for_each: ["a", "b", "c"], with: {prompt: "${item}"}}\n'


def simulate(steps: str, *, top: str = "account: acedata\n", **inputs: Any) -> Simulation:
    """A run of these steps, advanced once."""
    simulation = Simulation(pipeline(steps, top), make_run(inputs=inputs))
    simulation.advance()
    return simulation


def state(simulation: Simulation) -> RunState:
    return simulation.run.state


# A straight line -------------------------------------------------------------------------------------------


def test_a_new_run_opens_what_needs_nothing() -> None:
    run = simulate(HERO, top="inputs: {prompt: string}\naccount: acedata\n", prompt="a fox")
    assert keys(run.opened) == [("grid", 0, 1)]
    assert run.opened[0].params == {"with": {"prompt": "a fox"}, "parent": None, "item": None, "accounts": ["acedata"]}
    assert run.opened[0].account == "acedata"
    assert run.opened[0].wake_at == NOW
    assert run.opened[0].timeout == 1800


def test_a_line_of_steps_is_opened_one_after_the_other_and_the_run_succeeds() -> None:
    run = simulate(HERO, top="inputs: {prompt: string}\naccount: acedata\n", prompt="a fox")
    assert keys(run.end("grid", image_id="g")) == [("best", 0, 1)]
    assert keys(run.end("best", quadrant=3, by="quality")) == [("single", 0, 1)]
    assert keys(run.end("single")) == [("keep", 0, 1)]
    assert state(run) is RunState.RUNNING
    assert run.end("keep", uri="file:///x") == []
    assert (state(run), run.run.error) == (RunState.SUCCEEDED, None)


def test_a_task_knows_the_job_its_image_comes_from_and_the_quadrant_that_was_chosen() -> None:
    run = simulate(HERO, top="inputs: {prompt: string}\naccount: acedata\n", prompt="a fox")
    run.end("grid", image_id="g", actions=["upscale3"], extra={"noise": 1})
    run.end("best", quadrant=3, by="quality")
    params = run.task("single").params
    assert params["quadrant"] == 3
    assert params["parent"] == {
        "task_id": str(run.task("grid").id),
        "external_id": "grid-0-1",
        "account": "acedata",
        "action": "imagine",
        "result": {"image_id": "g", "actions": ["upscale3"]},
    }


def test_nothing_happens_while_a_task_is_under_way() -> None:
    run = simulate(GRID)
    assert run.plan() == Plan()


@pytest.mark.parametrize("under_way", [s for s in TaskState if s not in ("succeeded", "failed", "cancelled")])
def test_no_unfinished_state_lets_a_run_go_on(under_way: TaskState) -> None:
    run = simulate(GRID + "keep: {archive: grid}")
    run.tasks = [replace(run.task("grid"), state=under_way)]
    assert run.plan() == Plan()


# Choices ---------------------------------------------------------------------------------------------------


def test_a_choice_by_number_needs_no_worker() -> None:
    run = simulate(GRID + "best: {choose: quadrant, of: grid, by: 2}\nsingle: {action: upscale, of: best}")
    assert keys(run.end("grid")) == [("best", 0, 1), ("single", 0, 1)]
    assert run.task("best").state is TaskState.SUCCEEDED
    assert run.task("best").result == {"by": 2, "quadrant": 2}
    assert run.task("single").params["quadrant"] == 2


def test_a_choice_by_a_person_says_what_happens_without_one() -> None:
    run = simulate(GRID + "best: {choose: quadrant, of: grid, by: person, else: 4}")
    run.end("grid")
    assert run.task("best").state is TaskState.READY
    assert (run.task("best").params["by"], run.task("best").params["fallback"]) == ("person", 4)


ALL = GRID + "each: {choose: quadrant, of: grid, by: all}\nsingle: {action: upscale, of: each}\nkeep: {archive: single}"


def test_choosing_all_opens_each_follower_four_times() -> None:
    run = simulate(ALL)
    assert keys(run.end("grid")) == [("each", 0, 1), *(("single", i, 1) for i in range(4))]
    assert [run.task("single", i).params["quadrant"] for i in range(4)] == [1, 2, 3, 4]
    assert [run.task("single", i).params["item"] for i in range(4)] == [1, 2, 3, 4]


def test_items_are_inherited_one_by_one() -> None:
    run = simulate(ALL)
    run.end("grid")
    assert keys(run.end("single", 2)) == [("keep", 2, 1)]
    assert run.task("keep", 2).params["parent"]["task_id"] == str(run.task("single", 2).id)
    for item in (0, 1, 3):
        run.end("single", item)
    for item in range(3):
        run.end("keep", item)
    assert state(run) is RunState.RUNNING
    run.end("keep", 3)
    assert state(run) is RunState.SUCCEEDED


def test_who_needs_the_followers_of_a_choice_of_all_waits_for_them() -> None:
    """The items are not known before the choice; a step without items is not a step that was skipped."""
    run = simulate(ALL + "\nreport: {action: translate, needs: keep, with: {text: done}}")
    assert keys(run.opened) == [("grid", 0, 1)]
    run.end("grid")
    assert ("report", 0, 1) not in keys(run.opened)


# for_each --------------------------------------------------------------------------------------------------


def test_for_each_opens_one_task_for_each_value() -> None:
    run = simulate(ITEMS)
    assert keys(run.opened) == [("each", 0, 1), ("each", 1, 1), ("each", 2, 1)]
    assert [one.params["with"]["prompt"] for one in run.opened] == ["a", "b", "c"]


def test_for_each_may_come_from_an_expression_and_its_values_may_hold_some() -> None:
    run = simulate(
        'one: {action: imagine, for_each: "${inputs.words}", with: {prompt: "${item.text} ${index}"}}\n'
        'two: {action: imagine, for_each: ["${inputs.words[1].text}", "z"], with: {prompt: "${item}"}}',
        top="inputs: {words: list}\naccount: acedata\n",
        words=[{"text": "a"}, {"text": "b"}],
    )
    assert [one.params["with"]["prompt"] for one in run.opened] == ["a 0", "b 1", "b", "z"]


def test_an_empty_list_skips_the_step_and_what_works_on_it() -> None:
    run = simulate(
        'each: {action: imagine, for_each: "${inputs.words}", with: {prompt: "${item}"}}\nkeep: {archive: each}',
        top="inputs: {words: list}\naccount: acedata\n",
        words=[],
    )
    assert run.opened == []
    assert state(run) is RunState.SUCCEEDED


def test_for_each_of_what_is_no_list_fails_the_step() -> None:
    run = simulate(
        'each: {action: imagine, for_each: "${inputs.words}", with: {prompt: "${item}"}}',
        top="inputs: {words: string}\naccount: acedata\n",
        words="abc",
    )
    assert state(run) is RunState.FAILED
    assert run.run.error is not None
    assert (run.run.error["code"], run.run.error["step"]) == ("expression", "each")
    assert "not a list" in run.run.error["message"]


def test_in_a_fanned_out_step_an_expression_sees_the_result_of_the_same_item() -> None:
    run = simulate(
        ITEMS + 'more: {action: variation, of: each, with: {quadrant: 1, prompt: "${steps.each.result.image_id}"}}'
    )
    for item in range(3):
        run.end("each", item, image_id=f"picture {item}")
    assert [run.task("more", i).params["with"]["prompt"] for i in range(3)] == ["picture 0", "picture 1", "picture 2"]


def test_who_needs_a_fanned_out_step_sees_every_result() -> None:
    run = simulate(ITEMS + 'sum: {action: translate, with: {text: "${steps.each.results[2].image_id}"}}')
    for item in range(3):
        assert "sum" not in [one.step for one in run.opened]
        run.end("each", item, image_id=f"picture {item}")
    assert run.task("sum").params["with"]["text"] == "picture 2"


# when ------------------------------------------------------------------------------------------------------

WHEN = (
    GRID
    + 'keep: {archive: grid, when: "steps.grid.result.width > 1000"}\n'
    + "next: {action: translate, needs: keep, with: {text: x}}"
)


def test_a_condition_that_holds_opens_the_step() -> None:
    run = simulate(WHEN)
    assert keys(run.end("grid", width=2048)) == [("keep", 0, 1)]


def test_a_condition_that_does_not_hold_skips_the_step_and_those_who_need_it_go_on() -> None:
    run = simulate(WHEN)
    assert keys(run.end("grid", width=512)) == [("next", 0, 1)]
    run.end("next", text="y")
    assert state(run) is RunState.SUCCEEDED


def test_a_condition_that_cannot_be_evaluated_fails_the_step() -> None:
    run = simulate(WHEN)
    run.end("grid", height=512)
    assert state(run) is RunState.FAILED
    assert run.run.error is not None
    assert run.run.error["code"] == "expression"


def test_a_condition_is_asked_for_each_item() -> None:
    run = simulate(
        'each: {action: imagine, for_each: [1, 2, 3], when: "item != 2", with: {prompt: "${item}"}}\n'
        "keep: {archive: each}"
    )
    assert keys(run.opened) == [("each", 0, 1), ("each", 2, 1)]
    run.end("each", 0)
    run.end("each", 2)
    assert keys(run.opened)[2:] == [("keep", 0, 1), ("keep", 2, 1)]
    run.end("keep", 0)
    run.end("keep", 2)
    assert state(run) is RunState.SUCCEEDED


def test_an_expression_that_cannot_be_rendered_fails_its_step_without_a_worker() -> None:
    run = simulate(GRID + 'next: {action: translate, with: {text: "${steps.grid.result.missing}"}}')
    run.end("grid")
    assert run.task("next").state is TaskState.FAILED
    assert state(run) is RunState.FAILED


# What is skipped, tolerated, replaced ----------------------------------------------------------------------


def test_what_works_on_a_skipped_step_is_skipped() -> None:
    run = simulate('grid: {action: imagine, with: {prompt: x}, when: "false"}\nkeep: {archive: grid}')
    assert run.opened == []
    assert state(run) is RunState.SUCCEEDED


def test_a_failure_ends_the_run_and_says_why() -> None:
    run = simulate(GRID + "keep: {archive: grid}")
    run.end("grid", code="forbidden")
    assert state(run) is RunState.FAILED
    assert run.run.error == {
        "code": "forbidden",
        "message": "as the test says",
        "step": "grid",
        "item": 0,
        "task_id": str(run.task("grid").id),
    }


def test_a_tolerated_failure_skips_what_works_on_it_and_lets_the_rest_go_on() -> None:
    run = simulate(
        "grid: {action: imagine, with: {prompt: x}, on_failure: continue}\n"
        "keep: {archive: grid}\n"
        'note: {action: translate, with: {text: "${steps.grid.state} ${steps.grid.error.code}"}}'
    )
    assert keys(run.end("grid", code="forbidden")) == [("note", 0, 1)]
    assert run.task("note").params["with"]["text"] == "tolerated forbidden"
    run.end("note", text="y")
    assert state(run) is RunState.SUCCEEDED


def test_one_tolerated_item_does_not_spoil_the_others() -> None:
    run = simulate(ITEMS.replace("}}\n", "}, on_failure: continue}\n") + "keep: {archive: each}")
    run.end("each", 0)
    run.end("each", 1, code="forbidden")
    run.end("each", 2)
    assert [one for one in keys(run.opened) if one[0] == "keep"] == [("keep", 0, 1), ("keep", 2, 1)]
    run.end("keep", 0)
    run.end("keep", 2)
    assert state(run) is RunState.SUCCEEDED


ELSE = """
grid:    {action: imagine, with: {prompt: x}, on_failure: {else: plainer}}
plainer: {action: imagine, with: {prompt: y}}
keep:    {archive: grid}
"""


def test_a_stand_in_is_not_needed_when_the_step_succeeds() -> None:
    run = simulate(ELSE)
    assert keys(run.end("grid")) == [("keep", 0, 1)]
    run.end("keep")
    assert state(run) is RunState.SUCCEEDED
    assert "plainer" not in [one.step for one in run.opened]


def test_a_stand_in_takes_the_place_of_the_step_that_failed() -> None:
    run = simulate(ELSE)
    assert keys(run.end("grid", code="forbidden")) == [("plainer", 0, 1)]
    assert keys(run.end("plainer")) == [("keep", 0, 1)]
    assert run.task("keep").params["parent"]["task_id"] == str(run.task("plainer").id)
    run.end("keep")
    assert state(run) is RunState.SUCCEEDED


def test_a_stand_in_that_fails_ends_the_run() -> None:
    run = simulate(ELSE)
    run.end("grid", code="forbidden")
    run.end("plainer", code="forbidden")
    assert state(run) is RunState.FAILED
    assert run.run.error is not None
    assert run.run.error["step"] == "plainer"


def test_a_stand_in_that_is_skipped_skips_what_works_on_the_step() -> None:
    run = simulate(ELSE.replace("{prompt: y}}", '{prompt: y}, when: "false"}'))
    run.end("grid", code="forbidden")
    assert state(run) is RunState.SUCCEEDED
    assert keys(run.opened) == [("grid", 0, 1)]


def test_a_step_that_is_replaced_opens_no_further_items() -> None:
    run = simulate(
        'grid:    {action: imagine, for_each: [1, 2], with: {prompt: "${item}"}, on_failure: {else: plainer},'
        " retry: {attempts: 2, on: api_error}}\n"
        'plainer: {action: imagine, for_each: [1, 2], with: {prompt: "${item}"}}'
    )
    run.finish("grid", 1, code="api_error")  # which would be worth another try
    run.finish("grid", 0, code="forbidden")  # but the step is replaced by now
    assert keys(run.advance()) == [("plainer", 0, 1), ("plainer", 1, 1)]


def test_a_step_starts_after_all_it_needs_is_over() -> None:
    run = simulate(
        "a: {action: imagine, with: {prompt: x}}\nb: {action: imagine, with: {prompt: x}}\n"
        "c: {action: translate, needs: [a, b], with: {text: x}}"
    )
    assert keys(run.opened) == [("a", 0, 1), ("b", 0, 1)]
    assert run.end("b") == []
    assert keys(run.end("a")) == [("c", 0, 1)]


# Retries ---------------------------------------------------------------------------------------------------

RETRY = "grid: {action: imagine, with: {prompt: x}, retry: {attempts: 3, backoff: {first: 10, factor: 3, most: 1h}}}"


def test_a_passing_failure_is_tried_again_after_a_while() -> None:
    run = simulate(RETRY)
    first = run.end("grid", code="api_error")
    assert keys(first) == [("grid", 0, 2)]
    assert timedelta(seconds=10) <= first[0].wake_at - NOW <= timedelta(seconds=12.5)
    second = run.end("grid", code="timeout")
    assert timedelta(seconds=30) <= second[0].wake_at - NOW <= timedelta(seconds=37.5)
    assert run.end("grid", code="api_error") == []
    assert state(run) is RunState.FAILED


def test_a_lasting_failure_is_not_tried_again() -> None:
    run = simulate(RETRY)
    assert run.end("grid", code="bad_request") == []
    assert state(run) is RunState.FAILED


@pytest.mark.parametrize(
    ("on", "code", "again"), [("any", "odd", True), ("[odd, api_error]", "odd", True), ("odd", "api_error", False)]
)
def test_on_says_which_failures_are_worth_another_try(on: str, code: str, again: bool) -> None:
    run = simulate(f"grid: {{action: imagine, with: {{prompt: x}}, retry: {{attempts: 2, on: {on}}}}}")
    assert bool(run.end("grid", code=code)) is again


def test_the_items_of_a_step_are_retried_each_on_its_own() -> None:
    run = simulate(ITEMS.replace("}}\n", "}, retry: {attempts: 2}}\n"))
    run.end("each", 0)
    assert keys(run.end("each", 1, code="api_error")) == [("each", 1, 2)]
    run.end("each", 2)
    run.end("each", 1)
    assert state(run) is RunState.SUCCEEDED


def test_only_the_last_attempt_counts() -> None:
    run = simulate(RETRY + "\nkeep: {archive: grid}")
    run.end("grid", code="api_error")
    run.end("grid")
    assert run.task("keep").params["parent"]["task_id"] == str(run.task("grid").id)
    assert run.task("grid").attempt == 2


def test_what_a_person_has_replaced_does_not_count_but_its_number_is_not_used_again() -> None:
    run = simulate(RETRY)
    for _ in range(3):
        run.end("grid", code="api_error")
    run.tasks = [replace(task, superseded=True) for task in run.tasks]
    run.run = make_run()
    again = run.advance()
    assert keys(again) == [("grid", 0, 4)]
    assert again[0].wake_at == NOW
    assert keys(run.end("grid", code="api_error")) == [("grid", 0, 5)]


def test_an_expression_that_fails_is_tried_again_no_more_often_than_allowed() -> None:
    run = simulate('grid: {action: imagine, with: {prompt: "${1/0}"}, retry: {attempts: 3, on: any}}')
    assert keys(run.opened) == [("grid", 0, 1), ("grid", 0, 2), ("grid", 0, 3)]
    assert state(run) is RunState.FAILED


# The run ---------------------------------------------------------------------------------------------------


def test_a_failure_is_worth_more_than_anything_else_to_do() -> None:
    run = simulate(GRID + "other: {action: imagine, with: {prompt: x}}\nkeep: {archive: other}")
    run.finish("grid", code="forbidden")
    run.finish("other")
    plan = run.plan()
    assert plan.opens == ()
    assert isinstance(plan.finish, Finish)
    assert plan.finish.state is RunState.FAILED


def test_a_task_that_was_cancelled_fails_its_step() -> None:
    run = simulate(GRID)
    run.tasks = [replace(run.task("grid"), state=TaskState.CANCELLED, finished_at=NOW)]
    plan = run.plan()
    assert plan.finish is not None
    assert plan.finish.error is not None
    assert plan.finish.error["code"] == "cancelled"


@pytest.mark.parametrize("over", [RunState.PAUSED, RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED])
def test_a_run_that_is_held_or_over_only_takes_notice(over: RunState) -> None:
    run = simulate(GRID + "keep: {archive: grid}")
    run.finish("grid")
    run.run = make_run(state=over)
    assert run.plan() == Plan(settle=(run.task("grid").id,))


def test_every_end_is_taken_notice_of_once() -> None:
    run = simulate(ITEMS)
    run.finish("each", 0)
    run.finish("each", 2)
    assert set(run.plan().settle) == {run.task("each", 0).id, run.task("each", 2).id}
    run.advance()
    assert run.plan() == Plan()


def test_the_same_rows_give_the_same_plan_in_whatever_order_they_come() -> None:
    run = simulate(RETRY + "\n" + ITEMS)
    run.finish("grid", code="api_error")
    run.finish("each", 1)
    plan = run.plan()
    run.tasks = run.tasks[::-1]
    assert run.plan().opens == plan.opens
    assert set(run.plan().settle) == set(plan.settle)


def test_a_run_without_anything_to_do_is_over_at_once() -> None:
    run = simulate('grid: {action: imagine, with: {prompt: x}, when: "false"}')
    assert state(run) is RunState.SUCCEEDED


# Accounts --------------------------------------------------------------------------------------------------


def test_a_step_may_name_accounts_of_its_own_and_the_first_one_is_taken() -> None:
    run = simulate(
        "a: {action: imagine, with: {prompt: x}}\nb: {action: imagine, account: [third, acedata], with: {prompt: x}}",
        top="account: [acedata, second]\n",
    )
    assert [one.account for one in run.opened] == ["acedata", "third"]
    assert [one.params["accounts"] for one in run.opened] == [["acedata", "second"], ["third", "acedata"]]


def test_a_follow_up_goes_where_its_parent_is() -> None:
    run = simulate(
        GRID + "best: {choose: quadrant, of: grid, by: 1}\nsingle: {action: upscale, of: best, account: third}"
    )
    run.tasks = [replace(run.task("grid"), account="second")]
    run.end("grid")
    assert run.task("single").account == "second"


# Views that no run leads to easily -------------------------------------------------------------------------


def test_the_parts_of_a_pipeline_that_hang_on_a_step_are_found() -> None:
    line = pipeline(ELSE + "other: {action: imagine, with: {prompt: z}}")
    assert line.downstream("grid") == {"grid", "plainer", "keep"}
    assert line.downstream("plainer") == {"plainer", "keep"}
    assert line.downstream("other") == {"other"}


def test_a_final_task_without_a_result_is_no_trouble() -> None:
    run = simulate(GRID + "best: {choose: quadrant, of: grid}\nsingle: {action: upscale, of: best}")
    run.tasks = [replace(run.task("grid"), state=TaskState.SUCCEEDED, finished_at=NOW, result=None)]
    assert keys(run.advance()) == [("best", 0, 1)]
    run.tasks = [*run.tasks[:1], replace(run.task("best"), state=TaskState.SUCCEEDED, finished_at=NOW, result=None)]
    assert keys(run.advance()) == [("single", 0, 1)]
    assert "quadrant" not in run.task("single").params


def test_every_standing_is_either_over_or_not() -> None:
    from orchestrator.core.view import OVER, UNUSABLE

    assert UNUSABLE < OVER
    assert set(Standing) - OVER == {Standing.PENDING, Standing.DUE, Standing.ACTIVE, Standing.FAILED}


def test_a_task_of_a_step_that_the_pipeline_does_not_have_is_only_noticed() -> None:
    run = simulate(GRID)
    stray = make_task(step="gone", state=TaskState.SUCCEEDED, kind=TaskKind.PROVIDER)
    run.tasks.append(stray)
    assert run.plan() == Plan(settle=(stray.id,))


def test_the_accounts_of_a_run_stand_in_for_the_pipelines_but_not_for_a_steps_own() -> None:

    step = Step(name="a", kind=TaskKind.PROVIDER, action="imagine")
    pipeline = Pipeline(name="p", accounts=("first",), steps={"a": step})

    assert pipeline.accounts_of(step) == ("first",)
    assert pipeline.accounts_of(step, ("other", "third")) == ("other", "third")
    assert pipeline.accounts_of(replace(step, accounts=("own",)), ("other",)) == ("own",)


@pytest.mark.parametrize(
    ("on", "code", "again"),
    [
        ({"any"}, "api_error", True),
        ({"any"}, "submission_uncertain", False),  # it may have been paid for
        ({"any"}, "timed_out", False),
        ({"any", "timed_out"}, "timed_out", True),
        ({"api_error"}, "forbidden", False),
    ],
)
def test_any_code_does_not_mean_paying_twice(on: set[str], code: str, again: bool) -> None:
    retry = Retry(attempts=2, on=frozenset(on))

    assert retry.allows(code, 1) is again
    assert not retry.allows(code, 2)
