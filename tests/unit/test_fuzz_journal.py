"""What the fuzzer takes for a token in a log, and what it does not."""

from __future__ import annotations

import json

import pytest

from ops.fuzz.journal import Journal

TOKEN = "AQGiAJHzcTpzmJ6oGq0Xi38t0Fz_V4kx-w"
ID = "01980c1e-4f7a-7cc2-9d3e-0123456789ab"


def judged(**said: str) -> list[str]:
    journal = Journal()
    journal.write(json.dumps({"level": "info"} | said) + "\n")
    return journal.troubles


@pytest.mark.parametrize(
    "path", [f"/callbacks/acedata/{TOKEN}", f"/v1/callbacks/{ID}/{TOKEN}", f"/callbacks/a/%41{TOKEN}"]
)
def test_a_token_is_trouble(path: str) -> None:
    (trouble,) = judged(path=path)
    assert trouble.startswith("a token in the log")


def test_a_path_of_the_api_is_none_whatever_stands_beside_it() -> None:
    assert judged(path=f"/v1/callbacks/{ID}/replay", next=f"/v1/runs/{ID}") == []
    assert judged(path="/v1/callbacks/", next=f"see/{ID}") == []
    assert judged(path="/callbacks/acedata/***") == []
