"""The midjourney-proxy adapter against every layer that the emulator speaks: its actions, windows, hooks, modes."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from emulator_support import SLOW, Client, Inbox, emulating
from PIL import Image
from test_dialects_emulated import Reports, made, wait_for_end

from ops.emulator.mjproxy_options import MjOptions
from orchestrator.config import Account
from orchestrator.core.actions import ACTIONS, Yields
from orchestrator.core.events import Accepted, Ambiguous, Event, EventKind, Refused, Sighting
from orchestrator.errors import InvalidInput
from orchestrator.providers.base import Order, Parent
from orchestrator.providers.mjproxy import MjProxy

SPEAKER = MjProxy()
WITH_BUTTONS = ("plus", "csharp", "gateway")
LAYERS = ("java", *WITH_BUTTONS)
Start = Callable[..., Client]


@pytest.fixture
def start() -> Iterator[Start]:
    """``start("plus", remix=True)``: an emulator of this layer, at once done with everything."""
    with ExitStack() as running:

        def begin(layer: str, *, instant: bool = True, **mj: Any) -> Client:
            time = {"instant": True} if instant else {"latency": SLOW}
            options = {**time, "tokens": (("ours", "secret"),), "mj": MjOptions(layer=layer, **mj)}
            return running.enter_context(emulating(**options))

        yield begin


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    box = Inbox()
    yield box
    box.close()


def account_at(client: Client, **settings: Any) -> Account:
    fields = {"base_url": client.url, "token": "secret", "callback": "poll", **settings}
    return Account(name="main", provider="mjproxy", **fields)


def worked_on(client: Client) -> str:
    """The newest job's prompt, as the provider knows it: a gateway goes on showing the first one."""
    return str(list(client.emulator.state.book.oldest_first())[-1].facts()["prompt"])


def an_order(action: str = "imagine", parent: Parent | None = None, **changes: Any) -> Order:
    inputs = {"prompt": "a red fox"} if action == "imagine" else {}
    known = {"inputs": inputs, "sent_at": datetime.now(UTC), "answer_timeout": 5.0, **changes}
    return Order(task_id=uuid4(), action=action, parent=parent, **known)


def picture(size: tuple[int, int] = (64, 64), mode: str = "RGB") -> str:
    out = io.BytesIO()
    Image.new(mode, size, 255 if mode == "L" else (200, 40, 40)).save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def inputs_for(name: str, parent: Parent, client: Client) -> dict[str, Any]:
    if name == "variation_region":
        return {"mask": picture(client.image(parent.result["image_url"]).size, "L")}
    return {"zoom": 1.5} if name == "zoom_custom" else {}


# Actions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", WITH_BUTTONS)
@pytest.mark.parametrize("version", ["5.2", "6", "6.1", "7"])
def test_every_action_that_an_image_offers_can_be_done(start: Start, layer: str, version: str) -> None:
    client = start(layer)
    account = account_at(client)
    grid = made(SPEAKER, account, an_order(inputs={"prompt": f"a red fox --v {version}"}))
    single = made(SPEAKER, account, an_order("upscale", grid, quadrant=4))
    done = 2
    for name, action in ACTIONS.items():
        parent = grid if action.of == {Yields.GRID} else single
        order = an_order(name, parent, quadrant=2)
        if name in SPEAKER.actions and {name, f"{name}2"} & set(parent.result["actions"]):
            order = replace(order, inputs=inputs_for(name, parent, client))
            result = made(SPEAKER, account, order).result
            assert ("upscale1" in result["actions"]) == (action.yields is Yields.GRID), name
            done += 1
        elif name in SPEAKER.actions and action.of and name != "seed":
            with pytest.raises(InvalidInput, match=r"does not offer .*; it offers"):
                SPEAKER.check(account, replace(order, inputs=inputs_for(name, parent, client)))
    assert client.view("stats")["paid_jobs"] == done
    assert done >= 14


def test_without_buttons_a_change_is_asked_for(start: Start) -> None:
    client = start("java")
    account = account_at(client)
    grid = made(SPEAKER, account, an_order())
    again = made(SPEAKER, account, an_order("variation", made(SPEAKER, account, an_order("reroll", grid)), quadrant=3))
    single = made(SPEAKER, account, an_order("upscale", again, quadrant=1))
    assert client.image(single.result["image_url"])
    with pytest.raises(InvalidInput, match="it offers nothing"):
        SPEAKER.check(account, an_order("pan_left", single))


@pytest.mark.parametrize("layer", WITH_BUTTONS)
def test_a_custom_zoom_and_a_region_go_through_their_windows(start: Start, layer: str) -> None:
    client = start(layer)
    account = account_at(client)
    single = made(SPEAKER, account, an_order("upscale", made(SPEAKER, account, an_order()), quadrant=1))
    made(SPEAKER, account, an_order("zoom_custom", single, inputs={"zoom": 1.25, "prompt": "a snowy wood"}))
    assert "a snowy wood" in worked_on(client)
    region = {**inputs_for("variation_region", single, client), "prompt": "a blue fox"}
    made(SPEAKER, account, an_order("variation_region", single, inputs=region))
    assert "a blue fox" in worked_on(client)


@pytest.mark.parametrize("layer", WITH_BUTTONS)
@pytest.mark.parametrize("remix", [False, True])
def test_a_reroll_works_with_remix_and_without(start: Start, layer: str, remix: bool) -> None:
    account = account_at(start(layer, remix=remix))
    assert made(SPEAKER, account, an_order("reroll", made(SPEAKER, account, an_order()))).result["image_url"]


@pytest.mark.parametrize("layer", WITH_BUTTONS)
def test_a_new_prompt_for_a_variation_is_used(start: Start, layer: str) -> None:
    client = start(layer, remix=True)
    account = account_at(client)
    grid = made(SPEAKER, account, an_order())
    made(SPEAKER, account, an_order("variation", grid, quadrant=1, inputs={"prompt": "a green fox"}))
    assert "a green fox" in worked_on(client)


@pytest.mark.parametrize("layer", LAYERS)
def test_pictures_are_prompted_with_blended_and_described(start: Start, layer: str) -> None:
    account = account_at(start(layer))
    assert made(SPEAKER, account, an_order(inputs={"prompt": "x", "images": [picture()]})).result["image_url"]
    blend = {"images": [picture(), picture()], "dimensions": "landscape"}
    assert made(SPEAKER, account, an_order("blend", inputs=blend)).result["image_url"]
    texts = made(SPEAKER, account, an_order("describe", inputs={"image": picture()})).result["texts"]
    assert len(texts) == 4
    assert not any(text[:1].isdigit() for text in texts)


@pytest.mark.parametrize("layer", WITH_BUTTONS)
def test_prompts_are_shortened_and_faces_swapped(start: Start, layer: str) -> None:
    account = account_at(start(layer))
    shorter = made(SPEAKER, account, an_order("shorten", inputs={"prompt": "please draw me one very small red fox"}))
    assert shorter.result["text"] == shorter.result["texts"][0]
    swap = {"source": picture(), "target": picture()}
    assert made(SPEAKER, account, an_order("swap_face", inputs=swap)).result["image_url"]


@pytest.mark.parametrize("layer", WITH_BUTTONS)
def test_seeds_and_uploads_are_there_at_once(start: Start, layer: str) -> None:
    client = start(layer)
    account = account_at(client)
    grid = made(SPEAKER, account, an_order())
    for order, key in ((an_order("seed", grid), "text"), (an_order("upload", inputs={"images": [picture()]}), "urls")):
        reports = Reports()
        outcome = SPEAKER.submit(account, order, reports)
        assert isinstance(outcome, Accepted), outcome
        assert tuple(reports) == outcome.events
        assert reports[0].result
        assert reports[0].result[key]


# Accounts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("layer", "token"), [*((layer, "secret") for layer in LAYERS), ("gateway", "Bearer secret")])
def test_the_token_is_taken_by_every_layer(start: Start, layer: str, token: str) -> None:
    client = start(layer)
    assert client.url in SPEAKER.ping(account_at(client, token=token))
    assert isinstance(SPEAKER.submit(account_at(client, token=token), an_order(), Reports()), Accepted)
    outcome = SPEAKER.submit(account_at(client, token="wrong"), an_order(), Reports())
    assert isinstance(outcome, Refused)
    assert (outcome.retry, outcome.account) == (False, True)


@pytest.mark.parametrize("layer", ["csharp", "gateway"])
def test_an_address_may_name_the_mode(start: Start, layer: str) -> None:
    client = start(layer)
    account = account_at(client, base_url=f"{client.url}/mj-relax")
    assert made(SPEAKER, account, an_order(inputs={"prompt": "x", "mode": "relax"})).result["image_url"]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("ids", [{}, {"numeric_result": True}, {"long_ids": True, "numeric_result": True}])
def test_ids_are_kept_exactly(start: Start, layer: str, ids: dict[str, bool]) -> None:
    account = account_at(start(layer, **ids))
    grid = made(SPEAKER, account, an_order())
    assert made(SPEAKER, account, an_order("upscale", grid, quadrant=1)).external_id != grid.external_id


# Waiting -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("layer", "mj"), [(name, {}) for name in LAYERS[:3]] + [("gateway", {"notify": True})])
def test_a_hook_tells_each_change_and_the_end(start: Start, layer: str, mj: dict[str, Any], inbox: Inbox) -> None:
    client = start(layer, **mj)
    outcome = SPEAKER.submit(account_at(client, callback="push"), an_order(callback_url=inbox.url), Reports())
    assert isinstance(outcome, Accepted)
    events = events_in(inbox)
    assert {event.external_id for event in events} == {outcome.external_id}
    assert [event.kind for event in events if event.terminal] == [EventKind.SUCCEEDED]
    assert any(event.kind is EventKind.PROGRESSED for event in events)


def events_in(inbox: Inbox) -> list[Event]:
    """Of all deliveries until one tells the end."""
    events: list[Event] = []
    while not any(event.terminal for event in events):
        inbox.wait(len(events) + 1)
        events = [event for _, body in list(inbox.letters) for event in SPEAKER.read(body)]
    return events


@pytest.mark.parametrize("layer", LAYERS)
def test_a_failure_has_its_reason_and_no_progress(start: Start, layer: str) -> None:
    account = account_at(start(layer))
    outcome = SPEAKER.submit(account, an_order(inputs={"prompt": "a cat -c x"}), Reports())
    assert isinstance(outcome, Accepted)
    event = wait_for_end(SPEAKER, account, outcome.external_id)
    assert (event.kind, event.progress) == (EventKind.FAILED, None)
    assert event.error
    assert "-c" in event.error.message


@pytest.mark.parametrize("layer", LAYERS)
def test_a_banned_word_is_refused_for_good(start: Start, layer: str) -> None:
    client = start(layer)
    outcome = SPEAKER.submit(account_at(client), an_order(inputs={"prompt": "gore"}), Reports())
    assert isinstance(outcome, Refused)
    assert (outcome.error.code, outcome.retry, outcome.account) == ("banned_prompt", False, False)
    assert client.view("stats")["paid_jobs"] == 0


@pytest.mark.parametrize("layer", LAYERS)
def test_a_full_queue_is_waited_for(start: Start, layer: str) -> None:
    client = start(layer, instant=False, queue=0)
    client.control("config", {"concurrency": 1})
    first, second = (SPEAKER.submit(account_at(client), an_order(), Reports()) for _ in range(2))
    assert isinstance(first, Accepted)
    assert isinstance(second, Refused)
    assert (second.error.code, second.retry, second.account) == ("queue_full", True, True)


@pytest.mark.parametrize("code", [4, 25])
def test_a_used_up_balance_is_a_matter_of_the_account(start: Start, code: int) -> None:
    client = start("gateway", balance_code=code)
    client.control("config", {"quota": 0})
    outcome = SPEAKER.submit(account_at(client), an_order(), Reports())
    assert isinstance(outcome, Refused)
    assert (outcome.error.code, outcome.retry, outcome.account) == ("insufficient_balance", False, True)


# Lost answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", LAYERS[:3])
@pytest.mark.parametrize("callback_url", ["http://127.0.0.1:9/unique", None])
def test_a_job_whose_answer_was_lost_is_found(start: Start, layer: str, callback_url: str | None) -> None:
    client = start(layer)
    account = account_at(client)
    made(SPEAKER, account, an_order())
    client.control("config", {"chaos": "submit_timeout=1", "hang": 1})
    order = an_order(callback_url=callback_url, answer_timeout=0.2)
    assert isinstance(SPEAKER.submit(account, order, Reports()), Ambiguous)
    sighting = SPEAKER.find(account, order)
    assert [event.external_id for event in sighting.events] == [sighting.external_id]
    assert client.view("stats")["paid_jobs"] == 2


def test_behind_a_gateway_nobody_can_tell(start: Start) -> None:
    client = start("gateway")
    account = account_at(client)
    made(SPEAKER, account, an_order())
    order = an_order(sent_at=datetime.now(UTC) + timedelta(seconds=6))
    assert SPEAKER.find(account, order) == Sighting()


@pytest.mark.parametrize("layer", WITH_BUTTONS)
def test_a_window_whose_confirmation_was_lost_is_asked_for(start: Start, layer: str) -> None:
    client = start(layer)
    account = account_at(client)
    single = made(SPEAKER, account, an_order("upscale", made(SPEAKER, account, an_order()), quadrant=1))
    client.control("config", {"fail_next": {"path": "/mj/submit/modal", "cut": True}})
    order = an_order("zoom_custom", single, inputs={"zoom": 2})
    outcome = SPEAKER.submit(account, order, Reports())
    assert isinstance(outcome, Accepted)
    assert SPEAKER.fetch(account, [outcome.external_id]) == (Event(EventKind.ACCEPTED, outcome.external_id),)
    if layer != "gateway":
        assert SPEAKER.find(account, replace(order, sent_at=datetime.now(UTC) + timedelta(minutes=6))).absent
