"""JSON on its way into Postgres: what jsonb cannot hold is replaced, and times and ids are written as text."""

from __future__ import annotations

import json
from typing import Any


def dumps(document: Any) -> str:
    """JSON text that jsonb accepts: no NUL, no lone surrogate, no NaN (ValueError)."""
    text = json.dumps(document, default=str, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if "\\u0000" in text:
        text = json.dumps(_without_nul(document), default=str, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "replace").decode("utf-8")


def _without_nul(node: Any) -> Any:
    if isinstance(node, str):
        return node.replace("\x00", "\ufffd")
    if isinstance(node, dict):
        return {_without_nul(key): _without_nul(value) for key, value in node.items()}
    return [_without_nul(value) for value in node] if isinstance(node, list | tuple) else node
