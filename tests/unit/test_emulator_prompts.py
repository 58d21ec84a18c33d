"""Prompts are taken apart as the service does: images, words, parameters, and what is wrong with them."""

from __future__ import annotations

import pytest

from ops.emulator.prompts import quadrant_size, read_prompt


def test_a_prompt_has_images_words_and_parameters() -> None:
    read = read_prompt("https://h/a.png https://h/b.png the bear --iw 2 --ar 16:9 --no trees, cars --tile")
    assert read.images == ["https://h/a.png", "https://h/b.png"]
    assert read.text == ["the", "bear"]
    assert read.parameters == {"iw": ["2"], "ar": ["16:9"], "no": ["trees,", "cars"], "tile": []}
    assert (read.failure(), read.ratio) == (None, (16, 9))


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a cat -c x", "`-c`, `x`"),
        ("a cat --nope", "`--nope`"),
        ("a cat --nope 3 --ar 1:1", "`--nope`, `3`"),
        ("a cat --iw2", "`--iw2`"),
        ("a cat --ar 1:1 and a dog", "`and`, `a`, `dog`"),
    ],
)
def test_unknown_arguments_are_listed(prompt: str, words: str) -> None:
    assert read_prompt(prompt).failure() == ("bad_request", f"Unrecognized argument(s): {words}")


@pytest.mark.parametrize("value", ["", "3", "3by2", "0:1", "1:0", "a:b", "1:2:3", "-1:2"])
def test_wrong_ratios_are_invalid(value: str) -> None:
    failure = read_prompt(f"a cat --ar {value}").failure()
    assert failure is not None
    assert failure[0] == "bad_request"


@pytest.mark.parametrize(
    "prompt", ["a well-known cat - or so -", "a cat 3-5 years old -5 degrees", "a cat \u2014ar 3:2"]
)
def test_dashes_that_are_no_flags_do_no_harm(prompt: str) -> None:
    assert read_prompt(prompt).failure() is None


def test_words_for_tests_trigger_their_outcome() -> None:
    assert read_prompt("Forbidden-word!").moderated()
    assert read_prompt("forbidden-later").failure() == ("moderation", read_prompt("forbidden-later").failure()[1])  # type: ignore[index]  # a failure is sure here
    broken = read_prompt("a broken-job").failure()
    assert broken is not None
    assert broken[0] == "broken"


@pytest.mark.parametrize(
    ("version", "modern"), [("", False), ("--v 5.2", False), ("--v 6", True), ("--version 7", True)]
)
def test_versions_from_six_are_modern(version: str, modern: bool) -> None:
    assert read_prompt(f"a cat {version}").modern is modern


@pytest.mark.parametrize("ratio", [(1, 1), (16, 9), (9, 21), (4, 5), (100, 1), (1, 9999)])
def test_quadrants_divide_by_four_at_every_size(ratio: tuple[int, int]) -> None:
    for image_size in (64, 256, 2048):
        width, height = quadrant_size(ratio, image_size)
        assert width % 4 == height % 4 == 0
        assert min(width, height) >= 16
    width, height = quadrant_size(ratio, 2048)
    assert (width > height) == (ratio[0] > ratio[1])
