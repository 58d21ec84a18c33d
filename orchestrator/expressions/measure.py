"""How much work an expression can be: CEL has no endless loops, but its comprehensions multiply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_STEPS = 250_000  # iterations of the comprehensions of one expression: a few seconds at the very worst
MOST_BUILT = 200_000_000  # characters that one expression may put together on its way

LOOPS = frozenset({"map", "filter", "exists", "exists_one", "all"})


@dataclass(frozen=True, slots=True)
class Shape:
    """Of an expression: its comprehensions, how deep they are nested, the ``+`` and ``,`` by which values can grow."""

    length: int
    loops: int
    depth: int
    growth: int

    def weigh(self, context: Mapping[str, Any]) -> str | None:
        """Why the expression would be too much work on this context; None when it is not. An estimate from above."""
        if not self.loops:
            return None
        longest, text = _extent(context)
        # The most that a value can grow when the additions are spread over the loops as badly as possible.
        factor = (self.growth / (self.loops + 1) + 1) ** (self.loops + 1)
        steps = (factor * max(longest, 1)) ** self.depth * self.loops
        if steps > MOST_STEPS:
            return "its comprehensions would take too many steps over these lists; use shorter lists or nest less"
        if steps * factor * max(text, self.length) > MOST_BUILT:
            return "its comprehensions could build too large a value; use shorter lists or texts, or add less in them"
        return None


def measure(source: str, tokens: Sequence[str]) -> Shape:
    """The shape of an expression, from its tokens without spaces."""
    loops = depth = signs = 0
    nest: list[bool] = []
    for before, token in zip(["", *tokens], tokens, strict=False):
        match token:
            case "(" | "[" | "{":
                nest.append(before in LOOPS)
                loops += nest[-1]
                depth = max(depth, sum(nest))
            case ")" | "]" | "}" if nest:
                nest.pop()
            case "+" | ",":
                signs += 1
    return Shape(len(source), loops, depth, max(0, signs - loops))


def _extent(value: Any) -> tuple[int, int]:
    """The longest list or map and the longest text in a value."""
    if isinstance(value, str):
        return 0, len(value)
    if not isinstance(value, Mapping | list | tuple):
        return 0, 0
    inner = [_extent(item) for item in (value.values() if isinstance(value, Mapping) else value)]
    return max([len(value), *(size for size, _ in inner)]), max([0, *(text for _, text in inner)])
