"""The log of a process under test: every line is looked at, and a copy of none is kept."""

from __future__ import annotations

import io
import json
import re
from collections import Counter

CALM = frozenset({"debug", "info"})
# Of one word of the line; what the API has behind an id, as in /v1/callbacks/<id>/replay, is shorter than any token.
_TOKEN = re.compile(r"/callbacks/[^/\s\"]+/[\w%-]{22}")


class Journal(io.TextIOBase):
    """Takes the place of stderr. troubles: the lines that should not have been written. levels: how many of each."""

    encoding = "utf-8"

    def __init__(self) -> None:
        super().__init__()
        self.levels: Counter[str] = Counter()
        self.troubles: list[str] = []

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        text.encode()  # as a file would
        for line in text.splitlines() if text.strip() else ():
            self._judge(line)
        return len(text)

    def _judge(self, line: str) -> None:
        try:
            entry = json.loads(line)
            level = entry["level"]
        except (ValueError, KeyError, TypeError):
            level, entry = "not a line of the log", {}
        self.levels[level] += 1
        if level not in CALM or "exception" in entry:
            self.troubles.append(line[:3000])
        elif _TOKEN.search(line):
            self.troubles.append(f"a token in the log: {line[:500]}")
