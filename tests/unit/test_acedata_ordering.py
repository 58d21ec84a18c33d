"""What AceData is sent for an order, and which orders are not sent at all."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from orchestrator.config import Account
from orchestrator.errors import InvalidInput
from orchestrator.providers.acedata.ordering import body_of
from orchestrator.providers.acedata.submitting import request_of
from orchestrator.providers.base import Order, Parent

ACCOUNT = Account(name="main", provider="acedata", base_url="https://api.example", token="secret")
POLLED = replace(ACCOUNT, callback="poll")
GRID = [
    "upscale1",
    "upscale2",
    "upscale3",
    "upscale4",
    "reroll",
    "variation1",
    "variation2",
    "variation3",
    "variation4",
]
SINGLE = ["upscale_2x", "upscale_4x", "variation_subtle", "zoom_out_2x", "pan_left"]
MASK = "iVBORw0KGgo="


def parent(actions: list[str] | None = None, **result: Any) -> Parent:
    facts = {"image_id": "1265875488702726144", **({} if actions is None else {"actions": actions}), **result}
    return Parent(external_id="p", action="imagine", result=facts)


def order(action: str = "imagine", inputs: dict[str, Any] | None = None, **facts: Any) -> Order:
    return Order(task_id=UUID(int=1), action=action, inputs={"prompt": "a fox"} if inputs is None else inputs, **facts)


def body(action: str, inputs: dict[str, Any], **facts: Any) -> dict[str, Any]:
    return body_of(ACCOUNT, order(action, inputs, **facts))


def test_only_what_was_given_is_sent() -> None:
    assert body("imagine", {"prompt": " a fox ", "mode": None}) == {"action": "generate", "prompt": "a fox"}


def test_every_input_has_its_key() -> None:
    given = {"mode": "relax", "timeout": 300, "translation": True, "split_images": False, "version": 6.1, "hd": True}
    given |= {"quality": 0.25, "style_reference": True, "moodboard": False}
    sent = body("imagine", {"prompt": "a fox", **given})
    assert sent == {"action": "generate", "prompt": "a fox", **given, "version": "6.1", "quality": ".25"}


@pytest.mark.parametrize(
    ("action", "facts", "name"),
    [
        ("upscale", {"quadrant": 4, "parent": parent(GRID)}, "upscale4"),
        ("variation", {"quadrant": 1, "parent": parent(GRID)}, "variation1"),
        ("reroll", {"parent": parent(GRID)}, "reroll"),
        ("upscale_4x", {"parent": parent(SINGLE), "quadrant": 2}, "upscale_4x"),
        ("pan_left", {"parent": parent(None)}, "pan_left"),
    ],
)
def test_a_follow_up_names_the_image_and_the_providers_action(action: str, facts: dict[str, Any], name: str) -> None:
    assert body(action, {}, **facts) == {"action": name, "image_id": "1265875488702726144"}


FILM = Parent(external_id="v", action="video", result={"video_id": "99", "video_urls": ["a", "b", "c", "d"]})
PICTURE = "https://img.example/1.png"


@pytest.mark.parametrize(
    ("action", "inputs", "facts", "path", "sent"),
    [
        (
            "edit",
            {"image": PICTURE, "prompt": "a hat --iw2", "mask": MASK, "mode": "fast", "split_images": True},
            {},
            "edits",
            {
                "action": "generate",
                "image_url": PICTURE,
                "prompt": "a hat --iw 2",
                "mask": MASK,
                "mode": "fast",
                "split_images": True,
            },
        ),
        (
            "video",
            {"image": PICTURE, "end_image": "https://img.example/2.png", "resolution": "480p", "loop": False},
            {},
            "videos",
            {
                "action": "generate",
                "image_url": PICTURE,
                "end_image_url": "https://img.example/2.png",
                "resolution": "480p",
                "loop": False,
            },
        ),
        (
            "video_extend",
            {"prompt": "it turns", "video_index": 3, "mode": "turbo"},
            {"parent": FILM},
            "videos",
            {"action": "extend", "video_id": "99", "video_index": 3, "prompt": "it turns", "mode": "turbo"},
        ),
    ],
)
def test_edits_and_videos_have_endpoints_of_their_own(
    action: str, inputs: dict[str, Any], facts: dict[str, Any], path: str, sent: dict[str, Any]
) -> None:
    request = request_of(replace(POLLED, stream=True), order(action, inputs, **facts))
    assert request.url == f"https://api.example/midjourney/{path}"
    assert request.headers["Accept"] == "application/json"
    assert json.loads(request.body or b"") == {**sent, "async": True}
    pushed = request_of(ACCOUNT, order(action, inputs, callback_url="https://us/cb", **facts))
    assert json.loads(pushed.body or b"") == {**sent, "callback_url": "https://us/cb"}


@pytest.mark.parametrize(
    ("action", "inputs", "facts", "sent"),
    [
        ("describe", {"image": PICTURE}, {}, {"image_url": PICTURE}),
        ("translate", {"text": " une fois "}, {}, {"content": "une fois"}),
        ("shorten", {"prompt": "a long story"}, {}, {"prompt": "a long story"}),
        ("seed", {}, {"parent": parent(GRID)}, {"image_id": "1265875488702726144"}),
    ],
)
def test_words_are_asked_for_without_a_way_of_waiting(
    action: str, inputs: dict[str, Any], facts: dict[str, Any], sent: dict[str, Any]
) -> None:
    account = replace(POLLED, stream=True, modes=("relax",))
    request = request_of(account, order(action, inputs, callback_url="https://us/cb", answer_timeout=9, **facts))
    assert (request.url, request.timeout) == (f"https://api.example/midjourney/{action}", 9)
    assert request.headers["Accept"] == "application/json"
    assert json.loads(request.body or b"") == sent


def test_the_quadrant_may_be_an_input() -> None:
    assert body("upscale", {"quadrant": 3}, parent=parent(GRID))["action"] == "upscale3"
    assert body("upscale", {"quadrant": 3}, parent=parent(GRID), quadrant=2)["action"] == "upscale2"


@pytest.mark.parametrize("mask", [MASK, f"data:image/png;base64,{MASK}", f" {MASK[:6]}\n{MASK[6:]}\n"])
def test_a_mask_is_sent_as_bare_base64(mask: str) -> None:
    sent = body("variation_region", {"mask": mask, "prompt": "a cat"}, parent=parent(GRID))
    assert sent == {"action": "variation_region", "image_id": "1265875488702726144", "prompt": "a cat", "mask": MASK}


def test_a_mask_may_be_a_url() -> None:
    assert body("variation_region", {"mask": "https://img.example/m.png"}, parent=parent(GRID))["mask"].endswith(
        "m.png"
    )


@pytest.mark.parametrize(
    ("prompt", "sent"),
    [("x --iw2", "x --iw 2"), ("x --iw 2", "x --iw 2"), ("x --iw.5 --v 6", "x --iw .5 --v 6"), ("x--iw2", "x--iw2")],
)
def test_the_image_weight_gets_its_space(prompt: str, sent: str) -> None:
    assert body("imagine", {"prompt": prompt})["prompt"] == sent


def test_images_stand_before_the_prompt() -> None:
    urls = ["https://a.example/1.png", "http://b.example/2.png"]
    assert body("imagine", {"prompt": "x", "images": urls})["prompt"] == f"{urls[0]} {urls[1]} x"
    assert body("blend", {"images": urls})["prompt"] == f"{urls[0]} {urls[1]}"


@pytest.mark.parametrize(
    ("action", "inputs", "facts", "said"),
    [
        ("upload", {}, {}, "acedata cannot do 'upload'"),
        ("imagine", {}, {}, "prompt is missing"),
        ("imagine", {"prompt": " \n"}, {}, "prompt: is blank"),
        ("imagine", {"prompt": 5}, {}, "prompt: expected a string"),
        ("imagine", {"prompt": "x", "bot": "niji"}, {}, "no place for 'bot'; allowed: hd, images, mode"),
        ("imagine", {"prompt": "x", "mode": "slow"}, {}, "mode: expected one of fast, relax, turbo"),
        ("imagine", {"prompt": "x", "timeout": 0}, {}, "timeout: expected a number of seconds above 0"),
        ("imagine", {"prompt": "x", "timeout": True}, {}, "timeout: expected"),
        ("imagine", {"prompt": "x", "hd": "yes"}, {}, "hd: expected true or false"),
        ("imagine", {"prompt": "x", "images": []}, {}, "images"),
        ("imagine", {"prompt": "x", "images": ["https://a/1"] * 6}, {}, "images"),
        ("imagine", {"prompt": "x", "images": ["https://a/1", "file:///etc"]}, {}, "images: number 2: is not an http"),
        ("imagine", {"prompt": "x", "images": ["https://a/1 --v 5"]}, {}, "images: number 1"),
        ("imagine", {"prompt": "x", "images": ["https://[bad"]}, {}, "images: number 1"),
        ("blend", {"images": ["https://a/1"]}, {}, "a blend needs 2 to 5"),
        ("blend", {}, {}, "images is missing"),
        ("upscale", {}, {"quadrant": 1}, "works on the image of an earlier task"),
        ("upscale", {}, {"parent": parent(GRID)}, "quadrant: expected 1, 2, 3 or 4, found None"),
        ("upscale", {}, {"parent": parent(GRID), "quadrant": 5}, "found 5"),
        ("upscale", {}, {"parent": parent(SINGLE), "quadrant": 1}, "does not offer 'upscale1'; it offers upscale_2x, "),
        ("upscale_4x", {}, {"parent": parent([])}, "it offers nothing"),
        ("reroll", {}, {"parent": parent(GRID, image_id=None)}, "has no image_id"),
        ("variation_region", {}, {"parent": parent(GRID)}, "mask is missing"),
        ("variation_region", {"mask": "not base64!"}, {"parent": parent(GRID)}, "mask: is neither base64 nor"),
        ("variation_region", {"mask": "data:image/png;base64,"}, {"parent": parent(GRID)}, "mask: is empty"),
        ("describe", {"image": "fox.png"}, {}, "image: is not an http or https URL"),
        ("describe", {"image": PICTURE, "language": "fr"}, {}, "no place for 'language'; allowed: image"),
        ("translate", {"text": " "}, {}, "text: is blank"),
        ("seed", {"mode": "fast"}, {"parent": parent(GRID)}, "no place for 'mode'; allowed: none"),
        ("seed", {}, {}, "works on the image of an earlier task"),
        ("edit", {"image": PICTURE}, {}, "prompt is missing"),
        ("video", {"image": PICTURE, "mode": "relax"}, {}, "makes videos in mode fast or turbo"),
        ("video", {"image": PICTURE, "resolution": "4k"}, {}, "resolution: expected one of 480p, 720p"),
        ("video", {"image": PICTURE, "loop": 1}, {}, "loop: expected true or false"),
        ("video_extend", {"video_index": 4}, {"parent": FILM}, "video_index: expected 0, 1, 2 or 3"),
        ("video_extend", {}, {"parent": parent(None)}, "the result of imagine has no video_id"),
    ],
)
def test_an_order_that_cannot_succeed_is_not_sent(
    action: str, inputs: dict[str, Any], facts: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput) as raised:
        body(action, inputs, **facts)
    assert said in raised.value.message


@pytest.mark.parametrize("inputs", [{"prompt": "x", "mode": "turbo"}, {"prompt": "x"}])
def test_an_account_is_asked_only_for_its_modes(inputs: dict[str, Any]) -> None:
    relaxed = replace(ACCOUNT, modes=("relax",))
    with pytest.raises(InvalidInput, match="account main allows relax"):
        body_of(relaxed, order(inputs=inputs))
    assert body_of(relaxed, order(inputs={"prompt": "x", "mode": "relax"}))["mode"] == "relax"


@pytest.mark.parametrize(
    ("account", "callback_url", "accept", "extra"),
    [
        (ACCOUNT, "https://us/cb", "application/json", {"callback_url": "https://us/cb"}),
        (replace(ACCOUNT, callback="both"), "https://us/cb", "application/json", {"callback_url": "https://us/cb"}),
        (replace(ACCOUNT, stream=True), "https://us/cb", "application/x-ndjson", {"callback_url": "https://us/cb"}),
        (replace(POLLED, stream=True), None, "application/x-ndjson", {}),
        (POLLED, None, "application/json", {"async": True}),
    ],
)
def test_the_four_ways_of_waiting(
    account: Account, callback_url: str | None, accept: str, extra: dict[str, Any]
) -> None:
    request = request_of(account, order(callback_url=callback_url))
    assert request.body is not None
    assert json.loads(request.body) == {"action": "generate", "prompt": "a fox", **extra}
    assert request.headers == {
        "Accept": accept,
        "Content-Type": "application/json",
        "Authorization": "Bearer secret",
    }
    assert (request.method, request.url) == ("POST", "https://api.example/midjourney/imagine")


def test_only_a_stream_is_given_the_time_that_the_work_takes() -> None:
    assert request_of(ACCOUNT, order(callback_url="https://us/cb", answer_timeout=7)).timeout == 7
    assert request_of(replace(POLLED, stream=True), order(answer_timeout=7)).timeout == 510
    slow = order(inputs={"prompt": "x", "timeout": 900}, answer_timeout=7)
    assert request_of(replace(POLLED, stream=True), slow).timeout == 930


def test_a_request_does_not_show_its_token() -> None:
    assert "secret" not in repr(request_of(ACCOUNT, order()))
