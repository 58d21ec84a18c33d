"""notifyHook of the midjourney-proxy dialect: the whole task on every change, in each layer's order of things."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from emulator_mjproxy_client import MjClient, layer_of
from emulator_support import SLOW, Inbox, Json


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    box = Inbox()
    yield box
    box.close()


def drained(client: MjClient) -> None:
    """Nothing more is under way; everything late was made due first."""
    for _ in range(2000):
        client.advance(30)
        stats = client.view("stats")
        if not stats["callbacks_waiting"] and not stats["timers_waiting"] and not stats["in_flight"]:
            return
    raise AssertionError(client.view("stats"))


def told(client: MjClient, inbox: Inbox) -> list[tuple[str, str]]:
    """(status, progress) of every body that arrived."""
    drained(client)
    return [(each["status"], each["progress"]) for each in inbox.wait(len(inbox.letters))]


def submitted(client: MjClient, inbox: Inbox, **body: Any) -> str:
    return client.accepted("imagine", **{"prompt": "a quiet lake", "notifyHook": inbox.url, **body})


def test_every_change_is_posted_as_the_whole_task(inbox: Inbox) -> None:
    with layer_of("plus", latency=100) as client:
        task_id = submitted(client, inbox, state="mine")
        events = told(client, inbox)
        bodies = inbox.wait(len(inbox.letters))
        assert events[0] == ("SUBMITTED", "0%")
        assert events[-1] == ("SUCCESS", "100%")
        assert {status for status, _ in events[1:-1]} == {"IN_PROGRESS"}
        assert {(body["id"], body["state"]) for body in bodies} == {(task_id, "mine")}
        assert bodies[-1] == client.fetch(task_id)
        assert bodies[-1]["properties"]["notifyHook"] == inbox.url
        assert all(body["buttons"] == [] for body in bodies[:-1])


@pytest.mark.parametrize(("layer", "repeats"), [("java", True), ("plus", True), ("csharp", False)])
def test_equal_events_are_posted_again_where_the_source_does(inbox: Inbox, layer: str, repeats: bool) -> None:
    with layer_of(layer, latency=10, concurrency=None) as client:
        ids = [submitted(client, inbox) for _ in range(3)]
        told(client, inbox)
        for task_id in ids:
            mine = [b for b in inbox.wait(len(inbox.letters)) if b["id"] == task_id and b["status"] == "IN_PROGRESS"]
            started = [body["progress"] for body in mine if body["progress"] in ("0%", "Waiting to start")]
            assert (len(started) > 1) == repeats


def test_java_may_give_a_task_up_that_succeeds_later(inbox: Inbox) -> None:
    with layer_of("java", latency=1000) as client:
        task_id = submitted(client, inbox)
        client.advance(310)
        assert client.fetch(task_id)["failReason"] == "任务超时"
        events = told(client, inbox)
        assert ("FAILURE", "") in events
        assert events[-1] == ("SUCCESS", "100%")
        assert client.fetch(task_id)["status"] == "SUCCESS"
        assert client.view("stats")["in_flight"] == 0


def test_a_straggler_follows_the_end_where_the_rank_is_forgotten(inbox: Inbox) -> None:
    for layer, last in (("csharp", "IN_PROGRESS"), ("java", "SUCCESS")):
        with layer_of(layer, latency=10, chaos="straggle=1") as client:
            submitted(client, inbox)
            assert told(client, inbox)[-1][0] == last


def test_a_false_failure_comes_before_or_after_the_success(inbox: Inbox) -> None:
    with layer_of("plus", latency=10, concurrency=None, chaos="contradict=1") as client:
        ids = [submitted(client, inbox) for _ in range(8)]
        told(client, inbox)
        bodies = inbox.wait(len(inbox.letters))
        ends = {
            tuple(b["status"] for b in bodies if b["id"] == task_id and b["status"] in ("FAILURE", "SUCCESS"))
            for task_id in ids
        }
        assert ends == {("FAILURE", "SUCCESS"), ("SUCCESS", "FAILURE")}


def test_a_cancel_is_not_posted_once_there_was_progress(inbox: Inbox) -> None:
    with layer_of("plus", latency=SLOW, concurrency=1) as client:
        running, waiting = (submitted(client, inbox) for _ in range(2))
        inbox.wait(1)
        client.advance(SLOW / 2)
        client.ask(f"/mj/task/{waiting}/cancel", {})
        client.ask(f"/mj/task/{running}/cancel", {})
        events = told(client, inbox)
        bodies = inbox.wait(len(inbox.letters))
        assert [body["id"] for body in bodies if body["status"] == "CANCEL"] == [waiting]
        assert events[0] == ("SUBMITTED", "0%")


def test_csharp_posts_a_cancel_as_failure(inbox: Inbox) -> None:
    with layer_of("csharp", latency=SLOW) as client:
        task_id = submitted(client, inbox)
        inbox.wait(1)
        client.ask(f"/mj/task/{task_id}/cancel", {})
        assert told(client, inbox)[-1] == ("FAILURE", "")


def test_the_gateway_strips_the_hook_unless_told_otherwise(inbox: Inbox) -> None:
    with layer_of("gateway", latency=10) as client:
        submitted(client, inbox)
        assert told(client, inbox) == []
        client.control("config", {"mj": {"notify": True}})
        task_id = submitted(client, inbox)
        assert told(client, inbox)[-1] == ("SUCCESS", "100%")
        client.advance(20)
        posted = inbox.wait(len(inbox.letters))[-1]
        assert posted["properties"]["notifyHook"] == inbox.url  # what is behind the gateway speaks for itself
        assert "/mj/image/" not in posted["imageUrl"]
        assert client.fetch(task_id)["imageUrl"] == f"{client.url}/mj/image/{task_id}"


def test_a_hook_is_called_once_whatever_it_answers(inbox: Inbox) -> None:
    with layer_of("plus", instant=True) as client:
        inbox.status = 500
        submitted(client, inbox)
        events = told(client, inbox)
        entries = client.view("callbacks")["items"]
        assert len(entries) == len(events)
        assert {(entry["state"], entry["status"]) for entry in entries} == {("sent", 500)}


def test_the_hook_of_a_window_is_called_when_it_was_confirmed(inbox: Inbox) -> None:
    with layer_of("plus", instant=True, mj_remix=True) as client:
        grid = client.made()
        window = client.pressed(grid, "🔄", notifyHook=inbox.url, state="mine")["result"]
        assert told(client, inbox) == []
        assert client.submit("modal", taskId=window)["code"] == 1
        assert told(client, inbox)[-1] == ("SUCCESS", "100%")
        assert {(body["id"], body["state"]) for body in inbox.wait(1)} == {(window, "mine")}


def test_callbacks_can_be_held_and_released_backwards(inbox: Inbox) -> None:
    with layer_of("plus", instant=True) as client:
        client.control("hold")
        task_id = submitted(client, inbox)
        client.done(task_id)
        client.control("release", {"order": "backwards", "task_ids": [task_id]})
        first: Json = inbox.wait(3)[0]
        assert (first["id"], first["status"]) == (task_id, "SUCCESS")


def test_early_chaos_tells_the_end_before_the_answer(inbox: Inbox) -> None:
    with layer_of("plus", latency=SLOW, chaos="early=1") as client:
        task_id = submitted(client, inbox)
        assert inbox.wait(len(inbox.letters))[-1]["status"] == "SUCCESS"
        assert inbox.wait(1)[0]["id"] == task_id
