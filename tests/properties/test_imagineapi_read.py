"""Whatever bytes are delivered, reading them gives events or MalformedDelivery, and events that can be stored."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.core.events import EventKind
from orchestrator.errors import MalformedDelivery
from orchestrator.providers.imagineapi.reading import read

NAMES = ["id", "status", "progress", "url", "error", "upscaled_urls", "upscaled", "ref", "payload", "data", "event"]
TEXT = st.text(st.characters(codec=None), max_size=10)
STATUS = st.sampled_from(["pending", "queued", "in-progress", "completed", "failed"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | STATUS | st.sampled_from([0, 35, 100, "35%"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | TEXT, inner, max_size=4),
    max_leaves=8,
)
ROWS = st.fixed_dictionaries(
    {"id": st.uuids().map(str), "status": STATUS},
    optional={
        "progress": st.integers(0, 100) | st.none(),
        "url": TEXT | st.none(),
        "error": TEXT | st.none(),
        "upscaled_urls": st.lists(TEXT, max_size=6) | st.none(),
        "novelty": TEXT | st.integers() | st.lists(STATUS, max_size=2),
    },
)
WRAPPED: st.SearchStrategy[dict[str, Any]] = st.one_of(
    ROWS,
    ROWS.map(lambda row: {"event": "images.items.update", "payload": row}),
    st.lists(ROWS, min_size=1, max_size=3).map(lambda rows: {"data": rows}),
)


def check(body: bytes) -> None:
    try:
        events = read(body)
    except MalformedDelivery:
        return
    assert 1 <= len(events) <= 1000
    for event in events:
        text = json.dumps(event.as_json(), allow_nan=False, ensure_ascii=False)
        assert "\x00" not in text
        assert "\\u0000" not in text
        assert text.encode("utf-8").decode() == text
        assert (event.error is not None) == (event.kind is EventKind.FAILED)
        assert event.external_id


@given(st.binary(max_size=200))
@example(b'{"id":"a","status":"pending","x":"\\ud800\\u0000"}')
@example(b'{"id":"a","status":"pending"}' * 1001)
@example(b"[" * 100_000)
@example(b'{"data":' * 5000)
@example(b'{"id":"a","status":"in-progress","progress":' + b"1" * 10_000 + b"}")
def test_any_bytes(body: bytes) -> None:
    check(body)


@given(st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8) | WRAPPED | VALUES, min_size=1, max_size=4))
def test_any_json(values: list[Any]) -> None:
    check(json.dumps(values).encode())


@given(ROWS)
def test_a_row_means_the_same_in_every_wrapping(row: dict[str, Any]) -> None:
    bare = read(json.dumps(row).encode())
    for wrapped in ([row], {"data": row}, {"data": [row]}, {"event": "images.items.create", "payload": row}):
        assert read(json.dumps(wrapped).encode()) == bare
    assert bare[0].external_id == row["id"]
