"""ImagineAPI's answers: creations with and without our reference, look-ups of rows, lost answers, the bot's state."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
from scripted_server import ScriptedServer, Step, answer, close, scripted

from orchestrator.config import Account
from orchestrator.core.events import Accepted, Ambiguous, Event, EventKind, Refused, Sighting, SubmitOutcome, TaskError
from orchestrator.errors import ProviderError
from orchestrator.providers.base import Order
from orchestrator.providers.imagineapi import ImagineAPI

ACCOUNT = Account(name="main", provider="imagineapi", base_url="", token="a-secret-token")
SENT = datetime.now(UTC)
ORDER = Order(task_id=UUID(int=1), action="imagine", inputs={"prompt": "a fox"}, sent_at=SENT, answer_timeout=5)
REF = str(ORDER.task_id)
ROW = {"id": "8fd5bc67-a4c5-4bf0-a09d-e20341d17135", "prompt": "a fox", "status": "pending", "ref": None}
DONE = {**ROW, "status": "completed", "url": "grid", "upscaled_urls": ["a", "b", "c", "d"]}


def errors(code: str, message: str = "m") -> dict[str, Any]:
    return {"errors": [{"message": message, "extensions": {"code": code}}]}


DENIED = answer(403, errors("FORBIDDEN", "You don't have permission to access this."))


def created(*script: Step) -> tuple[SubmitOutcome, ScriptedServer]:
    with scripted(*script) as server:
        outcome = ImagineAPI().submit(replace(ACCOUNT, base_url=server.url), ORDER, lambda *_: None)
    return outcome, server


def query(server: ScriptedServer, number: int = 0) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(server.requests[number][0]).query).items()}


def path(server: ScriptedServer, number: int = 0) -> str:
    return urlsplit(server.requests[number][0]).path


# Creations ---------------------------------------------------------------------------------------------


def test_a_row_is_created_with_a_bearer_token() -> None:
    outcome, server = created(answer(200, {"data": ROW}))
    assert isinstance(outcome, Accepted)
    assert (outcome.external_id, [event.kind for event in outcome.events]) == (ROW["id"], [EventKind.ACCEPTED])
    ((where, headers, _),) = server.requests
    assert (where, headers["authorization"]) == ("/items/images/", "Bearer a-secret-token")
    assert server.sent() == {"prompt": "a fox", "ref": REF}


@pytest.mark.parametrize(
    "body", [{"data": {"id": "7"}}, {"data": {"id": 7, "status": None}}, {"id": "7", "status": "pending"}]
)
def test_any_answer_that_names_a_row_is_an_acceptance(body: dict[str, Any]) -> None:
    outcome, _ = created(answer(200, body))
    assert isinstance(outcome, Accepted)
    assert outcome.external_id == "7"


@pytest.mark.parametrize("body", [{"data": None}, {"data": []}, {"data": {}}, {"data": ["7"]}, b""])
def test_an_answer_that_names_no_row_is_ambiguous(body: Any) -> None:
    assert isinstance(created(answer(200, body))[0], Ambiguous)


def test_a_server_without_references_is_asked_without_one() -> None:
    outcome, server = created(DENIED, answer(200, {"data": {**ROW, "ref": None}}))
    assert isinstance(outcome, Accepted)
    assert [server.sent(number) for number in range(2)] == [{"prompt": "a fox", "ref": REF}, {"prompt": "a fox"}]


def test_one_that_forbids_it_all_the_same_concerns_the_account() -> None:
    outcome, server = created(DENIED)
    assert isinstance(outcome, Refused)
    assert (outcome.error.code, outcome.retry, outcome.account) == ("forbidden", False, True)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (answer(403, errors("INVALID_TOKEN")), "invalid_token"),
        (answer(429, errors("IMAGE_ERROR", "Cannot create more images")), "image_error"),
        (answer(400, errors("FAILED_VALIDATION")), "failed_validation"),
        (answer(200, errors("FAILED_VALIDATION")), "failed_validation"),
    ],
)
def test_other_refusals_are_not_tried_again(step: Step, code: str) -> None:
    outcome, server = created(step)
    assert isinstance(outcome, Refused)
    assert (outcome.error.code, outcome.retry, len(server.requests)) == (code, False, 1)


def test_a_second_request_whose_answer_is_lost_is_ambiguous() -> None:
    assert isinstance(created(DENIED, close)[0], Ambiguous)


def test_a_token_that_the_provider_quotes_is_not_handed_on() -> None:
    outcome, _ = created(answer(401, errors("INVALID_CREDENTIALS", "a-secret-token is wrong")))
    assert isinstance(outcome, Refused)
    assert outcome.error == TaskError("invalid_credentials", "*** is wrong")


# Look-ups ----------------------------------------------------------------------------------------------


def test_rows_are_asked_for_fifty_at_a_time() -> None:
    names = [str(uuid4()) for _ in range(120)]
    with scripted(answer(200, {"data": []})) as server:
        assert ImagineAPI().fetch(replace(ACCOUNT, base_url=server.url), names * 2) == ()
        batches = [query(server, number) for number in range(3)]
    assert [batch["limit"] for batch in batches] == ["50", "50", "20"]
    assert [name for batch in batches for name in batch["filter[id][_in]"].split(",")] == names
    assert len(server.requests) == 3


def test_a_single_row_is_asked_for_by_its_path_and_forbidden_means_unknown() -> None:
    with scripted(DENIED) as server:
        assert ImagineAPI().fetch(replace(ACCOUNT, base_url=server.url), [ROW["id"] or ""]) == ()
        assert path(server) == f"/items/images/{ROW['id']}"


def test_an_id_that_is_none_does_not_spoil_the_others() -> None:
    names = [str(uuid4()), str(uuid4())]
    rows = [{**ROW, "id": name} for name in names]
    with scripted(answer(200, {"data": rows}), DENIED) as server:
        events = ImagineAPI().fetch(replace(ACCOUNT, base_url=server.url), [names[0], "no/thing?", names[1]])
        assert (query(server)["filter[id][_in]"], path(server, 1)) == (",".join(names), "/items/images/no")
    assert [event.external_id for event in events] == names


def test_a_row_nobody_asked_for_is_left_out_and_an_odd_one_is_known() -> None:
    names = [str(uuid4()), str(uuid4())]
    rows = [{**ROW, "id": names[0], "url": 5}, {**ROW, "id": names[1]}, {**ROW, "id": "another"}, "row"]
    with scripted(answer(200, {"data": rows})) as server:
        events = ImagineAPI().fetch(replace(ACCOUNT, base_url=server.url), [*names, f"{names[0]}/2/{REF}"])
    assert [event.external_id for event in events] == [*names, f"{names[0]}/2/{REF}"]
    assert (events[0], events[2].kind) == (Event(EventKind.ACCEPTED, names[0]), EventKind.ACCEPTED)


def test_an_upscale_whose_row_has_no_such_image_now_is_known() -> None:
    names = [f"{ROW['id']}/3/{REF}", f"{ROW['id']}/1/{REF}"]
    with scripted(answer(200, {"data": {**DONE, "upscaled_urls": ["a"]}})) as server:
        events = ImagineAPI().fetch(replace(ACCOUNT, base_url=server.url), names)
    assert [event.kind for event in events] == [EventKind.ACCEPTED, EventKind.SUCCEEDED]


def test_an_upscale_is_looked_up_in_its_row() -> None:
    names = [f"{ROW['id']}/3/{REF}", f"{ROW['id']}/1/{REF}", str(ROW["id"])]
    with scripted(answer(200, {"data": DONE})) as server:
        events = ImagineAPI().fetch(replace(ACCOUNT, base_url=server.url), names)
        assert len(server.requests) == 1
    assert [event.external_id for event in events] == names
    assert [(event.result or {})["image_url"] for event in events] == ["c", "a", "grid"]


@pytest.mark.parametrize(
    "step",
    [
        answer(403, errors("INVALID_TOKEN")),
        answer(429, errors("REQUESTS_EXCEEDED"), Retry_After="5"),
        answer(200, errors("X")),
    ],
)
def test_a_refused_look_up_is_an_error(step: Step) -> None:
    with scripted(step) as server, pytest.raises(ProviderError, match=r"403 invalid_token|again in 5 s|200 x"):
        ImagineAPI().fetch(replace(ACCOUNT, base_url=server.url), [str(ROW["id"])])


# Lost answers ------------------------------------------------------------------------------------------


def find(*script: Step, order: Order = ORDER) -> tuple[Sighting, ScriptedServer]:
    with scripted(*script) as server:
        sighting = ImagineAPI().find(replace(ACCOUNT, base_url=server.url), order)
    return sighting, server


def rows(*found: dict[str, Any]) -> Step:
    return answer(200, {"data": list(found)})


def a_row(name: str, after: float = 1, **facts: Any) -> dict[str, Any]:
    return {**ROW, "id": name, "date_created": (SENT + timedelta(seconds=after)).isoformat(), **facts}


def test_a_row_with_our_reference_is_ours() -> None:
    sighting, server = find(rows(a_row("a", -500, ref=REF, prompt="reworded")))
    assert (sighting.external_id, [event.kind for event in sighting.events]) == ("a", [EventKind.ACCEPTED])
    assert (query(server)["filter[ref][_eq]"], len(server.requests)) == (REF, 1)


def test_two_rows_with_our_reference_are_for_a_person_to_tell_apart() -> None:
    script = rows(a_row("a", ref=REF), a_row("b", ref=REF))
    assert find(script)[0] == Sighting(candidates=("a", "b"))
    assert find(script, order=replace(ORDER, taken=frozenset({"a"})))[0].external_id == "b"


def test_no_row_with_our_reference_and_none_that_might_be_ours_is_absence() -> None:
    sighting, server = find(rows(), rows(a_row("a", ref="another"), a_row("b", -310)))
    assert sighting == Sighting(absent=True)
    assert query(server, 1) == {"sort": "-date_created", "limit": "100", "offset": "0"}


def test_a_row_without_any_reference_might_still_be_ours() -> None:
    assert find(rows(), rows(a_row("a"), a_row("b", -310)))[0].external_id == "a"


@pytest.mark.parametrize("step", [DENIED, answer(400, errors("INVALID_QUERY")), rows(a_row("z", ref="another"))])
def test_without_references_prompt_and_time_decide(step: Step) -> None:
    assert find(step, rows(a_row("a"), a_row("b", -310)))[0].external_id == "a"
    assert find(step, rows(a_row("a"), a_row("b"), a_row("c", -310)))[0] == Sighting(candidates=("a", "b"))


def test_a_list_is_read_until_it_reaches_back_far_enough_or_ends() -> None:
    sighting, server = find(rows(), rows(a_row("a", prompt="x")), rows(a_row("b", -1, prompt="x")), rows())
    assert (sighting, len(server.requests)) == (Sighting(absent=True), 4)
    assert find(rows(), rows(a_row("a", prompt="x")))[0] == Sighting()  # the offset is not heeded


# The account -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"data": {"bot_status": "healthy", "message": None}}, "its bot is healthy"),
        ({"data": {"bot_status": "paused", "message": "upgrade"}}, "its bot is paused (upgrade)"),
        ({"data": None}, "its bot is in an unknown state"),
    ],
)
def test_the_bot_is_asked_after(body: dict[str, Any], said: str) -> None:
    with scripted(answer(200, body)) as server:
        sentence = ImagineAPI().ping(replace(ACCOUNT, base_url=server.url))
        assert path(server) == "/items/status"
    assert sentence.startswith(f"{server.url} answers and accepts the token; ")
    assert sentence.endswith(said)


def test_a_server_that_does_not_show_its_bot_is_good_enough() -> None:
    with scripted(DENIED, answer(200, {"data": []})) as server:
        assert "does not show" in ImagineAPI().ping(replace(ACCOUNT, base_url=server.url))
        assert path(server, 1) == "/items/images"


def test_one_that_shows_nothing_is_not() -> None:
    with scripted(DENIED) as server, pytest.raises(ProviderError, match="403 forbidden"):
        ImagineAPI().ping(replace(ACCOUNT, base_url=server.url))
