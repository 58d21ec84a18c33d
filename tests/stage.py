"""A stage: emulator, receiver, database and workers in one process, with nudges in a queue and a clock to push."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Flask
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from ops.emulator.control import statistics
from ops.emulator.options import Options
from ops.emulator.server import Emulator, start
from orchestrator import catalog
from orchestrator.config import Account
from orchestrator.core.run import Run, Task
from orchestrator.core.states import TaskState
from orchestrator.core.tokens import task_token
from orchestrator.errors import OrchestratorError
from orchestrator.intake.deliveries import take_callback
from orchestrator.launch import Request, launch
from orchestrator.receiver import blueprint
from orchestrator.services import Services
from orchestrator.store import accounts, runs, tasks
from orchestrator.store.callbacks import Taken
from workers.act import act_ready
from workers.jobs import advance_all
from workers.look import look
from workers.submit import submit_ready
from workers.sweep import sweep

PATIENCE = 10.0  # seconds of real time for anything to be seen
ACCOUNT = "acedata"
TOKEN = "the-token-of-the-account"
IMAGINE = "/midjourney/imagine"
TASKS = "/midjourney/tasks"
GRID: dict[str, Any] = {"grid": {"action": "imagine", "with": {"prompt": "${inputs.prompt}"}}}


class Clock:
    """The time of the stage's start and what has been added to it: a slow machine adds nothing."""

    def __init__(self) -> None:
        self.start = datetime.now(UTC)
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return self.start + self.ahead


class Nudges:
    """A broker whose messages are done when the test says so. lost: jobs whose messages get lost."""

    def __init__(self, clock: Clock) -> None:
        self.jobs: queue.SimpleQueue[Callable[[Services], object]] = queue.SimpleQueue()
        self.said: list[str] = []
        self.lost: Collection[str] = ()
        self._clock = clock
        self._later: list[tuple[datetime, str]] = []

    def advance(self, run_id: UUID) -> None:
        self._put("advance", lambda services: advance_all(services, [run_id]))

    def submit(self, account: str, ready: int = 1, after: float = 0.0) -> None:
        if after:
            self._later.append((self._clock() + timedelta(seconds=after), account))
        else:
            self._put("submit", lambda services: submit_ready(services, account, ready))

    def look(self, account: str, task_ids: list[UUID]) -> None:
        self._put("look", lambda services: look(services, account, task_ids))

    def act(self) -> None:
        self._put("act", act_ready)

    def ping(self, timeout: float) -> None:
        """Always there."""

    def come_due(self) -> None:
        """Those that were sent for later, once it is later."""
        due = [entry for entry in self._later if entry[0] <= self._clock()]
        self._later = [entry for entry in self._later if entry not in due]
        for _, account in due:
            self.submit(account)

    def _put(self, name: str, job: Callable[[Services], object]) -> None:
        self.said.append(name)
        if name not in self.lost:
            self.jobs.put(job)


class Stage:
    """services: a worker's. emulator: the provider. nudges: what the workers have still to do."""

    def __init__(self, services: Services, emulator: Emulator, nudges: Nudges, clock: Clock) -> None:
        self.services = services
        self.emulator = emulator
        self.nudges = nudges
        self.clock = clock

    # What a client does ------------------------------------------------------------------------------

    def open(self, steps: Mapping[str, Any] | str = GRID, **inputs: Any) -> UUID:
        """Open a run of these steps, or of the pipeline of that name that ships."""
        inputs = {"prompt": "a red fox in the snow", **inputs}
        if isinstance(steps, str):
            catalog.push_shipped(self.services)
            name = steps
        else:
            given = {key: {"type": "string"} for key in inputs}
            document = {"pipeline": "test", "account": ACCOUNT, "inputs": given, "steps": dict(steps)}
            name = catalog.push(self.services, document, where="test").name
        return launch(self.services, Request(pipeline=name, inputs=inputs, labels={})).run.id

    # What time and the workers do --------------------------------------------------------------------

    def work(self) -> None:
        """Do the jobs that are there, and those that follow at once."""
        while not self.nudges.jobs.empty():
            self.nudges.jobs.get()(self.services)

    def until(self, seen: Callable[[], object], what: str = "", within: float = PATIENCE) -> None:
        """Let the workers work until it is seen."""
        over = time.monotonic() + within
        while not seen():
            assert time.monotonic() < over, f"never seen: {what or seen}; {self.story()}"
            try:
                self.nudges.jobs.get(timeout=0.005)(self.services)
            except queue.Empty:
                continue

    def end(self, run_id: UUID, within: float = PATIENCE) -> Run:
        """Let the workers work until the run is over."""
        self.until(lambda: self.run(run_id).finished_at, "the run's end", within)
        return self.run(run_id)

    def forward(self, seconds: float) -> None:
        """Push the clock, ours and the provider's."""
        self.clock.ahead += timedelta(seconds=seconds)
        self.emulator.state.scheduler.advance(seconds)
        self.nudges.come_due()

    def sweep(self) -> None:
        """One pass of the safety net, and the work that follows."""
        sweep(self.services)
        self.work()

    def pass_time(self, seconds: float, every: float = 2.0) -> None:
        """The clock goes on with a sweep every so many seconds, as in life."""
        for _ in range(int(seconds / every)):
            self.forward(every)
            self.sweep()

    def quiet(self) -> None:
        """Wait until the provider is done with all it has, and all it has to say has been heard."""
        state = self.emulator.state
        self.until(
            lambda: not sum(state.book.in_flight.values()) and not state.courier.waiting() and self.nudges.jobs.empty(),
            "a provider that has nothing left to do",
        )

    # What is to be seen ------------------------------------------------------------------------------

    def run(self, run_id: UUID) -> Run:
        with self.services.db.connection() as connection:
            return runs.get_run(connection, run_id)

    def tasks(self, run_id: UUID) -> list[Task]:
        with self.services.db.connection() as connection:
            return tasks.load_tasks(connection, run_id)

    def task(self, run_id: UUID, step: str = "grid", item: int = 0) -> Task:
        """The newest attempt of a step's item."""
        return [task for task in self.tasks(run_id) if (task.step, task.item) == (step, item)][-1]

    def state(self, run_id: UUID, step: str = "grid") -> TaskState:
        return self.task(run_id, step).state

    def code(self, run_id: UUID, step: str = "grid") -> str:
        """Why a step failed."""
        return str((self.task(run_id, step).error or {}).get("code"))

    def past(self, task: Task) -> list[str]:
        """Every state the task has been in."""
        with self.services.db.connection() as connection:
            return [line["to_state"] for line in tasks.history(connection, task.id)]

    def callback_token(self, task: Task) -> str:
        """The token in the task's callback URL."""
        return task_token(self.services.config.secrets, ACCOUNT, task.id)

    def deliver(self, task: Task, body: dict[str, Any]) -> Taken:
        """What becomes of a body that is POSTed to the task's callback URL."""
        content = json.dumps(body).encode()
        return take_callback(self.services, ACCOUNT, self.callback_token(task), lambda: content, "application/json")

    def rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        with self.services.db.connection() as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def verdicts(self, source: str = "callback") -> list[str]:
        """Of every kept delivery, oldest first."""
        found = self.rows("SELECT verdict FROM callbacks WHERE source = %(source)s ORDER BY received_at", source=source)
        return [row["verdict"] for row in found]

    def slots_in_use(self) -> int:
        with self.services.db.connection() as connection:
            assert not accounts.leaked_slots(connection)
            return sum(row["in_use"] for row in accounts.list_accounts(connection))

    def stats(self) -> dict[str, Any]:
        """The provider's own count. Nothing was ever paid for twice, whatever the test is about."""
        facts = statistics(self.emulator.state)
        assert facts["duplicates"]["callback_url"] == {}, facts["duplicates"]
        return facts

    @property
    def paid(self) -> int:
        return int(self.stats()["paid_jobs"])

    def asked(self, path: str = IMAGINE) -> int:
        """How many requests the provider has had for a path."""
        return sum(entry["path"] == path for entry in list(self.emulator.state.journal.entries))

    def story(self) -> str:
        facts = self.rows("SELECT step, item, attempt, state, waiting_for, error FROM tasks ORDER BY created_at, id")
        return "; ".join(str(list(row.values())) for row in facts)

    # What befalls the provider -----------------------------------------------------------------------

    def spoil(self, path: str = IMAGINE, **fault: Any) -> None:
        """The next request for the path is answered with this fault."""
        self.emulator.state.faults.order({"path": path, **fault})

    def tell(self, **wishes: Any) -> None:
        """Change the provider's settings."""
        self.emulator.state.configure(wishes)


@contextmanager
def stage(
    make_services: Callable[..., Services],
    options: Mapping[str, Any],
    account: Mapping[str, Any],
    config: Mapping[str, Any],
    others: Collection[str] | Mapping[str, str] = (),
) -> Iterator[Stage]:
    """Everything built up; and torn down again. account: fields of the first account; others: names of
    more like it, or names and their providers."""
    clock, app = Clock(), Flask("receiver")
    nudges = Nudges(clock)
    server = _Server("127.0.0.1", 0, app, _Silent)
    emulator = start(Options(**{"instant": True, "image_size": 256, **options}))
    one = Account(
        **{"name": ACCOUNT, "provider": ACCOUNT, "base_url": emulator.url, "token": "secret-token", **account}
    )
    known = {ACCOUNT: one} | {
        name: replace(one, name=name, provider=provider, token=f"token-of-{name}")
        for name, provider in (others if isinstance(others, Mapping) else dict.fromkeys(others, one.provider)).items()
    }
    fields = {"public_url": f"http://127.0.0.1:{server.server_port}", "allow_hosts": ("127.0.0.1",), **config}
    services = make_services(**{"nudge": nudges, "clock": clock, "accounts": known, **fields})
    app.register_blueprint(blueprint(services))
    app.register_error_handler(OrchestratorError, lambda error: ({"code": error.code}, 400))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield Stage(services, emulator, nudges, clock)
    finally:
        emulator.stop()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadedWSGIServer):
    daemon_threads = False


class _Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's own name
        """Say nothing."""
