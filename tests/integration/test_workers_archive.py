"""Keeping images: what is stored, what is refused, and what is done again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from stage import GRID, Stage

from orchestrator.core.run import Task
from orchestrator.core.states import RunState, TaskState
from orchestrator.store import tasks
from workers import act
from workers.act import held as lease_of
from workers.keep import keep

MakeStage = Callable[..., Stage]
KEEP = GRID | {"keep": {"archive": "grid"}}


def held(stage: Stage, steps: dict[str, Any] = KEEP) -> tuple[UUID, dict[str, Any]]:
    """A run whose archive step is ready, before a worker has taken it; and the result of its grid."""
    run_id = stage.open(steps)
    stage.until(lambda: [task for task in stage.tasks(run_id) if task.step.startswith("keep")], "an archive step")
    return run_id, stage.task(run_id).result or {}


def path_of(url: str) -> str:
    return "/" + url.split("/", 3)[3].split("?", maxsplit=1)[0]


def claimed(stage: Stage) -> Task:
    """The worker that takes the next act, and dies."""
    with stage.services.db.connection() as connection:
        task = tasks.claim_act(connection, lease=300, now=stage.clock())
    assert task is not None
    return task


def test_the_image_its_record_and_its_row_agree(stage: Stage) -> None:
    run_id = stage.open("hero-image", prompt="a red fox")
    assert stage.end(run_id).state is RunState.SUCCEEDED
    (row,) = stage.rows("SELECT * FROM objects")
    image = Path(row["uri"].removeprefix("file://"))
    assert image.stat().st_size == row["bytes"]
    assert image.read_bytes().startswith(b"\x89PNG")
    (record,) = image.parents[3].glob("records/*/*/*.json")
    told = json.loads(record.read_text())
    assert (told["prompt"], told["run_id"], told["object"]["sha256"]) == ("a red fox", str(run_id), row["sha256"])
    assert [one["step"] for one in told["lineage"]] == ["large", "single", "grid"]
    assert all(one["external_id"] and one["image_id"] for one in told["lineage"])
    assert told["lineage"][1]["quadrant"] in {1, 2, 3, 4}
    assert "hm=" not in record.read_text() + row["source_url"]  # the signature of the address stays with us


def test_an_image_of_another_size_than_announced_is_refused(stage: Stage) -> None:
    stage.emulator.state.courier.hold()
    run_id = stage.open(KEEP)
    stage.work()
    stage.until(lambda: stage.stats()["states"] == {"finished": 1})
    (job,) = stage.emulator.state.book.oldest_first()
    body = job.order.dialect.body(job) | {"raw_image_width": 4096}
    assert stage.deliver(stage.task(run_id), body).verdict == "accepted"
    assert stage.end(run_id).state is RunState.FAILED
    assert stage.code(run_id, "keep") == "image_rejected"
    assert "4096" in str(stage.task(run_id, "keep").error)
    assert stage.rows("SELECT FROM objects") == []


def test_a_download_that_fails_for_now_is_tried_again(stage: Stage) -> None:
    run_id, grid = held(stage)
    stage.spoil(path_of(grid["raw_image_url"]), status=503, count=2)
    stage.work()
    assert stage.state(run_id, "keep") is TaskState.READY
    stage.pass_time(10)
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert stage.task(run_id, "keep").submissions == 3


def test_a_download_that_fails_until_the_deadline_fails_the_step(stage: Stage) -> None:
    run_id, grid = held(stage, GRID | {"keep": {"archive": "grid", "timeout": 60}})
    stage.spoil(path_of(grid["raw_image_url"]), status=503, count=200)
    stage.pass_time(80)
    assert stage.end(run_id).state is RunState.FAILED
    assert stage.code(run_id, "keep") == "download_failed"


def test_a_trouble_of_the_database_is_no_trouble_of_the_image(stage: Stage) -> None:
    run_id, _ = held(stage)
    with stage.services.db.transaction() as other:
        other.execute("LOCK TABLE objects")
        with stage.services.db.connection() as mine:
            mine.execute("SET lock_timeout = 50")
        stage.nudges.jobs.get()(stage.services)
    assert stage.state(run_id, "keep") is TaskState.READY
    stage.pass_time(6)
    assert stage.end(run_id).state is RunState.SUCCEEDED


def test_an_archive_that_cannot_be_written_is_tried_until_it_can(make_stage: MakeStage, tmp_path: Path) -> None:
    place = tmp_path / "in the way"
    place.write_text("a file")
    stage = make_stage(archive_url=f"file://{tmp_path}/in%20the%20way")
    run_id, _ = held(stage)
    stage.pass_time(10)
    assert stage.state(run_id, "keep") is TaskState.READY
    place.unlink()
    stage.pass_time(20)
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert len(list(place.rglob("*.png"))) == 1


def test_a_worker_that_died_is_replaced_and_one_object_is_stored(stage: Stage) -> None:
    run_id, _ = held(stage)
    claimed(stage)
    stage.work()
    assert stage.state(run_id, "keep") is TaskState.WORKING
    stage.pass_time(310, every=10)
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert len(stage.rows("SELECT FROM objects")) == 1


def test_a_worker_that_was_taken_for_dead_and_comes_back_changes_nothing(stage: Stage) -> None:
    run_id, _ = held(stage)
    slow = claimed(stage)
    stage.pass_time(310, every=10)
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert keep(stage.services, slow) is False
    assert len(stage.rows("SELECT FROM objects")) == 1


def test_an_image_that_kills_its_workers_does_not_kill_them_for_ever(stage: Stage) -> None:
    stage.nudges.lost = {"act"}
    run_id, _ = held(stage)
    claimed(stage)
    for _ in range(8):
        if stage.task(run_id, "keep").final:
            break
        stage.forward(302)
        stage.sweep()
        stage.forward(302)  # longer than the pause between two of them
        if stage.state(run_id, "keep") is TaskState.READY:
            claimed(stage)
    stage.pass_time(10)
    assert stage.run(run_id).state is RunState.FAILED
    assert stage.code(run_id, "keep") == "worker_lost"


def test_two_steps_that_keep_the_same_image_share_its_file(stage: Stage) -> None:
    run_id = stage.open(GRID | {"keep": {"archive": "grid"}, "keep2": {"archive": "grid"}})
    assert stage.end(run_id).state is RunState.SUCCEEDED
    objects = stage.rows("SELECT task_id, uri FROM objects")
    assert len({row["task_id"] for row in objects}) == 2
    assert len({row["uri"] for row in objects}) == 1


def test_what_expires_first_is_kept_first(stage: Stage) -> None:
    stage.nudges.lost = {"act"}
    first, _ = held(stage)
    stage.tell(url_lifetime=3600)
    second, _ = held(stage)
    assert claimed(stage).run_id == second
    assert claimed(stage).run_id == first


def test_an_unknown_kind_of_trouble_is_not_passed_over_in_silence(stage: Stage) -> None:
    """A defect is raised; the act is done again when its lease is over."""
    run_id, _ = held(stage)
    good = stage.services.downloader
    stage.services.__dict__["downloader"] = None
    with pytest.raises(AttributeError):
        stage.work()
    stage.services.__dict__["downloader"] = good
    stage.pass_time(310, every=10)
    assert stage.end(run_id).state is RunState.SUCCEEDED


def test_a_worker_that_is_alive_keeps_its_act_but_not_beyond_the_act_s_time(stage: Stage) -> None:
    run_id, _ = held(stage, GRID | {"keep": {"archive": "grid", "timeout": 1000}})
    task = claimed(stage)
    with lease_of(stage.services, task, lease=0.03):
        for _ in range(3):
            stage.forward(300)
            stage.until(lambda: stage.task(run_id, "keep").wake_at > stage.clock(), "a renewal")
            stage.sweep()
            assert stage.state(run_id, "keep") is TaskState.WORKING
        stage.forward(300)  # it hangs, say
        stage.sweep()
    assert stage.code(run_id, "keep") == "worker_lost"


def test_only_the_newest_claim_ends_an_act_or_renews_it(stage: Stage) -> None:
    stage.nudges.lost = {"act"}
    run_id, _ = held(stage)
    former = claimed(stage)
    stage.forward(301)
    stage.sweep()
    newest = claimed(stage)

    now = stage.clock()
    with stage.services.db.connection() as connection:
        assert not tasks.renew_act(connection, former.id, claim=former.submissions, lease=60, now=now)
        assert not tasks.ask_person(connection, former.id, now=now, claim=former.submissions)
        assert not tasks.hand_back(
            connection, former.id, cause="late", wake_at=now, now=now, params={}, claim=former.submissions
        )
    assert keep(stage.services, former) is False
    assert stage.rows("SELECT FROM objects") == []
    assert keep(stage.services, newest) is True
    stage.pass_time(4)
    assert stage.end(run_id).state is RunState.SUCCEEDED


def test_an_act_s_message_is_not_held_for_ever_while_there_is_always_another_act(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.nudges.lost = {"act"}
    for _ in range(2):
        held(stage)
    monkeypatch.setattr(act, "keep", lambda services, task: stage.forward(601) or keep(services, task))
    assert act.act_ready(stage.services) == 1
    assert stage.nudges.said[-1] == "act"  # for who takes the next one
