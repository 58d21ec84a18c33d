"""What may stay of a task: nothing that is not known to be harmless."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.erasure import left_of_error, left_of_params, left_of_result, texts

SECRET = "Zaphodbeeblebrox"
ANY = st.recursive(
    st.sampled_from([SECRET, f"x {SECRET}"]) | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["width", "score"]), inner),
    max_leaves=8,
)
RESULT = st.dictionaries(
    st.sampled_from(["width", "raw_width", "scores", "quadrant", "quadrants", "image_url", "actions", "extra", SECRET]),
    ANY,
)
PARAMS = st.fixed_dictionaries(
    {"with": ANY, "item": ANY, "parent": st.none() | st.fixed_dictionaries({"result": RESULT})}
)


@given(RESULT, PARAMS)
def test_no_word_is_left_wherever_it_stood(result: dict[str, Any], params: dict[str, Any]) -> None:
    assert SECRET not in json.dumps([left_of_result(result), left_of_params(params)])


def test_sizes_choices_and_ids_stay() -> None:
    result = {"width": 3, "image_id": "i", "scores": [{"score": 1.5}], "image_url": "http://x", "by": 2}
    assert left_of_result(result) == {"width": 3, "image_id": "i", "scores": [{"score": 1.5}], "by": 2}
    parent = {"task_id": "t", "external_id": "e", "account": "a", "action": "imagine", "result": result}
    left = left_of_params({"with": {"prompt": "p"}, "item": "p", "quadrant": 2, "accounts": ["a"], "parent": parent})
    assert (left["quadrant"], left["accounts"], left["parent"]["external_id"]) == (2, ["a"], "e")
    assert set(left) == {"quadrant", "accounts", "parent"}


@pytest.mark.parametrize(
    ("code", "left"), [("api_error", "api_error"), ("40.1-x", "40.1-x"), (f"no {SECRET}", "erased")]
)
def test_of_an_error_its_code_stays_if_it_is_one(code: str, left: str) -> None:
    error = left_of_error({"code": code, "message": SECRET, "step": "grid", "hint": SECRET})
    assert error == {"code": left, "message": "erased", "step": "grid"}


def test_what_is_not_there_stays_so() -> None:
    assert (left_of_error(None), left_of_result(None)) == (None, None)
    assert list(texts({"a": ["x", {"b": "y"}], "c": 3})) == ["x", "y"]
