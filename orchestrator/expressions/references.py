"""Which steps, inputs and other variables an expression speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.expressions.measure import LOOPS

NAMED = frozenset({"steps", "inputs"})


@dataclass(frozen=True, slots=True)
class References:
    """What an expression speaks of. steps, inputs: the names after ``steps.`` and ``inputs.``. others: other variables.

    whole: those of ``steps`` and ``inputs`` that are used without a name that can be read off, as in ``steps[x]``.
    """

    steps: frozenset[str] = frozenset()
    inputs: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()

    def __or__(self, other: References) -> References:
        return References(
            self.steps | other.steps,
            self.inputs | other.inputs,
            self.others | other.others,
            self.whole | other.whole,
        )


def read_references(tokens: Sequence[str], variables: Iterable[str]) -> References:
    """tokens: of the whole expression, without spaces; variables: every name in it that is no field of another."""
    named: dict[str, set[str]] = {name: set() for name in NAMED}
    whole: set[str] = set()
    padded = ["", *tokens, "", "", ""]
    for at, token in enumerate(tokens, start=1):
        if token not in NAMED or padded[at - 1] == ".":
            continue
        if name := _selected(padded[at + 1 : at + 4]):
            named[token].add(name)
        else:
            whole.add(token)
    return References(
        steps=frozenset(named["steps"]),
        inputs=frozenset(named["inputs"]),
        others=frozenset(variables) - NAMED - _bound(tokens),
        whole=frozenset(whole),
    )


def _selected(after: Sequence[str]) -> str | None:
    """NAME of what follows: ``.NAME`` or ``["NAME"]``."""
    if after[0] == "." and after[1].isidentifier():
        return after[1]
    if after[0] == "[" and after[2] == "]" and after[1][0] in {'"', "'"} and "\\" not in after[1]:
        return after[1].strip("\"'")
    return None


def _bound(tokens: Sequence[str]) -> frozenset[str]:
    """The names that comprehensions give to their elements."""
    calls = zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False)
    return frozenset(name for loop, bracket, name, comma in calls if loop in LOOPS and bracket == "(" and comma == ",")
