"""/v1/callbacks: raw deliveries, looked at and taken again."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import uuid4

import pytest
from caller import Caller

from orchestrator.core.events import Event, EventKind, Source
from orchestrator.intake.deliveries import EVIDENCE
from orchestrator.intake.events import take_events


def test_a_delivery_is_shown_as_it_came(web: Caller) -> None:
    web.open_run()
    web.deliver(web.submit())
    (listed,) = web.get("/v1/callbacks")["items"]
    assert "body" not in listed
    shown = web.get(f"/v1/callbacks/{listed['id']}")
    assert shown | listed == shown
    assert (shown["encoding"], shown["verdict"], shown["source"]) == ("utf-8", "accepted", "callback")
    assert '"image_id": "1234551030549839932"' in shown["body"]
    assert shown["size"] == shown["kept"] == len(shown["body"])
    assert shown["events"][0]["kind"] == "succeeded"


@pytest.mark.parametrize("slash", ["/", r"\/", "%2F", r"\u002f"])
@pytest.mark.parametrize("hook", [False, True])
def test_a_viewer_does_not_see_the_tokens_that_a_provider_repeats(web: Caller, slash: str, hook: bool) -> None:
    web.open_run()
    path = web.hook(None if hook else web.submit())
    token = path.rpartition("/")[2]
    url = f"https://host{path}".replace("/", slash)
    body = f'{{"task_id": "job-1", "progress": 3, "callback_url": "{url}", "prompt": "a ring bearer"}}'

    assert web.http.post(path, data=body).status_code in {200, 202}

    (listed,) = web.get("/v1/callbacks")["items"]
    address = f"/v1/callbacks/{listed['id']}"
    seen = web.get(address)
    assert token not in json.dumps([seen, web.get("/v1/tasks"), web.get("/v1/runs")])
    assert (seen["body"], seen["masked"]) == (body.replace(token, "***"), True)
    for role in ("operator", "admin"):
        whole = web.ask("GET", address, role=role).json
        assert whole
        assert (whole["body"], whole["masked"]) == (body, False)


def test_a_viewer_does_not_see_them_in_what_cannot_be_read(web: Caller) -> None:
    path = web.hook()
    web.http.post(path, data=b"\xff " + path.encode())
    (listed,) = web.get("/v1/callbacks")["items"]
    seen = web.get(f"/v1/callbacks/{listed['id']}")
    assert base64.b64decode(seen["body"]) == b"\xff /callbacks/acedata/***"


def test_of_what_cannot_be_read_the_beginning_is_kept(web: Caller) -> None:
    body = b"\xff\xfe" + b"x" * 100_000
    assert web.http.post(web.hook(), data=body).status_code == 400
    (listed,) = web.get("/v1/callbacks", verdict="rejected")["items"]
    shown = web.get(f"/v1/callbacks/{listed['id']}")
    assert (shown["encoding"], shown["size"], shown["kept"]) == ("base64", len(body), 16 * 1024)
    assert base64.b64decode(shown["body"]) == body[: 16 * 1024]
    web.refused(409, "POST", f"/v1/callbacks/{listed['id']}/replay")


def test_deliveries_are_found_by_what_they_are(web: Caller) -> None:
    web.open_run()
    task_id = web.submit("job-1")
    web.deliver(task_id)
    web.deliver(job="job-2")  # through the account's own hook: nobody's (yet)

    def found(**query: Any) -> list[str]:
        return [one["external_id"] for one in web.get("/v1/callbacks", **query)["items"]]

    assert found() == found(account="acedata") == ["job-2", "job-1"]
    assert found(verdict="parked") == found(external_id="job-2") == ["job-2"]
    assert found(task_id=str(task_id)) == ["job-1"]
    assert found(account="second") == found(verdict="late") == []
    first = web.get("/v1/callbacks", limit=1)
    assert web.get("/v1/callbacks", limit=1, cursor=first["next"])["items"][0]["external_id"] == "job-1"


def test_a_parked_delivery_is_replayed_when_the_job_is_known(web: Caller) -> None:
    web.deliver()
    (parked,) = web.get("/v1/callbacks")["items"]
    assert web.post(f"/v1/callbacks/{parked['id']}/replay")["verdict"] == "parked"
    web.open_run()
    task_id = web.submit("job-1")
    taken = web.post(f"/v1/callbacks/{parked['id']}/replay")
    assert (taken["verdict"], taken["task_id"]) == ("accepted", str(task_id))
    assert web.get(f"/v1/callbacks/{parked['id']}")["verdict"] == "accepted"
    assert web.get(f"/v1/tasks/{task_id}")["state"] == "succeeded"


def test_a_parked_delivery_is_adopted_by_a_task(web: Caller) -> None:
    web.deliver(job="lost")
    (parked,) = web.get("/v1/callbacks")["items"]
    web.open_run()
    task_id = web.submit("job-1")
    taken = web.post(f"/v1/callbacks/{parked['id']}/adopt", {"task_id": str(task_id)})
    assert taken["verdict"] == "accepted"
    assert web.get(f"/v1/tasks/{task_id}")["state"] == "succeeded"


@pytest.mark.parametrize("body", [None, {}, {"task_id": "abc"}])
def test_an_adoption_names_a_task(shared_web: Caller, body: Any) -> None:
    assert list(shared_web.refused(422, "POST", f"/v1/callbacks/{uuid4()}/adopt", json=body)["errors"]) in (
        ["task_id"],
        ["body"],
    )


@pytest.mark.parametrize("callback_id", ["abc", str(uuid4())])
def test_an_unknown_delivery_is_not_found(shared_web: Caller, callback_id: str) -> None:
    shared_web.refused(404, "GET", f"/v1/callbacks/{callback_id}")
    shared_web.refused(404, "POST", f"/v1/callbacks/{callback_id}/replay")
    shared_web.refused(404, "POST", f"/v1/callbacks/{callback_id}/adopt", json={"task_id": str(uuid4())})


@pytest.mark.parametrize(("query", "field"), [("verdict=lost", "verdict"), ("task_id=7", "task_id"), ("q=x", "q")])
def test_a_bad_query_names_the_parameter(shared_web: Caller, query: str, field: str) -> None:
    assert list(shared_web.refused(422, "GET", f"/v1/callbacks?{query}")["errors"]) == [field]


def test_what_was_asked_for_is_adopted_as_it_was_understood(web: Caller) -> None:
    """A poll's answer is kept in our words, which no dialect reads, or each otherwise."""
    web.open_run()
    told = web.submit("job-1")
    event = Event(EventKind.SUCCEEDED, "job-1", 100, {"image_id": "i"})
    body = json.dumps(event.as_json()).encode()
    take_events(web.services, web.services.config.account("acedata"), told, [event], body=body, source=Source.POLL)
    (kept,) = web.get("/v1/callbacks")["items"]
    web.open_run("another")
    other = web.submit("job-2")

    assert web.post(f"/v1/callbacks/{kept['id']}/replay")["verdict"] == "duplicate"
    assert web.post(f"/v1/callbacks/{kept['id']}/adopt", {"task_id": str(other)})["verdict"] == "accepted"
    assert web.get(f"/v1/tasks/{other}")["state"] == "succeeded"


def test_a_delivery_of_which_only_the_beginning_is_kept_is_not_taken_again(web: Caller) -> None:
    """Not even when the beginning alone can be read."""
    line = b'{"task_id": "job-1", "progress": 10}'.ljust(1023) + b"\n"
    assert web.http.post(web.hook(), data=line * (EVIDENCE // 1024) + b"no JSON").status_code == 400
    (rejected,) = web.get("/v1/callbacks")["items"]

    problem = web.refused(409, "POST", f"/v1/callbacks/{rejected['id']}/replay")

    assert f"only the first {EVIDENCE} of its {EVIDENCE + 7} bytes" in problem["detail"]
