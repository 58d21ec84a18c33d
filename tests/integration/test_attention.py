"""What wants a person is seen in one place, with commands that mend it, and is gone when it is mended."""

from __future__ import annotations

import shlex
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import rich_click as click
from caller import Caller

from ops.cli.main import root
from orchestrator.attention import _ACTIONS, MEANING
from orchestrator.store import accounts


def seen(web: Caller) -> dict[str, Any]:
    """The one item of each kind."""
    items = web.get("/v1/attention")["items"]
    assert len({item["kind"] for item in items}) == len(items), items
    return {item["kind"]: item for item in items}


def execute(web: Caller, statement: str, **values: Any) -> None:
    with web.services.db.connection() as connection:
        connection.execute(statement.encode(), values)


def figures(web: Caller) -> dict[str, float]:
    lines = web.ask("GET", "/metrics", role=None).text.splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_nothing_wants_a_person_at_first(web: Caller) -> None:
    web.open_run()
    web.submit()
    assert web.get("/v1/attention") == {"items": [], "more": []}


def test_an_uncertain_task_is_seen_and_resolved(web: Caller) -> None:
    web.open_run()
    task_id = str(web.doubt())
    item = seen(web)["uncertain"]
    assert (item["id"], item["account"], item["detail"]) == (task_id, "acedata", "the answer was lost")
    web.post(f"/v1/tasks/{task_id}/resolve", {"outcome": "failed"})
    assert seen(web) == {}


def test_an_open_choice_is_seen_and_made(web: Caller) -> None:
    run = web.open_run()
    web.deliver(web.submit())
    web.advance(run)
    web.ask_person()
    item = seen(web)["choice"]
    web.post(f"/v1/tasks/{item['id']}/choose", {"quadrant": 1})
    assert "choice" not in seen(web)


@pytest.mark.parametrize("verdict", ["parked", "rejected", "late"])
def test_a_kept_delivery_is_seen_until_it_is_dismissed(web: Caller, verdict: str) -> None:
    web.open_run()
    task_id = web.submit()
    if verdict == "late":
        web.deliver(task_id)
        web.deliver(task_id, "callback_failure")
    elif verdict == "parked":
        web.deliver(job="nobody's")
    else:
        web.http.post(web.hook(), data=b"junk")
    item = seen(web)[verdict]
    gauge = f'orchestrator_callbacks_now{{verdict="{verdict}"}}'
    assert figures(web)[gauge] == 1

    shown = web.post(f"/v1/callbacks/{item['id']}/dismiss")

    assert shown["dismissed_at"]
    assert seen(web) == {}
    assert figures(web)[gauge] == 0
    assert web.get("/v1/callbacks", dismissed="false", verdict=verdict)["items"] == []
    assert [one["id"] for one in web.get("/v1/callbacks", dismissed="true")["items"]] == [item["id"]]
    assert web.post(f"/v1/callbacks/{item['id']}/dismiss")["dismissed_at"] == shown["dismissed_at"]


def test_a_parked_delivery_to_a_tasks_own_url_names_the_task(web: Caller) -> None:
    web.open_run()
    task_id = web.submit("job-1")
    web.deliver(task_id, job="another-job")
    assert f"orchestrator callbacks adopt {seen(web)['parked']['id']} {task_id}" in seen(web)["parked"]["actions"]


def test_many_are_dismissed_at_once(web: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.api.callbacks.AT_ONCE", 2)
    for number in range(3):
        web.deliver(job=f"nobody's-{number}")
    web.http.post(web.hook(), data=b"junk")
    order = {"verdict": "parked"}
    assert web.post("/v1/callbacks:dismiss", order | {"account": "second"}) == {"dismissed": 0, "more": False}
    assert web.post("/v1/callbacks:dismiss", order | {"before": "2020-01-01T00:00:00Z"})["dismissed"] == 0
    assert web.post("/v1/callbacks:dismiss", order) == {"dismissed": 2, "more": True}
    assert web.post("/v1/callbacks:dismiss", order) == {"dismissed": 1, "more": False}
    assert set(seen(web)) == {"rejected"}


@pytest.mark.parametrize("body", [{}, {"verdict": "accepted"}, {"verdict": "parked", "before": "soon"}])
def test_what_is_dismissed_at_once_is_checked(shared_web: Caller, body: dict[str, Any]) -> None:
    assert shared_web.refused(422, "POST", "/v1/callbacks:dismiss", json=body)["errors"]


def test_a_paused_account_is_seen_and_resumed(web: Caller) -> None:
    now = web.services.now()
    with web.services.db.connection() as connection:
        accounts.strike_account(connection, "acedata", most=1, first=60, longest=60, reason="no quota", now=now)
    item = seen(web)["paused"]
    assert item["id"] == "acedata"
    assert "no quota" in item["detail"]
    assert figures(web)['orchestrator_attention_now{kind="paused"}'] == 1

    resumed = web.post("/v1/accounts/acedata/resume")

    assert (resumed["paused"], resumed["paused_reason"]) == (False, None)
    assert seen(web) == {}
    web.refused(404, "POST", "/v1/accounts/nobody/resume")


@pytest.mark.parametrize("sent", [False, True])
def test_a_task_of_an_account_that_is_not_configured_is_seen_and_given_up(make_services: Any, sent: bool) -> None:
    web = Caller(make_services())
    web.open_run()
    if sent:
        web.submit()
    other = Caller(make_services(accounts={}))
    item = seen(other)["stray"]
    assert figures(other)['orchestrator_attention_now{kind="stray"}'] == int(sent)
    other.post(f"/v1/tasks/{item['id']}/resolve", {"outcome": "failed"})
    assert "stray" not in seen(other)


def archiving(web: Caller, state: str, dies_in: timedelta) -> UUID:
    """An archiving in this state."""
    run = web.open_run()
    task_id, now = uuid4(), web.services.now()
    execute(
        web,
        "INSERT INTO tasks (id, run_id, step, item, attempt, kind, action, state, params, wake_at, urgent_at, timeout,"
        " created_at, finished_at, error, settled) VALUES (%(id)s, %(run)s, 'keep', 0, 1, 'archive', 'archive',"
        " %(state)s::task_state, '{}', %(now)s, %(dies)s, 60, %(now)s, %(end)s, %(error)s::jsonb, true)",
        id=task_id,
        run=run["id"],
        state=state,
        now=now,
        dies=now + dies_in,
        end=now if state == "failed" else None,
        error='{"code": "archive_failed", "message": "the disk is full"}' if state == "failed" else None,
    )
    return task_id


@pytest.mark.parametrize("state", ["ready", "working", "failed"])
def test_an_image_that_is_about_to_be_lost_is_seen(web: Caller, state: str) -> None:
    task_id = archiving(web, state, timedelta(minutes=30))
    item = seen(web)["risky"]
    assert item["id"] == str(task_id)
    assert (f"orchestrator tasks retry {task_id}" in item["actions"]) == (state == "failed")


@pytest.mark.parametrize(("state", "dies_in"), [("ready", timedelta(hours=3)), ("failed", timedelta(minutes=-1))])
def test_an_image_with_time_left_and_one_that_is_lost_are_no_risk(web: Caller, state: str, dies_in: timedelta) -> None:
    archiving(web, state, dies_in)
    assert seen(web) == {}


def test_a_task_that_nobody_looks_at_and_one_without_a_deadline_are_seen(web: Caller) -> None:
    web.open_run()
    web.submit()
    execute(web, "UPDATE tasks SET wake_at = now() - interval '6 minutes'")
    assert "nobody has looked" in seen(web)["unwatched"]["detail"]
    execute(web, "UPDATE tasks SET wake_at = now(), deadline_at = NULL")
    assert "without a deadline" in seen(web)["unwatched"]["detail"]


def test_a_run_that_nobody_advances_is_seen_and_set_going(web: Caller) -> None:
    run = web.open_run()
    web.deliver(web.submit())
    execute(
        web,
        "UPDATE tasks SET settled = true, finished_at = now() - interval '2 minutes';"
        " UPDATE runs SET created_at = now() - interval '3 minutes'",
    )
    assert seen(web)["stranded"]["id"] == run["id"]
    web.post(f"/v1/runs/{run['id']}/cancel")
    web.post(f"/v1/runs/{run['id']}/retry")
    assert seen(web) == {}
    assert web.task(run, "best")["state"] == "ready"


def test_a_leaked_slot_is_seen_and_given_back(web: Caller) -> None:
    web.open_run()
    task_id = web.submit()
    web.deliver(task_id)
    execute(web, "UPDATE slots SET task_id = %(task)s WHERE account = 'acedata' AND number = 1", task=task_id)
    assert seen(web)["leaked"]["account"] == "acedata"
    assert web.post("/v1/accounts/acedata/resume")["in_use"] == 0
    assert "leaked" not in seen(web)


def test_of_each_kind_only_so_many_are_told(web: Caller) -> None:
    for number in range(3):
        web.deliver(job=f"nobody's-{number}")
    found = web.get("/v1/attention", limit=2)
    assert (len(found["items"]), found["more"]) == (2, ["parked"])


def test_each_action_is_a_command_that_there_is() -> None:
    example = {name: str(uuid4()) for name in ("id", "run_id", "to_task")} | {"account": "acedata"}
    for line in (line for actions in _ACTIONS.values() for line in actions):
        for command in line.format(**example).replace("TASK", example["id"]).split(" && "):
            _, name, *rest = shlex.split(command)
            found = root.load(name)  # type: ignore[attr-defined]  # the decorator forgets the class
            if isinstance(found, click.RichGroup):
                found, rest = found.commands[rest[0]], rest[1:]
            found.make_context(name, rest)  # raises UsageError


def test_every_kind_has_an_action() -> None:
    assert set(MEANING) <= set(_ACTIONS)
