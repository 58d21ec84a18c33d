"""AceData's answers to a submission, off the beaten track: streams that end early, odd bodies, paging."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from scripted_server import Step, answer, close, hang, raw, scripted, stream

from orchestrator.config import Account
from orchestrator.core.events import Accepted, Ambiguous, Event, EventKind, Refused, Sighting, SubmitOutcome
from orchestrator.errors import ProviderError
from orchestrator.providers import connections
from orchestrator.providers.acedata import AceData, lookups
from orchestrator.providers.base import Order
from orchestrator.providers.http import Transport

ACCOUNT = Account(name="main", provider="acedata", base_url="", token="a-secret-token")
ORDER = Order(task_id=UUID(int=1), action="imagine", inputs={"prompt": "x"}, answer_timeout=5)
PUSHED = replace(ORDER, callback_url="https://us/cb/token", sent_at=datetime.now(UTC))
FRAME = {"success": True, "task_id": "t", "progress": 35, "image_url": "u"}
LAST = {"success": True, "task_id": "t", "progress": 100, "image_id": "9"}
FAILED = {"success": False, "task_id": "t", "error": {"code": "bad_request", "message": "m"}}
OTHER = {"action": "reroll", "image_id": "7"}
TIMEOUT = {"success": False, "task_id": "t", "error": {"code": "timeout", "message": "m"}}


def submitted(step: Step, order: Order, *, streams: bool = False) -> tuple[SubmitOutcome, list[Event]]:
    reports: list[Event] = []
    with scripted(step) as server:
        account = replace(ACCOUNT, base_url=server.url, stream=streams)
        outcome = AceData().submit(account, order, lambda events, line: reports.extend(events))
        assert len(server.requests) == 1
    return outcome, reports


@pytest.mark.parametrize(
    "body", [{"task_id": "t"}, {"success": True, "task_id": "t"}, {"task_id": "t", "progress": "?"}]
)
def test_any_answer_that_names_a_job_is_an_acceptance(body: dict[str, Any]) -> None:
    outcome, _ = submitted(answer(200, body), PUSHED)
    assert isinstance(outcome, Accepted)
    assert outcome.external_id == "t"


def test_a_synchronous_result_is_an_acceptance_with_its_event() -> None:
    outcome, _ = submitted(answer(200, LAST), ORDER)
    assert isinstance(outcome, Accepted)
    assert [event.kind for event in outcome.events] == [EventKind.SUCCEEDED]


def test_an_answer_of_200_can_be_a_refusal() -> None:
    outcome, _ = submitted(answer(200, {"success": False, "error": {"code": "used_up", "message": "m"}}), PUSHED)
    assert isinstance(outcome, Refused)
    assert (outcome.account, outcome.retry) == (True, False)


def test_a_token_that_the_provider_quotes_is_not_handed_on() -> None:
    error = {"code": "invalid_token", "message": "a-secret-token is not valid"}
    outcome, _ = submitted(answer(401, {"error": error}), PUSHED)
    assert isinstance(outcome, Refused)
    assert outcome.error.message == "*** is not valid"
    with scripted(answer(401, {"error": error})) as server, pytest.raises(ProviderError) as raised:
        AceData().ping(replace(ACCOUNT, base_url=server.url))
    assert "secret" not in str(raised.value)


def test_an_order_that_does_not_fit_is_refused_unsent() -> None:
    order = replace(ORDER, inputs={"prompt": "x", "mode": "warp"})
    outcome = AceData().submit(replace(ACCOUNT, base_url="http://127.0.0.1:1"), order, lambda *_: None)
    assert isinstance(outcome, Refused)
    assert (outcome.error.code, outcome.retry) == ("invalid", False)


# Streams -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "kinds"),
    [
        (stream(FRAME, LAST), ["progressed", "succeeded"]),
        (stream(FRAME, LAST, ending=hang), ["progressed", "succeeded"]),
        (stream(FRAME, FAILED), ["progressed", "failed"]),
        (answer(200, LAST), ["succeeded"]),
        (stream(FRAME, ending=close), ["progressed"]),
        (stream(FRAME), ["progressed"]),
        (stream(FRAME, b"<html>"), ["progressed"]),
        (stream(FRAME, {**LAST, "image_width": "wide"}), ["progressed", "succeeded"]),
        (stream(FRAME, {**LAST, "image_url": 5}), ["progressed"]),
        (stream(FRAME, b"[" + b" " * (2 * 2**20)), ["progressed"]),
        (stream(FRAME, TIMEOUT), ["progressed"]),
        (stream({**LAST, "image_url": 5}), []),
    ],
)
def test_a_stream_that_has_named_its_job_is_an_acceptance_however_it_ends(step: Step, kinds: list[str]) -> None:
    outcome, reports = submitted(step, ORDER, streams=True)
    assert [event.kind for event in reports] == kinds
    assert outcome == Accepted("t", tuple(reports[-1:]))


@pytest.mark.parametrize(
    "step", [stream(), stream(ending=close), stream(b"<html>"), stream({"success": True, "progress": 5})]
)
def test_a_stream_that_has_not_named_its_job_is_ambiguous(step: Step) -> None:
    assert isinstance(submitted(step, ORDER, streams=True)[0], Ambiguous)


@pytest.mark.parametrize("order", [ORDER, PUSHED])
def test_a_stream_can_begin_with_a_refusal(order: Order) -> None:
    outcome, reports = submitted(stream({"error": {"code": "forbidden", "message": "m"}}), order, streams=True)
    assert isinstance(outcome, Refused)
    assert (outcome.error.code, reports) == ("forbidden", [])


def test_a_pushed_stream_is_left_when_it_has_named_its_job() -> None:
    outcome, reports = submitted(stream(FRAME, ending=hang), PUSHED, streams=True)
    assert isinstance(outcome, Accepted)
    assert (outcome.external_id, reports) == ("t", [])


@pytest.mark.parametrize(("status", "body", "events"), [(500, FAILED, 1), (504, TIMEOUT, 0)])
def test_a_server_error_that_names_a_job_is_about_that_job(status: int, body: dict[str, Any], events: int) -> None:
    outcome, _ = submitted(answer(status, body), ORDER, streams=True)
    assert isinstance(outcome, Accepted)
    assert (outcome.external_id, len(outcome.events)) == ("t", events)


def test_what_a_report_raises_ends_the_stream() -> None:
    def broken(events: tuple[Event, ...], line: bytes) -> None:
        raise RuntimeError("no room")

    with scripted(stream(FRAME, ending=hang)) as server, pytest.raises(RuntimeError, match="no room"):
        AceData().submit(replace(ACCOUNT, base_url=server.url, stream=True), ORDER, broken)


# Look-ups ----------------------------------------------------------------------------------------------


def test_ids_are_asked_for_fifty_at_a_time() -> None:
    with scripted(answer(200, {"items": []})) as server:
        AceData().fetch(replace(ACCOUNT, base_url=server.url), [str(n) for n in range(120)] * 2)
        assert [len(server.sent(n)["ids"]) for n in range(3)] == [50, 50, 20]
        assert [server.sent(n)["limit"] for n in range(3)] == [50, 50, 20]  # without one a list may end after twelve
        assert len(server.requests) == 3


@pytest.mark.parametrize("step", [answer(200, {}), answer(404, {"error": {"code": "not_found", "message": "m"}})])
def test_a_single_unknown_job_is_left_out(step: Step) -> None:
    with scripted(step) as server:
        assert AceData().fetch(replace(ACCOUNT, base_url=server.url), ["t"]) == ()


def test_a_job_nobody_asked_for_is_left_out() -> None:
    with scripted(answer(200, {"id": "other", "response": LAST})) as server:
        assert AceData().fetch(replace(ACCOUNT, base_url=server.url), ["t"]) == ()


def test_one_odd_job_does_not_hide_the_others() -> None:
    items = [{"id": "a", "response": {"success": "perhaps"}}, {"id": "b", "response": LAST}, "c"]
    with scripted(answer(200, {"items": items})) as server:
        events = AceData().fetch(replace(ACCOUNT, base_url=server.url), ["a", "b"])
    assert events == (Event(EventKind.ACCEPTED, "a"), Event(EventKind.SUCCEEDED, "b", 100, {"image_id": "9"}))


@pytest.mark.parametrize(
    "step",
    [
        answer(404, {"error": {"code": "no_api", "message": "m"}}),
        answer(200, {"error": {"code": "disabled", "message": "m"}}),
        answer(429, {}, Retry_After="5"),
    ],
)
def test_a_refused_look_up_is_an_error(step: Step) -> None:
    with scripted(step) as server, pytest.raises(ProviderError, match=r"404 no_api|200 disabled|try again in 5 s"):
        AceData().fetch(replace(ACCOUNT, base_url=server.url), ["t"])


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({"state": "failed"}, EventKind.FAILED),
        ({"state": "generating"}, EventKind.PROGRESSED),
        ({"response": {"success": False, "error": {"code": "task_failed"}}}, EventKind.FAILED),
        ({}, EventKind.ACCEPTED),
    ],
)
def test_an_error_of_a_job_means_the_same_alone_and_among_others(facts: dict[str, Any], kind: EventKind) -> None:
    job = {"id": "t", "error": {"code": "task_failed", "message": "it broke"}, **facts}
    with scripted(answer(200, job), answer(200, {"items": [job]})) as server:
        account = replace(ACCOUNT, base_url=server.url)
        (alone,), (among,) = AceData().fetch(account, ["t"]), AceData().fetch(account, ["t", "u"])
    assert (alone, alone.kind) == (among, kind)


def page(*names: str) -> Step:
    return answer(200, {"items": [{"id": name, "created_at": 9e9, "request": OTHER} for name in names], "count": 1})


def test_a_list_is_read_to_its_empty_page() -> None:
    with scripted(page("a", "b"), page("b", "c"), page()) as server:
        sighting = AceData().find(replace(ACCOUNT, base_url=server.url), PUSHED)
        assert [server.sent(n)["offset"] for n in range(3)] == [0, 2, 4]
    assert sighting == Sighting(absent=True)


@pytest.mark.parametrize("step", [page("a"), answer(200, {"items": [{"created_at": 9e9, "request": OTHER}]})])
def test_a_list_that_does_not_heed_the_offset_proves_nothing(step: Step) -> None:
    with scripted(step) as server:
        assert AceData().find(replace(ACCOUNT, base_url=server.url), PUSHED) == Sighting()
        assert len(server.requests) <= 10


def test_a_long_list_is_not_read_for_ever() -> None:
    with scripted(*(page(str(n)) for n in range(120))) as server:
        assert AceData().find(replace(ACCOUNT, base_url=server.url), PUSHED) == Sighting()
        assert len(server.requests) == 100


def test_a_mask_that_a_task_repeats_is_not_too_long() -> None:
    task = {"id": "t", "request": {"mask": "A" * (3 * 2**20)}}
    with scripted(answer(200, task)) as server:
        (event,) = lookups.fetch(Transport(), replace(ACCOUNT, base_url=server.url), ["t"])
    assert event.kind is EventKind.ACCEPTED


def test_a_dribbled_answer_has_an_end() -> None:
    slow = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + b" ")
    outcome, _ = submitted(slow, replace(PUSHED, answer_timeout=0.2))
    assert isinstance(outcome, Ambiguous)


# Connections -------------------------------------------------------------------------------------------


def test_a_connection_that_has_rested_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE", 0.0)
    with scripted(answer(200, {})) as server:
        speaker = AceData()
        for _ in range(2):
            speaker.ping(replace(ACCOUNT, base_url=server.url))
        assert server.connections == 2


def test_a_connection_the_server_closes_under_a_request_is_not_tried_again() -> None:
    with scripted(answer(200, {}), close, answer(200, {"task_id": "t"})) as server:
        speaker, account = AceData(), replace(ACCOUNT, base_url=server.url)
        speaker.ping(account)
        assert isinstance(speaker.submit(account, PUSHED, lambda *_: None), Ambiguous)
        assert (len(server.requests), server.connections) == (2, 1)


def test_a_forked_process_has_its_own_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = Transport()
    with scripted(answer(200, {"id": "t"})) as server:
        account = replace(ACCOUNT, base_url=server.url)
        lookups.fetch(transport, account, ["t"])
        monkeypatch.setattr(os, "getpid", lambda: -1)
        lookups.fetch(transport, account, ["t"])
        assert server.connections == 2
