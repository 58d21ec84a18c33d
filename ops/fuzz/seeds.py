"""What the mutations begin with: the recorded deliveries of the three dialects, their job's name made a blank."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parents[2] / "tests" / "fixtures"
DIALECTS = ("acedata", "mjproxy", "imagineapi")
JOB = "the-job's-name"  # stands in a seed where the job's id stood
_NAMES = {"acedata": "task_id", "mjproxy": "id", "imagineapi": "id"}
_LONGEST_WORD = 60
_SHORT = {
    "acedata": (
        '{"success": true, "task_id": "a", "trace_id": "b"}',
        '{"success": false, "error": {"code": "used_up", "message": "m"}, "trace_id": "b"}',
        '{"descriptions": ["a fox", "a red fox"], "task_id": "a"}',
        '{"prompts": ["a fox"], "content": "x", "seed": "1", "task_id": "a"}',
        '{"items": [], "count": 0}',
    ),
    "mjproxy": (
        '{"code": 1, "description": "ok", "result": "18", "properties": {}}',
        '{"code": 21, "description": "m", "result": "18", "properties": {"status": "MODAL", "remix": true}}',
        '{"code": 22, "description": "m", "result": "18", "properties": {"numberOfQueues": 3}}',
        '{"code": 24, "description": "m", "properties": {"bannedWord": "x"}}',
        '{"error": {"message": "m", "type": "t", "code": "c"}}',
    ),
    "imagineapi": (
        '{"data": {"id": "a", "status": "pending", "prompt": "a red fox", "ref": null, "progress": null}}',
        '{"errors": [{"message": "m", "extensions": {"code": "FORBIDDEN", "field": "ref"}}]}',
        '{"data": []}',
        '{"data": {"id": "u", "email": "e"}}',
    ),
}


@dataclass(frozen=True, slots=True)
class Seeds:
    """One dialect's recordings. bodies: JSON texts of single objects; keys, words: all that stand in them."""

    dialect: str
    bodies: tuple[str, ...]
    keys: tuple[str, ...]
    words: tuple[Any, ...]


def seeds(folder: Path = RECORDED) -> dict[str, Seeds]:
    """The recordings in ``<folder>/<dialect>/deliveries``. Raises FileNotFoundError when there are none."""
    return {dialect: _of(dialect, folder / dialect) for dialect in DIALECTS}


def answer_seeds(folder: Path = RECORDED) -> dict[str, Seeds]:
    """What a provider answers to submissions and look-ups: the deliveries, ``tasks``, and a few short ones."""
    return {dialect: _of(dialect, folder / dialect, "tasks", _SHORT[dialect]) for dialect in DIALECTS}


def _of(dialect: str, folder: Path, more: str = "deliveries", short: tuple[str, ...] = ()) -> Seeds:
    paths = sorted(path for kind in {"deliveries", more} for path in (folder / kind).glob("*.*json"))
    texts = [path.read_text(encoding="utf-8") for path in paths if not path.name.endswith(".events.json")]
    texts += short
    documents = [_blanked(dialect, one) for text in texts for one in _objects(text)]
    if not documents:
        raise FileNotFoundError(f"there are no recorded deliveries in {folder}")
    keys = {key: None for one in documents for key in _keys(one)}
    words = {json.dumps(leaf): leaf for one in documents for leaf in _leaves(one)}
    return Seeds(dialect, tuple(map(json.dumps, documents)), tuple(keys), tuple(words.values()))


def _objects(text: str) -> Iterator[dict[str, Any]]:
    decoder, place = json.JSONDecoder(), 0
    while place < len(text.rstrip()):
        value, place = decoder.raw_decode(text, place + len(text[place:]) - len(text[place:].lstrip()))
        yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict))


def _blanked(dialect: str, document: dict[str, Any]) -> dict[str, Any]:
    """The document with the blank in place of its job's id, wherever the dialect has it."""
    key = _NAMES[dialect]
    inner = {name: _blanked(dialect, one) for name, one in document.items() if isinstance(one, dict)}
    return document | inner | ({key: JOB} if isinstance(document.get(key), str | int) else {})


def _keys(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from node
    for child in _children(node):
        yield from _keys(child)


def _leaves(node: Any) -> Iterator[Any]:
    if not isinstance(node, dict | list) and node != JOB and len(str(node)) <= _LONGEST_WORD:
        yield node
    for child in _children(node):
        yield from _leaves(child)


def _children(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []
