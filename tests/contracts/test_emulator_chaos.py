"""Each kind of the emulator's misfortune at certainty, and the control API that orders and proves it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from emulator_support import Client, Inbox, emulating, error_of


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    box = Inbox()
    yield box
    box.close()


def submit(client: Client, url: str | None, **body: Any) -> Any:
    return client.imagine(prompt="a quiet lake", callback_url=url, **body)


def drained(client: Client) -> list[dict[str, Any]]:
    """The record of callbacks once nothing more is under way; everything late is made due first."""
    for _ in range(2000):
        client.control("advance", {"seconds": 60})
        stats = client.view("stats")
        if not stats["callbacks_waiting"] and not stats["timers_waiting"]:
            items: list[dict[str, Any]] = client.view("callbacks")["items"]
            return items
    raise AssertionError(client.view("stats"))


def test_duplicates_are_the_same_body_two_or_three_times(inbox: Inbox) -> None:
    with emulating(instant=True, chaos="duplicate=1") as client:
        submit(client, inbox.url)
        kinds = sorted(entry["kind"] for entry in drained(client))
        assert kinds in (["duplicate", "true"], ["duplicate", "duplicate", "true"])
        assert len({body for _, body in inbox.letters}) == 1


def test_reordered_frames_arrive_last_first(inbox: Inbox) -> None:
    with emulating(instant=True, chaos="reorder=1") as client:
        body = {"prompt": "a quiet lake", "callback_url": inbox.url}
        client.post("/midjourney/imagine", body, accept="application/x-ndjson")
        drained(client)
        progress = [frame["progress"] for frame in inbox.wait(3)]
        assert progress == sorted(progress, reverse=True)
        assert progress[0] == 100


def test_a_reordered_callback_is_overtaken_by_a_later_job(inbox: Inbox) -> None:
    with emulating(instant=True, chaos="reorder=1") as client:
        first = submit(client, inbox.url).json()["task_id"]
        client.control("config", {"chaos": ""})
        second = submit(client, inbox.url).json()["task_id"]
        assert [letter["task_id"] for letter in inbox.wait(2)] == [second, first]


def test_dropped_callbacks_are_never_sent_though_the_task_is_done(inbox: Inbox) -> None:
    with emulating(instant=True, chaos="drop=1") as client:
        task_id = submit(client, inbox.url).json()["task_id"]
        assert [entry["state"] for entry in drained(client)] == ["dropped"]
        assert inbox.letters == []
        assert client.task(id=task_id)["response"]["success"] is True


def test_early_callbacks_come_before_the_answer(inbox: Inbox) -> None:
    with emulating(latency=3600, chaos="early=1") as client:
        answer = submit(client, inbox.url)
        assert len(inbox.letters) == 1
        assert inbox.wait(1)[0]["task_id"] == answer.json()["task_id"]
        assert client.view("callbacks")["items"][0]["early"] is True


def test_delayed_callbacks_wait_for_their_time(inbox: Inbox) -> None:
    with emulating(instant=True, chaos="delay=1", chaos_delay=1000) as client:
        submit(client, inbox.url)
        assert inbox.letters == []
        client.control("advance", {"seconds": 2000})
        inbox.wait(1)


def test_a_contradiction_follows_the_success(inbox: Inbox) -> None:
    with emulating(instant=True, chaos="contradict=1", chaos_delay=1000) as client:
        submit(client, inbox.url)
        inbox.wait(1)
        client.control("advance", {"seconds": 2000})
        true, contrary = inbox.wait(2)
        assert (true["success"], contrary["success"]) == (True, False)
        assert true["task_id"] == contrary["task_id"]


def test_forgeries_have_a_wrong_token_garbage_or_another_task(inbox: Inbox) -> None:
    with emulating(instant=True, chaos="forge=1") as client:
        tasks = {submit(client, f"{inbox.url}/{n}").json()["task_id"] for n in range(12)}
        assert len([entry for entry in drained(client) if entry["kind"] == "forged"]) == 12
        seen = {_forgery(path, body, tasks) for path, body in inbox.letters}
        assert seen == {"true", "wrong token", "garbage", "other task"}


def _forgery(path: str, body: bytes, tasks: set[str]) -> str:
    if len(path.rpartition("/")[2]) > 2:
        return "wrong token"
    try:
        return "true" if json.loads(body)["task_id"] in tasks else "other task"
    except ValueError:
        return "garbage"


def test_refusals_by_chaos_make_no_job() -> None:
    with emulating(instant=True, chaos="submit_5xx=1") as client:
        assert {submit(client, None).status_code for _ in range(12)} == {500, 502, 503}
        client.control("config", {"chaos": "rate_limit=1"})
        assert error_of(submit(client, None)) == (429, "rate_limited")
        assert client.view("stats")["paid_jobs"] == 0


def test_an_ambiguous_submit_is_late_or_cut_but_its_job_exists(inbox: Inbox) -> None:
    with emulating(instant=True, chaos="submit_timeout=1", hang=0.0) as client:
        outcomes = set()
        for _ in range(12):
            try:
                outcomes.add(submit(client, inbox.url).status_code)
            except requests.ConnectionError:
                outcomes.add("cut")
        assert outcomes == {200, "cut"}
        assert client.view("stats")["paid_jobs"] == 12
        assert len({letter["task_id"] for letter in inbox.wait(12)}) == 12


def test_the_hostile_preset_replays_by_seed(inbox: Inbox) -> None:
    def story(seed: int) -> list[object]:
        with emulating(instant=True, chaos="hostile", seed=seed, hang=0.0) as client:
            seen: list[object] = []
            for _ in range(40):
                try:
                    seen.append(submit(client, inbox.url).status_code)
                except requests.ConnectionError:
                    seen.append("cut")
            record = [(entry["ordinal"], entry["kind"], entry["state"]) for entry in drained(client)]
            return seen + sorted(record)

    first = story(7)
    assert first == story(7)
    assert first != story(8)


def test_held_callbacks_wait_for_their_release(inbox: Inbox) -> None:
    with emulating(instant=True) as client:
        client.control("hold")
        tasks = [submit(client, inbox.url).json()["task_id"] for _ in range(3)]
        assert (client.view("stats")["callbacks_waiting"], inbox.letters) == (3, [])
        assert client.control("release", {"task_ids": [tasks[1]]}) == {"released": 1, "holding": True}
        assert inbox.wait(1)[0]["task_id"] == tasks[1]
        assert client.control("release", {"order": "backwards"}) == {"released": 2, "holding": False}
        assert {letter["task_id"] for letter in inbox.wait(3)} == set(tasks)


def test_ordered_faults_hit_the_next_requests_only() -> None:
    with emulating(instant=True) as client:
        fault = {"path": "/midjourney/imagine", "status": 500, "count": 2, "retry_after": 3}
        client.control("config", {"fail_next": fault})
        first, second, third = (submit(client, None) for _ in range(3))
        assert error_of(first) == error_of(second) == (500, "api_error")
        assert (first.headers["Retry-After"], third.status_code) == ("3", 200)
        client.control("config", {"fail_next": [{"path": "/midjourney/imagine", "cut": True}]})
        with pytest.raises(requests.ConnectionError):
            submit(client, None)
        assert client.view("stats")["paid_jobs"] == 1


def test_wrong_wishes_are_refused_and_change_nothing() -> None:
    with emulating(instant=True) as client:
        for wish in ({"seed": 2}, {"chaos": "mischief=1"}, {"url_style": "odd"}, {"fail_next": {"where": "/"}}):
            assert requests.post(f"{client.url}/_emulator/config", json=wish, timeout=5).status_code == 400
        assert client.view("stats")["faults_waiting"] == 0


def test_what_was_paid_for_twice_is_told(inbox: Inbox) -> None:
    with emulating(instant=True) as client:
        grid = client.made(prompt="a quiet lake")["image_id"]
        for url in (f"{inbox.url}/1", f"{inbox.url}/1", f"{inbox.url}/2"):
            client.imagine(action="upscale2", image_id=grid, callback_url=url)
        duplicates = client.view("stats")["duplicates"]
        assert duplicates["callback_url"] == {f"{inbox.url}/1": 2}
        assert duplicates["image_and_action"] == {f"{grid} upscale2": 3}


@pytest.mark.parametrize("status", [302, 307, 404, 500])
def test_a_callback_is_neither_retried_nor_redirected(inbox: Inbox, status: int) -> None:
    inbox.status = status
    with emulating(instant=True) as client:
        submit(client, inbox.url)
        assert [(entry["state"], entry["status"]) for entry in drained(client)] == [("sent", status)]
        assert [path for path, _ in inbox.letters] == ["/callbacks"]


def test_an_unreachable_receiver_is_recorded() -> None:
    with emulating(instant=True) as client:
        submit(client, "http://127.0.0.1:9/nobody")
        assert [(entry["state"], entry["error"]) for entry in drained(client)] == [("failed", "ConnectionError")]


def test_reset_forgets_everything_and_counts_from_one_again() -> None:
    with emulating(instant=True) as client:
        first = submit(client, None).json()["task_id"]
        client.control("reset")
        assert client.view("stats")["paid_jobs"] == 0
        assert client.view("requests")["items"] == client.view("jobs")["items"] == []
        assert submit(client, None).json()["task_id"] == first


def test_jobs_and_requests_are_listed_in_order(inbox: Inbox) -> None:
    with emulating(instant=True) as client:
        submit(client, inbox.url)
        submit(client, inbox.url)
        jobs = client.view("jobs")["items"]
        assert [(job["ordinal"], job["action"], job["callback_url"]) for job in jobs] == [
            (1, "generate", inbox.url),
            (2, "generate", inbox.url),
        ]
        assert [job["ordinal"] for job in client.view("jobs?after=1")["items"]] == [2]
        asked = client.view("requests")["items"]
        assert [(entry["path"], entry["status"]) for entry in asked] == [("/midjourney/imagine", 200)] * 2


def test_only_the_newest_jobs_are_kept() -> None:
    with emulating(instant=True, keep_jobs=2) as client:
        tasks = [submit(client, None).json()["task_id"] for _ in range(3)]
        assert [job["task_id"] for job in client.view("jobs")["items"]] == tasks[1:]
        assert client.task(id=tasks[0]) == {}
        assert client.view("stats")["paid_jobs"] == 3
