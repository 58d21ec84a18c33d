"""Results as plain JSON, within bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from orchestrator.expressions.source import invalid

MOST_NODES = 10_000  # values in one result
MOST_TEXT = 2_000_000  # characters in one result
DEEPEST = 32  # nesting of a result


@dataclass(slots=True)
class Plain:
    """Turns one result into plain JSON, counting as it goes."""

    source: str
    nodes: int = 0
    text: int = 0

    def plain(self, value: Any, depth: int = 0) -> Any:
        """Raises InvalidExpression for what JSON does not have, and for what is too large."""
        self.nodes += 1
        self.text += len(value) if isinstance(value, str) else 0
        if self.nodes > MOST_NODES or self.text > MOST_TEXT or depth > DEEPEST:
            raise invalid(self.source, "its value is too large")
        if isinstance(value, list):
            return [self.plain(item, depth + 1) for item in value]
        if isinstance(value, dict):
            return {self._key(key): self.plain(item, depth + 1) for key, item in value.items()}
        if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
            return value
        raise invalid(self.source, f"it gives {word(value)}, which JSON does not have; string() may help")

    def _key(self, key: Any) -> str:
        if isinstance(key, str):
            self.text += len(key)
            return key
        raise invalid(self.source, "it gives a map whose keys are not text")


def word(value: Any) -> str:
    """What a value is, for a message."""
    words = {type(None): "null", str: "text", list: "a list", dict: "an object", bool: "true or false"}
    return words.get(type(value), "a number" if isinstance(value, int | float) else type(value).__name__)
