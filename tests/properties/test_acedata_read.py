"""Whatever bytes are delivered, reading them gives events or MalformedDelivery, and events that can be stored."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.core.events import EventKind
from orchestrator.errors import MalformedDelivery
from orchestrator.providers.acedata.reading import RESULT_WORDS, read

KEYS = st.sampled_from([*RESULT_WORDS, "success", "task_id", "progress", "error", "trace_id"]) | st.text(max_size=5)
TEXT = st.text(st.characters(codec=None), max_size=10)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.sampled_from([0, 35, 100, "100", 10**30]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=8)
LIKELY = st.fixed_dictionaries(
    {},
    optional={
        "success": st.booleans(),
        "task_id": st.integers(0, 2**70) | st.uuids().map(str),
        "progress": st.integers(0, 100),
        "image_id": st.integers(0, 2**70).map(str),
        "image_url": TEXT,
        "actions": st.lists(TEXT, max_size=3),
        "novelty": TEXT | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    },
)


def storable(value: Any) -> bool:
    """Whether Postgres takes it as jsonb."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    return "\x00" not in text and "\\u0000" not in text and text.encode("utf-8").decode() == text


def check(body: bytes) -> None:
    try:
        events = read(body)
    except MalformedDelivery:
        return
    assert 1 <= len(events) <= 1000
    for event in events:
        assert storable(event.as_json())
        assert (event.error is not None) == (event.kind is EventKind.FAILED)
        assert event.external_id is None or isinstance(event.external_id, str)


@given(st.binary(max_size=200))
@example(b'{"task_id":"a","x":"\\ud800\\u0000"}')
@example(b'{"task_id":"a"}' * 1001)
@example(b"[" * 100_000)
@example(b'{"task_id":"a","x":' * 5000)
@example(b'{"task_id":' + b"1" * 10_000 + b"}")
@example(b'{"task_id":"a","progress":' + b"1" * 10_000 + b"}")
@example(b'{"task_id":"a","image_width":1e308}')
@example(b'{"task_id":"a","x":-1e-999}')
def test_any_bytes(body: bytes) -> None:
    check(body)


@given(st.lists(OBJECTS | LIKELY | VALUES, min_size=1, max_size=4), st.booleans())
def test_any_json(values: list[Any], lines: bool) -> None:
    text = "\n".join(map(json.dumps, values)) if lines else json.dumps(values)
    check(text.encode())


@given(st.text('[]{}":,0123456789.eE+-\\untrfalsskid_ \n', max_size=60))
def test_almost_json(text: str) -> None:
    check(text.encode())


@given(st.lists(LIKELY.filter(lambda item: item.keys() & {"success", "task_id", "progress"}), min_size=1, max_size=5))
def test_ids_and_order_survive(items: list[dict[str, Any]]) -> None:
    whole = read(json.dumps(items).encode())
    assert whole == read("\n".join(map(json.dumps, items)).encode())
    expected = [None if item.get("task_id") is None else str(item["task_id"]) for item in items]
    assert [event.external_id for event in whole] == expected
