"""Real connections and threads that meet at the same rows: what has to happen once happens once, nobody is stuck."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from factories import some_uuid

from orchestrator import catalog
from orchestrator.advance import advance
from orchestrator.core.events import Source, TaskError
from orchestrator.core.run import Run
from orchestrator.core.states import TaskState, Verdict
from orchestrator.core.tokens import account_token, task_token
from orchestrator.errors import Conflict, DatabaseUnavailable, NotFound
from orchestrator.intake.deliveries import take_callback
from orchestrator.intake.events import take_events
from orchestrator.intervene import cancel_run, retry_run
from orchestrator.launch import Request, launch
from orchestrator.services import Services
from orchestrator.store import Connection, accounts, callbacks, runs, submissions, tasks
from orchestrator.store.callbacks import Taken

if TYPE_CHECKING:
    from conftest import MakeServices

THREADS = 16
IMAGINE = {"action": "imagine", "with": {"prompt": "x"}}
IN_FLIGHT = {"submitting", "uncertain", "waiting"}
TWO_STEPS = {"grid": IMAGINE, "keep": {"archive": "grid"}}
DONE = {"success": True, "progress": 100, "image_url": "http://x/y.png"}
SUCCEEDED = b'{"success": true, "task_id": "%s", "progress": 100, "image_id": "i", "image_url": "http://x/y.png"}'


class Advancing:
    """A broker whose message arrives at once, in the very thread that sends it."""

    def __init__(self) -> None:
        self.services: Services

    def advance(self, run_id: UUID) -> None:
        advance(self.services, run_id)

    def submit(self, account: str, ready: int = 1, after: float = 0.0) -> None:
        """Nobody submits here."""

    def look(self, account: str, task_ids: list[UUID]) -> None:
        """Nobody looks here."""

    def act(self) -> None:
        """Nobody acts here."""

    def ping(self, timeout: float) -> None:
        """It is there."""


@pytest.fixture
def services(make_services: MakeServices) -> Services:
    return with_pipeline(make_services(pool=THREADS), TWO_STEPS)


@pytest.fixture
def advancing(make_services: MakeServices) -> Services:
    nudge = Advancing()
    nudge.services = make_services(nudge=nudge, pool=THREADS)
    return with_pipeline(nudge.services, TWO_STEPS)


def with_pipeline(services: Services, steps: dict[str, Any], *, slots: int = 10_000) -> Services:
    catalog.push(services, {"pipeline": "raced", "account": "acedata", "steps": steps}, where="raced")
    with services.db.connection() as connection:
        accounts.put_accounts(connection, [replace(services.config.account("acedata"), slots=slots)])
        # Whoever waits in a circle is found before chance ends it.
        connection.execute(
            "DO $$BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET deadlock_timeout = 10'; END$$"
        )
    return services


def open_run(services: Services, **more: Any) -> Run:
    return launch(services, Request(pipeline="raced", inputs={}, labels={}, **more)).run


def claim_all(services: Services) -> list[UUID]:
    """Every ready task is submitting now."""
    with services.db.connection() as connection:
        found = iter(lambda: submissions.claim_submission(connection, "acedata", lease=60, now=services.now()), None)
        return [task.id for task in found]


def at_once(jobs: Iterable[Callable[[], Any]], threads: int = THREADS) -> list[Any]:
    """Everything done by this many threads; their answers. An exception of one is raised here."""
    with ThreadPoolExecutor(threads) as pool:
        return [done.result(timeout=60) for done in [pool.submit(job) for job in jobs]]


def together(*jobs: Callable[[], Any]) -> list[Any]:
    """Each in a thread of its own, set off at the same moment."""
    barrier = threading.Barrier(len(jobs))

    def start(job: Callable[[], Any]) -> Any:
        barrier.wait(10)
        return job()

    return at_once([lambda job=job: start(job) for job in jobs], len(jobs))  # type: ignore[misc]  # a bound default


def callback(services: Services, task_id: UUID, body: bytes) -> Taken:
    return take_callback(
        services, "acedata", task_token(services.config.secrets, "acedata", task_id), lambda: body, None
    )


def rows(services: Services, statement: str, *values: Any) -> list[dict[str, Any]]:
    with services.db.connection() as connection:
        return connection.execute(statement.encode(), values).fetchall()


def no_slot_leaks(services: Services) -> bool:
    with services.db.connection() as connection:
        return accounts.leaked_slots(connection) == []


# Copies ----------------------------------------------------------------------------------------------------


def test_three_hundred_callbacks_in_sixteen_copies_end_three_hundred_tasks(advancing: Services) -> None:
    made = [open_run(advancing).id for _ in range(300)]
    claimed = claim_all(advancing)
    deliveries = [(task, SUCCEEDED % str(task).encode()) for task in claimed for _ in range(16)]
    taken = at_once(lambda one=one: callback(advancing, *one) for one in deliveries)  # type: ignore[misc]
    assert Counter(one.verdict for one in taken) == {Verdict.ACCEPTED: 300, Verdict.DUPLICATE: 300 * 15}
    assert rows(advancing, "SELECT count(*) FROM callbacks WHERE copies = 16") == [{"count": 300}]
    grids = rows(advancing, "SELECT state, settled, count(*) FROM tasks WHERE step = 'grid' GROUP BY state, settled")
    assert grids == [{"state": "succeeded", "settled": True, "count": 300}]
    follow_ups = rows(advancing, "SELECT run_id, count(*) FROM tasks WHERE step = 'keep' GROUP BY run_id")
    assert {one["run_id"]: one["count"] for one in follow_ups} == dict.fromkeys(made, 1)
    assert no_slot_leaks(advancing)


def test_sixteen_advances_of_one_run_open_each_task_once(services: Services) -> None:
    for _ in range(10):
        run = open_run(services)
        (task,) = claim_all(services)
        callback(services, task, SUCCEEDED % str(task).encode())
        opened = together(*[lambda: advance(services, run.id)] * THREADS)  # noqa: B023 done before the next round
        assert sum(one.acts for one in opened) == 1
    assert rows(services, "SELECT count(*) FROM tasks WHERE step = 'keep'") == [{"count": 10}]


# Callbacks that overtake the submission's answer -----------------------------------------------------------


def record(services: Services, task: UUID, external_id: str) -> bool:
    """What a worker does when the provider has answered."""
    account = services.config.account("acedata")
    with services.db.connection() as connection:
        parked = submissions.record_submitted(connection, task, external_id, quiet=120, now=services.now())
        waiting = callbacks.parked_for(connection, "acedata", external_id) if parked else []
    for kept in waiting:
        body = bytes(kept["body"])
        events = services.dialect("acedata").read(body)
        take_events(services, account, None, events, body=body, source=Source.CALLBACK, callback_id=kept["id"])
    return parked


def overtakings(services: Services, count: int, deliver: Callable[[UUID, bytes], Taken]) -> Counter[Verdict]:
    """The answer and the callback of each of so many jobs at the same moment."""
    for _ in range(count):
        open_run(services)
    verdicts: Counter[Verdict] = Counter()
    for task in claim_all(services):
        body = SUCCEEDED % b"job-%b" % str(task).encode()
        _, taken = together(
            lambda: record(services, task, f"job-{task}"),  # noqa: B023 done before the next round
            lambda: deliver(task, body),  # noqa: B023
        )
        verdicts[taken.verdict] += 1
    return verdicts


def test_a_callback_may_overtake_the_answer_at_a_tasks_own_url(services: Services) -> None:
    verdicts = overtakings(services, 150, lambda task, body: callback(services, task, body))
    assert verdicts == {Verdict.ACCEPTED: 150}
    ended = rows(services, "SELECT state, external_id = 'job-' || id AS known FROM tasks")
    assert ended == [{"state": "succeeded", "known": True}] * 150


def test_a_callback_may_overtake_the_answer_at_the_accounts_hook(services: Services) -> None:
    """It is parked then, and whoever records the job takes it up: neither misses the other."""
    hook = account_token(services.config.secrets, "acedata")
    verdicts = overtakings(services, 300, lambda _, body: take_callback(services, "acedata", hook, lambda: body, None))
    assert sum(verdicts.values()) == 300
    assert set(verdicts) <= {Verdict.ACCEPTED, Verdict.PARKED}
    ended = rows(services, "SELECT state, count(*) FROM tasks WHERE external_id = 'job-' || id GROUP BY state")
    assert ended == [{"state": "succeeded", "count": 300}], "none is stuck"
    kept = rows(services, "SELECT verdict, copies, count(*) FROM callbacks GROUP BY verdict, copies")
    assert kept == [{"verdict": "accepted", "copies": 1, "count": 300}]


# Slots -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [None, 500.0], ids=["", "with a rate"])
def test_claimers_take_no_task_twice_and_no_more_than_the_slots(services: Services, rate: float | None) -> None:
    with_pipeline(services, {"grid": IMAGINE}, slots=5)
    with services.db.connection() as connection:
        connection.execute("DELETE FROM slots WHERE number > 5")
        connection.execute("UPDATE accounts SET submits_per_second = %s", (rate,))
    for _ in range(200):
        open_run(services)
    claimed: list[UUID] = []
    in_flight: list[int] = []
    over = time.monotonic() + 60

    def work() -> None:
        while len(claimed) < 200 and time.monotonic() < over:
            with services.db.connection() as connection:
                task = submissions.claim_submission(connection, "acedata", lease=60, now=services.now())
                if task is None:
                    continue
                claimed.append(task.id)
                in_flight.append(accounts.list_accounts(connection)[0]["in_use"])
            callback(services, task.id, SUCCEEDED % str(task.id).encode())

    at_once([work] * 8, 8)
    assert len(claimed) == len(set(claimed)) == 200
    assert max(in_flight) <= 5
    assert rows(services, "SELECT count(*) FROM slots WHERE task_id IS NOT NULL") == [{"count": 0}]


def test_claimers_take_no_more_of_a_mode_than_its_slots(services: Services) -> None:
    with_pipeline(services, {"grid": IMAGINE}, slots=50)
    with services.db.connection() as connection:
        connection.execute("""UPDATE accounts SET modes = '{"fast": {"slots": 3}}', default_mode = 'fast'""")
    for _ in range(40):
        open_run(services)
    claimed: list[UUID] = []

    def work() -> None:
        with services.db.connection() as connection:
            found = iter(
                lambda: submissions.claim_submission(connection, "acedata", lease=60, now=services.now()), None
            )
            claimed.extend(task.id for task in found)

    at_once([work] * 8, 8)
    assert len(claimed) == 3


# Runs ------------------------------------------------------------------------------------------------------


def test_one_idempotency_key_opens_one_run_whoever_is_first(services: Services) -> None:
    for number in range(10):
        jobs = [lambda key=str(number): launch_once(services, key)] * 8  # type: ignore[misc]
        made = together(*jobs)
        assert sum(one.new for one in made) == 1
        assert len({one.run.id for one in made}) == 1
    assert rows(services, "SELECT count(*) FROM tasks") == [{"count": 10}]


def launch_once(services: Services, key: str) -> Any:
    return launch(services, Request(pipeline="raced", inputs={}, labels={}, idempotency_key=key))


def test_a_run_that_is_cancelled_while_it_goes_on_opens_nothing_afterwards(services: Services) -> None:
    for _ in range(30):
        run = open_run(services)
        (task,) = claim_all(services)
        callback(services, task, SUCCEEDED % str(task).encode())
        together(lambda: advance(services, run.id), lambda: cancel_run(services, run.id))  # noqa: B023
        assert advance(services, run.id).acts == 0
    left = rows(services, "SELECT count(*) FROM tasks WHERE state = 'ready'")
    assert left == [{"count": 0}]
    assert rows(services, "SELECT state, count(*) FROM runs GROUP BY state") == [{"state": "cancelled", "count": 30}]


def test_a_refusal_that_meets_a_cancellation_is_never_paid_for(services: Services) -> None:
    for _ in range(30):
        run = open_run(services)
        (task,) = claim_all(services)
        together(lambda: refuse(services, task), lambda: cancel_run(services, run.id))  # noqa: B023
    assert claim_all(services) == []
    assert rows(services, "SELECT state, count(*) FROM tasks GROUP BY state") == [{"state": "cancelled", "count": 30}]
    assert no_slot_leaks(services)


def refuse(services: Services, task: UUID) -> TaskState | None:
    now = services.now()
    with services.db.connection() as connection:
        return submissions.refuse_submission(connection, task, TaskError("busy", "busy"), retry_at=now, now=now)


def test_a_retry_that_meets_a_late_callback_neither_loses_the_run_nor_pays_twice(services: Services) -> None:
    for _ in range(20):
        run = open_run(services)
        (task,) = claim_all(services)
        callback(services, task, b'{"success": false, "task_id": "%s"}' % str(task).encode())
        advance(services, run.id)
        late = SUCCEEDED % str(task).encode()
        _, taken = together(lambda: retry_run(services, run.id), lambda: callback(services, task, late))  # noqa: B023
        assert taken.verdict is Verdict.LATE
        (again,) = claim_all(services)
        callback(services, again, SUCCEEDED % str(again).encode())
        advance(services, run.id)
    attempts = rows(
        services, "SELECT attempt, state, superseded, count(*) FROM tasks WHERE step = 'grid' GROUP BY 1, 2, 3"
    )
    assert {(one["attempt"], one["state"], one["superseded"], one["count"]) for one in attempts} == {
        (1, "failed", True, 20),
        (2, "succeeded", False, 20),
    }


# Everything at once ----------------------------------------------------------------------------------------

FAN = {
    "each": {"action": "imagine", "for_each": [1, 2, 3], "with": {"prompt": "${item}"}, "retry": {"attempts": 3}},
    "keep": {"archive": "each"},
}


class Traffic:
    """Every kind of operation on a few runs, in random order; what goes wrong in it is raised."""

    def __init__(self, services: Services, seed: int) -> None:
        self.services = services
        self.chance = random.Random(seed)
        self.account = services.config.account("acedata")

    def run_for(self, seconds: float, run_ids: list[UUID]) -> None:
        over = time.monotonic() + seconds
        while time.monotonic() < over:
            operation = self.chance.choice(
                [self.claim, self.deliver_many, self.deliver, self.sweep, self.act, self.configure, self.advance,
                 self.cancel, self.retry, self.record]
            )  # fmt: skip
            try:
                operation(self.chance.choice(run_ids))
            except (Conflict, NotFound):
                continue  # the present state did not allow it

    def some_tasks(self, run_id: UUID) -> list[UUID]:
        with self.services.db.connection() as connection:
            return [task.id for task in tasks.load_tasks(connection, run_id) if task.submissions]

    def claim(self, _: UUID) -> None:
        with self.services.db.connection() as connection:
            submissions.claim_submission(connection, "acedata", lease=0.01, now=self.services.now())

    def record(self, run_id: UUID) -> None:
        for task in self.some_tasks(run_id):
            record(self.services, task, f"job-{task}")

    def news(self, task: UUID) -> dict[str, Any]:
        said = self.chance.choice([{"progress": self.chance.randint(0, 99)}, {"success": False}, DONE])
        return {"task_id": f"job-{task}", **said}

    def deliver(self, run_id: UUID) -> None:
        for task in self.some_tasks(run_id)[-1:]:
            callback(self.services, task, json.dumps(self.news(task)).encode())

    def deliver_many(self, run_id: UUID) -> None:
        """One delivery to the account's hook, about several jobs in any order."""
        found = self.some_tasks(run_id)
        self.chance.shuffle(found)
        if found:
            hook = account_token(self.services.config.secrets, "acedata")
            body = json.dumps([self.news(task) for task in found]).encode()
            take_callback(self.services, "acedata", hook, lambda: body, None)

    def sweep(self, run_id: UUID) -> None:
        now = self.services.now()
        with self.services.db.connection() as connection:
            for task in tasks.claim_due(connection, lease=0.01, limit=20, now=now):
                submissions.doubt_submission(connection, task.id, "lost", wake_at=now, now=now)
        for task_id in self.some_tasks(run_id)[-1:]:
            refuse(self.services, task_id)

    def act(self, _: UUID) -> None:
        with self.services.db.transaction() as connection:
            task = tasks.claim_act(connection, lease=60, now=self.services.now())
            if task:
                finish(connection, task.id)

    def configure(self, _: UUID) -> None:
        with self.services.db.connection() as connection:
            slots = self.chance.randint(2, 8)
            rate = self.chance.choice([None, 1000.0])
            accounts.put_accounts(connection, [replace(self.account, slots=slots, submits_per_second=rate)])

    def advance(self, run_id: UUID) -> None:
        advance(self.services, run_id)

    def cancel(self, run_id: UUID) -> None:
        cancel_run(self.services, run_id)

    def retry(self, run_id: UUID) -> None:
        retry_run(self.services, run_id)


def finish(connection: Connection, task_id: UUID) -> None:
    tasks.finish_task(
        connection,
        task_id,
        TaskState.SUCCEEDED,
        from_states=[TaskState.WORKING],
        cause="done",
        now=datetime.now(UTC),
        result={"uri": str(some_uuid())},
    )


def test_deliveries_about_several_jobs_do_not_wait_for_one_another_in_a_circle(services: Services) -> None:
    for _ in range(8):
        open_run(services)
    jobs = claim_all(services)
    for task in jobs:
        record(services, task, f"job-{task}")
    hook = account_token(services.config.secrets, "acedata")

    def say(seed: int) -> None:
        chance = random.Random(seed)
        for progress in range(30):
            told = chance.sample(jobs, 6)
            news = [{"task_id": f"job-{task}", "progress": 3 * progress + seed % 3} for task in told]
            take_callback(services, "acedata", hook, json.dumps(news).encode, None)

    together(*[lambda n=n: say(n) for n in range(8)])  # type: ignore[misc]  # a bound default
    assert deadlocks(services) == 0


def deadlocks(services: Services) -> int:
    (found,) = rows(services, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    return int(found["deadlocks"])


def test_nothing_waits_for_one_another_in_a_circle(advancing: Services) -> None:
    services = with_pipeline(advancing, FAN)
    run_ids = [open_run(services).id for _ in range(4)]
    at_once(lambda n=n: Traffic(services, n).run_for(3.0, run_ids) for n in range(8))  # type: ignore[misc]
    assert deadlocks(services) == 0
    assert no_slot_leaks(services)
    held = rows(
        services,
        "SELECT t.state::text, count(s.number) AS slots, count(*) FROM tasks t LEFT JOIN slots s ON s.task_id = t.id"
        " WHERE t.kind = 'provider' GROUP BY t.state",
    )
    assert all(one["slots"] == (one["count"] if one["state"] in IN_FLIGHT else 0) for one in held), held


def test_the_database_says_so_when_somebody_waits_too_long(services: Services) -> None:
    run = open_run(services)
    with services.db.transaction() as holder:
        runs.lock_run(holder, run.id)
        with pytest.raises(DatabaseUnavailable):
            impatient(services, run.id)


def impatient(services: Services, run_id: UUID) -> None:
    with services.db.transaction() as connection:
        connection.execute("SET LOCAL lock_timeout = '50ms'")
        runs.lock_run(connection, run_id)
