"""The connection to Postgres is lost at every request of every operation: no half transition, nothing paid for twice,
and the same end as without the loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg._preparing import PrepareManager
from stage import ACCOUNT, GRID, Stage
from wire import Cut, Moment, Wire

from orchestrator import catalog
from orchestrator.advance import advance
from orchestrator.core.states import RunState, TaskState, Verdict
from orchestrator.core.tokens import account_token
from orchestrator.errors import Conflict, DatabaseUnavailable
from orchestrator.intake import deliveries, events
from orchestrator.intake.deliveries import Spooled, take_callback
from orchestrator.intervene import cancel_run, choose, resolve, retry_run, retry_task
from orchestrator.launch import Request, launch
from orchestrator.receiver import Drainer
from orchestrator.store import submissions
from workers.act import act_ready
from workers.look import look
from workers.submit import order_of, submit_ready
from workers.sweep import sweep

NEVER = 10**6  # no operation has so many requests
STORY = GRID | {
    "best": {"choose": "quadrant", "of": "grid", "by": "person", "timeout": 900},
    "single": {"action": "upscale", "of": "best"},
    "keep": {"archive": "single"},
}
KEPT = GRID | {"keep": {"archive": "grid"}}
REFUSED = "nsfw"  # a prompt that the provider never takes
UNDER_WAY = "state IN ('submitting', 'uncertain', 'waiting') AND kind = 'provider'"


@dataclass
class Scene:
    """One case of an operation: its runs, on a stage whose database is at the other end of a wire."""

    stage: Stage
    key: UUID = field(default_factory=uuid4)
    runs: list[UUID] = field(default_factory=list)

    def open(self, steps: Any = GRID, **inputs: Any) -> UUID:
        self.runs.append(self.stage.open(steps, **inputs))
        return self.runs[-1]

    def submitted(self, steps: Any = GRID) -> UUID:
        """A run whose first task waits; its callback is on its way."""
        run_id = self.open(steps)
        self.stage.work()
        return run_id

    def in_doubt(self) -> UUID:
        """A run whose first task was sent, and the answer got lost."""
        run_id = self.open()
        self.forget()
        services, account = self.stage.services, self.stage.services.config.account(ACCOUNT)
        now = self.stage.clock()
        with services.db.connection() as connection:
            task = submissions.claim_submission(connection, ACCOUNT, lease=60, now=now)
            assert task is not None
            services.dialect(ACCOUNT).submit(account, order_of(services, account, task), lambda events, line: None)
            assert submissions.doubt_submission(connection, task.id, "the answer was lost", wake_at=now, now=now)
        return run_id

    def succeeded(self, steps: Any = GRID) -> UUID:
        """A run whose first task has ended; nobody has taken notice of it."""
        run_id = self.submitted(steps)
        self.deliver(run_id)
        self.forget()
        return run_id

    def deliver(self, run_id: UUID) -> Any:
        """What the provider has to say of a run's first task arrives."""
        taken = self.delivery(run_id)()
        assert not isinstance(taken, Spooled)
        return taken

    def delivery(self, run_id: UUID) -> Callable[[], object]:
        task = self.stage.task(run_id)
        (job,) = [one for one in self.stage.emulator.state.book.oldest_first() if one.task_id == task.external_id]
        return partial(self.stage.deliver, task, job.order.dialect.body(job))

    def forget(self) -> None:
        """The messages that are under way get lost."""
        while not self.stage.nudges.jobs.empty():
            self.stage.nudges.jobs.get()

    def end(self) -> None:
        """The wire holds, time passes, and everybody does his part until nothing is left to do."""
        stage = self.stage
        stage.emulator.state.courier.release()
        for _ in range(100):
            Drainer(stage.services).drain()
            stage.work()
            stage.quiet()
            self.choose()
            if all(stage.run(run_id).finished_at for run_id in self.runs) and not self.unsettled():
                return
            stage.forward(30)
            stage.sweep()
        raise AssertionError(stage.story())

    def choose(self) -> None:
        """The person makes up his mind, if he is asked for nothing but this."""
        for run_id in self.runs:
            for task in self.stage.tasks(run_id):
                if task.state is TaskState.WAITING and task.kind == "choose" and "fallback" not in task.params:
                    choose(self.stage.services, task.id, 2)

    def unsettled(self) -> int:
        (row,) = self.stage.rows("SELECT count(*) FROM tasks WHERE finished_at IS NOT NULL AND NOT settled")
        return int(row["count"])

    def outcome(self) -> list[Any]:
        """What is left in the end, but for times and for the way it came about."""
        found: list[Any] = []
        for run_id in self.runs:
            run = self.stage.run(run_id)
            own = sorted(self.stage.tasks(run_id), key=lambda task: (task.step, task.item, task.attempt))
            ended = [
                (one.step, one.item, one.attempt, one.state, one.superseded, (one.error or {}).get("code"))
                for one in own
            ]
            found.append((run.state, ended, len(self.stage.rows(ARCHIVED, run_id=run_id))))
        return found


ARCHIVED = "SELECT FROM objects WHERE run_id = %(run_id)s"
HALF = f"""
    SELECT 'a state without its line in the history' AS trouble, t.id FROM tasks t LEFT JOIN LATERAL
        (SELECT to_state FROM transitions WHERE task_id = t.id ORDER BY id DESC LIMIT 1) last ON true
    WHERE last.to_state IS DISTINCT FROM t.state
    UNION ALL SELECT 'a history with a gap', task_id FROM
        (SELECT task_id, from_state, lag(to_state) OVER (PARTITION BY task_id ORDER BY id) AS former
         FROM transitions) line
    WHERE from_state IS DISTINCT FROM former
    UNION ALL SELECT 'a slot without a submission, or the other way round', id
    FROM tasks LEFT JOIN slots ON task_id = id WHERE ({UNDER_WAY}) <> (number IS NOT NULL)
    UNION ALL SELECT 'something ready in a run that is over', t.id
    FROM tasks t JOIN runs r ON r.id = run_id WHERE t.state = 'ready' AND r.finished_at IS NOT NULL
    UNION ALL SELECT 'a run that has succeeded with a task that has not', t.id
    FROM tasks t JOIN runs r ON r.id = run_id WHERE r.state = 'succeeded' AND t.finished_at IS NULL
    UNION ALL SELECT 'a run that nobody will ever bring forward', id
    FROM runs r WHERE r.finished_at IS NULL
        AND NOT EXISTS (SELECT FROM tasks WHERE run_id = r.id AND (finished_at IS NULL OR NOT settled))
    UNION ALL SELECT 'an end that was accepted and ended nothing', t.id
    FROM callbacks c JOIN tasks t ON t.id = task_id
    WHERE verdict = 'accepted' AND events @> '[{{"kind": "succeeded"}}]' AND t.finished_at IS NULL"""


def check_whole(stage: Stage) -> None:
    """Every transition has happened or not."""
    found = stage.rows(HALF)
    assert found == [], (found, stage.story())


# The operations: what has to be there before, and what is then done on the wire that breaks ------------------


def receive(scene: Scene) -> Callable[[], object]:
    return scene.delivery(scene.submitted())


def take_up_what_was_parked(scene: Scene) -> Callable[[], object]:
    """The answer was lost, the account's own hook has heard of the job, and a person says which task's it is."""
    stage = scene.stage
    task = stage.task(scene.in_doubt())
    job = stage.emulator.state.book.oldest_first()[-1]
    hook = account_token(stage.services.config.secrets, ACCOUNT)
    body = b'{"success": true, "task_id": "%s", "progress": 100, "image_url": "http://x/y.png"}' % job.task_id.encode()
    take_callback(stage.services, ACCOUNT, hook, lambda: body, None)
    return lambda: resolve(stage.services, task.id, "submitted", job.task_id)


def advance_run(scene: Scene) -> Callable[[], object]:
    return partial(advance, scene.stage.services, scene.succeeded(KEPT))


def advance_to_the_end(scene: Scene) -> Callable[[], object]:
    return partial(advance, scene.stage.services, scene.succeeded())


def claim_and_record(scene: Scene) -> Callable[[], object]:
    scene.open()
    scene.forget()
    return partial(submit_ready, scene.stage.services, ACCOUNT)


def refuse_for_now(scene: Scene) -> Callable[[], object]:
    again = claim_and_record(scene)
    scene.stage.spoil(status=429, code="too_many_requests")
    return again


def refuse_for_good(scene: Scene) -> Callable[[], object]:
    scene.open(prompt=REFUSED)
    scene.forget()
    return partial(submit_ready, scene.stage.services, ACCOUNT)


def poll(scene: Scene) -> Callable[[], object]:
    task = scene.stage.task(scene.submitted(KEPT))
    return partial(look, scene.stage.services, ACCOUNT, [task.id])


def find(scene: Scene) -> Callable[[], object]:
    task = scene.stage.task(scene.in_doubt())
    return partial(look, scene.stage.services, ACCOUNT, [task.id])


def act(scene: Scene) -> Callable[[], object]:
    advance(scene.stage.services, scene.succeeded(KEPT))
    scene.forget()
    return partial(act_ready, scene.stage.services)


def asked(scene: Scene, **keys: Any) -> UUID:
    """A run whose quadrant is to be chosen by a person, who is being asked."""
    best = STORY["best"] | keys
    advance(scene.stage.services, run_id := scene.succeeded({**STORY, "best": best}))
    act_ready(scene.stage.services)
    scene.forget()
    return run_id


def ask(scene: Scene) -> Callable[[], object]:
    advance(scene.stage.services, scene.succeeded(STORY))
    scene.forget()
    return partial(act_ready, scene.stage.services)


def choose_quadrant(scene: Scene) -> Callable[[], object]:
    task = scene.stage.task(asked(scene), "best")
    return partial(choose, scene.stage.services, task.id, 2)


def cancel(scene: Scene) -> Callable[[], object]:
    return partial(cancel_run, scene.stage.services, asked(scene))


def failed(scene: Scene) -> UUID:
    run_id = scene.submitted()
    task = scene.stage.task(run_id)
    taken = scene.stage.deliver(
        task, {"success": False, "task_id": task.external_id, "error": {"code": "x", "message": "x"}}
    )
    assert taken.verdict is Verdict.ACCEPTED
    scene.stage.work()
    return run_id


def retry_whole_run(scene: Scene) -> Callable[[], object]:
    return partial(retry_run, scene.stage.services, failed(scene))


def retry_one_task(scene: Scene) -> Callable[[], object]:
    return partial(retry_task, scene.stage.services, scene.stage.task(failed(scene)).id)


def launch_with_a_key(scene: Scene) -> Callable[[], object]:
    document = {"pipeline": "keyed", "account": ACCOUNT, "steps": {"grid": GRID["grid"] | {"with": {"prompt": "x"}}}}
    catalog.push(scene.stage.services, document, where="test")

    def send() -> None:
        request = Request(pipeline="keyed", inputs={}, labels={}, idempotency_key=str(scene.key))
        scene.runs[:] = [launch(scene.stage.services, request).run.id]

    return send


def sweep_everything(scene: Scene) -> Callable[[], object]:
    """One whose message was lost, one whose worker died, one that is silent, and one whose person does not answer."""
    stage = scene.stage
    asked(scene, timeout=300, **{"else": 3})
    scene.open()
    scene.forget()
    with stage.services.db.connection() as connection:
        assert submissions.claim_submission(connection, ACCOUNT, lease=60, now=stage.clock()) is not None
    scene.submitted()
    scene.succeeded(KEPT)
    stage.forward(400)
    scene.open()
    scene.forget()
    return partial(sweep, stage.services)


OPERATIONS = [
    receive, take_up_what_was_parked, advance_run, advance_to_the_end, claim_and_record, refuse_for_now,
    refuse_for_good, poll, find, act, ask, choose_quadrant, cancel, retry_whole_run, retry_one_task, launch_with_a_key,
    sweep_everything,
]  # fmt: skip
# Nothing is done between two requests of these: not to send one leaves what is left when the former is not heard.
QUIET = [advance_run, advance_to_the_end, cancel, retry_whole_run, retry_one_task, launch_with_a_key, sweep_everything]


@pytest.fixture
def wire(database_url: str) -> Iterator[Wire]:
    built = Wire(database_url)
    yield built
    built.close()


@pytest.fixture
def wired(make_stage: Callable[..., Stage], wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage whose every connection to the database goes over the wire; on a busy machine, too, nothing is spooled."""
    for module, name in (
        (events, "FIRST_TRY"),
        (events, "SECOND_TRY"),
        (deliveries, "FIRST_TRY"),
        (deliveries, "PATIENCE"),
    ):
        monkeypatch.setattr(module, name, 60.0)
    # One connection: which statements it has prepared is known, and nobody takes a second while he holds one.
    return make_stage({"image_size": 128}, database_url=wire.url, slots=50, pool=1)


def played(stage: Stage, wire: Wire, operation: Any, at: int, moment: Moment) -> tuple[Cut, Any]:
    """One case: prepared, done on a wire that breaks at this request, done again, and brought to its end."""
    stage.emulator.state.courier.hold()
    scene = Scene(stage)
    do = operation(scene)
    wire.sever()  # a connection with no past: which statements it has prepared already is the same in each case
    stage.services.db.renew()
    paid = stage.paid
    with wire.cut(at, moment) as cut, suppress(DatabaseUnavailable):
        do()
    check_whole(stage)
    if cut.made:
        with suppress(Conflict):  # it was done, and nobody heard
            do()
        check_whole(stage)
    scene.end()
    check_whole(stage)
    assert stage.slots_in_use() == 0
    return cut, (scene.outcome(), stage.paid - paid)


def check_each(stage: Stage, wire: Wire, operation: Any, *moments: Moment) -> None:
    """Break the wire at each request of an operation and at each of these moments."""
    played(stage, wire, operation, NEVER, Moment.UNSENT)  # what is read once per process has been read
    whole, usual = played(stage, wire, operation, NEVER, Moment.UNSENT)
    assert whole.seen > 0
    for at in range(1, whole.seen + 1):
        for moment in moments:
            if moment is Moment.UNSENT and operation in QUIET and 1 < at < whole.seen:
                continue
            cut, outcome = played(stage, wire, operation, at, moment)
            assert cut.made
            assert outcome == usual, (at, moment)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.__name__)
def test_a_connection_that_is_lost_at_any_request_leaves_no_half_transition(
    wired: Stage, wire: Wire, operation: Any
) -> None:
    check_each(wired, wire, operation, Moment.UNSENT, Moment.UNHEARD)


@pytest.mark.parametrize("operation", [receive, advance_run, claim_and_record], ids=lambda one: one.__name__)
def test_nor_does_one_that_is_lost_while_a_statement_is_being_prepared(
    wired: Stage, wire: Wire, operation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that comes often is prepared, in a request of its own."""
    monkeypatch.setattr(PrepareManager, "prepare_threshold", property(lambda _: 0, lambda _, __: None))
    check_each(wired, wire, operation, Moment.HALF_SENT, Moment.UNHEARD)


def test_a_delivery_whose_connection_is_lost_for_good_is_spooled_and_taken_later(
    wired: Stage, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "SECOND_TRY", 0.5)
    for at, moment in ((1, Moment.UNSENT), (1, Moment.UNHEARD)):
        wired.emulator.state.courier.hold()
        scene = Scene(wired)
        deliver = scene.delivery(scene.submitted())
        with wire.cut(at, moment), wire.away():
            assert isinstance(deliver(), Spooled)
        check_whole(wired)
        scene.end()
        check_whole(wired)
        assert scene.outcome() == [(RunState.SUCCEEDED, [("grid", 0, 1, TaskState.SUCCEEDED, False, None)], 0)]
