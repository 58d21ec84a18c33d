"""A run on an ImagineAPI account: one webhook for all, early and late rows, upscales without a call, lost answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask, Response, request
from stage import Clock, Nudges
from werkzeug.serving import ThreadedWSGIServer

from orchestrator import catalog
from orchestrator.config import Account
from orchestrator.core.run import Run, Task
from orchestrator.core.states import RunState, TaskState, Verdict
from orchestrator.core.tokens import account_token
from orchestrator.intake.deliveries import take_callback
from orchestrator.launch import Request, launch
from orchestrator.services import Services
from orchestrator.store import runs, tasks
from workers.sweep import sweep

ACCOUNT = "imagineapi"
GRID: dict[str, Any] = {"grid": {"action": "imagine", "with": {"prompt": "a red fox"}}}
URLS = [f"https://img.example/{n}.png" for n in (9, 4, 7, 1)]
DONE = {"status": "completed", "progress": None, "url": "https://img.example/grid.png", "upscaled_urls": URLS}


class Provider:
    """Rows, and what goes wrong: ``hook`` is called before the answer; lost: answers that do not come."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.posts = 0
        self.lost = 0
        self.references = True
        self.hook: Callable[[dict[str, Any]], object] = lambda row: None
        self.app = Flask("provider")
        self.app.add_url_rule("/items/images/", view_func=self._create, methods=["POST"])
        self.app.add_url_rule("/items/images", view_func=self._list)
        self.app.add_url_rule("/items/images/<name>", view_func=lambda name: {"data": self.rows[name]})

    def _create(self) -> Any:
        self.posts += 1
        body = request.get_json()
        if "ref" in body and not self.references:
            return Response('{"errors":[{"message":"no","extensions":{"code":"FORBIDDEN"}}]}', 403)
        row = {
            "id": str(uuid4()),
            "status": "pending",
            "ref": None,
            "date_created": datetime.now(UTC).isoformat(),
            **body,
        }
        self.rows[row["id"]] = row
        self.hook(row)
        if self.lost:
            self.lost -= 1
            return Response("<html>", 502)
        return {"data": row}

    def _list(self) -> Any:
        ref = request.args.get("filter[ref][_eq]")
        if ref is not None and not self.references:
            return Response('{"errors":[{"message":"no","extensions":{"code":"FORBIDDEN"}}]}', 403)
        rows = list(self.rows.values())[request.args.get("offset", 0, int) :]
        return {"data": [row for row in rows if ref in (None, row["ref"])]}


class Scene:
    def __init__(self, services: Services, provider: Provider, nudges: Nudges, clock: Clock) -> None:
        self.services, self.provider, self.nudges, self.clock = services, provider, nudges, clock

    def open(self, steps: dict[str, Any]) -> UUID:
        document = {"pipeline": "test", "account": ACCOUNT, "steps": steps}
        name = catalog.push(self.services, document, where="test").name
        run_id = launch(self.services, Request(pipeline=name, inputs={}, labels={})).run.id
        self.work()
        return run_id

    def work(self) -> None:
        while not self.nudges.jobs.empty():
            self.nudges.jobs.get()(self.services)

    def later(self, seconds: float) -> None:
        for _ in range(int(seconds / 2)):
            self.clock.ahead += timedelta(seconds=2)
            sweep(self.services)
            self.work()

    def deliver(self, row: dict[str, Any], **facts: Any) -> Verdict:
        """A row, changed like this, in a webhook to the account's one address."""
        row |= facts
        body = json.dumps({"event": "images.items.update", "payload": row}).encode()
        token = account_token(self.services.config.secrets, ACCOUNT)
        verdict = take_callback(self.services, ACCOUNT, token, lambda: body, "application/json").verdict
        self.work()
        return verdict

    def run(self, run_id: UUID) -> Run:
        with self.services.db.connection() as connection:
            return runs.get_run(connection, run_id)

    def task(self, run_id: UUID, step: str = "grid") -> Task:
        with self.services.db.connection() as connection:
            return next(task for task in tasks.load_tasks(connection, run_id) if task.step == step)


@pytest.fixture
def scene(make_services: Callable[..., Services]) -> Iterator[Scene]:
    provider, clock = Provider(), Clock()
    nudges = Nudges(clock)
    server = ThreadedWSGIServer("127.0.0.1", 0, provider.app)
    url = f"http://127.0.0.1:{server.server_port}"
    account = Account(name=ACCOUNT, provider=ACCOUNT, base_url=url, token="secret-token", callback="both")
    services = make_services(nudge=nudges, clock=clock, accounts={ACCOUNT: account})
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield Scene(services, provider, nudges, clock)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def only(provider: Provider) -> dict[str, Any]:
    (row,) = provider.rows.values()
    return row


def test_an_upscale_of_the_chosen_quadrant_costs_no_call(scene: Scene) -> None:
    steps = {"best": {"choose": "quadrant", "of": "grid", "by": 3}, "single": {"action": "upscale", "of": "best"}}
    run_id = scene.open({**GRID, **steps, "again": {"action": "upscale", "of": "best"}})
    row = only(scene.provider)
    assert row["ref"] == str(scene.task(run_id).id)

    assert scene.deliver(row, status="in-progress", progress=31, url="frame") is Verdict.ACCEPTED
    assert scene.deliver(row, **DONE) is Verdict.ACCEPTED

    assert scene.run(run_id).state is RunState.SUCCEEDED
    for step in ("single", "again"):
        assert (scene.task(run_id, step).result or {})["raw_image_url"] == URLS[2]
    assert scene.provider.posts == 1


def test_the_end_stays_though_the_row_goes_back(scene: Scene) -> None:
    run_id = scene.open(GRID)
    row = only(scene.provider)
    scene.deliver(row, **DONE)

    assert scene.deliver(row, status="in-progress", progress=93, url="frame") is Verdict.STALE
    assert scene.deliver(row, status="failed", error="Unspecified error") is Verdict.LATE

    assert scene.run(run_id).state is RunState.SUCCEEDED
    assert (scene.task(run_id).result or {})["sub_image_urls"] == URLS


def test_a_webhook_may_overtake_the_answer(scene: Scene) -> None:
    verdicts: list[Verdict] = []
    scene.provider.hook = lambda row: verdicts.append(scene.deliver({**row}, **DONE))
    run_id = scene.open(GRID)
    assert verdicts == [Verdict.PARKED]
    assert scene.run(run_id).state is RunState.SUCCEEDED


def test_a_silent_row_is_polled(scene: Scene) -> None:
    run_id = scene.open(GRID)
    only(scene.provider).update(DONE)
    scene.later(20)
    assert scene.run(run_id).state is RunState.SUCCEEDED


@pytest.mark.parametrize("references", [True, False])
def test_a_row_whose_answer_was_lost_is_found_and_not_made_again(scene: Scene, references: bool) -> None:
    scene.provider.references = references
    scene.provider.lost = 1
    run_id = scene.open(GRID)
    assert scene.task(run_id).state is TaskState.UNCERTAIN

    only(scene.provider).update(DONE)
    scene.later(20)

    assert scene.run(run_id).state is RunState.SUCCEEDED
    assert scene.task(run_id).external_id == only(scene.provider)["id"]


def test_a_row_that_is_too_old_by_the_providers_clock_is_not_made_again(scene: Scene) -> None:
    """Ours is minutes ahead of it, so that the row seems to have been there before it was asked for."""
    scene.provider.references = False
    scene.provider.lost = 1
    scene.clock.ahead += timedelta(seconds=240)
    run_id = scene.open(GRID)
    scene.later(200)
    assert scene.task(run_id).state is TaskState.UNCERTAIN
    assert len(scene.provider.rows) == 1


def test_a_twin_of_another_task_is_not_taken_for_a_lost_row(scene: Scene) -> None:
    scene.provider.references = False
    first = scene.open(GRID)
    scene.provider.lost = 1
    scene.provider.hook = lambda row: scene.provider.rows.pop(row["id"])  # it does not come about
    second = scene.open(GRID)
    assert scene.task(second).state is TaskState.UNCERTAIN

    scene.provider.hook = lambda row: None
    scene.later(120)

    assert scene.task(first).external_id != scene.task(second).external_id is not None
    assert len(scene.provider.rows) == 2
