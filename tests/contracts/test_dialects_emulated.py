"""Every dialect against the emulator: each way of waiting, follow-up actions, refusals, lost answers.

A dialect joins by an entry in ``EMULATED`` as soon as the emulator speaks its API.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from emulator_support import SLOW, Client, Inbox, emulating
from PIL import Image

from ops.emulator.mjproxy_options import MjOptions
from orchestrator.config import Account
from orchestrator.core.actions import ACTIONS, Yields
from orchestrator.core.events import Accepted, Ambiguous, Event, EventKind, Refused, Sighting
from orchestrator.errors import ProviderError
from orchestrator.providers import dialect
from orchestrator.providers.base import Dialect, Order, Parent

PICTURES = {Yields.GRID, Yields.SINGLE}

# Where the emulator takes submissions in each dialect.
EMULATED = {"acedata": "/midjourney/imagine", "mjproxy": "/mj/submit/imagine"}


@pytest.fixture(params=sorted(EMULATED))
def speaker(request: pytest.FixtureRequest) -> Dialect:
    return dialect(request.param)


# What only this one does: streams, texts without a job, actions named as they are.
acedata_only = pytest.mark.parametrize("speaker", ["acedata"], indirect=True)


@pytest.fixture
def instant() -> Iterator[Client]:
    with emulating(instant=True, tokens=(("ours", "secret"),)) as client:
        yield client


@pytest.fixture
def slow() -> Iterator[Client]:
    """Work goes on only when a test pushes the clock."""
    with emulating(latency=SLOW, tokens=(("ours", "secret"),), concurrency=2, mj=MjOptions(queue=0)) as client:
        yield client


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    box = Inbox()
    yield box
    box.close()


def account_at(speaker: Dialect, client: Client, **settings: Any) -> Account:
    return Account(name="main", provider=speaker.name, base_url=client.url, **{"token": "secret", **settings})


def an_order(action: str = "imagine", parent: Parent | None = None, **changes: Any) -> Order:
    inputs = {"prompt": "a red fox"} if action == "imagine" else {}
    order = Order(
        task_id=uuid4(), action=action, inputs=inputs, parent=parent, sent_at=datetime.now(UTC), answer_timeout=5
    )
    return replace(order, **changes)


class Reports(list[Event]):
    def __call__(self, events: tuple[Event, ...], line: bytes) -> None:
        assert line
        self.extend(events)


def made(speaker: Dialect, account: Account, order: Order) -> Parent:
    """The finished job of an order, on an instant emulator."""
    outcome = speaker.submit(replace(account, callback="poll"), order, Reports())
    assert isinstance(outcome, Accepted), outcome
    event = wait_for_end(speaker, account, outcome.external_id)
    assert event.kind is EventKind.SUCCEEDED, event
    assert event.result
    return Parent(external_id=outcome.external_id, action=order.action, result=event.result)


def wait_for_end(speaker: Dialect, account: Account, external_id: str) -> Event:
    deadline = datetime.now(UTC) + timedelta(seconds=10)
    while datetime.now(UTC) < deadline:
        (event,) = speaker.fetch(account, [external_id])
        if event.terminal:
            return event
    raise AssertionError("the job did not end")


# Ways of waiting ---------------------------------------------------------------------------------------


def test_a_pushed_result_comes_to_the_callback_url(speaker: Dialect, instant: Client, inbox: Inbox) -> None:
    outcome = speaker.submit(account_at(speaker, instant), an_order(callback_url=inbox.url), Reports())
    assert isinstance(outcome, Accepted)
    event = end_in(speaker, inbox)
    assert (event.kind, event.external_id) == (EventKind.SUCCEEDED, outcome.external_id)


def end_in(speaker: Dialect, inbox: Inbox) -> Event:
    """The event of the delivery that tells the end; others may come before it."""
    ends: list[Event] = []
    for number in count(1):
        inbox.wait(number)
        ends = [event for _, body in inbox.letters[:number] for event in speaker.read(body) if event.terminal]
        if ends:
            break
    return ends[0]


@acedata_only
def test_a_pushed_stream_comes_frame_by_frame(speaker: Dialect, instant: Client, inbox: Inbox) -> None:
    outcome = speaker.submit(account_at(speaker, instant, stream=True), an_order(callback_url=inbox.url), Reports())
    assert isinstance(outcome, Accepted)
    inbox.wait(3)
    events = [event for _, body in inbox.letters for event in speaker.read(body)]
    assert {event.external_id for event in events} == {outcome.external_id}
    assert events[0].kind is EventKind.PROGRESSED
    assert events[0].result
    assert "preview_url" in events[0].result
    assert "actions" not in events[0].result


@acedata_only
def test_a_stream_read_here_is_reported_as_it_comes(speaker: Dialect, instant: Client) -> None:
    reports = Reports()
    outcome = speaker.submit(account_at(speaker, instant, stream=True, callback="poll"), an_order(), reports)
    assert isinstance(outcome, Accepted)
    assert outcome.events == (reports[-1],)
    assert [event.kind for event in reports] == [EventKind.PROGRESSED] * (len(reports) - 1) + [EventKind.SUCCEEDED]
    progress = [event.progress or 0 for event in reports]
    assert progress == sorted(set(progress))


def test_a_polled_job_is_seen_pending_under_way_and_done(speaker: Dialect, slow: Client) -> None:
    account = account_at(speaker, slow, callback="poll")
    outcome = speaker.submit(account, an_order(), Reports())
    assert isinstance(outcome, Accepted)
    (pending,) = speaker.fetch(account, [outcome.external_id])
    slow.control("advance", {"seconds": SLOW * 5})
    done = wait_for_end(speaker, account, outcome.external_id)
    assert (pending.terminal, pending.external_id) == (False, outcome.external_id)
    assert done.kind is EventKind.SUCCEEDED
    assert done.result
    assert done.result["image_id"].isdigit()


def test_several_jobs_are_fetched_at_once_and_unknown_ones_left_out(speaker: Dialect, instant: Client) -> None:
    account = account_at(speaker, instant, callback="poll")
    ids = [made(speaker, account, an_order()).external_id for _ in range(60)]
    events = speaker.fetch(account, [*ids, "nobody"])
    assert sorted(event.external_id or "" for event in events) == sorted(ids)
    assert speaker.fetch(account, ["nobody"]) == ()
    assert speaker.fetch(account, []) == ()


# Actions -----------------------------------------------------------------------------------------------


def mask_for(parent: Parent) -> str:
    out = io.BytesIO()
    Image.new("L", (parent.result["raw_width"], parent.result["raw_height"]), 255).save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


@acedata_only
def test_every_follow_up_action_can_be_done(speaker: Dialect, instant: Client) -> None:
    account = account_at(speaker, instant, callback="poll")
    grid = made(speaker, account, an_order(inputs={"prompt": "a red fox --v 7"}))
    single = made(speaker, account, an_order("upscale", grid, quadrant=4))
    follow_ups = [name for name in speaker.actions if ACTIONS[name].of and ACTIONS[name].yields in PICTURES]
    for name in follow_ups:
        parent = grid if ACTIONS[name].of == {Yields.GRID} else single
        order = an_order(
            name, parent, quadrant=2, inputs={"mask": mask_for(parent)} if name == "variation_region" else {}
        )
        speaker.check(account, order)
        result = made(speaker, account, order).result
        assert ("upscale1" in result["actions"]) == (ACTIONS[name].yields is Yields.GRID), name
    assert instant.view("stats")["paid_jobs"] == 2 + len(follow_ups)


@acedata_only
def test_words_are_answered_at_once(speaker: Dialect, instant: Client) -> None:
    account = account_at(speaker, instant, callback="poll")
    grid = made(speaker, account, an_order())
    asked: dict[str, dict[str, Any]] = {
        "describe": {"image": "https://img.example/0.png"},
        "translate": {"text": "\u7ea2\u8272\u7684\u732b"},
        "shorten": {"prompt": "a very small red fox that sits quietly on a wooden table --ar 3:2"},
        "seed": {},
    }
    for name in asked.keys() & speaker.actions.keys():
        reports = Reports()
        outcome = speaker.submit(account, an_order(name, grid, inputs=asked[name]), reports)
        assert isinstance(outcome, Accepted), (name, outcome)
        assert tuple(reports) == outcome.events, name
        (event,) = outcome.events
        assert (event.kind, event.external_id) == (EventKind.SUCCEEDED, outcome.external_id)
        assert event.result
        assert event.result["text"] == event.result["texts"][0] != ""


@acedata_only
def test_images_are_prompted_with_and_blended(speaker: Dialect, instant: Client) -> None:
    account = account_at(speaker, instant, callback="poll")
    images = [f"https://img.example/{n}.png" for n in range(5)]
    made(speaker, account, an_order(inputs={"prompt": "on a beach --iw2", "images": images[:1]}))
    made(speaker, account, an_order("blend", inputs={"images": images}))
    *_, first, second = instant.view("jobs")["items"]
    assert first["prompt"] == "https://img.example/0.png on a beach --iw 2"
    assert second["prompt"] == " ".join(images)


# Refusals and failures ---------------------------------------------------------------------------------


def test_a_moderated_prompt_is_refused_for_good(speaker: Dialect, instant: Client) -> None:
    outcome = speaker.submit(
        account_at(speaker, instant, callback="poll"), an_order(inputs={"prompt": "gore"}), Reports()
    )
    assert isinstance(outcome, Refused)
    assert (outcome.retry, outcome.account) == (False, False)


def test_a_bad_flag_fails_the_job_with_the_providers_reason(speaker: Dialect, instant: Client) -> None:
    account = account_at(speaker, instant, callback="poll")
    outcome = speaker.submit(account, an_order(inputs={"prompt": "a cat -c x"}), Reports())
    assert isinstance(outcome, Accepted)
    event = wait_for_end(speaker, account, outcome.external_id)
    assert event.error
    assert "Unrecognized argument(s): `-c`" in event.error.message


def test_a_full_account_is_refused_for_now(speaker: Dialect, slow: Client) -> None:
    account = account_at(speaker, slow, callback="poll")
    outcomes = [speaker.submit(account, an_order(), Reports()) for _ in range(3)]
    assert isinstance(outcomes[2], Refused)
    assert (outcomes[2].retry, outcomes[2].account) == (True, True)
    assert slow.view("stats")["paid_jobs"] == 2


def test_a_wrong_token_is_a_matter_of_the_account(speaker: Dialect, instant: Client) -> None:
    account = account_at(speaker, instant, token="wrong")
    outcome = speaker.submit(account, an_order(), Reports())
    assert isinstance(outcome, Refused)
    assert (outcome.retry, outcome.account) == (False, True)
    with pytest.raises(ProviderError, match="401"):
        speaker.ping(account)
    assert instant.url in speaker.ping(account_at(speaker, instant))


def test_retry_after_is_heard(speaker: Dialect, instant: Client) -> None:
    fault = {"path": EMULATED[speaker.name], "status": 429, "retry_after": 7}
    instant.control("config", {"fail_next": fault})
    outcome = speaker.submit(account_at(speaker, instant), an_order(), Reports())
    assert isinstance(outcome, Refused)
    assert (outcome.retry, outcome.after) == (True, 7)


# Lost answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("callback_url", ["http://127.0.0.1:9/unique", None])
def test_a_job_whose_answer_was_lost_is_found(speaker: Dialect, instant: Client, callback_url: str | None) -> None:
    account = account_at(speaker, instant)
    made(speaker, account, an_order(inputs={"prompt": "another"}))
    instant.control("config", {"chaos": "submit_timeout=1", "hang": 1})
    order = an_order(callback_url=callback_url, answer_timeout=0.2)
    assert isinstance(speaker.submit(account, order, Reports()), Ambiguous)
    sighting = speaker.find(account, order)
    assert sighting.external_id == instant.view("jobs")["items"][-1]["task_id"]
    assert [event.external_id for event in sighting.events] == [sighting.external_id]


@pytest.mark.parametrize("callback_url", ["http://127.0.0.1:9/unique", None])
def test_a_job_that_never_arrived_is_absent(speaker: Dialect, instant: Client, callback_url: str | None) -> None:
    account = account_at(speaker, instant)
    made(speaker, account, an_order(inputs={"prompt": "another"}, sent_at=None))
    instant.control("config", {"fail_next": {"path": EMULATED[speaker.name], "cut": True}})
    order = an_order(callback_url=callback_url, sent_at=datetime.now(UTC) + timedelta(seconds=301))
    assert isinstance(speaker.submit(account, order, Reports()), Ambiguous)
    assert speaker.find(account, order) == Sighting(absent=True)
    assert instant.view("stats")["paid_jobs"] == 1


@acedata_only
def test_twins_without_a_callback_url_are_told_apart_by_those_that_are_taken(speaker: Dialect, instant: Client) -> None:
    account = account_at(speaker, instant, callback="poll")
    order = an_order()
    for _ in range(2):
        made(speaker, account, order)
    twins = speaker.find(account, order)
    assert (twins.external_id, twins.absent, len(twins.candidates)) == (None, False, 2)
    one, other = twins.candidates
    assert speaker.find(account, replace(order, taken=frozenset({one}))).external_id == other
    assert speaker.find(account, replace(order, taken=frozenset({one, other}))).absent
