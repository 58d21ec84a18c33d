"""Whatever bytes a midjourney-proxy sends, reading them gives events or MalformedDelivery that can be stored."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.core.events import Accepted, Ambiguous, EventKind, Refused
from orchestrator.errors import MalformedDelivery
from orchestrator.providers.http import Answer
from orchestrator.providers.mjproxy.answers import Window, meaning
from orchestrator.providers.mjproxy.buttons import word_of
from orchestrator.providers.mjproxy.reading import read

FIELDS = ["id", "status", "progress", "imageUrl", "buttons", "failReason", "properties", "action", "width", "height"]
FIELDS += ["seed", "prompt", "promptEn", "imageUrls", "code", "description", "result", "error"]
STATUSES = st.sampled_from(["", "NOT_START", "SUBMITTED", "MODAL", "IN_PROGRESS", "SUCCESS", "FAILURE", "CANCEL"])
TEXT = st.text(st.characters(codec=None), max_size=10)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | STATUSES | st.sampled_from(["46%", 10**30, 21]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT | st.just("customId"), inner, max_size=4),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), VALUES, max_size=10)
LIKELY = st.fixed_dictionaries(
    {"id": st.integers(0, 2**70) | TEXT, "status": STATUSES},
    optional={
        "progress": TEXT | st.integers() | st.sampled_from(["46%", "100%"]),
        "imageUrl": TEXT,
        "buttons": st.lists(st.fixed_dictionaries({"customId": TEXT}), max_size=3) | st.none(),
        "failReason": TEXT | st.none(),
        "action": st.sampled_from(["IMAGINE", "DESCRIBE", "SHORTEN"]),
        "properties": st.fixed_dictionaries({"finalPrompt": TEXT, "notifyHook": st.just("https://us/secret")}),
        "width": VALUES,
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
    assert len(events) <= 1000
    for event in events:
        assert storable(event.as_json())
        assert (event.error is not None) == (event.kind is EventKind.FAILED)
        assert event.external_id is None or isinstance(event.external_id, str)
        assert event.progress is None or 0 <= event.progress <= 100


@given(st.binary(max_size=200))
@example(b'{"id":"a","status":"SUCCESS","seed":"\\ud800\\u0000"}')
@example(b'{"id":"a","status":"SUCCESS","width":1e308,"height":' + b"9" * 5000 + b"}")
@example(b'{"id":' + b"1" * 10_000 + b"}")
@example(b'{"id":"a","progress":' + b"1" * 10_000 + b"}")
@example(b"[" * 100_000)
def test_any_bytes(body: bytes) -> None:
    check(body)


@given(st.lists(OBJECTS | LIKELY | VALUES, min_size=1, max_size=4))
def test_any_json(values: list[Any]) -> None:
    check(json.dumps(values).encode())


@given(LIKELY)
def test_a_task_is_read_with_its_id_and_without_our_secret(task: dict[str, Any]) -> None:
    events = read(json.dumps(task).encode("utf-8", "replace"))
    assert len(events) == (task["status"] != "MODAL")
    if not events:
        return
    event = events[0]
    assert event.external_id is None or len(event.external_id) == len(str(task["id"]))
    assert event.terminal == (task["status"] in ("SUCCESS", "FAILURE", "CANCEL"))
    assert "secret" not in json.dumps(event.as_json())


@given(st.binary(max_size=60) | (OBJECTS | VALUES).map(lambda value: json.dumps(value).encode()), st.integers(200, 599))
def test_any_answer_to_a_submission_has_a_meaning(body: bytes, status: int) -> None:
    outcome = meaning(Answer(status, {}, body), datetime.now(UTC), pressed=True, orphan=False)
    assert isinstance(outcome, Accepted | Ambiguous | Refused | Window)


@given(st.text("MJ:OB_upsamplevrtion0123456789x\n", max_size=60))
def test_any_customid_is_an_action_or_none(custom_id: str) -> None:
    assert word_of(custom_id) is None or custom_id.startswith("MJ::")
