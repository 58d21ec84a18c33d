"""ImagineAPI's rows: which event they are, and in which wrappings they are taken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.core.events import Event, EventKind, TaskError
from orchestrator.errors import MalformedDelivery
from orchestrator.providers.imagineapi.reading import read

ROW = {"id": "a", "status": "in-progress"}
URLS = [f"https://img.example/{n}.png" for n in (9, 4, 7, 1)]


def one(**facts: Any) -> Event:
    (event,) = read(json.dumps({**ROW, **facts}).encode())
    return event


@pytest.mark.parametrize(
    ("facts", "kind", "progress"),
    [
        ({"status": "pending"}, EventKind.ACCEPTED, None),
        ({"status": "queued", "progress": 0, "url": "u"}, EventKind.ACCEPTED, None),
        ({}, EventKind.PROGRESSED, None),
        ({"progress": 31}, EventKind.PROGRESSED, 31),
        ({"progress": "31%"}, EventKind.PROGRESSED, 31),
        ({"progress": "Waiting to start"}, EventKind.PROGRESSED, None),
        ({"progress": "1000"}, EventKind.PROGRESSED, None),
        ({"progress": [1]}, EventKind.PROGRESSED, None),
        ({"status": "completed", "progress": 101, "url": "u"}, EventKind.SUCCEEDED, None),
        ({"progress": 100, "url": "u"}, EventKind.PROGRESSED, 100),
        ({"status": "paused"}, EventKind.PROGRESSED, None),
        ({"status": "completed"}, EventKind.SUCCEEDED, None),
        ({"status": "failed", "progress": 93, "url": "u"}, EventKind.FAILED, None),
    ],
)
def test_the_kind_of_event(facts: dict[str, Any], kind: EventKind, progress: int | None) -> None:
    event = one(**facts)
    assert (event.kind, event.external_id, event.progress) == (kind, "a", progress)


def test_single_images_are_taken_in_the_order_of_their_urls() -> None:
    event = one(status="completed", url="grid", upscaled_urls=URLS, upscaled=["1", "4", "7", "9"])
    assert event.result == {
        "image_id": "a",
        "image_url": "grid",
        "raw_image_url": "grid",
        "sub_image_urls": URLS,
        "actions": ["upscale1", "upscale2", "upscale3", "upscale4"],
        "extra": {"upscaled": ["1", "4", "7", "9"]},
    }


def test_a_grid_without_single_images_offers_none() -> None:
    assert one(status="completed", url="grid").result == {
        "image_id": "a",
        "image_url": "grid",
        "raw_image_url": "grid",
        "actions": [],
    }


def test_a_frame_is_a_preview_and_what_a_failure_leaves_of_it_is_nothing() -> None:
    assert one(url="u", progress=31, novelty=1).result == {"preview_url": "u", "extra": {"novelty": 1}}
    assert one(status="failed", url="u", progress=31, error="e").result is None


def test_a_status_that_is_not_known_ends_nothing_and_is_kept() -> None:
    assert one(status="archived").result == {"extra": {"status": "archived"}}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("Timeout after prompt was sent", "timeout"),
        ("Timeout while waiting to start", "timeout"),
        ("Timeout while waiting for completion", "timeout"),
        ("Image not sent to API", "image_not_sent"),
        ("Midjourney credits exhausted", "credits_exhausted"),
        ("Midjourney message: Banned prompt detected", "midjourney_message"),
        ("Unspecified error", "failed"),
        ("Invalid parameter: the timeout", "failed"),
    ],
)
def test_the_reason_of_a_failure_gets_a_code(error: str, code: str) -> None:
    assert one(status="failed", error=error).error == TaskError(code, error)


@pytest.mark.parametrize("error", [None, "", " "])
def test_a_failure_may_have_no_reason(error: str | None) -> None:
    assert one(status="failed", error=error).error == TaskError("failed", "the provider gave no reason")


def test_a_reason_that_is_no_text_is_kept_as_json() -> None:
    assert one(status="failed", error={"detail": 1}).error == TaskError("failed", '{"detail": 1}')


@pytest.mark.parametrize(
    "body",
    [
        [{"id": "a", "status": "pending"}, {"id": "b", "status": "pending"}],
        {"data": [{"id": "a", "status": "pending"}, {"id": "b", "status": "pending"}]},
        [{"data": {"id": "a", "status": "pending"}}, {"payload": {"id": "b", "status": "pending"}}],
    ],
)
def test_several_rows_in_one_delivery(body: Any) -> None:
    assert [event.external_id for event in read(json.dumps(body).encode())] == ["a", "b"]


def test_what_stands_around_a_row_does_not_pass_for_it() -> None:
    around = {"event": "images.items.update", "id": "delivery", "url": "u", "attempt": 1, "payload": {**ROW}}
    (event,) = read(json.dumps(around).encode())
    assert (event.external_id, event.result) == ("a", {"extra": {"attempt": 1}})


def test_a_row_may_have_a_field_of_the_wrappings_name() -> None:
    assert one(data={"x": 1}).result == {"extra": {"data": {"x": 1}}}


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"id": None}, "id"),
        ({"id": ""}, "id"),
        ({"id": 1.5}, "id"),
        ({"status": None}, "status"),
        ({"status": 3}, "status"),
        ({"url": 1}, "url"),
        ({"upscaled_urls": "u"}, "upscaled_urls"),
        ({"upscaled_urls": [1]}, "upscaled_urls"),
    ],
)
def test_a_wrong_type_is_named(facts: dict[str, Any], field: str) -> None:
    with pytest.raises(MalformedDelivery, match=field) as raised:
        one(**facts)
    assert list(raised.value.fields) == [field]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": None},
        {"data": []},
        {"event": "images.items.delete", "payload": ["8fd5bc67"]},
        {"data": [{"id": str(n), "status": "pending"} for n in range(1001)]},
    ],
)
def test_what_has_no_row_is_malformed(body: Any) -> None:
    with pytest.raises(MalformedDelivery):
        read(json.dumps(body).encode())
