"""Everything that is wrong with a document, gathered so that it can be said at once."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from orchestrator.errors import InvalidPipeline

MOST_NAMED = 3  # problems that the summary quotes; ``fields`` has them all


class Problems:
    """Keys such as ``steps.best.by``, each with sentences on what was found and what is allowed."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._fields: dict[str, list[str]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._fields

    def add(self, key: str, sentence: str) -> None:
        known = self._fields.setdefault(key, [])
        if sentence not in known:
            known.append(sentence)

    def merge(self, prefix: str, messages: Mapping[Any, Any]) -> None:
        """Take over marshmallow's tree of messages."""
        for key, value in messages.items():
            path = prefix if key == "_schema" else f"{prefix}.{key}" if prefix else str(key)
            if isinstance(value, Mapping):
                self.merge(path, value)
            else:
                for sentence in value:
                    self.add(path, str(sentence))

    def raise_any(self) -> None:
        """Raises InvalidPipeline when there is any problem."""
        if not self._fields:
            return
        lines = [f"{key}: {sentence}" if key else sentence for key, said in self._fields.items() for sentence in said]
        count = "" if len(lines) == 1 else f"{len(lines)} problems: "
        more = f"; and {len(lines) - MOST_NAMED} more" if len(lines) > MOST_NAMED else ""
        raise InvalidPipeline(f"{self._where}: {count}{'; '.join(lines[:MOST_NAMED])}{more}", fields=self._fields)


def found(value: Any, allowed: str) -> str:
    """The sentence for a value that is not allowed."""
    return f"found {shown(value)}; allowed: {allowed}"


def unknown(name: Any, known: Iterable[str], of: str = "allowed") -> str:
    """The sentence for a name that is none of the known ones."""
    names = list(known)
    return f"found {shown(name)}{near(name, names)}; {of}: {', '.join(names) or 'none'}"


def near(name: Any, known: Collection[str]) -> str:
    """The name that was probably meant, as the end of a sentence; empty when nothing is near."""
    close = get_close_matches(str(name), known, n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def shown(value: Any) -> str:
    """A value on one short line."""
    if isinstance(value, str):
        text = repr(value if len(value) <= 61 else value[:60] + "…")
    elif isinstance(value, list | tuple | Mapping) and len(value) > 20:
        text = f"{'an object' if isinstance(value, Mapping) else 'a list'} of {len(value)} entries"
    else:
        text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 80 else text[:79] + "…"
