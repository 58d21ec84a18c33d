"""From text to a document: the traps of YAML, and bounds."""

from __future__ import annotations

import json

import pytest
from pipeline_documents import GOOD

from orchestrator import loader
from orchestrator.errors import InvalidPipeline


def test_words_that_json_does_not_have_are_text() -> None:
    words = "on: yes\nno: off\nday: 2024-01-01\ntime: 1:30\nhex: 0x10\nold: 010\n<<: x\n"
    text = words + "t: true\nn: ~\nf: 1e3\ng: -0.5\nh: .5\ni: -12\nj: 1.\ne:"

    assert loader.read(text, "x") == {
        "on": "yes", "no": "off", "day": "2024-01-01", "time": "1:30", "hex": "0x10", "old": "010",
        "t": True, "n": None, "f": 1000.0, "g": -0.5, "h": 0.5, "i": -12, "j": 1.0, "e": None, "<<": "x",
    }  # fmt: skip


def test_json_is_read_as_json() -> None:
    text = json.dumps(GOOD | {"description": "\U0001f98a \t"}, indent="\t")

    assert loader.read(text, "x") == GOOD | {"description": "\U0001f98a \t"}


def test_aliases_repeat_what_they_name() -> None:
    text = "a: &a {x: [1]}\nb: *a"

    assert loader.read(text, "x") == {"a": {"x": [1]}, "b": {"x": [1]}}


BOMB = "\n".join(
    [
        "a: &a [" + "x, " * 9 + "]",
        *(f"{n}: &{n} [" + f"*{p}, " * 9 + "]" for p, n in zip("abcdef", "bcdefg", strict=True)),
    ]
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: {c: 1, c: 2}", "hero.yaml:2:11: the key 'c' stands here twice, first in line 2"),
        ('{"a": 1,\n "a": 2}', "hero.yaml:2:2: the key 'a' stands here twice, first in line 1"),
        ("a: [1\nb: 2", "hero.yaml:2:2: "),
        ("a: *b", "hero.yaml:1:4: found undefined alias"),
        ("a: 1\n---\nb: 2", "hero.yaml:2:1: but found another document"),
        ("a: !!python/object/apply:os.system [ls]", "hero.yaml:1:4: the tag"),
        ("a: !!timestamp 2024-01-01", "hero.yaml:1:4: the tag"),
        ("? [1, 2]\n: 3", "hero.yaml:1:3: a key must be a word"),
        ("a: &a [*a]", "hero.yaml:1:4: nested deeper than 40 levels, or an alias within itself"),
        (BOMB, "more than 20000 values"),
        ("[" * 2000, "hero.yaml: nested too deeply"),
        ('{"a":' * 3000, "hero.yaml: nested too deeply"),
        ("a: " + "x" * 262_144, "hero.yaml: larger than 256 KiB"),
        ("", "hero.yaml: found null; allowed: an object with the keys pipeline and steps"),
        ("- pipeline", 'hero.yaml: found \\["pipeline"\\]; allowed: an object'),
        ("a: \x01", "hero.yaml: a character that YAML does not have"),
        ("a: " + "9" * 5000, "hero.yaml: "),
        ("a: \udc80", "hero.yaml: a character that YAML does not have"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(InvalidPipeline, match=problem) as caught:
        loader.read(text, "hero.yaml")

    assert "\n" not in caught.value.message
