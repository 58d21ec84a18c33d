"""The numbered paragraphs of a description or of a shortened prompt, apart."""

from __future__ import annotations

import re

# "1️⃣ ", "1. ", "1) " or "1、" at the beginning of a line. A bare digit is part of the text.
_NUMBER = re.compile(r"^[ \t]*[0-9]{1,2}(?:\ufe0f?\u20e3|[.)、](?=\s))[ \t]*", re.MULTILINE)


def paragraphs(text: str) -> list[str]:
    """What follows each number, in order; the whole text when nothing in it is numbered. Blank ones are left out."""
    first = _NUMBER.search(text)
    parts = _NUMBER.split(text[first.start() :])[1:] if first else [text]
    return [part.strip() for part in parts if part.strip()]
