"""Whether midjourney-proxy's list of tasks shows, excludes or leaves open that a lost submission arrived."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from orchestrator.core.events import EventKind, Sighting
from orchestrator.core.tokens import task_token
from orchestrator.providers.base import Order
from orchestrator.providers.mjproxy.finding import sighting

SENT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
AT = SENT.timestamp()
URL = "https://us/callbacks/a/token"
STATE = str(UUID(int=1))


def task(name: str, at: float | None = AT, **facts: Any) -> dict[str, Any]:
    return {"id": name, "submitTime": None if at is None else int(at * 1000), "status": "SUBMITTED", **facts}


def look(*tasks: dict[str, Any], url: str | None = URL) -> Sighting:
    order = Order(task_id=UUID(int=1), action="imagine", inputs={}, callback_url=url, sent_at=SENT)
    return sighting(tasks, order)


@pytest.mark.parametrize("url", [URL, None])
def test_a_job_is_recognised_by_its_state(url: str | None) -> None:
    seen = look(task("a", state="other"), task("b", state=STATE, status="SUCCESS"), url=url)
    assert (seen.external_id, [event.kind for event in seen.events]) == ("b", [EventKind.SUCCEEDED])


def test_a_job_is_recognised_by_its_hook() -> None:
    assert look(task("a", properties={"notifyHook": URL + "x"}), task("b", properties={"notifyHook": URL})) == look(
        task("b", properties={"notifyHook": URL})
    )


@pytest.mark.parametrize("url", [URL, None])
def test_a_hook_is_recognised_whatever_was_configured_when_it_was_written(url: str | None) -> None:
    hooks = (task_token((b"the former secret of then",), "a", UUID(int=number)) for number in (2, 1))
    others, ours = (task(hook[20:24], properties={"notifyHook": "http://localhost/" + hook}) for hook in hooks)
    assert look(others, ours, url=url) == look(ours, url=url)
    assert look(ours, url=url).external_id == ours["id"]


def test_of_several_the_latest_is_the_job() -> None:
    assert look(task("a", AT - 50, state=STATE), task("b", AT, state=STATE)).external_id == "b"


def test_a_window_that_was_never_confirmed_is_no_job() -> None:
    waiting = task("a", state=STATE, status="MODAL")
    assert look(waiting, task("p", AT - 400)) == Sighting(absent=True)
    assert look(waiting) == Sighting()


def test_a_job_that_cannot_be_read_is_found_all_the_same() -> None:
    seen = look(task("a", state=STATE, imageUrl=["u"]))
    assert (seen.external_id, seen.events) == ("a", ())


@pytest.mark.parametrize(
    ("times", "absent"),
    [
        ([], False),  # forgotten on a restart, perhaps
        ([AT + 3], False),
        ([AT - 299], False),
        ([AT + 3, AT - 301], True),
        ([AT - 301, AT + 3], True),
        ([None], False),
        ([AT - 299, *[AT + 3] * 99], False),  # as long as a list can be: it may have begun later
        ([*[AT + 3] * 99, AT - 301], True),
    ],
)
def test_silence_counts_only_when_the_list_surely_reaches_far_enough(times: list[float | None], absent: bool) -> None:
    assert look(*(task(f"t{n}", at) for n, at in enumerate(times))) == Sighting(absent=absent)


def test_without_a_list_nobody_can_tell() -> None:
    order = Order(task_id=UUID(int=1), action="imagine", inputs={}, sent_at=SENT)
    assert sighting(None, order) == Sighting()
    assert sighting([task("a", AT - 999)], Order(task_id=UUID(int=1), action="imagine", inputs={})) == Sighting()
