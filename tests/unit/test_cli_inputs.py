from __future__ import annotations

import base64
from pathlib import Path

import pytest

from ops.cli.failures import Refused
from ops.cli.inputs import from_file, typed

DECLARED = {
    "prompt": {"type": "string", "required": True},
    "style": "string",
    "count": {"type": "integer"},
    "weight": {"type": "number"},
    "tile": {"type": "boolean"},
    "urls": {"type": "list"},
    "extra": {"type": "object"},
    "mask": {},
}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("prompt=a=b", {"prompt": "a=b"}),
        ("prompt=7", {"prompt": "7"}),
        ("prompt=", {"prompt": ""}),
        ("style=@@home", {"style": "@home"}),
        ("count=7", {"count": 7}),
        ("weight=1.5", {"weight": 1.5}),
        ("tile=yes", {"tile": True}),
        ("tile=False", {"tile": False}),
        ('urls=["a", 1]', {"urls": ["a", 1]}),
        ("urls=https://x.test/?a=1", {"urls": ["https://x.test/?a=1"]}),
        ('extra={"a": [1]}', {"extra": {"a": [1]}}),
    ],
)
def test_words_become_values_of_the_declared_types(word: str, expected: object) -> None:
    assert typed([word], DECLARED) == expected


def test_a_repeated_list_is_gathered() -> None:
    assert typed(["urls=a", "urls=b", "urls=3"], DECLARED) == {"urls": ["a", "b", 3]}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["prompt"], "not of the form name=value"),
        (["promt=x"], "did you mean 'prompt'"),
        (["count=1.5"], "a whole number"),
        (["weight=nan"], "a number"),
        (["tile=maybe"], "true, false"),
        (["urls=[1"], "a JSON list"),
        (["extra=[1]"], "a JSON object"),
        (["prompt=a", "prompt=b"], "given 2 times"),
        (["prompt=@/no/such/file"], "cannot be read"),
    ],
)
def test_what_does_not_fit_is_named(words: list[str], told: str) -> None:
    with pytest.raises(Refused, match=told):
        typed(words, DECLARED)


def test_a_file_gives_its_text_and_a_picture_its_base64(tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("two\nlines\n")
    (tmp_path / "mask.png").write_bytes(b"\x89PNG\r\n\0\xff")

    values = typed([f"prompt=@{tmp_path / 'prompt.txt'}", f"mask=@{tmp_path / 'mask.png'}"], DECLARED)

    assert values == {"prompt": "two\nlines", "mask": base64.b64encode(b"\x89PNG\r\n\0\xff").decode()}


def test_an_input_file_is_a_json_object(tmp_path: Path) -> None:
    path = tmp_path / "inputs.json"
    path.write_text('{"count": 2}')
    assert from_file(path) == {"count": 2}

    path.write_text("[1]")
    with pytest.raises(Refused, match="an object"):
        from_file(path)
