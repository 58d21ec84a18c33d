"""AceData's deliveries: which event they are, and which forms are taken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.core.events import EventKind, TaskError
from orchestrator.errors import MalformedDelivery
from orchestrator.providers.acedata.reading import read

DONE = {"success": True, "task_id": "t", "progress": 100}


def one(**facts: Any) -> Any:
    (event,) = read(json.dumps(facts).encode())
    return event


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({"success": False}, EventKind.FAILED),
        ({"success": False, "progress": 100, "image_url": "u"}, EventKind.FAILED),
        ({"success": True, "progress": 100}, EventKind.SUCCEEDED),
        ({"success": True, "image_url": "u"}, EventKind.SUCCEEDED),
        ({"success": True, "sub_image_urls": ["u"]}, EventKind.SUCCEEDED),
        ({"success": True, "video_urls": ["u"]}, EventKind.SUCCEEDED),
        ({"success": True, "progress": 99, "image_url": "u"}, EventKind.PROGRESSED),
        ({"success": True, "progress": 0}, EventKind.PROGRESSED),
        ({"progress": 100, "image_url": "u"}, EventKind.PROGRESSED),
        ({"success": True, "image_url": None}, EventKind.ACCEPTED),
        ({"task_id": "t"}, EventKind.ACCEPTED),
        ({"error": {"code": "api_error", "message": "m"}}, EventKind.FAILED),
        ({"success": None, "error": "m"}, EventKind.FAILED),
    ],
)
def test_the_kind_of_event(facts: dict[str, Any], kind: EventKind) -> None:
    assert one(**facts).kind is kind


@pytest.mark.parametrize(
    "body",
    [
        b'{"task_id":"a"}{"task_id":"b"}',
        b'{"task_id":"a"}\n\n \r\n{"task_id":"b"}\n',
        b'[{"task_id":"a"},{"task_id":"b"}]',
        b'[{"task_id":"a"}]\n[]\n{"task_id":"b"}',
        b'\xef\xbb\xbf{\n"task_id":\n"a"}\t{"task_id":"b"}',
    ],
)
def test_several_objects_in_one_delivery(body: bytes) -> None:
    assert [event.external_id for event in read(body)] == ["a", "b"]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [(b"1265875488702726145", "1265875488702726145"), (b'"0012"', "0012"), (b"9" * 60, "9" * 60), (b"0", "0")],
)
def test_ids_stay_exact(sent: bytes, kept: str) -> None:
    (event,) = read(b'{"success":true,"progress":100,"task_id":' + sent + b',"image_id":' + sent + b"}")
    assert event.external_id == kept
    assert event.result == {"image_id": kept}


def test_a_delivery_without_task_id_is_taken() -> None:
    assert one(success=True, progress=100).external_id is None
    assert one(success=True, progress=100, task_id="").external_id is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("task_id", 1.5),
        ("task_id", 1e18),
        ("task_id", True),
        ("task_id", ["a"]),
        ("task_id", "x" * 201),
        ("success", "true"),
        ("success", 1),
        ("image_url", 5),
        ("sub_image_urls", "u"),
        ("video_urls", [1]),
        ("error", 5),
    ],
)
def test_a_wrong_type_is_named(field: str, value: Any) -> None:
    with pytest.raises(MalformedDelivery, match=field) as raised:
        one(**{**DONE, "image_width": "wide", field: value})
    assert set(raised.value.fields) == {field, "image_width"}
    assert all(isinstance(text, str) for text in raised.value.fields[field])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image_id", 1.0),
        ("video_id", ["a"]),
        ("image_width", ""),
        ("image_width", "wide"),
        ("image_width", -1),
        ("raw_image_height", True),
        ("raw_image_url", 5),
        ("actions", "upscale1"),
        ("actions", [1]),
    ],
)
def test_an_image_is_not_lost_for_what_is_odd_about_it(field: str, value: Any) -> None:
    event = one(**{**DONE, "image_url": "u", "novelty": 1, field: value})
    assert (event.kind, event.external_id) == (EventKind.SUCCEEDED, "t")
    assert event.result == {"image_url": "u", "extra": {"novelty": 1, field: value}}


@pytest.mark.parametrize("value", ["soon", "", 101, -1, True, [1]])
def test_a_progress_that_is_odd_ends_nothing(value: Any) -> None:
    event = one(success=True, task_id="t", progress=value, image_url="u")
    assert (event.kind, event.progress) == (EventKind.PROGRESSED, None)
    assert event.result == {"preview_url": "u", "extra": {"progress": value}}
    assert one(success=True, task_id="t", progress=value).kind is EventKind.ACCEPTED
    assert one(success=False, progress=value).kind is EventKind.FAILED


def test_numbers_may_be_strings() -> None:
    result = one(**DONE, image_width="1024", image_height=816, raw_image_width="2048.0", raw_image_height=1632.0).result
    assert result == {"width": 1024, "height": 816, "raw_width": 2048, "raw_height": 1632}
    assert one(success=True, progress="35%").progress == 35


def test_nulls_say_nothing() -> None:
    assert one(**DONE, image_url=None, actions=None, error=None, trace_id=None).result == {}


def test_a_preview_has_no_actions() -> None:
    event = one(success=True, progress=35, image_url="u", image_id="1", actions=[], raw_image_url="r", novelty=1)
    assert event.result == {"preview_url": "u", "extra": {"novelty": 1}}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": "bad_request", "message": "m"}, TaskError("bad_request", "m")),
        ("m", TaskError("failed", "m")),
        ({"message": "m"}, TaskError("failed", "m")),
        ({"code": 17}, TaskError("17", "17")),
        ({"code": "c", "detail": "d"}, TaskError("c", "d")),
        (None, TaskError("failed", "the provider gave no reason")),
        ({}, TaskError("failed", "the provider gave no reason")),
    ],
)
def test_the_reason_of_a_failure(error: Any, expected: TaskError) -> None:
    assert one(success=False, error=error).error == expected


def test_what_else_a_failure_says_is_kept() -> None:
    event = one(success=False, trace_id="x", error={"code": "c", "message": "m", "hint": "h"})
    assert event.result == {"extra": {"trace_id": "x", "error": {"hint": "h"}}}


def test_characters_that_jsonb_refuses_are_replaced() -> None:
    (event,) = read(rb'{"success":false,"task_id":"a\u0000b","error":"\ud800!","n\u0000":["\udfff"]}')
    assert (event.external_id, event.error and event.error.message) == ("a\ufffdb", "\ufffd!")
    assert event.result == {"extra": {"n\ufffd": ["\ufffd"]}}


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert read(rb'{"success":false,"error":"\ud83e\udd8a"}')[0].error == TaskError("failed", "\U0001f98a")


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"hello":1}',
        b'{"task_id":"a"} trailing',
        b'{"task_id":"a",}',
        b'{"task_id":Infinity}',
        b'{"task_id":"a","x":-Infinity}',
        b'{"task_id":"a","x":1e999}',
        b'{"task_id":"a","x":' + b"[" * 70 + b"]" * 70 + b"}",
        b'{"task_id":"a","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"task_id":"a"}\n' * 1001,
        b'"\xff"',
        '{"task_id":"a"}'.encode("utf-16"),
    ],
)
def test_what_cannot_be_read_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedDelivery):
        read(body)


def test_long_integers_are_kept_as_digits() -> None:
    (event,) = read(b'{"task_id":"a","x":' + b"7" * 5000 + b',"y":1234567890123456789}')
    assert event.result == {"extra": {"x": "7" * 5000, "y": 1234567890123456789}}


@pytest.mark.parametrize("space", [" ", "\x1e", "\x85", "\u2003"])
def test_white_space_around_a_number_is_nothing_whatever_its_kind(space: str) -> None:
    assert one(task_id="t", progress=f"{space}35{space}").progress == 35
