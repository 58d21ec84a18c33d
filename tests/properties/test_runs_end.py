"""Any pipeline, any outcomes: a run always ends, opens nothing twice, nothing too early, and the same each time."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from factories import Simulation, keys, make_run
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import expressions, loader
from orchestrator.core.decide import Open
from orchestrator.core.pipeline import Pipeline
from orchestrator.core.states import RunState, TaskKind, TaskState
from orchestrator.core.view import OVER, RunView
from orchestrator.errors import InvalidPipeline

CODES = ("api_error", "timeout", "forbidden", "odd")
CONDITIONS = ("true", "false", "1 / 0 > 1", "{of} != null", "inputs.n > 1")
LISTS = (["a"], ["a", "b", "c"], "${inputs.words}", "${inputs.none}", "${inputs.n}")


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A document of two to eight steps; the loader refuses a few of them."""
    steps: dict[str, dict[str, Any]] = {}
    for number in range(draw(st.integers(2, 8))):
        step = draw(st.sampled_from(_forms(steps)))
        name = f"s{number}"
        steps[name] = {**step, **draw(_conditions(list(steps), step))}
        if draw(st.integers(0, 5)) == 0:
            steps[name]["on_failure"] = {"else": f"{name}b"}
            steps[f"{name}b"] = {**step, **draw(_conditions([], step))}
    inputs = {"n": {"type": "integer", "default": 2}, "words": "list", "none": "list"}
    return {"pipeline": "any", "account": ["acedata", "second"], "inputs": inputs, "steps": steps}


def _forms(former: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """What a step after these ones may be."""
    imagine = {"action": "imagine", "with": {"prompt": "x"}}
    forms: list[dict[str, Any]] = [imagine, *({**imagine, "for_each": values} for values in LISTS)]
    for name, step in former.items():
        if step.get("action") == "imagine":
            ways = ("quality", "person", 3) if "for_each" in step else ("all", "all", "all", "quality", "person", 3)
            forms += [{"choose": "quadrant", "of": name, "by": by} for by in ways]
        if "choose" in step:
            forms += [{"action": "upscale", "of": name}] * 8
        if step.get("action"):
            forms.append({"archive": name})
    return forms


@st.composite
def _conditions(draw: st.DrawFn, former: list[str], step: dict[str, Any]) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    if former and draw(st.booleans()):
        keys["needs"] = draw(st.lists(st.sampled_from(former), min_size=1, max_size=2, unique=True))
    if draw(st.integers(0, 3)) == 0:
        spoken = f"steps.{draw(st.sampled_from(former))}.result" if former else "inputs"
        keys["when"] = draw(st.sampled_from(CONDITIONS)).format(of=spoken)
    if draw(st.integers(0, 2)) == 0:
        keys["retry"] = {"attempts": draw(st.integers(1, 3)), "on": draw(st.sampled_from(["any", "api_error"]))}
    if draw(st.integers(0, 2)) == 0:
        keys["on_failure"] = "continue"
    return keys


def parsed(document: dict[str, Any]) -> Pipeline | None:
    try:
        return loader.parse(document)
    except InvalidPipeline:
        return None


def start(pipeline: Pipeline) -> Simulation:
    simulation = Simulation(pipeline, make_run(inputs={"n": 2, "words": ["a", "b"], "none": []}))
    simulation.advance()
    return simulation


def end_one(simulation: Simulation, chance: random.Random) -> None:
    """Some task that is under way ends in some way."""
    under_way = sorted((t for t in simulation.tasks if not t.final), key=lambda t: (t.step, t.item))
    task = chance.choice(under_way)
    if chance.random() < 0.3:
        simulation.finish(task.step, task.item, code=chance.choice(CODES))
    elif task.kind is TaskKind.CHOOSE:
        simulation.finish(task.step, task.item, by="quality", quadrant=chance.randint(1, 4))
    else:
        simulation.finish(task.step, task.item)


def view_of(simulation: Simulation) -> RunView:
    return RunView(simulation.pipeline, simulation.run, simulation.tasks, expressions)


def assert_opened_in_time(run: Simulation, opened: list[Open]) -> None:
    """What was opened works on what has succeeded, and whatever it needs has come to its end: nothing of that is under
    way, nothing more of it will ever be opened. Told from the tasks alone, not from the engine's own view."""
    tasks = {str(task.id): task for task in run.tasks}
    for one in opened:
        if one.error is None and one.params["parent"]:
            assert tasks[one.params["parent"]["task_id"]].state is TaskState.SUCCEEDED
        step = run.pipeline.steps[one.step]
        for need in filter(None, (*step.needs, step.source if step.source not in fanned(run.pipeline) else None)):
            if not run.pipeline.steps[need].otherwise:  # of a step that is replaced, items may still be under way
                assert all(task.final for task in run.tasks if task.step == need), f"{one.step} came before {need}"


def assert_nothing_came_too_late(run: Simulation) -> None:
    """No task of a step was opened after one of a step that needs it, or that stands in for it."""
    first = {one.step: place for place, one in reversed(list(enumerate(run.opened)))}
    last = {one.step: place for place, one in enumerate(run.opened)}
    for step in run.pipeline.steps.values():
        for follower in run.pipeline.steps.values():
            follows = step.name in follower.needs or step.otherwise == follower.name
            if follows and step.name in last and follower.name in first:
                assert last[step.name] < first[follower.name], f"{follower.name} was opened before {step.name} was over"


def fanned(pipeline: Pipeline) -> set[str]:
    """Steps with several items, whose followers go on item by item."""
    found: set[str] = set()
    for step in pipeline.steps.values():
        if step.for_each is not None or step.source in found or step.by == "all":
            found.add(step.name)
    return found


@settings(max_examples=150, deadline=None)
@given(documents(), st.randoms(use_true_random=False))
def test_every_run_ends(document: dict[str, Any], chance: random.Random) -> None:
    pipeline = parsed(document)
    if pipeline is None:
        return
    run = start(pipeline)
    for _ in range(500):
        if run.run.state is not RunState.RUNNING:
            break
        assert any(not task.final for task in run.tasks), "nothing is under way, and the run is not over"
        end_one(run, chance)
        assert_opened_in_time(run, run.advance())
        plan = run.plan()
        assert (plan.opens, plan.settle, plan.finish) == ((), (), None) or run.run.state is not RunState.RUNNING
    assert_nothing_came_too_late(run)
    standings = {name: view_of(run).step(name).standing for name in pipeline.steps}
    over = all(standing in OVER for standing in standings.values())
    assert run.run.state is (RunState.SUCCEEDED if over else RunState.FAILED), standings
    assert over or any(standing.value == "failed" for standing in standings.values())


@settings(max_examples=60, deadline=None)
@given(documents(), st.integers(0, 2**32), st.integers(0, 2**32))
def test_it_does_not_matter_when_an_advance_comes(document: dict[str, Any], seed: int, other: int) -> None:
    """One advance after each end, or one after several: the same tasks are opened in a run that succeeds."""
    pipeline = parsed(document)
    if pipeline is None:
        return
    eager, lazy = start(pipeline), start(pipeline)
    drive(eager, random.Random(seed), advance=lambda: True)
    pace = random.Random(other)
    drive(lazy, random.Random(seed), advance=lambda: pace.random() < 0.4)
    assert lazy.run.state is eager.run.state
    if eager.run.state is RunState.SUCCEEDED and not pipeline.stand_ins():
        assert set(keys(lazy.opened)) == set(keys(eager.opened))


def drive(run: Simulation, chance: random.Random, *, advance: Any) -> None:
    """To the end; how a task ends depends on its step, item and attempt alone."""
    salt = chance.random()
    while run.run.state is RunState.RUNNING:
        under_way = [task for task in run.tasks if not task.final]
        if not under_way:
            run.advance()
            continue
        task = min(under_way, key=lambda t: (t.step, t.item))
        fate = random.Random(f"{salt} {task.step} {task.item} {task.attempt}")
        code = fate.choice(CODES) if fate.random() < 0.2 else None
        result = {"quadrant": 1} if task.kind is TaskKind.CHOOSE else {}
        run.finish(task.step, task.item, code=code, **({} if code else result))
        if advance():
            run.advance()


@settings(max_examples=60, deadline=None)
@given(documents(), st.randoms(use_true_random=False))
def test_every_state_gives_a_plan_and_always_the_same_one(document: dict[str, Any], chance: random.Random) -> None:
    """Even of rows that no run leads to: nothing raises, and the order of the rows is nothing."""
    pipeline = parsed(document)
    if pipeline is None:
        return
    run = start(pipeline)
    for _ in range(4):
        if run.run.state is RunState.RUNNING and any(not task.final for task in run.tasks):
            end_one(run, chance)
            run.advance()
    run.run = make_run(inputs=run.run.inputs)
    run.tasks = [
        replace(task, superseded=chance.random() < 0.2, result=None if chance.random() < 0.2 else task.result)
        for task in run.tasks
        if chance.random() < 0.9
    ]
    first = run.plan()
    chance.shuffle(run.tasks)
    second = run.plan()
    assert (first.opens, first.finish) == (second.opens, second.finish)
    assert set(first.settle) == set(second.settle)
