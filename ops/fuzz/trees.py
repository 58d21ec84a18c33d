"""One change to a JSON document, chosen by a generator: types swapped, keys dropped, doubled, renamed, nested.

What JSON's own writer would not write (a key twice, a number that is none) stands in the tree as a mark and gets its
form in ``text_of``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

from ops.fuzz.hostile import JSON_TOKENS, TEXTS, TOKENS
from ops.fuzz.seeds import JOB, Seeds

_TWIN, _TOKEN = "\x1d", "\x1e"  # marks: of a key that stands here again, and around the number of a token
_TWINS = re.compile(r"\\u001d\d*|\x1d\d*")
_TOKENS = re.compile(r'"(?:\\u001e|\x1e)(\d+)"')
_DEEP = 5  # how often a place is sought further in
_ODD_KEYS = ("", " ", "\x00", "\ud800", "__proto__", "constructor", "$ref", "x" * 300, "id ", "ID", "Id", "a.b", "😀")

Tree = Any
Parent = dict[str, Any] | list[Any]


def changed(random: Random, seeds: Seeds, tree: Tree) -> Tree:
    """The tree with one change; it is changed in place where that is possible."""
    parent, key = _place(random, tree)
    if parent is None:
        return _other(random, seeds, tree)
    change = random.choice(_CHANGES)
    change(random, seeds, parent, key)
    return tree


def token(random: Random) -> str:
    """A mark for something that is written as it is."""
    return f"{_TOKEN}{random.choice(JSON_TOKENS) if random.random() < 0.8 else random.randrange(len(TOKENS))}"


def text_of(random: Random, tree: Tree) -> str:
    """The tree as text that looks like JSON, in one of the ways to lay it out."""
    ascii_only = random.random() < 0.5
    style = random.choice(_STYLES)
    text = json.dumps(tree, ensure_ascii=ascii_only, **style)
    if "\x1d" in text or "\\u001d" in text:
        text = _TWINS.sub("", text)
    return _TOKENS.sub(lambda found: TOKENS[int(found[1])], text)


def _place(random: Random, tree: Tree) -> tuple[Parent | None, Any]:
    """A child somewhere in the tree as its parent and its key; (None, None) for the tree itself."""
    parent, key, node = None, None, tree
    for _ in range(_DEEP):
        if not isinstance(node, dict | list) or not node:
            break
        parent, key = node, random.choice(list(node)) if isinstance(node, dict) else random.randrange(len(node))
        node = parent[key]
        if random.random() < 0.4:
            break
    return (parent, key) if random.random() < 0.97 else (None, None)


def _other(random: Random, seeds: Seeds, former: Any) -> Any:
    """Something else in the place of a value."""
    way = random.randrange(8)
    if way <= 2:
        return token(random)
    if way <= 4:
        return random.choice(TEXTS)
    if way == 5:
        return random.choice(seeds.words)
    return _twisted(random, former)


def _twisted(random: Random, value: Any) -> Any:
    """The same value in another form: a number as text, a text in a list, a list as its length."""
    if isinstance(value, bool) or value is None:
        return random.choice([not value, str(value).lower(), int(bool(value)), [value], {}])
    if isinstance(value, int | float):
        return random.choice([str(value), -value, value + 0.5, value * 10**18, f"{value}%", [value], bool(value)])
    if isinstance(value, str):
        longer = value * (30 if len(value) < 30 else 2)
        ways = [value.upper(), value[::-1], longer, value[: len(value) // 2], f" {value} ", value + "\x00"]
        return random.choice([*ways, [value], {"a": value}, len(value), json.dumps(value), value == JOB])
    if isinstance(value, list):
        return random.choice([len(value), value * 3, value[::-1], [value], dict(enumerate(map(str, value))), value[:1]])
    return random.choice(
        [[list(pair) for pair in value.items()], [value], json.dumps(value, default=str), list(value), {"data": value}]
    )


def _replace(random: Random, seeds: Seeds, parent: Parent, key: Any) -> None:
    parent[key] = _other(random, seeds, parent[key])


def _twist(random: Random, _: Seeds, parent: Parent, key: Any) -> None:
    parent[key] = _twisted(random, parent[key])


def _drop(_: Random, __: Seeds, parent: Parent, key: Any) -> None:
    del parent[key]


def _rename(random: Random, seeds: Seeds, parent: Parent, key: Any) -> None:
    new = random.choice(seeds.keys) if random.random() < 0.6 else random.choice(_ODD_KEYS)
    if isinstance(parent, dict):
        parent[new] = parent.pop(key)
    else:
        parent[key] = {new: parent[key]}


def _double(random: Random, seeds: Seeds, parent: Parent, key: Any) -> None:
    """The key a second time, with the same or another value, after all others or before them."""
    value = parent[key] if random.random() < 0.3 else _other(random, seeds, parent[key])
    if isinstance(parent, list):
        parent.insert(key, value)
        return
    twin = f"{key}{_TWIN}{random.randrange(10)}"
    if random.random() < 0.5:
        parent[twin] = value
        return
    rest = dict(parent)
    parent.clear()
    parent.update({twin: value, **rest})


def _add(random: Random, seeds: Seeds, parent: Parent, _: Any) -> None:
    value = _other(random, seeds, None)
    if isinstance(parent, list):
        parent.append(value)
    else:
        parent[random.choice(seeds.keys) if random.random() < 0.7 else random.choice(_ODD_KEYS)] = value


def _swap(random: Random, _: Seeds, parent: Parent, key: Any) -> None:
    other: Any = random.choice(list(parent)) if isinstance(parent, dict) else random.randrange(len(parent))
    parent[key], parent[other] = parent[other], parent[key]


def _nest(random: Random, seeds: Seeds, parent: Parent, key: Any) -> None:
    parent[key] = random.choice([[parent[key]], {random.choice(seeds.keys): parent[key]}, [[[parent[key]]], []]])


def _repeat(random: Random, _: Seeds, parent: Parent, key: Any) -> None:
    parent[key] = [parent[key]] * (random.choice([2, 5, 70, 400]) if len(str(parent[key])) < 30 else 2)


_Change = Callable[[Random, Seeds, Parent, Any], None]
_CHANGES: tuple[_Change, ...] = (
    *(_replace, _replace, _replace, _replace, _twist, _twist, _drop, _rename, _double, _add, _swap, _nest, _repeat),
)
_STYLES: tuple[dict[str, Any], ...] = (
    *({}, {}, {"separators": (",", ":")}, {"separators": (",", ":")}),
    *({"indent": 1}, {"separators": (" ,\n", "\t: ")}),
)
