"""What midjourney-proxy is sent for an order, and which orders are not sent at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from orchestrator.config import Account
from orchestrator.errors import InvalidInput
from orchestrator.providers.base import Order, Parent
from orchestrator.providers.mjproxy.calls import call
from orchestrator.providers.mjproxy.ordering import Plan, plan_of

ACCOUNT = Account(name="main", provider="mjproxy", base_url="https://mj.example", token="secret")
STATE = str(UUID(int=1))
PNG = "iVBORw0KGgo="
DATA = f"data:image/png;base64,{PNG}"
URL = "https://img.example/1.png"
GRID = [{"customId": f"MJ::JOB::{word}::{n}::h"} for word in ("upsample", "variation") for n in range(1, 5)]
GRID += [{"customId": "MJ::JOB::reroll::0::h::SOLO"}]
SINGLE = [
    {"customId": "MJ::JOB::upsample_v7_2x_subtle::1::h::SOLO"},
    {"customId": "MJ::JOB::low_variation::1::h::SOLO"},
    {"customId": "MJ::Inpaint::1::h::SOLO"},
    {"customId": "MJ::Outpaint::50::1::h::SOLO"},
    {"customId": "MJ::CustomZoom::1::h"},
    {"customId": "MJ::JOB::pan_left::1::h::SOLO"},
]
PRESSED = {"taskId": "17", "chooseSameChannel": True, "state": STATE}


def parent(buttons: Any = None, **result: Any) -> Parent:
    return Parent(external_id="17", action="imagine", result={"buttons": buttons, "prompt": "a fox --zoom 2", **result})


def plan(action: str, inputs: dict[str, Any], account: Account = ACCOUNT, **facts: Any) -> Plan:
    return plan_of(account, Order(task_id=UUID(int=1), action=action, inputs=inputs, **facts))


@pytest.mark.parametrize(
    ("action", "inputs", "path", "body"),
    [
        ("imagine", {"prompt": " 一只狐狸 --iw2 "}, "/mj/submit/imagine", {"prompt": " 一只狐狸 --iw2 "}),
        (
            "imagine",
            {"prompt": "x", "images": [URL, PNG, DATA], "bot": "niji", "mode": "relax"},
            "/mj/submit/imagine",
            {
                "prompt": f"{URL} x",
                "base64Array": [DATA, DATA],
                "botType": "NIJI_JOURNEY",
                "accountFilter": {"modes": ["RELAX"]},
            },
        ),
        (
            "blend",
            {"images": [DATA, DATA], "dimensions": "portrait", "bot": "MID_JOURNEY"},
            "/mj/submit/blend",
            {"base64Array": [DATA, DATA], "dimensions": "PORTRAIT", "botType": "MID_JOURNEY"},
        ),
        ("blend", {"images": [DATA, URL]}, "/mj/submit/blend", {"base64Array": [DATA, URL]}),
        ("describe", {"image": DATA, "language": "zh"}, "/mj/submit/describe", {"base64": DATA, "language": "zh"}),
        ("describe", {"image": URL}, "/mj/submit/describe", {"link": URL}),
        ("shorten", {"prompt": "x"}, "/mj/submit/shorten", {"prompt": "x"}),
        (
            "swap_face",
            {"source": "data:;base64,/9j/4A==", "target": URL},
            "/mj/insight-face/swap",
            {"sourceBase64": "data:image/jpeg;base64,/9j/4A==", "targetBase64": URL},
        ),
    ],
)
def test_an_action_of_its_own_has_a_path_and_a_body(
    action: str, inputs: dict[str, Any], path: str, body: dict[str, Any]
) -> None:
    sent = plan(action, inputs)
    assert (sent.path, sent.body) == (path, {**body, "state": STATE})


def test_an_upload_has_no_task() -> None:
    sent = plan("upload", {"images": [DATA]}, callback_url="https://us/cb")
    assert (sent.path, sent.body) == ("/mj/submit/upload-discord-images", {"base64Array": [DATA]})


def test_a_seed_is_looked_up() -> None:
    sent = plan("seed", {}, parent=Parent(external_id="17/../x", action="imagine", result={}))
    assert (sent.path, sent.body) == ("/mj/task/17%2F..%2Fx/image-seed", None)


def test_the_hook_and_the_state_go_along() -> None:
    body = plan("imagine", {"prompt": "x"}, callback_url="https://us/cb").body
    assert body == {"prompt": "x", "state": STATE, "notifyHook": "https://us/cb"}


@pytest.mark.parametrize(
    ("action", "inputs", "quadrant", "buttons", "custom_id"),
    [
        ("upscale", {}, 3, GRID, "MJ::JOB::upsample::3::h"),
        ("variation", {"quadrant": 2}, None, GRID, "MJ::JOB::variation::2::h"),
        ("reroll", {}, None, GRID, "MJ::JOB::reroll::0::h::SOLO"),
        ("upscale_subtle", {}, 1, SINGLE, "MJ::JOB::upsample_v7_2x_subtle::1::h::SOLO"),
        ("zoom_out_2x", {}, None, SINGLE, "MJ::Outpaint::50::1::h::SOLO"),
        ("pan_left", {}, None, SINGLE, "MJ::JOB::pan_left::1::h::SOLO"),
    ],
)
def test_a_follow_up_presses_the_button_that_is_there(
    action: str, inputs: dict[str, Any], quadrant: int | None, buttons: Any, custom_id: str
) -> None:
    sent = plan(action, inputs, quadrant=quadrant, parent=parent(buttons))
    assert (sent.path, sent.body) == ("/mj/submit/action", {**PRESSED, "customId": custom_id})


@pytest.mark.parametrize(
    ("action", "quadrant", "change"),
    [
        ("upscale", 3, {"action": "UPSCALE", "index": 3}),
        ("variation", 1, {"action": "VARIATION", "index": 1}),
        ("reroll", None, {"action": "REROLL"}),
    ],
)
@pytest.mark.parametrize("buttons", [None, []])
def test_a_layer_without_buttons_is_asked_for_a_change(
    action: str, quadrant: int | None, change: dict[str, Any], buttons: Any
) -> None:
    sent = plan(action, {}, quadrant=quadrant, parent=parent(buttons))
    assert (sent.path, sent.body) == ("/mj/submit/change", {"taskId": "17", **change, "state": STATE})


def test_a_prompt_for_a_button_asks_for_an_account_whose_buttons_open_windows() -> None:
    sent = plan("variation", {"prompt": "a cat", "mode": "fast"}, quadrant=1, parent=parent(GRID))
    assert sent.body is not None
    assert sent.body["enableRemix"] is True
    assert sent.body["accountFilter"] == {"modes": ["FAST"], "remix": True, "remixAutoConsidered": False}
    assert sent.answer_to("18", "a fox") == {"taskId": "18", "prompt": "a cat", "state": STATE}


def test_a_region_is_redrawn_through_its_window() -> None:
    sent = plan("variation_region", {"mask": PNG}, parent=parent(SINGLE), callback_url="https://us/cb")
    assert sent.body == {**PRESSED, "customId": "MJ::Inpaint::1::h::SOLO", "notifyHook": "https://us/cb"}
    window = {"taskId": "18", "prompt": "", "maskBase64": DATA, "state": STATE, "notifyHook": "https://us/cb"}
    assert sent.answer_to("18", "a fox") == window


@pytest.mark.parametrize(
    ("inputs", "proposed", "prompt"),
    [
        ({"zoom": 1.5}, "", "a fox --zoom 1.5"),
        ({"zoom": "1.25"}, "a red fox --v 7 --zoom 2 --ar 1:1", "a red fox --v 7 --ar 1:1 --zoom 1.25"),
        ({"zoom": 2, "prompt": "a cat"}, "a red fox", "a cat --zoom 2"),
    ],
)
def test_a_custom_zoom_has_its_factor_in_the_prompt(inputs: dict[str, Any], proposed: str, prompt: str) -> None:
    sent = plan("zoom_custom", inputs, parent=parent(SINGLE))
    assert sent.answer_to("18", proposed)["prompt"] == prompt


@pytest.mark.parametrize(
    ("account", "mode", "sent"),
    [
        ({}, None, None),
        ({}, "turbo", {"modes": ["TURBO"]}),
        ({"modes": ("relax", "fast")}, None, {"modes": ["RELAX", "FAST"]}),
        ({"base_url": "https://mj.example/mj-relax"}, None, None),
        ({"base_url": "https://mj.example/mj-relax"}, "relax", None),
    ],
)
def test_a_mode_is_a_filter_of_accounts_unless_the_address_has_it(
    account: dict[str, Any], mode: str | None, sent: dict[str, Any] | None
) -> None:
    body = plan("imagine", {"prompt": "x", "mode": mode}, replace(ACCOUNT, **account)).body or {}
    assert body.get("accountFilter") == sent


@pytest.mark.parametrize(
    ("account", "mode", "said"),
    [
        ({"modes": ("relax",)}, "fast", "mode: fast; account main allows relax"),
        ({"base_url": "https://mj.example/mj-relax"}, "fast", "account main at /mj-relax allows relax"),
        ({"base_url": "https://mj.example/mj-turbo", "modes": ("relax",)}, None, "at /mj-turbo allows none"),
    ],
)
def test_an_account_is_asked_only_for_its_modes(account: dict[str, Any], mode: str | None, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        plan("imagine", {"prompt": "x", "mode": mode}, replace(ACCOUNT, **account))


@pytest.mark.parametrize(
    ("action", "inputs", "facts", "said"),
    [
        ("translate", {"text": "x"}, {}, "mjproxy cannot do 'translate'"),
        ("imagine", {"prompt": " "}, {}, "prompt: is blank"),
        ("imagine", {"prompt": "x", "version": "7"}, {}, "no place for 'version'; allowed: bot, images, mode, prompt"),
        ("imagine", {"prompt": "x", "bot": "leonardo"}, {}, "bot: expected midjourney or niji"),
        ("imagine", {"prompt": "x", "images": ["file:///etc/passwd"]}, {}, "images: number 1: is no image in base64"),
        ("imagine", {"prompt": "x", "images": ["aGVsbG8="]}, {}, "number 1: is no JPEG, PNG, GIF or WebP image"),
        ("imagine", {"prompt": "x", "images": ["data:image/png;base64,"]}, {}, "number 1: is empty"),
        ("blend", {"images": [DATA]}, {}, "a blend needs 2 to 5"),
        ("blend", {"images": [DATA] * 6}, {}, "a blend needs 2 to 5"),
        ("blend", {"images": [DATA, DATA], "dimensions": "wide"}, {}, "expected portrait, square or landscape"),
        ("swap_face", {"source": DATA}, {}, "target is missing"),
        ("seed", {}, {}, "works on the image of an earlier task"),
        ("upscale", {}, {"parent": parent(GRID)}, "quadrant: expected 1, 2, 3 or 4, found None"),
        ("upscale", {}, {"parent": parent(SINGLE), "quadrant": 1}, "does not offer 'upscale1'; it offers upscale_sub"),
        ("upscale_4x", {}, {"parent": parent(SINGLE)}, "does not offer 'upscale_4x'; it offers upscale_subtle, "),
        ("upscale_4x", {}, {"parent": parent([])}, "it offers nothing"),
        ("variation", {"prompt": "x"}, {"parent": parent([]), "quadrant": 1}, "it offers nothing"),
        ("zoom_out_2x", {"prompt": "x"}, {"parent": parent(SINGLE)}, "no place for 'prompt'"),
        ("variation_region", {"mask": URL}, {"parent": parent(SINGLE)}, "mask: must be an image in base64"),
        ("zoom_custom", {"zoom": 3}, {"parent": parent(SINGLE)}, "zoom: expected a number from 1 to 2"),
        ("zoom_custom", {"zoom": 2}, {"parent": parent(SINGLE, prompt=None)}, "is not known; give prompt"),
    ],
)
def test_an_order_that_cannot_succeed_is_not_sent(
    action: str, inputs: dict[str, Any], facts: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput) as raised:
        plan(action, inputs, **facts)
    assert said in raised.value.message


@pytest.mark.parametrize(
    ("token", "headers"),
    [
        ("secret", {"mj-api-secret": "secret"}),
        ("Bearer sk-1", {"Authorization": "Bearer sk-1"}),
        ("", {}),
    ],
)
def test_the_token_goes_into_one_header(token: str, headers: dict[str, str]) -> None:
    request = call(replace(ACCOUNT, token=token), "/mj/task/list", timeout=5)
    assert request.headers == {"Accept": "application/json", **headers}
    assert (request.method, request.url, request.body) == ("GET", "https://mj.example/mj/task/list", None)
    assert not token or token not in repr(request)


@pytest.mark.parametrize("base_url", ["https://mj.example/mj-fast", "https://mj.example/mj-fast/mj"])
def test_an_address_may_have_a_mode_and_may_end_in_mj(base_url: str) -> None:
    request = call(replace(ACCOUNT, base_url=base_url), "/mj/submit/imagine", {"prompt": "狐"}, timeout=5)
    assert request.url == "https://mj.example/mj-fast/mj/submit/imagine"
    assert (request.method, request.body) == ("POST", '{"prompt": "狐"}'.encode())
