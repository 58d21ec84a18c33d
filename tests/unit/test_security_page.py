"""Every line of the threat model names a test, and every test it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@cache
def names_in(path: str) -> frozenset[str]:
    parsed = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in parsed.body if isinstance(node, ast.FunctionDef))


def lines() -> list[str]:
    """The lines of the tables of threats."""
    tables = re.findall(r"^\| threat \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [line for table in tables for line in table.splitlines()]


def test_every_threat_has_a_test() -> None:
    assert len(lines()) > 50
    assert [line for line in lines() if not NAMED.search(line.split("|")[3])] == []


def test_every_test_that_is_named_exists() -> None:
    missing = [f"{path}::{name}" for path, name in NAMED.findall(PAGE) if name not in names_in(path)]
    assert missing == []
    assert len(NAMED.findall(PAGE)) == PAGE.count("`tests/") - 1, "a name that is not written as path::name"
