"""What is kept of a request: everything but the bulk."""

from __future__ import annotations

from ops.emulator.journal import shortened


def test_pictures_are_kept_as_their_length_in_lists_too() -> None:
    body = {"prompt": "a quiet lake", "mask": "x" * 5000, "base64Array": ["y" * 6000, "z"], "n": 1}
    kept = {"prompt": "a quiet lake", "mask": "<5000 characters>", "base64Array": ["<6000 characters>", "z"], "n": 1}
    assert shortened(body) == kept
