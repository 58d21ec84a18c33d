"""What the database makes of evidence, against a plain model of it written down from the design.

The machine sends several tasks' deliveries in any order, twice, early, late and contradicting one another, while tasks
are claimed, recorded, refused, doubted and given up; after each step the rows must be what the model says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

import pytest
from factories import NOW, body_of, event, insert_run, insert_task, later, some_uuid
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from orchestrator.config import Account
from orchestrator.core.events import Event, TaskError
from orchestrator.core.states import FINAL_TASK_STATES, IN_FLIGHT, TASK_ARROWS, TaskState, Verdict
from orchestrator.store import Connection, Database, accounts, callbacks, submissions, tasks
from orchestrator.store.callbacks import Taken

SLOTS = 2
ACCOUNT = Account(name="acedata", provider="acedata", base_url="http://127.0.0.1:9", slots=SLOTS)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url, size=2)
    with found.connection() as connection:
        accounts.put_accounts(connection, [ACCOUNT])
    yield found
    found.close()


def deliver(
    connection: Connection, task_id: UUID | None, events: list[Event], *, now: Any = NOW, salt: str = ""
) -> Taken:
    body, digest = body_of(events, salt)
    return callbacks.receive(
        connection,
        callback_id=some_uuid(),
        account=ACCOUNT.name,
        task_id=task_id,
        source="callback",
        content_type=None,
        digest=digest,
        body=body,
        events=[one.as_json() for one in events],
        keep=True,
        now=now,
    )


# The model -------------------------------------------------------------------------------------------------


@dataclass
class Job:
    """What we believe of one task."""

    id: UUID
    state: TaskState = TaskState.READY
    progress: int = 0
    external_id: str | None = None
    result: dict[str, Any] | None = None
    submissions: int = 0

    @property
    def over(self) -> bool:
        return self.state in FINAL_TASK_STATES


@dataclass
class Kept:
    """What we keep of one delivery."""

    verdict: Verdict
    copies: int = 1
    names: set[str] = field(default_factory=set)


class Model:
    """Terminal once, for ever; progress never falls; a job's id, once known, stays; what fits nowhere is parked."""

    strength: ClassVar = {
        "token": [Verdict.ACCEPTED, Verdict.LATE, Verdict.PARKED, Verdict.STALE, Verdict.DUPLICATE],
        "hook": [Verdict.PARKED, Verdict.ACCEPTED, Verdict.LATE, Verdict.STALE, Verdict.DUPLICATE],
    }

    def __init__(self, jobs: list[Job]) -> None:
        self.jobs = {job.id: job for job in jobs}
        self.kept: dict[tuple[UUID | None, bytes], Kept] = {}

    def owner(self, external_id: str | None) -> Job | None:
        return next((job for job in self.jobs.values() if external_id and job.external_id == external_id), None)

    def deliver(self, task_id: UUID | None, events: list[Event], digest: bytes) -> Verdict:
        known = self.kept.get((task_id, digest))
        if known:
            known.copies += 1
            if known.verdict is not Verdict.PARKED:
                return Verdict.DUPLICATE
        verdicts = [self._merge(self.jobs[task_id] if task_id else self.owner(e.external_id), e) for e in events]
        strongest = min(verdicts, key=self.strength["token" if task_id else "hook"].index)
        kept = self.kept.setdefault((task_id, digest), Kept(strongest))
        kept.verdict, kept.names = strongest, {e.external_id for e in events if e.external_id}
        return strongest

    def _merge(self, job: Job | None, e: Event) -> Verdict:
        if job is None or job.submissions == 0:
            return Verdict.PARKED
        owner = self.owner(e.external_id)
        if (owner and owner is not job) or (job.external_id and e.external_id not in (None, job.external_id)):
            return Verdict.PARKED
        verdict = self._verdict(job, e)
        if verdict is Verdict.ACCEPTED:
            job.state = TaskState(e.kind.value) if e.terminal else TaskState.WAITING
            job.result = dict(e.result) if e.result else None if e.terminal else job.result
        if verdict is not Verdict.LATE:
            job.external_id = job.external_id or e.external_id
            job.progress = max(job.progress, e.progress or 0, 100 if job.state is TaskState.SUCCEEDED else 0)
        return verdict

    @staticmethod
    def _verdict(job: Job, e: Event) -> Verdict:
        if job.over:
            same = e.kind.value == job.state.value
            return Verdict.STALE if not e.terminal else Verdict.DUPLICATE if same else Verdict.LATE
        news = (e.progress or 0) > job.progress or (e.external_id and not job.external_id)
        return Verdict.ACCEPTED if e.terminal or news or job.state is not TaskState.WAITING else Verdict.STALE

    def record(self, job: Job, external_id: str) -> None:
        """The submission's answer: the job exists, whatever was believed of it; but not when it is another task's."""
        if not job.external_id and self.owner(external_id):
            job.state = TaskState.UNCERTAIN if job.state is TaskState.SUBMITTING else job.state
            return
        job.external_id = job.external_id or external_id
        if job.state in (TaskState.SUBMITTING, TaskState.UNCERTAIN) or (
            job.state is TaskState.READY and job.submissions
        ):
            job.state = TaskState.WAITING


# The machine -----------------------------------------------------------------------------------------------

NAMES = st.sampled_from([None, "a", "b", "c"])
PROGRESS = st.sampled_from([None, 0, 10, 50, 90, 100])
EVENTS = st.one_of(
    st.builds(event, st.sampled_from(["accepted", "succeeded", "failed"]), NAMES, PROGRESS),
    st.builds(event, st.just("progressed"), NAMES, PROGRESS, result=st.sampled_from([None, {"preview_url": "p"}])),
)
SENT = (TaskState.SUBMITTING, TaskState.UNCERTAIN)
WHICH = st.integers(0, 3)


class Deliveries(RuleBasedStateMachine):
    connection: ClassVar[Connection]

    @initialize()
    def begin(self) -> None:
        self.now = NOW
        # Every example has an account's jobs to itself: names are made its own, former tasks are out of the way.
        self.connection.execute("UPDATE slots SET task_id = NULL")
        self.connection.execute("DELETE FROM slots WHERE number > %s", (SLOTS,))
        self.connection.execute("DELETE FROM runs")
        self.connection.execute("DELETE FROM callbacks")
        run_id = insert_run(self.connection)
        self.model = Model([Job(insert_task(self.connection, run_id)) for _ in range(4)])
        self.ends: dict[UUID, TaskState] = {}

    def job(self, which: int) -> Job:
        return list(self.model.jobs.values())[which]

    def some(self, data: st.DataObject, *states: TaskState, submitted: bool = False) -> Job:
        """A job in one of these states, if there is one."""
        found = [j for j in self.model.jobs.values() if j.state in states and (j.submissions or not submitted)]
        return data.draw(st.sampled_from(found or list(self.model.jobs.values())))

    @rule(
        which=st.one_of(st.none(), WHICH, WHICH),
        events=st.lists(EVENTS, min_size=1, max_size=3),
        salt=st.sampled_from("xy"),
    )
    def deliver_any(self, which: int | None, events: list[Event], salt: str) -> None:
        self.deliver(None if which is None else self.job(which).id, events, salt)

    @rule(data=st.data(), one=EVENTS)
    def deliver_to_one_who_waits(self, data: st.DataObject, one: Event) -> None:
        self.deliver(self.some(data, *IN_FLIGHT).id, [one])

    @rule(data=st.data(), progress=PROGRESS, name=NAMES)
    def deliver_to_one_who_was_refused(self, data: st.DataObject, progress: int | None, name: str | None) -> None:
        self.deliver(self.some(data, TaskState.READY, submitted=True).id, [event("progressed", name, progress)])

    def deliver(self, task_id: UUID | None, events: list[Event], salt: str = "") -> None:
        before = {job.id for job in self.model.jobs.values() if job.over}
        expected = self.model.deliver(task_id, events, body_of(events, salt)[1])
        taken = deliver(self.connection, task_id, events, now=self.now, salt=salt)
        assert taken.verdict is expected, taken.reason
        ended = {job.id for job in self.model.jobs.values() if job.over} - before
        assert bool(taken.ended_runs) is bool(ended)

    @rule()
    def claim(self) -> None:
        """Nobody is claimed beyond the account's slots, and whoever may be is."""
        ready = [job for job in self.model.jobs.values() if job.state is TaskState.READY]
        in_flight = sum(job.state in IN_FLIGHT for job in self.model.jobs.values())
        claimed = submissions.claim_submission(self.connection, ACCOUNT.name, lease=60, now=self.now)
        assert (claimed is not None) is (bool(ready) and in_flight < SLOTS)
        if claimed:
            job = self.model.jobs[claimed.id]
            assert job in ready
            job.state, job.submissions = TaskState.SUBMITTING, job.submissions + 1

    @rule(data=st.data(), name=st.sampled_from("abc"))
    def record(self, data: st.DataObject, name: str) -> None:
        self.record_one(self.some(data, *SENT, TaskState.READY, submitted=True), name)

    def record_one(self, job: Job, name: str) -> None:
        if job.submissions:
            parked = submissions.record_submitted(self.connection, job.id, name, quiet=120, now=self.now)
            self.model.record(job, name)
            waiting = [k for k in self.model.kept.values() if k.verdict is Verdict.PARKED and name in k.names]
            assert parked <= bool(waiting)

    @rule(data=st.data(), again=st.sampled_from([True, True, False]), former=st.sampled_from([False, False, True]))
    def refuse(self, data: st.DataObject, again: bool, former: bool) -> None:
        self.refuse_one(self.some(data, *SENT), again=again, former=former)

    @rule(data=st.data(), name=st.sampled_from("abc"))
    def refuse_what_did_arrive(self, data: st.DataObject, name: str) -> None:
        """The submission seemed to be refused, its place went to another job, and now the provider has it after all."""
        job = self.some(data, *SENT)
        self.refuse_one(job, again=True, former=False)
        self.wait(1)
        if data.draw(st.booleans()):
            self.claim()
        if data.draw(st.booleans()) and job.state is TaskState.READY:
            self.record_one(job, name)

    def refuse_one(self, job: Job, *, again: bool, former: bool) -> None:
        submission = job.submissions - 1 if former else job.submissions
        hit = job.state in SENT and not former
        state = submissions.refuse_submission(
            self.connection,
            job.id,
            TaskError("busy", "busy"),
            retry_at=self.now if again else None,
            now=self.now,
            submission=submission,
        )
        assert state is ((TaskState.READY if again else TaskState.FAILED) if hit else None)
        job.state = state or job.state
        job.result = None if state is TaskState.FAILED else job.result

    @rule(data=st.data())
    def doubt(self, data: st.DataObject) -> None:
        job = self.some(data, TaskState.SUBMITTING)
        done = submissions.doubt_submission(self.connection, job.id, "lost", wake_at=self.now, now=self.now)
        assert done is (job.state is TaskState.SUBMITTING)
        job.state = TaskState.UNCERTAIN if done else job.state

    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        job = self.some(data, TaskState.UNCERTAIN)
        done = tasks.finish_task(
            self.connection,
            job.id,
            TaskState.FAILED,
            from_states=[TaskState.WAITING, TaskState.UNCERTAIN],
            cause="deadline",
            now=self.now,
            error=TaskError("timed_out", "nothing was heard"),
        )
        assert done is (job.state in (TaskState.WAITING, TaskState.UNCERTAIN))
        job.state, job.result = (TaskState.FAILED, None) if done else (job.state, job.result)

    @rule(seconds=st.integers(0, 100))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @invariant()
    def rows_are_what_the_model_says(self) -> None:
        rows = self.connection.execute(
            "SELECT t.*, (SELECT count(*) FROM slots s WHERE s.task_id = t.id) AS slots FROM tasks t"
        ).fetchall()
        for row in rows:
            job = self.model.jobs[row["id"]]
            believed = (job.state.value, job.progress, job.external_id, job.result, job.submissions)
            assert (row["state"], row["progress"], row["external_id"], row["result"], row["submissions"]) == believed
            assert row["slots"] == (job.state in IN_FLIGHT), "a slot is held from submit to the end, and only then"
            assert (row["wake_at"] is None) is job.over, "nothing sleeps for ever"
            assert (row["error"] is not None) is (job.state is TaskState.FAILED)
            if job.over:
                assert self.ends.setdefault(job.id, job.state) is job.state, "terminal once, for ever"

    @invariant()
    def every_change_is_an_arrow_and_is_written_down(self) -> None:
        for job in self.model.jobs.values():
            state = TaskState.READY
            for step in tasks.history(self.connection, job.id):
                assert step["from_state"] == state.value
                assert TaskState(step["to_state"]) in TASK_ARROWS[state]
                state = TaskState(step["to_state"])
            assert state is job.state

    @invariant()
    def every_delivery_is_kept_and_counted(self) -> None:
        rows = self.connection.execute("SELECT scope, digest, verdict, copies FROM callbacks").fetchall()
        found = {
            (row["scope"] if row["scope"].int else None, bytes(row["digest"])): (row["verdict"], row["copies"])
            for row in rows
        }
        assert found == {key: (kept.verdict.value, kept.copies) for key, kept in self.model.kept.items()}


def test_the_database_does_what_the_design_says(database: Database) -> None:
    with database.connection() as connection:
        machine = type("Machine", (Deliveries,), {"connection": connection})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=80, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )


# The order of a job's deliveries is nothing ----------------------------------------------------------------

News = tuple[str, int | None, bool]  # kind, progress, does it name the job


@st.composite
def histories(draw: st.DrawFn) -> list[News]:
    """What a provider may say of one job, ending once."""
    said = draw(st.lists(st.tuples(st.sampled_from(["accepted", "progressed"]), PROGRESS, st.booleans()), max_size=4))
    return [*said, (draw(st.sampled_from(["succeeded", "failed"])), draw(PROGRESS), draw(st.booleans()))]


def end_of(connection: Connection, order: list[News | None], *, hook: bool) -> tuple[Any, ...]:
    """A claimed task's end, when it hears this; None is the submission's own answer."""
    job = insert_task(connection, insert_run(connection))
    claimed = submissions.claim_submission(connection, ACCOUNT.name, lease=60, now=NOW)
    assert claimed is not None
    assert claimed.id == job
    name = f"job of {job}"
    for number, news in enumerate(order):
        now = later(number)
        if news is None:
            if submissions.record_submitted(connection, job, name, quiet=120, now=now):
                take_parked(connection, name, now)
        else:
            kind, progress, named = news
            deliver(
                connection, None if hook else job, [event(kind, name if named or hook else None, progress)], now=now
            )
    task = tasks.get_task(connection, job)
    return task.state, task.result, task.progress, (task.external_id or "").replace(str(job), "it"), task.error


def take_parked(connection: Connection, name: str, now: Any) -> None:
    """What a worker does when deliveries to the account's hook came before the answer."""
    for kept in callbacks.parked_for(connection, ACCOUNT.name, name):
        callbacks.receive(
            connection,
            callback_id=kept["id"],
            account=ACCOUNT.name,
            task_id=None,
            source="callback",
            content_type=None,
            digest=bytes(kept["digest"]),
            body=bytes(kept["body"]),
            events=kept["events"],
            keep=True,
            now=now,
        )


@pytest.mark.parametrize("hook", [False, True], ids=["by token", "by the account's hook"])
def test_the_order_of_deliveries_does_not_matter(database: Database, hook: bool) -> None:
    with database.connection() as connection:
        check_orders(lambda order: end_of(connection, order, hook=hook))


def check_orders(end: Callable[[list[News | None]], tuple[Any, ...]]) -> None:
    @settings(max_examples=80, deadline=None)
    @given(histories(), st.data())
    def check(history: list[News], data: st.DataObject) -> None:
        ideal: list[News | None] = [None, *sorted(history[:-1], key=lambda news: news[1] or 0), history[-1]]
        copies = data.draw(st.lists(st.sampled_from(history), max_size=3))
        shuffled = data.draw(st.permutations([*ideal, *copies]))
        assert end(list(shuffled)) == end(ideal)

    check()


def test_the_first_of_two_contradicting_ends_stays(database: Database) -> None:
    with database.connection() as connection:
        first = end_of(connection, [None, ("succeeded", None, True), ("failed", None, True)], hook=False)
        assert first[:3] == (TaskState.SUCCEEDED, {"image_id": "i"}, 100)
        second = end_of(connection, [("failed", 40, True), None, ("succeeded", 100, True)], hook=False)
        assert second[:3] == (TaskState.FAILED, None, 40)
