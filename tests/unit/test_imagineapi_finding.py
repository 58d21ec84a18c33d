"""Whether an account's recent rows show, exclude or leave open that a creation arrived."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from orchestrator.core.events import Sighting
from orchestrator.providers.base import Order
from orchestrator.providers.imagineapi.finding import sighting

SENT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ORDER = Order(task_id=UUID(int=1), action="imagine", inputs={"prompt": "a red fox"}, sent_at=SENT)


def row(name: str, after: float | None = 0, **facts: Any) -> dict[str, Any]:
    at = None if after is None else (SENT + timedelta(seconds=after)).isoformat().replace("+00:00", "Z")
    return {"id": name, "prompt": "a red fox", "date_created": at, "status": "pending", **facts}


def look(*rows: dict[str, Any], complete: bool = False, order: Order = ORDER) -> Sighting:
    return sighting(rows, order, "a red fox", complete=complete)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([row("a")], "a"),
        ([row("a", -4)], "a"),
        ([row("a", prompt="a  red\nfox ")], "a"),
        ([row("a", None)], "a"),
        ([row("a"), row("b", -6)], "a"),
        ([row("a"), row("b", prompt="a blue fox")], "a"),
        ([row("a"), row("b", ref="another task")], "a"),
        ([row("a"), row("b")], None),
        ([row("a", prompt=None), row("b")], None),
    ],
)
def test_a_single_fitting_row_is_recognised(rows: list[dict[str, Any]], found: str | None) -> None:
    seen = look(*rows)
    assert (seen.external_id, seen.absent) == (found, False)
    assert [event.external_id for event in seen.events] == ([found] if found else [])


def test_the_rows_of_other_tasks_do_not_count() -> None:
    assert look(row("a"), row("b")).candidates == ("a", "b")
    assert look(row("a"), row("b"), order=replace(ORDER, taken=frozenset({"a"}))).external_id == "b"
    assert look(row("a"), order=replace(ORDER, taken=frozenset({"a"})), complete=True).absent


@pytest.mark.parametrize(
    ("rows", "complete", "absent"),
    [
        ([], True, True),
        ([], False, False),
        ([row("a", -301)], False, True),
        ([row("a", -299, prompt="x")], False, False),
        ([row("a", 3, prompt="x"), row("b", -301)], False, True),
        ([row("a", -301), row("b", 3, prompt="x")], False, False),  # oldest first: newer ones may follow
        ([row("a", None, prompt="x"), row("b", -301)], False, False),
        ([row("a", prompt="x", date_created="yesterday")], False, False),
    ],
)
def test_silence_counts_only_when_the_list_reaches_far_enough(
    rows: list[dict[str, Any]], complete: bool, absent: bool
) -> None:
    assert look(*rows, complete=complete) == Sighting(absent=absent)


@pytest.mark.parametrize(("after", "absent"), [(-6, False), (-299, False), (-301, True)])
def test_a_row_that_only_the_providers_clock_excludes_leaves_it_open(after: float, absent: bool) -> None:
    assert look(row("a", after), complete=True) == Sighting(absent=absent, candidates=() if absent else ("a",))
    assert look(row("a", after), complete=True, order=replace(ORDER, taken=frozenset("a"))) == Sighting(absent=True)
    assert look(row("a", after), row("b", prompt=None)).external_id == "b"


def test_a_row_that_cannot_be_read_is_found_all_the_same() -> None:
    assert look(row("a", url=5)) == Sighting("a", candidates=("a",))
