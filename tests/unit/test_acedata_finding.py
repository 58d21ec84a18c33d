"""Whether a listing shows, excludes or leaves open that a lost submission arrived."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from orchestrator.core.events import EventKind, Sighting
from orchestrator.core.tokens import account_token, task_token
from orchestrator.providers.acedata.finding import settled, sighting
from orchestrator.providers.acedata.lookups import Listing, task_event
from orchestrator.providers.base import Order

SENT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
AT = SENT.timestamp()
SECRETS = (b"a secret of sixteen or more",)
URL = "https://us/callbacks/a/" + task_token(SECRETS, "a", UUID(int=1))
FORMER = "http://localhost:8000/callbacks/a/" + task_token((b"the former secret of then",), "a", UUID(int=1))
ANOTHERS = "https://us/callbacks/a/" + task_token(SECRETS, "a", UUID(int=2))
FOREIGN = ["https://elsewhere/cb", "https://us/callbacks/a/" + account_token(SECRETS, "a"), URL + "x", URL[:-4]]
BODY = {"action": "upscale2", "image_id": "7", "prompt": "x"}


def order(callback_url: str | None) -> Order:
    return Order(task_id=UUID(int=1), action="upscale", inputs={}, callback_url=callback_url, sent_at=SENT)


def task(name: str, at: float | None = AT, **request: Any) -> dict[str, Any]:
    return {"id": name, **({} if at is None else {"created_at": at}), "request": request}


def look(
    *tasks: dict[str, Any], url: str | None = URL, complete: bool = True, taken: frozenset[str] = frozenset()
) -> Sighting:
    return sighting(Listing(tasks, complete), replace(order(url), taken=taken), BODY)


def test_a_callback_url_is_recognised_whatever_the_time() -> None:
    assert look(task("a", callback_url=URL + "x"), task("b", AT - 9999, callback_url=URL)).external_id == "b"


@pytest.mark.parametrize("url", [URL, None])
@pytest.mark.parametrize("written", [URL, FORMER])
def test_a_callback_url_is_recognised_whatever_was_configured_when_it_was_written(
    url: str | None, written: str
) -> None:
    found = task("b", AT - 9999, **BODY, callback_url=written)
    assert look(task("a", **BODY, callback_url=ANOTHERS), found, url=url).external_id == "b"
    assert settled(Listing((found,), complete=False), order(url), BODY)


def test_the_url_of_today_is_believed_before_one_whose_proof_is_not_checked() -> None:
    jobs = [task(name, **BODY, callback_url=url) for name, url in (("a", FORMER), ("b", URL), ("c", FORMER))]
    assert look(*jobs).external_id == "b"
    assert look(*jobs, url=None).external_id == "a"


def test_a_url_that_may_be_forged_leaves_it_open_at_most() -> None:
    forged = task("a", callback_url=FORMER, **{**BODY, "image_id": "8"})
    assert look(forged, task("b", AT - 301)) == Sighting(candidates=("a",))
    assert look(forged, task("b", **BODY, callback_url=URL)).external_id == "b"


def test_a_job_that_names_our_task_and_is_known_as_anothers_leaves_it_open() -> None:
    assert look(task("a", callback_url=URL), taken=frozenset("a")) == Sighting(candidates=("a",))


@pytest.mark.parametrize("url", [URL, None])
def test_a_job_that_names_another_task_is_not_ours(url: str | None) -> None:
    assert look(task("a", **BODY, callback_url=ANOTHERS), url=url) == Sighting(absent=True)


@pytest.mark.parametrize("url", [URL, None])
@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_url_that_names_no_task_leaves_it_open(url: str | None, foreign: str) -> None:
    assert look(task("a", **BODY, callback_url=foreign), url=url) == Sighting(candidates=("a",))
    assert look(task("a", **BODY, callback_url=foreign), url=url, taken=frozenset("a")) == Sighting(absent=True)
    assert look(task("a", AT - 301, **BODY, callback_url=foreign), url=url) == Sighting(absent=True)


@pytest.mark.parametrize("nothing", [{}, {"callback_url": None}, {"callback_url": ""}])
def test_a_job_without_a_callback_url_leaves_it_open_where_ours_would_have_one(nothing: dict[str, Any]) -> None:
    assert look(task("a", **BODY, **nothing)) == Sighting(candidates=("a",))
    assert look(task("a", **BODY, **nothing), taken=frozenset("a")) == Sighting(absent=True)
    assert look(task("a", **{**BODY, "action": "reroll"}, **nothing)) == Sighting(absent=True)


def test_a_found_job_comes_with_what_is_known_of_it() -> None:
    done = {**task("b", callback_url=URL), "finished_at": 1.0, "response": {"success": True, "image_id": "9"}}
    (event,) = look(done).events
    assert (event.kind, event.external_id, event.result) == (EventKind.SUCCEEDED, "b", {"image_id": "9"})


@pytest.mark.parametrize("url", [URL, None])
@pytest.mark.parametrize(
    ("tasks", "complete", "absent"),
    [
        ([], True, True),
        ([], False, False),
        ([task("a", AT - 301)], False, True),
        ([task("a", AT - 299)], False, False),
        ([task("a", AT - 299, **BODY)], True, False),  # by the provider's clock, which may be wrong
        ([task("a", AT - 301, **BODY)], True, True),
        ([task("a", AT - 301), task("b", AT + 3)], False, False),  # oldest first: newer ones may follow
        ([task("a", None), task("b", AT - 301)], False, False),
        ([task("a", AT + 3, action="reroll")], True, True),
        ([task("a", AT + 3, action="reroll"), task("b", AT - 301)], False, True),
        ([{"id": "a", "created_at": AT + 3}], True, False),  # does not show what was asked for
        ([task("a", AT + 3)], True, False),
        ([{"id": "a", "created_at": AT - 301}], True, True),
    ],
)
def test_silence_counts_only_when_the_list_reaches_far_enough(
    url: str | None, tasks: list[dict[str, Any]], complete: bool, absent: bool
) -> None:
    seen = look(*tasks, url=url, complete=complete)
    assert (seen.external_id, seen.absent) == (None, absent)


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ([task("a", **BODY)], "a"),
        ([task("a", AT - 4, **BODY)], "a"),
        ([task("a", AT - 6, **BODY)], None),
        ([task("a", **BODY), task("b", **BODY)], None),
        ([task("a", **BODY), task("b", **{**BODY, "image_id": "8"})], "a"),
        ([task("a", **BODY), task("b", AT - 6, **BODY)], "a"),
        ([task("a", **{**BODY, "image_id": 7})], "a"),
    ],
)
def test_without_callback_url_a_single_fitting_job_is_recognised(tasks: list[dict[str, Any]], expected: str) -> None:
    assert look(*tasks, url=None).external_id == expected


@pytest.mark.parametrize(
    ("found", "absent"),
    [
        (task("a", **{**BODY, "prompt": "reworded"}), False),
        (task("a", **{**BODY, "action": "upscale3"}), True),
        (task("a", AT - 6, **BODY), False),
        (task("a", AT - 299, **BODY), False),
        (task("a", AT - 301, **BODY), True),
    ],
)
def test_without_callback_url_a_similar_job_leaves_it_open(found: dict[str, Any], absent: bool) -> None:
    seen = look(found, url=None)
    assert (seen.external_id, seen.absent, seen.candidates) == (None, absent, () if absent else ("a",))


def test_of_all_that_may_be_it_those_of_other_tasks_are_left_out() -> None:
    jobs = [task("a", **BODY), task("b", AT - 6, **BODY)]
    assert look(*jobs, url=None).candidates == ("a", "b")
    assert look(*jobs, url=None, taken=frozenset("a")) == Sighting(candidates=("b",))
    assert look(*jobs, url=None, taken=frozenset("ab")) == Sighting(absent=True)


def test_further_pages_are_asked_for_until_they_cannot_matter() -> None:
    assert not settled(Listing((task("a"),), complete=False), order(URL), BODY)
    assert settled(Listing((task("a", callback_url=URL),), complete=False), order(URL), BODY)
    assert settled(Listing((task("a", AT - 301),), complete=False), order(None), BODY)
    assert not settled(Listing((task("a", **BODY),), complete=False), order(None), BODY)


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({}, EventKind.ACCEPTED),
        ({"response": None}, EventKind.ACCEPTED),
        ({"response": {}, "state": "pending"}, EventKind.ACCEPTED),
        ({"started_at": 1.5}, EventKind.PROGRESSED),
        ({"state": "generating"}, EventKind.PROGRESSED),
        ({"finished_at": 2.5}, EventKind.ACCEPTED),  # over, but not yet said how
        ({"finished_at": 2.5, "response": {"success": True, "image_url": "u"}}, EventKind.SUCCEEDED),
        ({"finished_at": 2.5, "response": {"image_url": "u", "image_width": "", "progress": "?"}}, EventKind.SUCCEEDED),
        ({"finished_at": 2.5, "response": {"image_url": "u"}}, EventKind.SUCCEEDED),
        ({"finished_at": 2.5, "response": {"success": False, "error": {"code": "c"}}}, EventKind.FAILED),
        ({"finished_at": 2.5, "response": {"error": {"code": "c"}}}, EventKind.FAILED),
        ({"response": {"success": True, "progress": 40, "image_url": "u"}}, EventKind.PROGRESSED),
        ({"response": {"success": True, "image_url": "u"}}, EventKind.SUCCEEDED),
        ({"state": "failed", "error": "m"}, EventKind.FAILED),
    ],
)
def test_the_state_of_a_task_is_told_from_its_parts(facts: dict[str, Any], kind: EventKind) -> None:
    event = task_event({"id": "t", **facts})
    assert (event.kind, event.external_id) == (kind, "t")
