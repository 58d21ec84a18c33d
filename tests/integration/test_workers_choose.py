"""Choosing a quadrant: by the scorer, by a model behind HTTP, by a person."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from stage import GRID, Stage

from ops.emulator.defects import clean_quadrant
from orchestrator.core.states import RunState, TaskState
from orchestrator.intervene import choose

MakeStage = Callable[..., Stage]
BEST = GRID | {"best": {"choose": "quadrant", "of": "grid", "by": "quality"}}


def asking(**keys: Any) -> dict[str, Any]:
    """A person is asked, and the chosen quadrant is upscaled."""
    best = {"choose": "quadrant", "of": "grid", "by": "person", "timeout": 600, **keys}
    return GRID | {"best": best, "single": {"action": "upscale", "of": "best"}}


def result(stage: Stage, run_id: Any) -> dict[str, Any]:
    found = stage.task(run_id, "best").result
    assert found is not None
    return found


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_quality_finds_the_clean_quadrant(make_stage: MakeStage, seed: int) -> None:
    stage = make_stage({"seed": seed, "image_size": 512})
    run_id = stage.open(BEST)
    assert stage.end(run_id).state is RunState.SUCCEEDED
    (job,) = stage.emulator.state.book.oldest_first()
    assert result(stage, run_id)["quadrant"] == clean_quadrant(job.picture.seed) + 1
    assert [score["index"] for score in result(stage, run_id)["scores"]] == [1, 2, 3, 4]
    assert {"by", "scorer", "version", "margin", "clear"} <= result(stage, run_id).keys()


def test_a_person_chooses(stage: Stage) -> None:
    run_id = stage.open(asking())
    stage.quiet()
    assert (stage.state(run_id, "best"), stage.task(run_id, "best").waiting_for) == ("waiting", "a person's choice")
    choose(stage.services, stage.task(run_id, "best").id, 3)
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert stage.emulator.state.book.oldest_first()[-1].order.action == "upscale3"


def test_nobody_chooses_and_the_fallback_does(stage: Stage) -> None:
    run_id = stage.open(asking(**{"else": 2}))
    stage.quiet()
    stage.pass_time(590, every=10)
    assert stage.state(run_id, "best") is TaskState.WAITING
    stage.pass_time(20)
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert result(stage, run_id) == {"by": 2, "quadrant": 2}


def test_the_fallback_has_time_of_its_own(stage: Stage) -> None:
    """A passing trouble, after the person's time is over, is as passing as any."""
    run_id = stage.open(asking(**{"else": "quality"}))
    stage.quiet()
    raw = (stage.task(run_id).result or {})["raw_image_url"]
    stage.spoil("/" + raw.split("/", 3)[3].split("?")[0], status=503, count=2)
    stage.pass_time(630)
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert result(stage, run_id)["by"] == "quality"


def test_nobody_chooses_and_there_is_no_fallback(stage: Stage) -> None:
    run_id = stage.open(asking())
    stage.quiet()
    stage.pass_time(604, every=4)
    assert stage.end(run_id).state is RunState.FAILED
    assert stage.code(run_id, "best") == "timed_out"


class Model:
    """A scorer behind HTTP. asked: the bodies. status: of its answers."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.status = 200


@pytest.fixture
def model() -> Iterator[tuple[Model, str]]:
    told = Model()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            body = json.dumps({"scores": [0.1, 0.2, 0.3, 0.9]}).encode()
            self.send_response(told.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield told, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


TASTE = GRID | {"best": {"choose": "quadrant", "of": "grid", "by": "taste"}}


def test_a_model_behind_http_is_asked_with_the_prompt(make_stage: MakeStage, model: tuple[Model, str]) -> None:
    told, url = model
    stage = make_stage({"image_size": 512}, scorers={"taste": url})
    run_id = stage.open(TASTE, prompt="a lynx")
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert len(told.asked) == 1
    assert "a lynx" in str(told.asked[0])
    assert result(stage, run_id)["fallback"] is None
    assert result(stage, run_id)["scorer"] == "taste"


def test_a_model_that_fails_is_replaced_and_that_is_recorded(make_stage: MakeStage, model: tuple[Model, str]) -> None:
    told, url = model
    told.status = 500
    stage = make_stage(scorers={"taste": url})
    run_id = stage.open(TASTE)
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert (result(stage, run_id)["by"], result(stage, run_id)["scorer"]) == ("taste", "quality")
    assert "500" in result(stage, run_id)["fallback"]


def test_a_grid_whose_address_has_died_says_so(make_stage: MakeStage) -> None:
    stage = make_stage({"url_lifetime": 60})
    run_id = stage.open(BEST)
    stage.until(lambda: stage.state(run_id) is TaskState.SUCCEEDED)
    stage.emulator.state.scheduler.advance(100)
    assert stage.end(run_id).state is RunState.FAILED
    assert stage.code(run_id, "best") == "image_gone"
    assert "404" in str(stage.task(run_id, "best").error)


def test_a_private_address_is_refused_unless_it_is_allowed(make_stage: MakeStage) -> None:
    stage = make_stage(allow_hosts=())
    run_id = stage.open(BEST)
    assert stage.end(run_id).state is RunState.FAILED
    assert stage.code(run_id, "best") == "download_refused"
    assert not [one for one in stage.emulator.state.journal.entries if one["path"].startswith("/attachments")]
