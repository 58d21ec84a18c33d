"""After an erasure the prompt is nowhere: in no column of no table, in no file of the archive; the story stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from caller import DELIVERIES, Caller
from stage import GRID, Stage
from test_evidence import exported

from orchestrator.errors import ArchiveFailed
from orchestrator.store import runs

SECRET = "Zaphodbeeblebrox"
PROMPT = f"a portrait of {SECRET} in the snow"
KEEP = GRID | {"keep": {"archive": "grid"}}
COLUMNS = """
    SELECT table_name AS "table", column_name AS "column", data_type = 'bytea' AS binary
    FROM information_schema.columns WHERE table_schema = 'public'"""


def places(stage: Stage | Caller, *words: str) -> set[str]:
    """The columns and files in which one of these words stands."""
    found = set()
    with stage.services.db.connection() as connection:
        for one in connection.execute(COLUMNS).fetchall():
            text = f"encode({one['column']}, 'escape')" if one["binary"] else f"{one['column']}::text"
            for word in words:
                query = f"SELECT FROM {one['table']} WHERE position(lower(%s) IN lower({text})) > 0"
                if connection.execute(query.encode(), (word,)).fetchall():
                    found.add(f"{one['table']}.{one['column']}")
    folder = Path(stage.services.config.archive_url.removeprefix("file://"))
    files = [path for path in folder.rglob("*.json") if path.is_file()]
    return found | {"archive" for path in files for word in words if word.lower() in path.read_text().lower()}


def office(stage: Stage) -> Caller:
    return Caller(stage.services)


def erase(web: Caller, run_id: Any, **order: Any) -> Any:
    answer = web.ask("POST", f"/v1/runs/{run_id}/erase", json=order)
    assert answer.status_code == 200, answer.text
    return answer.json


def archive_of(stage: Stage, pattern: str) -> list[Path]:
    return sorted(Path(stage.services.config.archive_url.removeprefix("file://")).glob(pattern))


# A whole run ---------------------------------------------------------------------------------------------


def test_a_whole_run_has_forgotten_its_prompt_and_kept_its_story(stage: Stage) -> None:
    run_id = stage.open("hero-image", prompt=PROMPT)
    stage.end(run_id)
    stage.quiet()
    web = office(stage)
    before = web.get(f"/v1/runs/{run_id}")
    assert {"runs.inputs", "tasks.params", "callbacks.body", "archive"} <= places(stage, SECRET)

    done = erase(web, run_id)

    assert places(stage, SECRET, "http://", "hm=") == set()
    assert (done["by"], done["records"], done["missing"], done["images_removed"]) == ("admin", 1, 0, 0)
    after = web.get(f"/v1/runs/{run_id}")
    assert (after["erased_at"], after["erased_by"], after["inputs"]) == (done["at"], "admin", {})
    for field in ("id", "state", "pipeline", "version", "created_at", "finished_at", "cost"):
        assert after[field] == before[field]
    kept = ("id", "step", "state", "external_id", "submitted_at", "finished_at", "account", "progress")
    assert [[task[name] for name in kept] for task in after["tasks"]] == [
        [task[name] for name in kept] for task in before["tasks"]
    ]
    assert after["tasks"][1]["result"]["quadrant"] == before["tasks"][1]["result"]["quadrant"]
    assert [one["uri"] for one in after["archive"]] == [one["uri"] for one in before["archive"]]
    (image,) = archive_of(stage, "images/*/*/*.png")
    assert image.stat().st_size > 0
    (record,) = archive_of(stage, "records/*/*/*.json")
    told = json.loads(record.read_text())
    assert (told["run_id"], told["object"]["uri"]) == (str(run_id), before["archive"][0]["uri"])
    assert [one["step"] for one in told["lineage"]] == ["large", "single", "grid"]


def test_who_erased_and_when_is_in_the_history_and_erasing_again_changes_nothing(stage: Stage) -> None:
    run_id = stage.open(KEEP, prompt=PROMPT)
    stage.end(run_id)
    web = office(stage)
    first = erase(web, run_id)
    stage.forward(60)
    history = web.get(f"/v1/tasks/{stage.task(run_id).id}/history")["transitions"]
    assert (history[-1]["from"], history[-1]["to"], history[-1]["cause"]) == (
        "succeeded",
        "succeeded",
        "erased by admin",
    )

    assert erase(web, run_id) == first
    assert web.get(f"/v1/tasks/{stage.task(run_id).id}/history")["transitions"] == history


def test_the_pictures_go_too_if_wanted_but_not_those_of_other_runs(stage: Stage) -> None:
    run_id, twin = stage.open(KEEP, prompt=PROMPT), stage.open(KEEP, prompt="another")
    for one in (run_id, twin):
        stage.end(one)
    web = office(stage)
    with stage.services.db.connection() as connection:
        (mine,), (other,) = (runs.objects_of_run(connection, one) for one in (run_id, twin))
    erased = erase(web, run_id, images=True)
    shared = mine["sha256"] == other["sha256"]
    assert (erased["images_removed"], erased["images_shared"]) == ((0, 1) if shared else (1, 0))
    assert Path(other["uri"].removeprefix("file://")).exists()
    assert Path(mine["uri"].removeprefix("file://")).exists() == shared
    assert len(archive_of(stage, "records/*/*/*.json")) == (2 if shared else 1)
    assert (web.get(f"/v1/runs/{run_id}")["archive"] == []) != shared


def test_a_picture_that_another_run_has_too_stays(stage: Stage) -> None:
    run_id = stage.open(KEEP, prompt=PROMPT)
    stage.end(run_id)
    other = stage.open(GRID, prompt="another")
    stage.end(other)
    with stage.services.db.connection() as connection:
        connection.execute(
            "INSERT INTO objects SELECT %s, %s, source_task_id, uri, sha256, bytes, width, height, content_type,"
            " 'x', archived_at FROM objects",
            (stage.task(other).id, other),
        )
    erased = erase(office(stage), run_id, images=True)
    assert (erased["images_removed"], erased["images_shared"]) == (0, 1)
    assert len(archive_of(stage, "images/*/*/*.png")) == 1


def test_an_archive_that_fails_is_told_and_the_second_try_does_the_rest(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = stage.open(KEEP, prompt=PROMPT)
    stage.end(run_id)
    web = office(stage)

    def fails(*_: Any) -> None:
        raise ArchiveFailed("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(type(stage.services.archive), "put_record", fails)
        problem = web.refused(503, "POST", f"/v1/runs/{run_id}/erase")
    assert "the disk is full" in problem["detail"]
    assert places(stage, SECRET) == {"archive"}

    erase(web, run_id)

    assert places(stage, SECRET) == set()


def test_pictures_in_another_archive_than_the_configured_one_are_told_before_anything_is_erased(
    stage: Stage, make_services: Any, tmp_path: Path
) -> None:
    run_id = stage.open(KEEP, prompt=PROMPT)
    stage.end(run_id)
    before = places(stage, SECRET)
    for url in ((tmp_path / "moved").as_uri(), tmp_path.as_uri()):
        moved = make_services(database_url=stage.services.config.database_url, archive_url=url)

        problem = Caller(moved).refused(409, "POST", f"/v1/runs/{run_id}/erase", json={"images": True})

        assert "in another archive" in problem["detail"]
        assert url in problem["detail"]
        assert places(stage, SECRET) == before

    assert erase(office(stage), run_id, images=True)["images_removed"] == 1
    assert places(stage, SECRET) == set()


# What comes before and after -----------------------------------------------------------------------------


@pytest.fixture(name="erased")
def _erased(web: Caller) -> tuple[Caller, Any, UUID]:
    """A run of one task that has ended, with deliveries of every verdict, erased; the task."""
    run = web.open_run(PROMPT)
    grid = web.submit("job-1")
    body = json.loads((DELIVERIES / "callback_success.json").read_text()) | {"prompt": PROMPT, "task_id": "job-1"}
    for to, more in ((None, {"success": None}), (grid, {"task_id": "another"}), (grid, {}), (None, {"success": False})):
        web.http.post(web.hook(to), json=body | more)
    web.http.post(web.hook(grid), data=f"no json, {SECRET}".encode(), content_type=f"text/{SECRET}")
    web.http.post(web.hook(None), json=[body | {"task_id": "unknown"}, body])
    web.post(f"/v1/runs/{run['id']}/cancel")
    assert {"runs.inputs", "tasks.params", "callbacks.body", "callbacks.events"} <= places(web, SECRET)
    erase(web, run["id"])
    return web, run, grid


def test_deliveries_of_every_verdict_are_emptied(erased: tuple[Caller, Any, UUID]) -> None:
    web, run, _ = erased
    assert places(web, SECRET) == set()
    kept = web.get("/v1/callbacks")["items"]
    assert all(one["stripped"] for one in kept)
    assert {one["verdict"] for one in kept} >= {"accepted", "parked", "rejected"}
    assert SECRET not in json.dumps(exported(web, run))
    assert all(one["size"] and not one["body"] for one in exported(web, run)["callback"])


def test_what_arrives_later_brings_nothing_back(erased: tuple[Caller, Any, UUID]) -> None:
    web, run, grid = erased
    body = json.loads((DELIVERIES / "callback_success.json").read_text()) | {"prompt": PROMPT, "task_id": "job-1"}
    answers = [
        web.http.post(web.hook(to), json=body | more).status_code
        for to in (grid, None)
        for more in ({"new": 1}, {"new": 2, "success": False}, {"task_id": "another"} if to else {}, {})
    ]
    assert set(answers) <= {200, 202}
    for text in ("no json", "still none"):
        assert web.http.post(web.hook(grid), data=f"{text}, {SECRET}".encode()).status_code == 400
    assert places(web, SECRET) == set()
    assert web.get(f"/v1/runs/{run['id']}")["state"] == "cancelled"


def test_an_erased_run_is_neither_retried_nor_replayed(erased: tuple[Caller, Any, UUID]) -> None:
    web, run, _ = erased
    problem = web.refused(409, "POST", f"/v1/runs/{run['id']}/retry", json={"from": "grid"})
    assert "erased by admin" in problem["detail"]
    for kept in web.get("/v1/callbacks")["items"]:
        web.refused(409, "POST", f"/v1/callbacks/{kept['id']}/replay")


def test_words_of_a_provider_in_errors_and_pauses_are_erased(web: Caller) -> None:
    run = web.open_run(PROMPT)
    grid = web.submit("job-1")
    body = json.loads((DELIVERIES / "callback_failure.json").read_text())
    text = json.dumps(body | {"task_id": "job-1"}).replace('"message": "', f'"message": "banned: {PROMPT} ')
    assert SECRET in text
    web.http.post(web.hook(grid), data=text)
    web.advance(run)
    with web.services.db.connection() as connection:
        connection.execute("UPDATE accounts SET paused_reason = %s WHERE name = 'acedata'", (f"banned: {PROMPT}",))
        connection.execute("UPDATE accounts SET paused_reason = 'too many' WHERE name = 'second'")
        connection.execute("UPDATE transitions SET cause = %s WHERE to_state = 'waiting'", (f"a look: {PROMPT}",))
    before = web.get(f"/v1/runs/{run['id']}")
    assert SECRET in before["error"]["message"]

    erase(web, run["id"])

    assert places(web, SECRET) == set()
    after = web.get(f"/v1/runs/{run['id']}")
    assert (after["state"], after["error"]["code"], after["error"]["message"]) == (
        "failed",
        before["error"]["code"],
        "erased",
    )


def test_a_run_under_way_is_not_erased(web: Caller) -> None:
    run = web.open_run(PROMPT)
    web.submit("job-1")
    web.refused(409, "POST", f"/v1/runs/{run['id']}/erase")
    web.post(f"/v1/runs/{run['id']}/cancel")
    problem = web.refused(409, "POST", f"/v1/runs/{run['id']}/erase")
    assert "grid" in problem["detail"]
    web.deliver(None)
    assert erase(web, run["id"])["deliveries"] == 1
    web.refused(403, "POST", f"/v1/runs/{run['id']}/erase", role="operator")
    web.refused(404, "POST", f"/v1/runs/{UUID(int=1)}/erase")


def test_the_key_of_an_erased_run_still_opens_no_second_one(web: Caller) -> None:
    web.put_pipeline()
    order = {"json": {"pipeline": "tested", "inputs": {"prompt": PROMPT}}, "headers": {"Idempotency-Key": "k"}}
    run = web.ask("POST", "/v1/runs", **order).json
    web.post(f"/v1/runs/{run['id']}/cancel")
    erase(web, run["id"])
    assert web.ask("POST", "/v1/runs", **order).status_code == 409
