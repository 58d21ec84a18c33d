"""The store's whole path, for whatever stands for Postgres: every operation once, and many at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from caller import Caller
from stage import ACCOUNT, GRID, Stage

from orchestrator import catalog
from orchestrator.core.states import RunState, TaskState, Verdict
from orchestrator.intervene import cancel_run, choose, replay, retry_run
from orchestrator.launch import Request, launch
from orchestrator.store import submissions
from workers.submit import order_of

ASKING = GRID | {
    "best": {"choose": "quadrant", "of": "grid", "by": "person", "timeout": 600},
    "single": {"action": "upscale", "of": "best"},
    "keep": {"archive": "single"},
}
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


def walk(stage: Stage) -> None:
    """Raises AssertionError where it does not end as it does on any other Postgres."""
    ends = [_with_a_person(stage), _lost_answer(stage), _refused_and_retried(stage), _cancelled(stage)]
    _with_a_key(stage)
    _parked(stage)
    ends += _many(stage, 24)
    assert stage.slots_in_use() == 0
    assert stage.stats()["paid_jobs"] == len(ends) + 1  # the upscale of the first
    _listed(stage, len(ends))
    assert stage.rows(DEADLOCKS) == [{"deadlocks": 0}]


def _with_a_person(stage: Stage) -> UUID:
    run_id = stage.open(ASKING)
    stage.until(lambda: stage.tasks(run_id)[-1].state == "waiting" and stage.tasks(run_id)[-1].step == "best")
    choose(stage.services, stage.task(run_id, "best").id, 3)
    assert stage.end(run_id, within=60).state is RunState.SUCCEEDED
    return run_id


def _lost_answer(stage: Stage) -> UUID:
    stage.emulator.state.courier.hold()
    run_id = stage.open()
    services, account = stage.services, stage.services.config.account(ACCOUNT)
    with services.db.connection() as connection:
        task = submissions.claim_submission(connection, ACCOUNT, lease=1, now=stage.clock())
        assert task is not None
    services.dialect(ACCOUNT).submit(account, order_of(services, account, task), lambda events, line: None)
    stage.pass_time(60, every=10)
    assert "uncertain" in stage.past(task)
    assert stage.task(run_id).external_id
    stage.emulator.state.courier.release()
    assert stage.end(run_id, within=60).state is RunState.SUCCEEDED
    return run_id


def _refused_and_retried(stage: Stage) -> UUID:
    run_id = stage.open(prompt="nsfw")
    for _ in range(2):
        assert stage.end(run_id, within=60).state is RunState.FAILED
        retry_run(stage.services, run_id)
    assert stage.end(run_id, within=60).state is RunState.FAILED
    return _one(stage)


def _one(stage: Stage) -> UUID:
    run_id = stage.open()
    assert stage.end(run_id, within=60).state is RunState.SUCCEEDED
    return run_id


def _cancelled(stage: Stage) -> UUID:
    run_id = stage.open(ASKING)
    stage.until(lambda: stage.tasks(run_id)[-1].step == "best")
    assert cancel_run(stage.services, run_id).state is RunState.CANCELLED
    stage.sweep()
    return run_id


def _with_a_key(stage: Stage) -> None:
    steps = {"grid": GRID["grid"] | {"with": {"prompt": "nsfw"}}}
    document = {"pipeline": "keyed", "account": ACCOUNT, "inputs": {}, "steps": steps}
    catalog.push(stage.services, document, where="test")
    request = Request(pipeline="keyed", inputs={}, labels={"a": "b"}, idempotency_key="the same")
    first, second = launch(stage.services, request), launch(stage.services, request)
    assert (first.new, second.new, first.run.id == second.run.id) == (True, False, True)
    assert stage.end(first.run.id, within=60).state is RunState.FAILED


def _parked(stage: Stage) -> None:
    """A delivery about a job that nobody knows waits for a person."""
    web = Caller(stage.services)
    assert web.deliver(job="nobody's").json["verdict"] == "parked"
    (kept,) = stage.rows("SELECT id FROM callbacks WHERE verdict = 'parked'")
    assert replay(stage.services, kept["id"]).verdict is Verdict.PARKED


def _many(stage: Stage, count: int) -> list[UUID]:
    """Runs that are opened, submitted and called back from several threads at once."""
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(lambda _: stage.open(), range(count)))
        while not stage.nudges.jobs.empty():
            jobs = [stage.nudges.jobs.get() for _ in range(stage.nudges.jobs.qsize())]
            list(pool.map(lambda job: job(stage.services), jobs))
    assert all(stage.end(run_id, within=60).state is RunState.SUCCEEDED for run_id in opened)
    return opened


def _listed(stage: Stage, runs: int) -> None:
    web = Caller(stage.services)
    assert len(web.get("/v1/runs", limit=100, q="fox")["items"]) == runs
    assert len(web.get("/v1/runs", label="a:b", state="failed")["items"]) == 1
    done = web.get("/v1/tasks", state=TaskState.SUCCEEDED, limit=100)["items"]
    assert len(done) > runs
    assert "orchestrator_database_up 1.0" in web.ask("GET", "/metrics", role=None).text
    parts = web.ask("GET", "/readyz", role=None).json["parts"]
    assert (parts["database"], parts["migrations"]) == ("ok", "ok")
