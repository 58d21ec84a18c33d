"""Webhooks of the emulator's ImagineAPI: what is posted, when it is read, and what chaos makes of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from emulator_rows import FIELDS, Rows
from emulator_support import DEADLINE, SLOW, Inbox, emulating


@pytest.fixture
def slow() -> Iterator[Rows]:
    with emulating(latency=SLOW) as client:
        yield Rows(client)


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    box = Inbox()
    yield box
    box.close()


def events(inbox: Inbox, count: int) -> list[tuple[str, str, Any]]:
    letters = inbox.wait(count)
    return [(letter["event"], letter["payload"]["status"], letter["payload"]["progress"]) for letter in letters]


def test_each_change_is_posted_to_each_of_the_users_addresses(slow: Rows, inbox: Inbox) -> None:
    slow.client.control("config", {"webhooks": [f"{inbox.url}/one", f"{inbox.url}/two"]})
    row = slow.create(ref="r")
    assert {path for path, _ in inbox.letters[:2]} <= {"/callbacks/one", "/callbacks/two"}
    assert events(inbox, 2) == [("images.items.create", "pending", None)] * 2
    slow.client.control("advance", {"seconds": SLOW * 1.3})
    last = [letter for letter in inbox.wait(12) if letter["payload"]["status"] == "completed"]
    assert last
    assert all(letter["event"] == "images.items.update" for letter in last)
    assert list(inbox.wait(1)[0]["payload"]) == FIELDS
    assert slow.get(row)["status"] == "completed"


def test_the_row_is_read_again_when_its_event_is_sent(slow: Rows, inbox: Inbox) -> None:
    slow.client.control("config", {"webhooks": [inbox.url]})
    slow.client.control("hold")
    row = slow.create()
    slow.client.control("advance", {"seconds": SLOW * 1.3})
    sent = slow.client.control("release")["released"]
    assert sent >= 5
    assert events(inbox, sent)[0] == ("images.items.create", "completed", None)
    assert {letter["payload"]["url"] for letter in inbox.wait(sent)} == {slow.get(row)["url"]}


def test_an_edit_of_the_prompt_is_an_update(slow: Rows, inbox: Inbox) -> None:
    row = slow.create()
    slow.client.control("config", {"webhooks": [inbox.url]})
    slow.ask("PATCH", f"/items/images/{row['id']}", json={"prompt": "else"})
    (letter,) = inbox.wait(1)
    assert (letter["event"], letter["payload"]["prompt"]) == ("images.items.update", "else")


def test_a_late_progress_patch_overwrites_the_end_for_a_while(slow: Rows, inbox: Inbox) -> None:
    slow.client.control("config", {"chaos": "straggle=1", "instant": True, "chaos_delay": 3000})
    row = slow.create()
    done = slow.ended(row)
    slow.client.control("config", {"webhooks": [inbox.url]})
    while (late := slow.get(row))["status"] == "completed":
        slow.client.control("advance", {"seconds": 250})
    assert (late["status"], late["upscaled_urls"]) == ("in-progress", done["upscaled_urls"])
    assert late["url"].endswith(".webp")
    assert [letter["payload"] for letter in inbox.wait(1)] == [late]
    slow.client.control("advance", {"seconds": 9000})
    assert inbox.wait(2)[1]["payload"] == done


def test_early_chaos_creates_rows_that_are_complete_already(slow: Rows, inbox: Inbox) -> None:
    slow.client.control("config", {"webhooks": [inbox.url], "chaos": "early=1"})
    row = slow.create()
    assert row["status"] == "pending"
    assert inbox.wait(2)[1]["payload"]["id"] == row["id"]
    assert slow.get(row)["status"] == "completed"


def kinds_posted(rows: Rows, *wanted: str) -> set[tuple[str, str]]:
    """(kind, state) of every callback on record, as soon as the wanted kinds are among them."""
    deadline = time.monotonic() + DEADLINE
    while not set(wanted) <= dict(seen := _on_record(rows)).keys():
        assert time.monotonic() < deadline, seen
    return seen


def _on_record(rows: Rows) -> set[tuple[str, str]]:
    return {(item["kind"], item["state"]) for item in rows.client.view("callbacks")["items"]}


@pytest.mark.parametrize("chaos", ["duplicate", "forge"])
def test_chaos_posts_more_than_is_true(slow: Rows, inbox: Inbox, chaos: str) -> None:
    slow.client.control("config", {"webhooks": [inbox.url], "chaos": f"{chaos}=1", "instant": True})
    slow.create()
    kind = {"duplicate": "duplicate", "forge": "forged"}[chaos]
    assert kinds_posted(slow, "true", kind) == {("true", "sent"), (kind, "sent")}


def test_what_is_dropped_is_on_record_and_never_sent(slow: Rows, inbox: Inbox) -> None:
    slow.client.control("config", {"webhooks": [inbox.url], "chaos": "drop=1", "instant": True})
    row = slow.ended(slow.create())
    assert kinds_posted(slow, "true") == {("true", "dropped")}
    assert (row["status"], inbox.letters) == ("completed", [])


def test_overtaken_events_tell_what_was_true_when_they_set_out(slow: Rows, inbox: Inbox) -> None:
    slow.client.control("config", {"webhooks": [inbox.url], "chaos": "reorder=1", "chaos_delay": 9 * SLOW})
    row = slow.create()
    slow.client.control("advance", {"seconds": SLOW * 1.3})
    assert slow.get(row)["status"] == "completed"
    slow.client.control("advance", {"seconds": 9 * SLOW})
    assert [status for _, status, _ in events(inbox, 5)] == ["completed", *["in-progress"] * 4]


def test_the_control_api_knows_these_jobs_and_acedata_does_not(slow: Rows) -> None:
    row = slow.create(ref="same")
    slow.create(ref="same")
    (first, _) = slow.client.view("jobs")["items"]
    assert (first["task_id"], first["action"], first["client_state"]) == (row["id"], "generate", "same")
    assert slow.client.view("stats")["paid_jobs"] == 2
    assert slow.client.task(id=row["id"]) == {}


def test_bad_webhooks_are_refused_by_the_control_api(slow: Rows) -> None:
    answer = requests.post(f"{slow.client.url}/_emulator/config", json={"webhooks": ["nowhere"]}, timeout=DEADLINE)
    assert answer.status_code == 400
