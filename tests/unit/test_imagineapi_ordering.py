"""What ImagineAPI is sent for an order, which orders are not sent, and which need no call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from orchestrator.config import Account
from orchestrator.core.events import Accepted, Event, EventKind, Refused, Sighting
from orchestrator.errors import InvalidInput
from orchestrator.providers.base import Order, Parent
from orchestrator.providers.imagineapi import ImagineAPI
from orchestrator.providers.imagineapi.ordering import body_of

ACCOUNT = Account(name="main", provider="imagineapi", base_url="http://127.0.0.1:1", token="secret")
TASK = UUID(int=1)
URLS = ["https://a.example/1.png", "http://b.example/2.png"]
SINGLES = [f"https://img.example/{n}.png" for n in (9, 4, 7, 1)]
GRID = Parent(
    external_id="row",
    action="imagine",
    result={
        "image_id": "row",
        "image_url": "https://img.example/grid.png",
        "sub_image_urls": SINGLES,
        "actions": ["upscale1", "upscale2", "upscale3", "upscale4"],
    },
)


def order(action: str = "imagine", inputs: dict[str, Any] | None = None, **facts: Any) -> Order:
    return Order(task_id=TASK, action=action, inputs={"prompt": "a fox"} if inputs is None else inputs, **facts)


def prompt(inputs: dict[str, Any], action: str = "imagine") -> str:
    text: str = body_of(ACCOUNT, order(action, inputs))["prompt"]
    return text


def test_a_row_is_a_prompt_and_our_reference() -> None:
    assert body_of(ACCOUNT, order()) == {"prompt": "a fox", "ref": str(TASK)}


@pytest.mark.parametrize(
    ("inputs", "sent"),
    [
        ({"prompt": " a red\r\n fox \n\n --ar 3:2 "}, "a red fox --ar 3:2"),
        ({"prompt": "x --iw2", "images": URLS[:1]}, f"{URLS[0]} x --iw 2"),
        ({"prompt": "x", "mode": "turbo"}, "x --turbo"),
        ({"prompt": "x --relax --v 6", "mode": "fast", "version": "7"}, "x --relax --v 6"),
        ({"prompt": "x", "version": 6.1, "quality": 0.25, "mode": "fast"}, "x --fast --v 6.1 --q .25"),
        ({"prompt": "x", "version": "niji 6"}, "x --niji 6"),
        ({"prompt": "x", "version": "niji"}, "x --niji"),
        ({"prompt": "x", "split_images": True, "mode": None}, "x"),
    ],
)
def test_everything_is_said_in_the_prompt(inputs: dict[str, Any], sent: str) -> None:
    assert prompt(inputs) == sent


def test_a_blend_is_a_prompt_of_images() -> None:
    assert prompt({"images": URLS}, "blend") == " ".join(URLS)
    assert prompt({"images": URLS, "prompt": "x", "dimensions": "PORTRAIT"}, "blend") == f"{' '.join(URLS)} x --ar 2:3"


@pytest.mark.parametrize(
    ("action", "inputs", "facts", "said"),
    [
        ("upscale_4x", {}, {}, "imagineapi cannot do 'upscale_4x'; it can do blend, imagine, upscale"),
        ("imagine", {}, {}, "prompt is missing"),
        ("imagine", {"prompt": "x", "ref": "mine"}, {}, "no place for 'ref'"),
        ("imagine", {"prompt": "x", "translation": True}, {}, "no place for 'translation'"),
        ("imagine", {"prompt": "x", "mode": "warp"}, {}, "mode: expected one of fast, relax, turbo"),
        ("imagine", {"prompt": "x", "images": ["fox.png"]}, {}, "images: number 1: is not an http or https URL"),
        ("blend", {"images": URLS[:1]}, {}, "a blend needs 2 to 5"),
        (
            "blend",
            {"images": URLS, "dimensions": "wide"},
            {},
            "dimensions: expected one of portrait, square, landscape",
        ),
        ("upscale", {}, {"quadrant": 1}, "works on the image of an earlier task"),
        ("upscale", {}, {"parent": GRID}, "quadrant: expected 1, 2, 3 or 4, found None"),
        (
            "upscale",
            {},
            {"parent": replace(GRID, result={"image_id": "row", "actions": []}), "quadrant": 2},
            "the image of imagine does not offer 'upscale2'; it offers nothing",
        ),
    ],
)
def test_an_order_that_cannot_succeed_is_not_sent(
    action: str, inputs: dict[str, Any], facts: dict[str, Any], said: str
) -> None:
    wanted = order(action, inputs, **facts)
    with pytest.raises(InvalidInput) as raised:
        ImagineAPI().check(ACCOUNT, wanted)
    assert said in raised.value.message
    outcome = ImagineAPI().submit(ACCOUNT, wanted, lambda *_: None)
    assert isinstance(outcome, Refused)
    assert (outcome.error.code, outcome.retry) == ("invalid", False)


def test_an_account_is_asked_only_for_its_modes() -> None:
    relaxed = replace(ACCOUNT, modes=("relax",))
    with pytest.raises(InvalidInput, match="account main allows relax"):
        body_of(relaxed, order(inputs={"prompt": "x", "mode": "turbo"}))
    assert body_of(relaxed, order())["prompt"] == "a fox"


@pytest.mark.parametrize("quadrant", [1, 2, 3, 4])
def test_an_upscale_is_one_of_the_images_that_came_with_the_grid(quadrant: int) -> None:
    wanted = order("upscale", {"mode": "fast"}, parent=GRID, quadrant=quadrant)
    name, url = f"row/{quadrant}/{TASK}", SINGLES[quadrant - 1]
    result = {"image_id": f"row/{quadrant}", "image_url": url, "raw_image_url": url, "actions": []}
    event = Event(EventKind.SUCCEEDED, name, 100, result)

    ImagineAPI().check(ACCOUNT, wanted)
    assert ImagineAPI().submit(ACCOUNT, wanted, lambda *_: None) == Accepted(name, (event,))
    assert ImagineAPI().find(ACCOUNT, wanted) == Sighting(name, events=(event,))


def test_two_tasks_that_want_the_same_image_have_two_jobs() -> None:
    first = ImagineAPI().submit(ACCOUNT, order("upscale", {"quadrant": 3}, parent=GRID), lambda *_: None)
    again = replace(order("upscale", {"quadrant": 3}, parent=GRID), task_id=UUID(int=2))
    second = ImagineAPI().submit(ACCOUNT, again, lambda *_: None)
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert first.external_id != second.external_id
