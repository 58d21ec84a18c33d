"""The text of expressions: where they stand in a string, their tokens, and how an error names them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.errors import InvalidExpression

LONGEST = 2_000  # characters of one expression

TOKEN = re.compile(
    r"""
      (?P<space>\s+ | //[^\n]*)
    | (?P<text>[bB]?[rR][bB]?(?:\"{3}.*?\"{3} | '{3}.*?'{3} | "[^"\n]*" | '[^'\n]*')
        | [bB]?(?:\"{3}(?:\\.|[^\\])*?\"{3} | '{3}(?:\\.|[^\\])*?'{3} | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'))
    | (?P<name>[A-Za-z_]\w*)
    | (?P<number>\d[\w.]*)
    | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)


def parts(text: str) -> Iterator[tuple[bool, str]]:
    """(is it an expression, text) for the pieces of a string, in order."""
    literal, at = "", 0
    while (found := text.find("${", at)) >= 0:
        if found > at and text[found - 1] == "$":
            literal, at = literal + text[at : found - 1] + "${", found + 2
            continue
        if literal or found > at:
            yield False, literal + text[at:found]
        literal, end = "", _closing(text, found + 2)
        yield True, text[found + 2 : end].strip()
        at = end + 1
    if literal or at < len(text):
        yield False, literal + text[at:]


def _closing(text: str, start: int) -> int:
    """Where the brace is that ends the expression: not one in a string, nor of a map."""
    depth = 0
    for token in TOKEN.finditer(text, start, start + LONGEST + 1):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth < 0:
            return token.start()
    raise invalid(text[start:], f"it is not closed by a brace within {LONGEST} characters")


def bare(expression: str) -> str:
    """The expression without the ``${}`` around it. Raises InvalidExpression when it stands in other text."""
    text = expression.strip()
    if not text.startswith("${"):
        return text
    pieces = list(parts(text))
    if len(pieces) != 1:
        raise invalid(text, "one expression is wanted here, without other text around it")
    return pieces[0][1]


def invalid(expression: str, reason: str) -> InvalidExpression:
    """The error that names an expression, shortened to one line, and what is wrong with it."""
    line = " ".join(expression.split())
    return InvalidExpression(f"expression {line if len(line) <= 80 else line[:77] + '...'!r}: {reason}")
