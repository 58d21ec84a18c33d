"""Whatever was delivered, the command line shows it: no traceback, nothing that a terminal cannot be sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ops.cli import callbacks, display, tasks

ANY_TEXT = st.text(st.characters(codec=None), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)
CALLBACK = {
    "id": "0190a3a0-0000-7000-8000-000000000001",
    "verdict": "rejected",
    "account": "acedata",
    "received_at": "2026-01-01T00:00:00Z",
    "copies": 1,
    "encoding": "utf-8",
}


def shown(facts: dict[str, display.Cell | None], capsys: pytest.CaptureFixture[str]) -> str:
    display.show_facts(facts)
    text = capsys.readouterr().out
    text.encode()
    return text


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"a":' * 5_000,
        '{"prompt": "\\ud800"}',
        '{"\\udfff": 1}',
        "9" * 5_000,
        '{"a": 1e999, "b": NaN}',
        '"\\u0000\\u001b[2J"',
        "",
    ],
)
def test_a_delivery_is_shown_whatever_its_body(body: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(callbacks.facts(CALLBACK | {"body": body}), capsys)

    assert "rejected" in text
    assert "\x1b" not in text


def test_half_of_a_pair_of_surrogates_is_spelt_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert "a \\ud83d" in shown(callbacks.facts(CALLBACK | {"body": '{"prompt": "a \\ud83d"}'}), capsys)


def test_a_body_that_is_not_whole_is_said_to_be_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert "***" in shown(callbacks.facts(CALLBACK | {"masked": True, "body": "{}"}), capsys)
    assert "***" not in shown(callbacks.facts(CALLBACK | {"masked": False, "body": "{}"}), capsys)


@given(ANY_TEXT | JSON.map(json.dumps), st.none() | ANY_TEXT, st.none() | ANY_TEXT)
@example("\x0b\x1c\x85\u2028", "[/red]", "[bold")
def test_any_delivery_can_be_shown(body: str, reason: str | None, content_type: str | None) -> None:
    facts = callbacks.facts(CALLBACK | {"body": body, "reason": reason, "content_type": content_type})

    for value in facts.values():
        display.visible(str(value)).encode()


@given(JSON, JSON, st.none() | ANY_TEXT)
def test_any_result_and_error_can_be_shown(result: Any, message: Any, external_id: str | None) -> None:
    task = {"id": "t", "run_id": "r", "step": "grid", "action": "imagine", "attempt": 1, "state": "failed"}
    error = {"code": "x", "message": message}

    for value in tasks.facts({**task, "result": result, "error": error, "external_id": external_id}).values():
        display.visible(str(value)).encode()
