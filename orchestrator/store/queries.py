"""Named SQL statements, read from sql/*.sql: the only place where SQL text lives besides the migrations."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import LiteralString, cast

_HEAD = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def load(table: str) -> dict[str, LiteralString]:
    """The statements of sql/<table>.sql by name. Each begins with ``-- name: <name>`` and a one-sentence comment."""
    return statements(resources.files(__package__).joinpath("sql", f"{table}.sql").read_text(encoding="utf-8"))


def statements(text: str) -> dict[str, LiteralString]:
    """The statements of a file's text by name."""
    parts = _HEAD.split(text)[1:]
    # The text comes from our own files, never from input, which is what LiteralString stands for.
    return {name: cast("LiteralString", body.strip()) for name, body in zip(parts[::2], parts[1::2], strict=True)}
