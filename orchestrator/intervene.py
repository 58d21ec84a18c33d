"""What a person does to a run, a task or a delivery: cancel, retry, choose, resolve, adopt, replay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

from orchestrator.advance import Opened, advance_locked, nudge_for
from orchestrator.core.events import Event, Source, TaskError
from orchestrator.core.pipeline import Pipeline
from orchestrator.core.run import Run, Task
from orchestrator.core.states import FINAL_RUN_STATES, RunState, TaskKind, TaskState, Verdict
from orchestrator.erasure import refuse_erased
from orchestrator.errors import Conflict, InvalidInput, NotFound
from orchestrator.intake.events import take_events, take_parked
from orchestrator.services import Services
from orchestrator.store import Connection, accounts, callbacks, runs, submissions, tasks
from orchestrator.store.callbacks import Taken
from orchestrator.store.pool import Row

_AS_IT_CAME = frozenset({Source.CALLBACK.value, Source.STREAM.value})
_GIVEN_UP_FROM = (TaskState.READY, TaskState.WAITING)


def cancel_run(services: Services, run_id: UUID) -> Run:
    """End a run. Nothing more is opened; what the provider already has is followed to its end and recorded."""
    now = services.now()
    with services.db.transaction() as connection:
        run = runs.lock_run(connection, run_id)
        if run.state is RunState.CANCELLED:
            return run
        if run.state in FINAL_RUN_STATES:
            raise Conflict(f"the run has {run.state} already")
        ended = runs.finish_run(connection, run_id, RunState.CANCELLED, error=None, now=now)
        tasks.cancel_unsent(connection, run_id, cause="the run was cancelled", now=now)
    return ended or run


def retry_run(services: Services, run_id: UUID, step: str | None = None) -> Run:
    """Run again from the steps that failed, or from ``step`` and everything that follows from it."""
    with services.db.transaction() as connection:
        run = runs.lock_run(connection, run_id)
        known = tasks.load_tasks(connection, run_id)
        pipeline = services.pipeline(connection, run.pipeline, run.version)
        if step is not None and step not in pipeline.steps:
            allowed = f"allowed: {', '.join(pipeline.steps)}"
            raise InvalidInput(f"there is no step {step!r}; {allowed}", fields={"from": [allowed]})
        steps = pipeline.downstream(step) if step else frozenset()
        redo = _failures(pipeline, known) + [task for task in known if task.step in steps]
        opened = _reopen(services, connection, run, redo)
        run = runs.get_run(connection, run_id)
    nudge_for(services, opened)
    return run


def retry_task(services: Services, task_id: UUID) -> Run:
    """Another attempt of one failed task."""
    with services.db.transaction() as connection:
        run = runs.lock_run(connection, tasks.get_task(connection, task_id).run_id)
        known = tasks.load_tasks(connection, run.id)
        task = next(one for one in known if one.id == task_id)
        item = [one for one in known if (one.step, one.item) == (task.step, task.item)]
        if task.state not in (TaskState.FAILED, TaskState.CANCELLED) or task.superseded:
            raise Conflict(f"the task is {'replaced' if task.superseded else task.state}; only a failed one is retried")
        if task != max(item, key=lambda one: one.attempt):
            raise Conflict("the task is not the last attempt of its step")
        failures = _failures(services.pipeline(connection, run.pipeline, run.version), known)
        others = {one.step for one in failures if one.state is TaskState.FAILED and one not in item}
        if others:
            raise Conflict(f"other steps have failed too ({', '.join(sorted(others))}): retry the run")
        opened = _reopen(services, connection, run, item + [one for one in failures if one not in item])
        run = runs.get_run(connection, run.id)
    nudge_for(services, opened)
    return run


def choose(services: Services, task_id: UUID, quadrant: int) -> Task:
    """A person's choice for a task that waits for one."""
    if quadrant not in (1, 2, 3, 4):
        raise InvalidInput(f"quadrant: {quadrant}; allowed: 1 to 4", fields={"quadrant": ["allowed: 1 to 4"]})
    with services.db.connection() as connection:
        task = tasks.get_task(connection, task_id)
        done = tasks.finish_task(
            connection,
            task_id,
            TaskState.SUCCEEDED,
            from_states=[TaskState.WAITING] if task.kind is TaskKind.CHOOSE else [],
            cause="person",
            now=services.now(),
            result={"by": "person", "quadrant": quadrant},
        )
        if not done:
            raise Conflict(f"the task waits for nobody's choice: it is {task.state}")
        task = tasks.get_task(connection, task_id)
    services.nudge.advance(task.run_id)
    return task


def resolve(services: Services, task_id: UUID, outcome: str, external_id: str | None = None) -> Task:
    """What became of an uncertain submission, by a person's word.

    outcome: ``submitted`` (with the provider's id), ``not_submitted`` (it is sent again) or ``failed``. A task whose
    account is not configured any more may be failed whatever it waits for: nobody can ask about it.
    """
    with services.db.transaction() as connection:
        task = tasks.get_task(connection, task_id)
        parked = _resolve(services, connection, task, outcome, external_id)
    if parked and external_id:
        take_parked(services, services.config.account(str(task.account)), external_id)
    with services.db.connection() as connection:
        resolved = tasks.get_task(connection, task_id)
    if resolved.final:
        services.nudge.advance(resolved.run_id)
    elif resolved.state is TaskState.READY and resolved.account in services.config.accounts:
        services.nudge.submit(str(resolved.account))
    return resolved


def _resolve(services: Services, connection: Connection, task: Task, outcome: str, external_id: str | None) -> bool:
    """Whether a parked delivery waits for what this has made known."""
    now = services.now()
    stray = task.kind is TaskKind.PROVIDER and task.account not in services.config.accounts
    if outcome == "failed" and stray and task.state in _GIVEN_UP_FROM:
        error = TaskError("given_up", f"a person gave it up: the account {task.account!r} is not configured any more")
        tasks.finish_task(
            connection, task.id, TaskState.FAILED, from_states=_GIVEN_UP_FROM, cause="person", now=now, error=error
        )
    elif task.state is not TaskState.UNCERTAIN:
        raise Conflict(f"the task is {task.state}, not uncertain")
    elif outcome == "submitted":
        return _submitted(services, connection, task, external_id)
    elif outcome == "not_submitted":
        error = TaskError("not_submitted", "a person found that it never arrived")
        submissions.refuse_submission(connection, task.id, error, retry_at=now, now=now)
    elif outcome == "failed":
        error = TaskError("submission_uncertain", "a person gave up an uncertain submission")
        submissions.refuse_submission(connection, task.id, error, retry_at=None, now=now)
    else:
        raise InvalidInput(f"outcome: {outcome!r}", fields={"outcome": ["allowed: submitted, not_submitted, failed"]})
    return False


def _submitted(services: Services, connection: Connection, task: Task, external_id: str | None) -> bool:
    if not external_id:
        raise InvalidInput("external_id is needed", fields={"external_id": ["the provider's id of the job"]})
    quiet = min(services.config.account(str(task.account)).quiet, 1.0)
    parked = submissions.record_submitted(connection, task.id, external_id, quiet=quiet, now=services.now())
    if tasks.get_task(connection, task.id).external_id != external_id:
        raise Conflict(f"{external_id} is the job of another task of the account {task.account}")
    return parked


def resume_account(services: Services, name: str) -> Row:
    """End an account's pause, and give back the slots that finished tasks hold. Raises NotFound."""
    with services.db.transaction() as connection:
        if not accounts.resume_account(connection, name):
            raise NotFound(f"there is no account {name!r}")
        accounts.release_leaked(connection, name)
        (resumed,) = [row for row in accounts.list_accounts(connection) if row["name"] == name]
    if name in services.config.accounts:
        services.nudge.submit(name)
    return resumed


def adopt(services: Services, callback_id: UUID, task_id: UUID) -> Taken:
    """Give a kept delivery to a task, whatever job it names."""
    return _again(services, callback_id, task_id)


def replay(services: Services, callback_id: UUID) -> Taken:
    """Take a kept delivery again, as if it had just come."""
    return _again(services, callback_id, None)


def _again(services: Services, callback_id: UUID, adopter: UUID | None) -> Taken:
    with services.db.connection() as connection:
        kept = callbacks.get_callback(connection, callback_id)
        if kept["stripped"]:
            raise Conflict("its body is no longer kept")
        if kept["size"] > len(kept["body"]):
            raise Conflict(f"only the first {len(kept['body'])} of its {kept['size']} bytes are kept")
        scope = adopter or (kept["scope"] if kept["scope"].int else None)
        # A task that has moved on takes what came from its former account, too.
        home = str(tasks.get_task(connection, adopter).account) if adopter else kept["account"]
    account = services.config.account(home)
    events = _events_of(services, kept)
    if adopter:
        # The task takes the evidence, not the job's name: it may have one already.
        events = tuple(Event(e.kind, None, e.progress, e.result, e.error) for e in events)
    # Taken again under its own id, a delivery is judged anew unless it has found its task; adopted, it is another one.
    taken = take_events(
        services,
        account,
        scope,
        events,
        body=bytes(kept["body"]),
        source=Source.PERSON,
        callback_id=callback_id if adopter in (None, kept["scope"]) and home == kept["account"] else None,
    )
    if taken.verdict is not Verdict.DUPLICATE:
        with services.db.connection() as connection:
            callbacks.judge(connection, callback_id, taken.verdict, reason=taken.reason, task_id=taken.task_id)
    return taken


def _events_of(services: Services, kept: Row) -> tuple[Event, ...]:
    """What a kept delivery says. What we asked for ourselves, or a person gave, is kept as we understood it, and no
    dialect could read it."""
    if kept["source"] in _AS_IT_CAME:
        return services.dialect(kept["account"]).read(bytes(kept["body"]))
    return tuple(Event.from_json(one) for one in kept["events"])


def _failures(pipeline: Pipeline, known: Iterable[Task]) -> list[Task]:
    """Every attempt of what ended the run: of the items whose last attempt failed, and nothing tolerates or replaces
    that, or was cancelled with the run. What has succeeded is paid for and kept."""
    items: dict[tuple[str, int], list[Task]] = defaultdict(list)
    for task in sorted(known, key=lambda one: one.attempt):
        if not task.superseded:
            items[task.step, task.item].append(task)
    return [task for attempts in items.values() if _fatal(pipeline, attempts[-1]) for task in attempts]


def _fatal(pipeline: Pipeline, last: Task) -> bool:
    step = pipeline.steps.get(last.step)
    tolerated = step is None or bool(step.otherwise) or step.on_failure == "continue"
    return last.state is TaskState.CANCELLED or (last.state is TaskState.FAILED and not tolerated)


def _reopen(services: Services, connection: Connection, run: Run, redo: Iterable[Task]) -> Opened:
    """Set the run going again without these tasks, and open what follows. What is under way is not paid for twice."""
    refuse_erased(connection, run.id)
    under_way = sorted({task.step for task in redo if not task.final})
    if under_way:
        raise Conflict(f"{', '.join(under_way)}: still under way; wait for it, or cancel the run")
    reopened = runs.reopen_run(connection, run.id)
    if reopened is None:
        raise Conflict(f"the run is {run.state}; only a failed or cancelled one is retried")
    tasks.supersede(connection, [task.id for task in redo])
    return advance_locked(services, connection, reopened, tasks.load_tasks(connection, run.id))
