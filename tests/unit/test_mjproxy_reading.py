"""What midjourney-proxy's task objects mean, where the recorded ones leave a choice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.core.events import Event, EventKind
from orchestrator.errors import MalformedDelivery
from orchestrator.providers.mjproxy.failures import error_of
from orchestrator.providers.mjproxy.reading import percent, read
from orchestrator.providers.mjproxy.texts import paragraphs


def event(**task: Any) -> Event:
    (only,) = read(json.dumps({"id": "1763800000123456", **task}).encode())
    return only


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("", EventKind.ACCEPTED),
        (None, EventKind.ACCEPTED),
        ("NOT_START", EventKind.ACCEPTED),
        ("SUBMITTED", EventKind.ACCEPTED),
        ("A_NEW_ONE", EventKind.ACCEPTED),
        ("IN_PROGRESS", EventKind.PROGRESSED),
        ("in_progress", EventKind.PROGRESSED),
        ("SUCCESS", EventKind.SUCCEEDED),
        ("FAILURE", EventKind.FAILED),
        ("CANCEL", EventKind.FAILED),
    ],
)
def test_the_status_decides_and_never_the_progress(status: str | None, kind: EventKind) -> None:
    assert event(status=status, progress="100%").kind is kind


def test_a_window_that_waits_for_its_confirmation_is_no_job_yet() -> None:
    assert read(b'{"id":"18","status":"MODAL","progress":"0%"}') == ()


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("46%", 46),
        (" 46 % ", 46),
        ("46.5%", 46),
        ("(93%) (fast)", 93),
        ("46", 46),
        (46, 46),
        (46.9, 46),
        ("0%", 0),
        ("", None),
        ("Waiting to start", None),
        ("2 of 4", None),
        ("101%", None),
        ("1046%", None),
        ("12.3.4", None),
        (True, None),
        (None, None),
        ([46], None),
        (1e300, None),
        (-5, None),
    ],
)
def test_progress_is_read_if_it_is_a_percentage(said: Any, number: int | None) -> None:
    assert percent(said) == number


@pytest.mark.parametrize("name", ["1320098173412546", 14001929738841620, "00123"])
def test_ids_are_kept_exactly(name: Any) -> None:
    assert event(id=name, status="SUCCESS").external_id == str(name)


def test_a_callback_url_that_comes_back_is_not_kept() -> None:
    properties = {"notifyHook": "https://svc/callbacks/a/secret", "nonce": "1"}
    result = event(status="IN_PROGRESS", properties=properties).result
    assert result == {"extra": {"properties": {"nonce": "1"}}}


@pytest.mark.parametrize("buttons", [None, [], "none", [None, 5, {}, {"customId": 7}]])
def test_odd_buttons_are_none(buttons: Any) -> None:
    result = event(status="SUCCESS", buttons=buttons, imageUrl="u").result or {}
    assert (result.get("actions", []), result.get("buttons", [])) == ([], [])


@pytest.mark.parametrize("size", [{"width": 1024}, {"width": 0, "height": 0}, {"width": "wide", "height": 5}])
def test_a_size_that_is_none_is_left_out(size: dict[str, Any]) -> None:
    result = event(status="SUCCESS", imageUrl="u", **size).result or {}
    assert not result.keys() & {"width", "height", "raw_width", "raw_height"}


def test_four_single_images_are_known_as_such() -> None:
    images = [{"url": f"https://cdn/{n}.png", "thumbnail": "t"} for n in range(4)]
    result = event(status="SUCCESS", imageUrl="u", imageUrls=images).result or {}
    assert result["sub_image_urls"] == [image["url"] for image in images]
    assert "sub_image_urls" not in (event(status="SUCCESS", imageUrl="u", imageUrls=images[:1]).result or {})


@pytest.mark.parametrize("where", [{"properties": {"finalPrompt": "x"}}, {"promptEn": "x"}, {"prompt": "x"}])
def test_a_description_is_where_the_layer_puts_it(where: dict[str, Any]) -> None:
    result = event(status="SUCCESS", action="DESCRIBE", **where).result or {}
    assert (result["text"], result["texts"]) == ("x", ["x"])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1️⃣ a\n\n2️⃣ b\nc\n", ["a", "b\nc"]),
        ("1⃣ a\n2⃣ b", ["a", "b"]),
        ("1. a\n2. b 3. c", ["a", "b 3. c"]),
        ("1) a\n2) b", ["a", "b"]),
        ("Words before\n1. a", ["a"]),
        ("3 trees\n35mm film", ["3 trees\n35mm film"]),
        ("2.5D render", ["2.5D render"]),
        ("1️⃣ \n2️⃣ b", ["b"]),
        ("", []),
        (" \n", []),
    ],
)
def test_numbered_paragraphs_are_told_apart(text: str, parts: list[str]) -> None:
    assert paragraphs(text) == parts


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("任务超时", "timeout"),
        ("Timed out after 5 minutes", "timeout"),
        ("取消任务", "cancelled"),
        ("Banned prompt detected", "banned_prompt"),
        ("可能包含敏感词", "banned_prompt"),
        ("[Invalid parameter] Unrecognized argument(s): `-c`", "invalid_parameter"),
        ("[Internal Server Error] x", "internal_error"),
        ("something else", "task_failed"),
        ("", "task_failed"),
        (None, "task_failed"),
        (5, "task_failed"),
    ],
)
def test_a_reason_is_classified(reason: Any, code: str) -> None:
    assert error_of(reason).code == code
    assert error_of(reason).message


@pytest.mark.parametrize(
    ("task", "field"),
    [
        ({"id": True}, "id"),
        ({"id": 1.5}, "id"),
        ({"id": "x" * 201}, "id"),
        ({"status": 5}, "status"),
        ({"imageUrl": ["u"]}, "imageUrl"),
    ],
)
def test_what_decides_must_be_what_it_claims_to_be(task: dict[str, Any], field: str) -> None:
    with pytest.raises(MalformedDelivery) as raised:
        event(**task)
    assert list(raised.value.fields) == [field]


@pytest.mark.parametrize("body", [b"{}", b'{"code":1,"description":"x","result":"5"}', b'[{"id":null}]'])
def test_what_is_no_task_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedDelivery, match="none of id, status"):
        read(body)


def test_an_array_holds_several_events() -> None:
    events = read(b'[{"id":"1","status":"SUCCESS"},{"id":"2","status":"FAILURE"}]')
    assert [(event.external_id, event.kind.value) for event in events] == [("1", "succeeded"), ("2", "failed")]


@pytest.mark.parametrize("action", [["DESCRIBE"], {"a": 1}, 3, True, None])
def test_an_action_that_is_no_text_is_none(action: Any) -> None:
    assert "texts" not in (event(status="SUCCESS", action=action, promptEn="a fox").result or {})
